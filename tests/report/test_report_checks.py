"""What the data doctor found, as the page tells it, and how long everything took."""

import json
from pathlib import Path

import pytest

from msseg.doctor.facts import CaseFacts, ImageFacts, LabelFacts
from msseg.doctor.findings import Examination, Finding
from msseg.report.checks import CASES_NAMED, check_views, check_warnings
from msseg.report.collect import collect_runs
from msseg.report.page import make_report
from msseg.report.times import duration, times_views, total_seconds

IMAGE = ImageFacts(Path("a.nii.gz"), (20, 24, 12), (1.0, 1.0, 3.0), "LPS", 0.0, -1.0, 9.0, 0.416)
LABEL = LabelFacts(Path("l.nii.gz"), "mask", (0.0, 1.0), 66, 2, 1980.0, 0.0)
ERROR = Finding("error", "empty_label", ("a",), (), "The label of a is empty.", "Check the label.")
NOTE = Finding("note", "spacing", tuple(f"case{n}" for n in range(20)), (), "Spacings differ.", "Nothing to do.")


def examined(*findings, source="data/ms"):
    rows = (CaseFacts("a", "p", {"FLAIR": IMAGE}, LABEL), CaseFacts("b", "p"))
    return Examination(source, "openms", rows, findings, ("too few cases to find outliers",))


def with_check(run, check):
    (run / "check.json").write_text(json.dumps(check.to_json_dict()))
    return run


def test_findings_are_told_with_their_cases_and_advice(make_run):
    (view,) = check_views(collect_runs([with_check(make_run("one"), examined(ERROR, NOTE))]))
    assert view.title == ""
    assert view.told == "2 cases of data/ms (layout openms): 1 error and 1 note."
    assert [finding.severity for finding in view.findings] == ["error", "note"]
    assert view.findings[1].more == 20 - CASES_NAMED
    assert len(view.findings[1].cases) == CASES_NAMED
    assert view.facts[0] == ("a", ("20 × 24 × 12", "1 × 1 × 3", "LPS", "42", "2", "1.98"))
    assert view.facts[1] == ("b", ("–",) * 6)


def test_one_data_set_is_told_once(make_run):
    runs = [make_run("one"), make_run("two", "unet3d"), make_run("three", "unet2d"), make_run("old")]
    with_check(runs[0], examined(ERROR))
    with_check(runs[1], examined(ERROR))
    with_check(runs[2], examined(source="data/other"))
    views = check_views(collect_runs(runs))
    assert [view.title for view in views] == ["one and two", "three"]
    assert views[1].told.endswith("nothing found.")


def test_errors_stand_at_the_top_of_the_page(make_run, tmp_path):
    runs = [with_check(make_run("one"), examined(ERROR, NOTE)), with_check(make_run("two", "unet3d"), examined(ERROR))]
    assert check_warnings(collect_runs(runs)) == [
        "The check of the data found 1 error, see below: The label of a is empty."
    ]
    make_report(runs, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.index("The check of the data found 1 error") < text.index('id="results"') < text.index('id="data"')
    assert "too few cases to find outliers" in text
    assert "Check the label." in text


def test_runs_without_a_check_have_no_such_section(make_run, tmp_path):
    run = make_run("one")
    assert check_views(collect_runs([run])) == []
    make_report([run], tmp_path / "report.html")
    assert 'id="data"' not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 99}', '{"version": 1}'])
def test_a_damaged_check_is_missing(make_run, content):
    run = make_run("one")
    (run / "check.json").write_text(content)
    (read,) = collect_runs([run])
    assert read.check is None
    assert any("check.json" in note for note in read.missing)


def test_times_are_told_for_each_model(make_run):
    run = make_run("one", errors={"FLAIR": 0.2, "T1": 0.4})
    facts = json.loads((run / "FLAIR" / "run.json").read_text())
    (run / "FLAIR" / "run.json").write_text(json.dumps(facts | {"seconds_preparing": 12.5}))
    times = {"seconds_predicting": {"a": 1.0, "b": 3.0}, "seconds_evaluating": 0.6}
    (run / "FLAIR" / "times.json").write_text(json.dumps(times))
    runs = collect_runs([run])
    new, old = times_views(runs)
    assert (new.channel, new.device) == ("FLAIR", "cpu")
    assert new.cells == (
        "12 s", "13 min", "6", "3.1 s (3.1 s – 3.1 s)", "4.0 s", "2.0 s (1.0 s – 3.0 s)", "0.6 s", "13 min",
    )  # fmt: skip
    assert old.cells == ("–", "13 min", "6", "3.1 s (3.1 s – 3.1 s)", "–", "–", "–", "13 min")
    assert total_seconds(runs) == pytest.approx(754 * 2 + 12.5 + 4 + 0.6)


def test_a_damaged_file_of_times_is_missing(make_run):
    run = make_run("one")
    (run / "FLAIR" / "times.json").write_text('{"seconds_predicting": {"a": "long"}}')
    (read,) = collect_runs([run])
    assert read.models[0].times.seconds_predicting == {}
    assert any("times.json" in note for note in read.models[0].missing)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (9.96, "10 s"),
        (89, "89 s"),
        (95, "2 min"),
        (5340, "89 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_short(seconds, words):
    assert duration(seconds) == words
