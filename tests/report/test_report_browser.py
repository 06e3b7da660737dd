"""The page in a browser: it says nothing on the console, asks the network for nothing, and names run nothing."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from msseg.doctor.findings import Examination, Finding
from msseg.report.figures import write_figures
from msseg.report.page import make_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-logging=stderr",
    "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing leaves this machine, whatever a page asks for
    "--virtual-time-budget=5000",
    "--dump-dom",
)
OF_THE_BROWSER = "not an origin"
"""Initiator of requests that no page made: the browser looks for updates."""

RAN = "document.documentElement.setAttribute('data-ran', 'yes')"
HOSTILE = {
    "script": f"<script>{RAN}</script>",
    "closing": f"</title></style></svg><script>{RAN}</script>",
    "image": f'"><img src="http://example.invalid/a.png" onerror="{RAN}">',
    "quote": f"' onmouseover='{RAN}' autofocus onfocus='{RAN}' x='",
    "path": "../../../elsewhere/<b>x</b>",
    "link": f"javascript:{RAN}",
    "template": "{{ 7 * 7 }}{% raw %}",
}


@dataclass(frozen=True)
class Opened:
    """What a browser made of a page."""

    dom: str
    console: list[str]
    requests: list[str]


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def browse(page: Path, folder: Path, place: str = "") -> Opened:
    """Open a page in a browser of its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: chromium)")
    log = folder / "net.json"
    options = [*OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    done = subprocess.run([str(CHROMIUM), *options, page.as_uri() + place], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    events = json.loads(log.read_text())["events"]
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    requests = [request["url"] for request in asked if request["initiator"] != OF_THE_BROWSER]
    return Opened(done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line], requests)


def hostile_run(make_run, root: Path) -> Path:
    """A run in which every name that comes from a file is hostile."""
    names = list(HOSTILE.values())
    subjects = [replace(make_run.subject(name, seed), group=f"of {name}") for seed, name in enumerate(names)]
    config = {"name": HOSTILE["closing"], "data": {"channels": [HOSTILE["script"]], "note": HOSTILE["image"]}}
    run = make_run("run", HOSTILE["image"], subjects=subjects, config=config)
    model = run / "FLAIR"
    facts = json.loads((model / "run.json").read_text())
    (model / "run.json").write_text(json.dumps(facts | {"channels": [HOSTILE["script"]], "device": HOSTILE["image"]}))
    evil = root / "data" / "<img src=x onerror=alert(1)>'.nii.gz"
    cases = json.loads((model / "cases.json").read_text())
    for case in cases:
        case["images"] = {HOSTILE["script"]: case["images"]["FLAIR"], HOSTILE["quote"]: str(evil)}
    cases[0] |= {"label": str(evil)}  # whose absence is told by its name
    (model / "cases.json").write_text(json.dumps(cases))
    (model / "times.json").write_text(json.dumps({"seconds_predicting": dict.fromkeys(names, 1.5)}))
    (run / "versions.json").write_text(json.dumps({HOSTILE["script"]: HOSTILE["image"]}))
    finding = Finding("error", HOSTILE["script"], tuple(names), (evil,), HOSTILE["closing"], HOSTILE["image"])
    check = Examination(HOSTILE["quote"], HOSTILE["script"], (), (finding,), (HOSTILE["closing"],))
    (run / "check.json").write_text(json.dumps(check.to_json_dict()))
    return run


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_page_does_would_be_seen(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><title>x</title><body><script>{RAN}; console.error('heard')</script>"
        '<img src="http://example.invalid/a.png">'
    )
    opened = browse(page, tmp_path)
    assert 'data-ran="yes"' in opened.dom
    assert any("heard" in line for line in opened.console)
    assert opened.requests == ["http://example.invalid/a.png"]


def test_the_report_of_a_run_opens_quietly(trained_run, tmp_path):
    run, _ = trained_run
    make_report([run], tmp_path / "report.html")
    opened = browse(tmp_path / "report.html", tmp_path)
    assert opened.console == []
    assert opened.requests == []
    assert "Residual 3D U-Net" in opened.dom
    assert "Each prediction" in opened.dom
    for section in ("results", "lesions", "volumes", "cases", "curves", "pictures", "times", "runs"):
        assert f'<section id="{section}">' in opened.dom


def test_the_report_of_slices_opens_quietly(make_slices, tmp_path):
    make_report([make_slices("one")], tmp_path / "report.html")
    opened = browse(tmp_path / "report.html", tmp_path)
    assert opened.console == []
    assert opened.requests == []
    assert '<section id="thresholds">' in opened.dom
    assert not {"lesions", "volumes"} & set(re.findall(r'<section id="(\w+)"', opened.dom))


def test_a_link_unfolds_the_part_of_a_page_that_it_leads_to(make_run, tmp_path):
    make_report([make_run("one", errors={"FLAIR": 0.2, "T1": 0.4})], tmp_path / "report.html")
    opened = browse(tmp_path / "report.html", tmp_path, "#case-2-model-2")
    folds = re.findall(r'<details class="model"( open="")?>.*?id="(case-\d-model-\d)"', opened.dom, re.DOTALL)
    assert [name for is_open, name in folds if is_open] == ["case-1-model-1", "case-2-model-2"]
    assert len(folds) == 4


def test_hostile_names_run_nothing(make_run, tmp_path):
    out = tmp_path / "out" / "report.html"
    make_report([hostile_run(make_run, tmp_path)], out)
    opened = browse(out, tmp_path)
    assert opened.console == []
    assert opened.requests == []
    # The page's policy forbids scripts; without it the names have to be harmless by themselves.
    text, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", out.read_text(encoding="utf-8"))
    assert removed == 1
    bare = out.with_name("bare.html")
    bare.write_text(text, encoding="utf-8")
    (tmp_path / "bare").mkdir()
    opened = browse(bare, tmp_path / "bare")
    assert opened.console == []
    assert opened.requests == []
    tags = Tags(opened.dom).found
    assert "script" not in {tag for tag, _ in tags}
    attributes = [pair for _, pairs in tags for pair in pairs]
    assert not [name for name, _ in attributes if name.startswith("on") or name == "data-ran"]
    assert all(str(value).startswith(("#", "data:")) for name, value in attributes if name in ("href", "src"))
    for name in HOSTILE.values():
        assert escape(name, quote=False) in opened.dom


def test_hostile_names_write_nowhere_else(make_run, tmp_path):
    run = hostile_run(make_run, tmp_path)
    before = files_in(tmp_path)
    make_report([run], tmp_path / "out" / "deep" / "report.html")
    made = files_in(tmp_path)
    assert {path: made.get(path) for path in before} == before
    assert {path.relative_to(tmp_path / "out" / "deep").as_posix() for path in made.keys() - before.keys()} == {
        "report.html",
        *(f"tables/{name}" for name in ("cases.csv", "lesions.csv", "summary.csv", "summary.md", "summary.tex")),
    }


def test_figures_of_hostile_names_lie_in_their_folder(make_run, tmp_path):
    subjects = [make_run.subject(name, seed) for seed, name in enumerate(("../../up", "a/b", "a_b", "..", "<b>"))]
    run = make_run("run", subjects=subjects)
    before = files_in(tmp_path)
    written = write_figures([run], tmp_path / "figures")
    made = files_in(tmp_path)
    assert made.keys() - before.keys() == set(written)
    assert {path.parent for path in written} == {tmp_path / "figures"}
    assert len([path for path in written if path.name.startswith("overlay_")]) == len(subjects)
