"""Pairing of two evaluations: who is compared, and what has to be said beside the numbers."""

import csv
import json
from pathlib import Path

import pytest

from msseg.errors import InputError
from msseg.evaluation.compare import Comparison, compare_evaluations
from msseg.evaluation.compare_table import format_comparison, p_text
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.groups import read_groups
from msseg.evaluation.scores import CaseScores
from msseg.metrics.lesions import LesionRules

BASE = {"tp": 1, "fp": 1, "fn": 1, "volume_truth_voxels": 2}


def evaluation(scores: dict[str, float], groups: dict[str, str] | None = None, **changes: object) -> Evaluation:
    """DSC by case; HD95 falls as it rises."""
    values = {case: {**BASE, "dsc": dsc, "hd95_mm": 10 * (1 - dsc)} for case, dsc in scores.items()}
    more, owner = changes.get("more", {}), groups or {}
    cases = [CaseScores(case, {**of, **more}, owner.get(case, "")) for case, of in values.items()]
    return Evaluation.from_cases(cases, settings=changes.get("settings", Settings(bootstrap=0)), task="lesions")


SEVEN = {f"c{number}": 0.5 + 0.05 * number for number in range(7)}
BETTER = {case: dsc + 0.02 for case, dsc in SEVEN.items()}
PATIENTS = {case: f"p{number // 2}" for number, case in enumerate(SEVEN)}


def notes(comparison: Comparison) -> str:
    return "\n".join(comparison.notes)


def test_common_cases_are_paired_by_name_and_the_others_named() -> None:
    a = evaluation({**SEVEN, "only_a": 0.1}, PATIENTS)
    b = evaluation({**dict(reversed(BETTER.items())), "new1": 0.1, "new2": 0.2})
    found = compare_evaluations(a, b, ("one.json", "two.json"))
    assert found.cases == tuple(SEVEN)
    assert found.groups == tuple(PATIENTS.values())
    assert found.rows["dsc"].difference == pytest.approx(0.02)
    assert found.rows["hd95_mm"].difference == pytest.approx(-0.2)
    assert found.only == (("only_a",), ("new2", "new1")) or found.only == (("only_a",), ("new1", "new2"))
    assert "only in one.json, and not compared: only_a" in notes(found)
    text = format_comparison(found)
    assert "over 7 cases of 4 patients that both have" in text
    assert "7 of 7" in text


def test_too_few_patients_for_a_small_p_value_is_said() -> None:
    few = compare_evaluations(evaluation(SEVEN, PATIENTS), evaluation(BETTER, PATIENTS))
    assert few.rows["dsc"].p_value == 0.125
    assert "with 4 patients no p value can be below 0.125" in notes(few)
    assert "takes at least 6 patients" in notes(few)
    alone = compare_evaluations(evaluation(SEVEN), evaluation(BETTER), metrics=["dsc"])
    assert alone.rows["dsc"].p_value == pytest.approx(2 / 2**7)
    assert "no p value" not in notes(alone)
    assert "no patient is named" in notes(alone)
    assert "metrics were tested" not in notes(alone)


def test_given_groups_stand_in_for_those_of_the_evaluations() -> None:
    found = compare_evaluations(evaluation(SEVEN), evaluation(BETTER), groups=dict.fromkeys(SEVEN, "p"))
    assert found.rows["dsc"].groups == 1
    with pytest.raises(InputError, match="do not name the patient of c1, c2, c3, c4, c5 and 1 more"):
        compare_evaluations(evaluation(SEVEN), evaluation(BETTER), groups={"c0": "p"})


def test_metrics_are_those_with_a_good_end_unless_named() -> None:
    a, b = (evaluation(scores, more={"volume_difference_mm3": 3.0}) for scores in (SEVEN, BETTER))
    assert list(compare_evaluations(a, b).rows) == ["dsc", "hd95_mm"]
    named = compare_evaluations(a, b, metrics=["volume_difference_mm3"])
    assert list(named.rows) == ["volume_difference_mm3"]
    assert " - " in format_comparison(named)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (evaluation(SEVEN), evaluation({"x": 0.4}), "A and B have no case in common"),
        (evaluation(SEVEN, {"c0": "p"}), evaluation(BETTER, {"c0": "q"}), "c0 is of the patient p in A and of q in B"),
        (evaluation(SEVEN), evaluation(BETTER, more={"volume_truth_voxels": 3}), "c0 was judged against different"),
    ],
)
def test_what_cannot_be_compared(a: Evaluation, b: Evaluation, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_evaluations(a, b)


def test_unknown_and_absent_metrics() -> None:
    with pytest.raises(InputError, match=r"there is no metric dice; A and B have dsc, hd95_mm"):
        compare_evaluations(evaluation(SEVEN), evaluation(BETTER), metrics=["dice"])
    with pytest.raises(InputError, match=r"B has no ltpr: evaluate it anew"):
        compare_evaluations(evaluation(SEVEN, more={"ltpr": 1.0}), evaluation(BETTER), metrics=["ltpr"])


def test_other_rules_are_told_and_other_thresholds_are_not() -> None:
    ours = Settings(threshold=0.5, bootstrap=0, lesions=LesionRules())
    theirs = Settings(threshold=0.3, bootstrap=0, lesions=LesionRules(min_lesion_mm3=3))
    text = notes(compare_evaluations(evaluation(SEVEN, settings=ours), evaluation(BETTER, settings=theirs)))
    assert "measured differently: min_lesion_mm3 is 0.0 in A, 3 in the other" in text
    assert "threshold" not in text


def test_files_hold_every_case(tmp_path: Path) -> None:
    found = compare_evaluations(evaluation(SEVEN, PATIENTS), evaluation({**BETTER, "c3": float("nan")}, PATIENTS))
    found.to_csv(tmp_path / "cases.csv")
    rows = list(csv.DictReader((tmp_path / "cases.csv").read_text().splitlines()))
    assert len(rows) == 14
    assert [row["difference"] for row in rows if row["case"] == "c3"] == ["", ""]
    found.to_json(tmp_path / "all.json")
    content = json.loads((tmp_path / "all.json").read_text())
    assert content["metrics"]["dsc"]["undefined"] == 1
    assert content["metrics"]["dsc"]["better"] == "higher"
    assert content["cases"][3]["dsc"] == {"a": pytest.approx(0.65), "b": None, "difference": None}
    assert content["unit"] == "patient"


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "1.00"), (0.412, "0.41"), (0.0625, "0.062"), (0.03125, "0.031"), (1e-5, "0.00001"), (float("nan"), "-")],
)
def test_p_values_are_written_with_digits_that_say_something(p: float, text: str) -> None:
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("case,patient\na,b\n", "lacks the column group"),
        ("case,group\na,\n", "has an empty field in line 2"),
        ("case,group\na,b\na,c\n", "gives a the groups b and c"),
    ],
)
def test_tables_of_groups_that_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_groups(path)
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        read_groups(tmp_path / "none.csv")


def test_a_table_of_groups(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("\ufeffcase, group\na, p1\nb, p1\na, p1\n", encoding="utf-8")
    assert read_groups(path) == {"a": "p1", "b": "p1"}
