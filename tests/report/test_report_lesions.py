"""Lesions by size and one by one: counts that add up, the largest misses first, and old runs without any."""

import csv
import io
import json

import numpy as np
import pytest

from msseg.evaluation.scores import CaseScores
from msseg.metrics.lesions import LesionRow
from msseg.report.collect import collect_runs
from msseg.report.lesions import SHOWN, lesion_views, size_in_words, strata_of, told
from msseg.report.page import make_report
from msseg.report.rows import build_rows
from msseg.report.tables import measured_on_lesions, summary_rows
from msseg.report.writers import lesions_csv


def lesion(kind, verdict, volume, overlap=0.0, centre=(0.0, 0.0, 0.0)):
    return LesionRow("a", 1, kind, centre, volume, overlap, verdict, "10-50")


def rows_of(*runs):
    return build_rows(collect_runs(runs))


def without_lesions(run):
    """The run as it was before lesions were counted."""
    for path in run.glob("*/evaluation.json"):
        content = json.loads(path.read_text())
        old = ("dsc", "iou", "sensitivity", "precision", "hd95_mm", "assd_mm", "tp", "fp", "fn")
        names = (*old, *(key for key in content["summary"] if key.startswith("volume")), "case", "group")
        content["cases"] = [{key: case[key] for key in case if key in names} for case in content["cases"]]
        content["summary"] = {key: value for key, value in content["summary"].items() if key in names}
        content["pooled"] = {key: value for key, value in content["pooled"].items() if key in names}
        for key in ("strata", "cohort"):
            content.pop(key, None)
        content["settings"].pop("lesions", None)
        path.write_text(json.dumps(content))
    return run


def test_strata_hold_the_lesions_of_all_cases(make_run):
    rows = rows_of(make_run("one", errors={"FLAIR": 0.3}))
    (one,) = strata_of(rows)
    *parts, together = one.parts
    lesions = [row for scored in rows[0].evaluation.cases for row in scored.lesions]
    truth = [row for row in lesions if row.kind == "truth"]
    assert [part.stratum for part in parts] == ["<10", "10-50", "50-250", ">=250"]
    assert sum(part.lesions_truth for part in parts) == together.lesions_truth == len(truth) == 4
    assert together.lesions_found == sum(row.verdict == "TP" for row in truth)
    assert together.lesions_false == sum(row.verdict == "FP" for row in lesions)
    assert together.ltpr == together.lesions_found / together.lesions_truth
    for part in parts:
        expected = [row for row in truth if row.stratum == part.stratum]
        assert part.lesions_truth == len(expected)


def test_the_largest_misses_come_first(make_run):
    volumes = [float(volume) for volume in np.random.default_rng(0).permutation(np.arange(1, 41))]
    rows = [
        *(lesion("truth", "FN", volume) for volume in volumes),
        *(lesion("prediction", "FP", volume) for volume in volumes),
        lesion("truth", "TP", 30, 15),
        lesion("truth", "TP", 30, 3),
        lesion("prediction", "TP", 30, 1),
    ]
    views = lesion_views(CaseScores("a", {}, lesions=tuple(rows)), None)
    shown = [(view.verdict, view.cells[1]) for view in views]
    assert shown[: SHOWN["FN"]] == [("missed", str(40 - place)) for place in range(SHOWN["FN"])]
    assert shown[SHOWN["FN"] :][: SHOWN["FP"]] == [("false", str(40 - place)) for place in range(SHOWN["FP"])]
    assert [(view.verdict, view.cells[2]) for view in views[SHOWN["FN"] + SHOWN["FP"] :]] == [
        ("found", "10 %"),
        ("found", "50 %"),
    ]


def test_a_lesion_names_its_axial_slice():
    affine = np.array([[1.0, 0, 0, -10], [0, 1, 0, -12], [0, 0, 3, -15], [0, 0, 0, 1]])
    scored = CaseScores("a", {}, lesions=(lesion("truth", "FN", 20, centre=(-4.6, 2.5, 6.2)),))
    (view,) = lesion_views(scored, affine)
    assert view.cells == ("10–50", "20", "0 %", "−5, 2, 6", "8")  # 6.2 mm = 7.07 slices above the first
    assert lesion_views(scored, None)[0].cells[-1] == "–"


def test_what_is_told_of_a_case():
    values = {"lesions_truth": 12, "lesions_found": 7, "lesions_false": 3}
    assert told(CaseScores("a", values)) == "7 of 12 lesions found, 3 false"
    assert told(CaseScores("a", {"dsc": 1.0})) == ""


@pytest.mark.parametrize(
    ("stratum", "words"), [("<10", "< 10"), ("10-50", "10–50"), (">=250", "≥ 250"), ("all", "all")]
)
def test_sizes_are_written_for_people(stratum, words):
    assert size_in_words(stratum) == words


def test_every_lesion_is_in_the_file(make_run):
    rows = rows_of(make_run("one", errors={"FLAIR": 0.3, "T1": 0.5}))
    lines = list(csv.DictReader(io.StringIO(lesions_csv(rows))))
    assert len(lines) == sum(len(scored.lesions) for row in rows for scored in row.evaluation.cases)
    assert {line["channel"] for line in lines} == {"FLAIR", "T1"}
    assert {line["group"] for line in lines} == {"patient of a", "patient of b"}
    first = rows[0].evaluation.cases[0].lesions[0]
    assert [float(lines[0][key]) for key in ("x_mm", "y_mm", "z_mm")] == list(first.centroid_mm)
    assert float(lines[0]["volume_mm3"]) == first.volume_mm3


def test_runs_from_before_lesions_were_counted_are_reported(make_run, tmp_path):
    old = without_lesions(make_run("old"))
    make_report([old], tmp_path / "out" / "report.html")
    text = (tmp_path / "out" / "report.html").read_text()
    assert 'id="lesions"' not in text
    assert 'id="volumes"' in text
    assert "Slices of interest" in text
    assert not (tmp_path / "out" / "tables" / "lesions.csv").exists()
    assert "ltpr" not in (tmp_path / "out" / "tables" / "summary.csv").read_text()
    assert measured_on_lesions(summary_rows(rows_of(old))) == []


def test_old_and_new_runs_stand_side_by_side(make_run, tmp_path):
    old, new = without_lesions(make_run("old")), make_run("new", "unet3d")
    make_report([old, new], tmp_path / "out" / "report.html")
    text = (tmp_path / "out" / "report.html").read_text()
    assert 'id="lesions"' in text
    assert len(strata_of(rows_of(old, new))) == 1
