"""The page: all in one file, nothing from a file is markup, and no run is too broken to be listed."""

import base64
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from msseg.errors import InputError
from msseg.report.page import CASE_LIMIT, make_report

VOID = {"meta", "br", "img", "link", "input", "hr"}
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Collects tags, attributes and table cells, and checks that tags nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def table_of(page, head):
    """The page's first table whose first column has this head."""
    return next(table for table in page.tables if table[0][0] == head)


@pytest.fixture
def report(tmp_path):
    """Writes a report and reads it back."""

    def write(*runs):
        out = tmp_path / "out" / "report.html"
        make_report(runs, out)
        return Page(out.read_text(encoding="utf-8"))

    return write


def test_the_page_is_self_contained(make_run, report):
    page = report(make_run("one"), make_run("two", "unet3d"))
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "xlink:href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), (tag, target)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    style = "".join(page.text)
    assert "@import" not in style
    assert not re.search(r"url\((?!data:)", style)
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'")


def test_links_inside_the_page_lead_somewhere_and_ids_are_unique(make_run, report):
    page = report(make_run("one", errors={"FLAIR": 0.1, "FLAIR+T1": 0.3}), make_run("two", "unet3d"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {attributes["href"] for tag, attributes in page.tags if tag in ("a", "use")}
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_the_tables_show_the_evaluations_numbers(make_run, report):
    run = make_run("one", errors={"FLAIR": 0.1, "T1": 0.6})
    page = report(run)
    summary, cases = page.tables[0], table_of(page, "Case")
    for line in summary[1:]:
        written = json.loads((run / line[1] / "evaluation.json").read_text())
        assert f"{written['summary']['dsc']['mean']:.3f}" in line[4]
        assert f"{written['summary']['dsc']['std']:.3f}" in line[4]
        assert f"{written['pooled']['dsc']:.3f}" in line[-2]
    scores = [float(line[4]) for line in cases[1:]]
    assert len(scores) == 4
    assert scores == sorted(scores)


def test_the_tables_lie_beside_the_page(make_run, report, tmp_path):
    report(make_run("one"))
    names = sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == ["cases.csv", "lesions.csv", "report.html", "summary.csv", "summary.md", "summary.tex"]


def test_names_from_files_are_text(make_run, report, tmp_path):
    subjects = [make_run.subject(EVIL, 1), make_run.subject("b&c|d_e", 2)]
    run = make_run("one", subjects=subjects, errors={"FLAIR": 0.1, "T1": 0.3}, config={"name": f"x{EVIL}"})
    (run / "versions.json").write_text(json.dumps({"msseg": f"1{EVIL}"}))
    (run / "T1" / "evaluation.json").write_text(EVIL)
    page = report(run)
    assert not page.all("script")
    html = (tmp_path / "out" / "report.html").read_text()
    assert EVIL not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert EVIL in "".join(page.text)
    assert "<script>" not in (tmp_path / "out" / "tables" / "summary.md").read_text()


def test_each_test_case_has_its_pictures(make_run, report):
    errors = {"FLAIR": 0.1, "T1": 0.3}
    page = report(make_run("one", errors=errors), make_run("two", "unet3d", errors))
    # two cases x two channels: one grey picture, and marks for the expert and two networks
    images = page.all("image")
    overview = [image for image in images if "slice" not in image.get("id", "slice")]
    assert len(overview) == 4
    assert all(image["href"].startswith("data:image/png") for image in overview)
    labels = [svg["aria-label"] for svg in page.all("svg") if svg["aria-label"].startswith("a, T1:")]
    assert [label.split(":")[1].split(",")[0].strip() for label in labels] == [
        "Image", "Expert", "Residual 3D U-Net", "3D U-Net",
    ]  # fmt: skip
    assert len([label for label in labels if "slice" not in label]) == 4
    assert page.text.count("R") == page.text.count("L") == len(page.all("text")) / 2 > 16


def test_pictures_keep_the_aspect_of_anisotropic_voxels(make_run, report):
    page = report(make_run("one"))
    panel = next(svg for svg in page.all("svg") if "class" not in svg)
    image = page.all("image")[0]
    assert panel["viewbox"] == f"0 0 {image['width']} {image['height']}"
    assert image["preserveaspectratio"] == "none"


def test_curves_are_drawn_for_each_channel(make_run, report):
    page = report(make_run("one", errors={"FLAIR": 0.1, "T1": 0.3}))
    curves = [image for image in page.all("img") if image["alt"].startswith("Loss")]
    assert [image["alt"] for image in curves] == [
        "Loss and validation DSC per epoch on FLAIR",
        "Loss and validation DSC per epoch on T1",
    ]
    svg = base64.b64decode(curves[0]["src"].removeprefix("data:image/svg+xml;base64,"))
    assert ET.fromstring(svg).tag.endswith("svg")


def test_runs_with_settings_versions_and_split_are_described(make_run, report):
    text = " ".join("".join(report(make_run("one")).text).split())
    for part in (
        "base_channels: 8",
        "patch_size: - 8 - 8 - 8",
        "2.13.0",
        "patient of a",
        "1,234,567",
        "13 min",
        "6 (kept: 4)",
    ):
        assert part in text
    assert text.count("Both masks empty: 1; exactly one empty: 0") == 3


def test_the_splits_warnings_stand_at_the_top(make_run, report):
    run = make_run("one")
    split = json.loads((run / "split.json").read_text())
    (run / "split.json").write_text(json.dumps(split | {"warnings": ["patient 5 is on both sides"]}))
    text = "".join(report(run).text)
    assert text.index("patient 5 is on both sides") < text.index("Results by network and channel")


@pytest.mark.parametrize(
    ("lost", "note"),
    [
        (["FLAIR/evaluation.json"], "no evaluation.json"),
        (["FLAIR/cases.json"], "no cases.json"),
        (["FLAIR/epochs.csv"], "no epochs.csv"),
        (["config.yaml", "split.json", "versions.json"], "no split.json"),
        (["FLAIR/predictions/a_mask.nii.gz"], "a_mask.nii.gz does not exist"),
        (["../data/a_FLAIR.nii.gz"], "a_FLAIR.nii.gz does not exist"),
        (["FLAIR/evaluation.json", "FLAIR/cases.json", "FLAIR/epochs.csv"], "No test case has been scored yet"),
    ],
)
def test_what_is_missing_is_listed_and_the_rest_is_shown(make_run, report, lost, note):
    run = make_run("one")
    for name in lost:
        (run / name).unlink()
    page = report(run)
    assert note in "".join(page.text)
    assert ("Results by network and channel" in "".join(page.text)) == ("FLAIR/evaluation.json" not in lost)


def test_a_run_without_test_cases_is_reported(make_run, report):
    text = "".join(report(make_run("one", subjects=[])).text)
    assert "no test cases: the split leaves none" in text
    assert "Training curves" in text


def test_a_case_without_lesion_is_drawn(make_run, report):
    page = report(make_run("one", subjects=[make_run.subject("a", 1, lesion=False)]))
    assert "no lesion in the expert's mask or in a prediction; the middle slice" in "".join(page.text)


def test_long_tables_unfold(make_run, report):
    run = make_run("one", subjects=[make_run.subject("a", 1)])
    path = run / "FLAIR" / "evaluation.json"
    content = json.loads(path.read_text())
    content["cases"] = [content["cases"][0] | {"case": f"case{number}"} for number in range(CASE_LIMIT + 5)]
    path.write_text(json.dumps(content))
    page = report(run)
    assert "Show the other 5 lines" in "".join(page.text)
    assert [len(table) - 1 for table in page.tables if table[0][0] == "Case"] == [CASE_LIMIT, 5]


def test_no_run_folder_writes_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is no run folder"):
        make_report([tmp_path / "empty"], tmp_path / "out" / "report.html")
    assert not (tmp_path / "out").exists()


def test_a_report_that_cannot_be_written_is_an_input_error(make_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        make_report([make_run("one")], tmp_path / "file" / "report.html")


def test_a_failure_on_the_way_leaves_the_old_page(make_run, tmp_path, monkeypatch):
    out = tmp_path / "report.html"
    out.write_text("old")

    def broken(pictures, metrics):
        raise RuntimeError("broken")
        yield

    monkeypatch.setattr("msseg.report.page.case_views", broken)
    with pytest.raises(RuntimeError, match="broken"):
        make_report([make_run("one")], out)
    assert out.read_text() == "old"
    assert not list(tmp_path.glob(".report*"))
