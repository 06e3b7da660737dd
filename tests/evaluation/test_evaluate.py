"""From pairs of files to an evaluation: scores, bad pairs, thresholds, and the files it is written to."""

import csv
import json
import math

import nibabel as nib
import numpy as np
import pytest

from msseg.errors import InputError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.pairs import Pair, pair_files
from msseg.evaluation.scores import COUNTS, METRICS, CaseScores
from msseg.evaluation.table import HEADER, format_table, summary_rows
from msseg.metrics.lesions import LesionRules, lesion_scores

SPACING = (1.0, 2.0, 3.0)


def cube(start=2, size=3, shape=(9, 8, 7)):
    mask = np.zeros(shape, dtype=bool)
    mask[start : start + size, 2 : 2 + size, 2 : 2 + size] = True
    return mask


def write(path, data, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*SPACING, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
    return path


@pytest.fixture
def cohort(tmp_path):
    """Three good pairs: a perfect one, a shifted one, and one without any lesion."""
    masks = {
        "a": (cube(), cube()),
        "b": (cube(3), cube()),
        "empty": (np.zeros((9, 8, 7)), np.zeros((9, 8, 7))),
    }
    for case, (prediction, truth) in masks.items():
        write(tmp_path / "out" / f"{case}_mask.nii.gz", prediction)
        write(tmp_path / "truth" / f"{case}.nii.gz", truth)
    return pair_files(tmp_path / "out", tmp_path / "truth")


@pytest.fixture
def evaluation(cohort):
    return evaluate_pairs(cohort)


def test_scores_of_a_shifted_cube():
    values = lesion_scores(cube(3), cube(), SPACING)
    assert values["dsc"] == pytest.approx(2 / 3)
    assert values["iou"] == pytest.approx(1 / 2)
    assert values["hd95_mm"] == pytest.approx(1)
    assert values["volume_truth_mm3"] == values["volume_prediction_mm3"] == 27 * 6
    assert {key: values[key] for key in COUNTS} == {"tp": 18, "fp": 9, "fn": 9}
    assert list(values) == [*METRICS, *COUNTS]


def test_volume_difference_is_prediction_minus_truth():
    values = lesion_scores(cube(size=2), cube(size=3), SPACING)
    assert values["volume_difference_voxels"] == 8 - 27
    assert values["volume_difference_mm3"] == pytest.approx((8 - 27) * 6)


def test_cohort(evaluation):
    assert [scores.case for scores in evaluation.cases] == ["a", "b", "empty"]
    assert [scores.values["dsc"] for scores in evaluation.cases] == pytest.approx([1, 2 / 3, 1])
    assert evaluation.summary["dsc"]["mean"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert evaluation.summary["hd95_mm"]["mean"] == pytest.approx((0 + 1) / 2)
    assert (evaluation.summary["hd95_mm"]["n"], evaluation.summary["hd95_mm"]["undefined"]) == (2, 1)
    assert evaluation.failed == {}


def test_pooled_scores_are_those_of_all_voxels(evaluation):
    prediction, truth = np.concatenate([cube(), cube(3)]), np.concatenate([cube(), cube()])
    whole = lesion_scores(prediction, truth, SPACING)
    assert evaluation.pooled == {key: whole[key] for key in evaluation.pooled}
    overlap = {"dsc", "iou", "sensitivity", "precision", *COUNTS}
    counts = {"lesions_truth", "lesions_predicted", "lesions_found", "lesions_false"}
    assert set(evaluation.pooled) == {*overlap, *counts, "ltpr", "lfpr", "lesion_f1"}


def test_groups_widen_the_interval():
    cases = [
        CaseScores(f"{p}{s}", lesion_scores(cube(2 + p), cube(), SPACING), str(p)) for p in range(4) for s in range(5)
    ]
    alone = [CaseScores(scores.case, scores.values) for scores in cases]
    grouped, plain = (Evaluation.from_cases(scores).summary["dsc"] for scores in (cases, alone))
    assert grouped["mean"] == plain["mean"]
    assert grouped["ci_high"] - grouped["ci_low"] > plain["ci_high"] - plain["ci_low"]


@pytest.mark.parametrize(("threshold", "voxels"), [(0.2, 36), (0.35, 27), (0.5, 18), (0.8, 0)])
def test_threshold_applies_to_predictions_alone(tmp_path, threshold, voxels):
    probability = write(tmp_path / "p_probability.nii.gz", 0.3 * cube(3) + 0.4 * cube())
    truth = write(tmp_path / "p.nii.gz", 0.6 * cube())
    values = evaluate_pairs([Pair("p", probability, truth)], threshold=threshold).cases[0].values
    assert values["volume_prediction_voxels"] == voxels
    assert values["volume_truth_voxels"] == 27


def test_group_and_files_are_kept(cohort):
    pair = Pair("a", cohort[0].prediction, cohort[0].truth, "patient 1")
    scores = evaluate_pairs([pair]).cases[0]
    assert (scores.case, scores.group) == ("a", "patient 1")
    assert (scores.prediction, scores.truth) == (str(pair.prediction), str(pair.truth))


def test_bootstrap_follows_its_settings():
    cases = [CaseScores(str(size), lesion_scores(cube(size=size), cube(), SPACING)) for size in (1, 2, 3)] * 4
    few, other, none = (
        Evaluation.from_cases(cases, settings=settings).summary["dsc"]
        for settings in (Settings(bootstrap=20, seed=1), Settings(bootstrap=20, seed=2), Settings(bootstrap=0))
    )
    assert (few["ci_low"], few["ci_high"]) != (other["ci_low"], other["ci_high"])
    assert few["mean"] == other["mean"] == none["mean"]
    assert math.isnan(none["ci_low"])


def test_one_bad_pair_does_not_stop_the_others(cohort, tmp_path):
    grid = Pair("grid", write(tmp_path / "wide.nii", cube(shape=(10, 8, 7))), cohort[0].truth)
    gone = Pair("gone", tmp_path / "gone.nii", cohort[0].truth)
    done = []
    evaluation = evaluate_pairs([grid, *cohort, gone], on_done=done.append)
    assert [scores.case for scores in evaluation.cases] == ["a", "b", "empty"]
    assert list(evaluation.failed) == ["grid", "gone"]
    assert "10 x 8 x 7" in evaluation.failed["grid"]
    assert "9 x 8 x 7" in evaluation.failed["grid"]
    assert "does not exist" in evaluation.failed["gone"]
    assert done == [grid, *cohort, gone]


def test_same_shape_elsewhere_is_another_grid(cohort, tmp_path):
    shifted = np.diag([*SPACING, 1.0])
    shifted[0, 3] = 5
    with pytest.raises(InputError, match=r"does not lie on the grid .* origin \(5, 0, 0\)"):
        evaluate_pairs([Pair("x", write(tmp_path / "x.nii", cube(), shifted), cohort[0].truth)])


def test_all_pairs_bad(tmp_path):
    pairs = [Pair(case, tmp_path / f"{case}.nii", tmp_path / f"{case}.nii") for case in "ab"]
    with pytest.raises(InputError, match=r"none of 2 pairs could be evaluated; first: .*does not exist"):
        evaluate_pairs(pairs)


def test_nothing_or_the_same_case_twice(cohort):
    with pytest.raises(InputError, match="nothing to evaluate"):
        evaluate_pairs([])
    with pytest.raises(InputError, match="the case a occurs more than once"):
        evaluate_pairs([cohort[0], cohort[0]])


def test_json_round_trip(evaluation, tmp_path):
    path = tmp_path / "new" / "evaluation.json"
    evaluation.to_json(path)
    again = Evaluation.from_json(path)
    assert again.to_json_dict() == evaluation.to_json_dict()
    assert math.isnan(again.cases[2].values["hd95_mm"])
    assert again.settings == Settings(lesions=LesionRules())
    assert [file.name for file in path.parent.iterdir()] == ["evaluation.json"]


def test_json_explains_itself(cohort, tmp_path):
    evaluation = evaluate_pairs(
        [*cohort[:1], Pair("gone", tmp_path / "gone.nii", cohort[0].truth)], bootstrap=100, seed=7
    )
    evaluation.to_json(tmp_path / "e.json")
    content = json.loads((tmp_path / "e.json").read_text(), parse_constant=pytest.fail)
    assert content["task"] == "lesions"
    assert "both masks empty: 1; exactly one empty: 0" in content["rule_empty_masks"]
    assert set(content["definitions"]) >= {*METRICS, *COUNTS, "undefined", "pooled"}
    assert {key: content["settings"][key] for key in ("threshold", "bootstrap", "seed")} == {
        "threshold": 0.5,
        "bootstrap": 100,
        "seed": 7,
    }
    assert content["cases"][0]["case"] == "a"
    assert content["cases"][0]["truth"].endswith("a.nii.gz")
    assert content["summary"]["dsc"]["mean"] == 1
    assert content["summary"]["dsc"]["ci_low"] is None
    assert content["failed"]["gone"].endswith("gone.nii does not exist")


def test_csv_has_a_line_per_case_and_empty_cells(cohort, tmp_path):
    evaluation = evaluate_pairs([*cohort, Pair("gone", tmp_path / "gone.nii", cohort[0].truth, "p,9")])
    evaluation.to_csv(tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["case"] for line in lines] == ["a", "b", "empty", "gone"]
    assert float(lines[1]["dsc"]) == evaluation.cases[1].values["dsc"]
    assert (lines[2]["dsc"], lines[2]["hd95_mm"], lines[2]["error"]) == ("1.0", "", "")
    assert lines[3]["dsc"] == ""
    assert "does not exist" in lines[3]["error"]


def test_failed_write_leaves_the_old_file_and_nothing_else(evaluation, tmp_path, monkeypatch):
    path = tmp_path / "evaluation.json"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match=r"evaluation\.json cannot be written: No space left"):
        evaluation.to_json(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["evaluation.json"]


def test_folder_that_is_a_file(evaluation, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        evaluation.to_csv(tmp_path / "file" / "cases.csv")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"cases": [{}], "task": "", "summary": {}, "pooled": {}}', '{"cases": 1}']
)
def test_foreign_json(tmp_path, content):
    path = tmp_path / "e.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"e\.json is no evaluation that msseg wrote"):
        Evaluation.from_json(path)


def test_text_in_place_of_a_number(evaluation):
    content = evaluation.to_json_dict()
    content["pooled"]["dsc"] = "high"
    with pytest.raises(ValueError, match="dsc is not a number"):
        Evaluation.from_json_dict(content)


def test_missing_json(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Evaluation.from_json(tmp_path / "e.json")


def test_no_case_no_evaluation():
    with pytest.raises(ValueError, match="at least one case"):
        Evaluation.from_cases([])


def test_table_rows(evaluation):
    rows = {row[0]: dict(zip(HEADER, row, strict=True)) for row in summary_rows(evaluation)}
    assert rows["DSC"]["mean"] == "0.8889"
    assert rows["DSC"]["pooled"] == "0.8333"
    assert rows["DSC"]["95 % interval"] == "0.6667 to 1.0000"
    assert rows["HD95 (mm)"]["cases"] == "2 (1 undefined)"
    assert rows["HD95 (mm)"]["pooled"] == "-"


def test_table_names_the_rule_and_the_failures(cohort, tmp_path):
    evaluation = evaluate_pairs([cohort[0], Pair("gone", tmp_path / "gone.nii", cohort[0].truth)])
    text = format_table(evaluation)
    lines = text.splitlines()
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[2].split() == ["DSC", "higher", "1.0000", "-", "1.0000", "1.0000", "1"]
    assert "both masks empty: 1" in text
    assert "not scored: gone: " in text
