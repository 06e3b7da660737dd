"""Lesions of a cohort: strata, correlation, the ISBI 2015 score, the table of lesions, painted errors, old files."""

import csv
import json
import math

import nibabel as nib
import numpy as np
import pytest

from msseg.errors import InputError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.pairs import Pair
from msseg.evaluation.scores import METRICS, ONLY_IN_FILES, CaseScores
from msseg.evaluation.table import STRATA_HEADER, format_table, strata_rows
from msseg.metrics.detection import isbi_score
from msseg.metrics.lesions import LesionRules

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1]])
VOXEL = 12
"""mm^3"""
SHAPE = (20, 18, 16)


def volume(*boxes):
    """Cubes given by their first voxel and edge."""
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for x, y, z, edge in boxes:
        mask[x : x + edge, y : y + edge, z : z + edge] = 1
    return mask


CASES = {
    # prediction, truth: a large lesion found by half, a small one missed, a single voxel predicted for nothing
    "a": (volume((2, 2, 2, 3), (15, 15, 1, 1)), volume((2, 2, 3, 3), (10, 10, 10, 2))),
    "b": (volume((2, 2, 2, 4), (10, 10, 10, 2)), volume((2, 2, 2, 4), (10, 10, 10, 2))),
    "c": (volume((5, 5, 5, 2)), volume((5, 5, 5, 2), (9, 9, 9, 1))),
    "healthy": (volume(), volume()),
}


@pytest.fixture
def pairs(tmp_path):
    found = []
    for case, masks in CASES.items():
        paths = []
        for name, mask in zip(("prediction", "truth"), masks, strict=True):
            path = tmp_path / name / f"{case}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            image = nib.Nifti1Image(mask, AFFINE)
            image.header.set_sform(AFFINE, 4)
            nib.save(image, path)
            paths.append(path)
        found.append(Pair(case, *paths, group=f"patient {case}"))
    return found


@pytest.fixture
def evaluation(pairs):
    return evaluate_pairs(pairs, bootstrap=20)


def values(evaluation, key):
    return [scores.values[key] for scores in evaluation.cases]


def test_scores_of_lesions(evaluation):
    assert values(evaluation, "lesions_truth") == [2, 2, 2, 0]
    assert values(evaluation, "lesions_predicted") == [2, 2, 1, 0]
    assert values(evaluation, "ltpr") == [0.5, 1, 0.5, 1]
    assert values(evaluation, "lfpr") == [0.5, 0, 0, 0]
    assert evaluation.summary["ltpr"]["mean"] == pytest.approx(0.75)
    assert set(METRICS) <= evaluation.summary.keys()


def test_lesions_of_all_cases_are_pooled(evaluation):
    pooled = {key: evaluation.pooled[key] for key in ("ltpr", "lfpr", "lesions_truth", "lesions_false")}
    assert pooled == {
        "ltpr": pytest.approx(4 / 6),
        "lfpr": pytest.approx(1 / 5),
        "lesions_truth": 6,
        "lesions_false": 1,
    }


def test_lesions_by_size(evaluation):
    """In mm^3 the truth has 324 and 96; 768 and 96; 96 and 12. The prediction 324 and 12; 768 and 96; 96."""
    found = {
        stratum.stratum: (
            (stratum.lesions_truth, stratum.lesions_found, stratum.ltpr),
            (stratum.lesions_predicted, stratum.lesions_false, stratum.lfpr),
            stratum.lesion_f1,
        )
        for stratum in evaluation.strata()
    }
    nan = pytest.approx(math.nan, nan_ok=True)
    assert found == {
        "<10": ((0, 0, nan), (0, 0, nan), nan),
        "10-50": ((1, 0, 0), (1, 1, 1), 0),
        "50-250": ((3, 2, pytest.approx(2 / 3)), (2, 0, 0), pytest.approx(0.8)),
        ">=250": ((2, 2, 1), (2, 0, 0), 1),
    }


def test_the_cohort(evaluation):
    cohort = evaluation.cohort()
    truth, prediction = values(evaluation, "volume_truth_mm3"), values(evaluation, "volume_prediction_mm3")
    assert cohort["volume_correlation"] == pytest.approx(np.corrcoef(truth, prediction)[0, 1])
    terms = {key: np.mean(values(evaluation, key)) for key in ("dsc", "precision", "lfpr", "ltpr")}
    assert cohort["isbi_score"] == pytest.approx(isbi_score(**terms, correlation=cohort["volume_correlation"]))
    assert evaluation.summary["isbi_score"]["mean"] == pytest.approx(isbi_score(**terms))


def test_two_cases_have_no_correlation(pairs):
    few = evaluate_pairs(pairs[:2], bootstrap=0)
    assert math.isnan(few.cohort()["volume_correlation"])
    assert math.isnan(few.cohort()["isbi_score"])
    assert few.to_json_dict()["cohort"]["isbi_score"] is None
    assert "without the volume correlation, which needs three cases" in format_table(few)


def test_rows_lie_in_the_world(evaluation):
    row = next(row for row in evaluation.lesions if (row.case, row.kind, row.verdict) == ("a", "prediction", "FP"))
    assert row.centroid_mm == pytest.approx((90 - 2 * 15, -126 + 2 * 15, -72 + 3))
    assert (row.volume_mm3, row.overlap_mm3, row.stratum) == (pytest.approx(VOXEL), 0, "10-50")
    assert [row.case for row in evaluation.lesions] == ["a"] * 4 + ["b"] * 4 + ["c"] * 3


def test_rules_are_followed_and_kept(pairs, tmp_path):
    rules = LesionRules(6, min_lesion_mm3=20.0, overlap=0.7, strata_mm3=(100.0,), tolerance_mm=3.0)
    evaluation = evaluate_pairs(pairs, rules=rules, bootstrap=0)
    assert values(evaluation, "lesions_truth") == [2, 2, 1, 0]
    assert values(evaluation, "lesions_found") == [0, 2, 1, 0]
    assert [stratum.stratum for stratum in evaluation.strata()] == ["<100", ">=100"]
    evaluation.to_json(tmp_path / "e.json")
    assert Evaluation.from_json(tmp_path / "e.json").settings.lesions == rules
    assert json.loads((tmp_path / "e.json").read_text())["settings"]["lesions"]["min_lesion_mm3"] == 20


def test_json_round_trip(evaluation, tmp_path):
    path = tmp_path / "e.json"
    evaluation.to_json(path)
    again = Evaluation.from_json(path)
    assert again.cases[:3] == evaluation.cases[:3]
    assert again.lesions == evaluation.lesions
    assert again.to_json_dict() == evaluation.to_json_dict()
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content["strata"][0] == {
        "stratum": "<10",
        "lesions_truth": 0,
        "lesions_found": 0,
        "ltpr": None,
        "lesions_predicted": 0,
        "lesions_false": 0,
        "lfpr": None,
        "lesion_f1": None,
    }
    assert content["cohort"].keys() >= {"volume_correlation", "isbi_score"}
    assert content["cases"][0]["lesions"][0]["verdict"] == "TP"
    assert {"strata", "lesions", "cohort: isbi_score"} <= content["definitions"].keys()


NEW_KEYS = ("surface_dsc", "ltpr", "lfpr", "lesion_f1", "isbi_score", "volume_difference_relative")


def test_files_of_earlier_versions_are_read(evaluation):
    """They know nothing of lesions: no rows, no rules, none of their scores."""
    content = evaluation.to_json_dict()
    old = [key for key in METRICS if not key.startswith(("lesion", "msseg")) and key not in NEW_KEYS]
    for case in content["cases"]:
        for key in [key for key in case if key in METRICS and key not in old] + ["lesions"]:
            case.pop(key, None)
    content["summary"] = {key: content["summary"][key] for key in old}
    for key in ("cohort", "strata"):
        del content[key]
    del content["settings"]["lesions"]
    again = Evaluation.from_json_dict(content)
    assert again.settings == Settings(bootstrap=20)
    assert (again.lesions, again.strata(), again.cohort()) == ([], [], {})
    assert "DSC" in format_table(again)
    whole = Evaluation.from_cases(again.cases, settings=again.settings, task=again.task)
    assert "ltpr" not in whole.pooled
    assert whole.pooled["dsc"] == evaluation.pooled["dsc"]
    assert json.dumps(whole.to_json_dict(), allow_nan=False)


def test_damaged_rows_are_refused(evaluation, tmp_path):
    content = evaluation.to_json_dict()
    content["cases"][0]["lesions"][0]["centroid_mm"] = [1, 2]
    (tmp_path / "e.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"e\.json is no evaluation that msseg wrote"):
        Evaluation.from_json(tmp_path / "e.json")


def test_table_of_lesions(evaluation, tmp_path):
    evaluation.lesions_to_csv(tmp_path / "new" / "lesions.csv")
    with (tmp_path / "new" / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(evaluation.lesions) == 11
    assert rows[0] == {
        "case": "a",
        "lesion": "1",
        "kind": "truth",
        "x_mm": "84",
        "y_mm": "-120",
        "z_mm": "-60",
        "volume_mm3": "324",
        "overlap_mm3": "216",
        "overlap_share": "0.666667",
        "verdict": "TP",
        "stratum": ">=250",
    }


def test_painted_errors(pairs, tmp_path):
    evaluate_pairs(pairs, paint=tmp_path / "paint", bootstrap=0)
    assert sorted(path.name for path in (tmp_path / "paint").iterdir()) == [f"{case}_errors.nii.gz" for case in CASES]
    for case, (prediction, truth) in CASES.items():
        image = nib.load(tmp_path / "paint" / f"{case}_errors.nii.gz")
        painted = np.asarray(image.dataobj)
        assert painted.dtype == np.uint8
        np.testing.assert_array_equal(painted == 1, (prediction & truth) > 0)
        np.testing.assert_array_equal(painted == 2, prediction > truth)
        np.testing.assert_array_equal(painted == 3, truth > prediction)
        np.testing.assert_allclose(image.affine, AFFINE)
        assert int(image.header["sform_code"]) == 4


def test_names_of_painted_files_stay_in_their_folder(pairs, tmp_path):
    pair = Pair("../../a b", pairs[0].prediction, pairs[0].truth)
    evaluate_pairs([pair], paint=tmp_path / "paint", bootstrap=0)
    assert [path.name for path in (tmp_path / "paint").iterdir()] == ["_.._a_b_errors.nii.gz"]


def test_two_cases_never_share_a_painted_file(pairs, tmp_path):
    alike = [Pair(case, pairs[0].prediction, pairs[0].truth) for case in ("a/b", "A b")]
    with pytest.raises(InputError, match="the cases a/b and A b would be painted into one file"):
        evaluate_pairs(alike, paint=tmp_path / "paint")
    assert not (tmp_path / "paint").exists()


def test_values_of_the_truth(pairs, tmp_path):
    """Lesions are 1, other tissue 2: both count only if both are named."""
    mask = volume((2, 2, 2, 3)) + 2 * volume((10, 10, 10, 2))
    path = tmp_path / "labels.nii.gz"
    nib.save(nib.Nifti1Image(mask, AFFINE), path)
    pair = Pair("a", pairs[0].prediction, path)
    one, both = (evaluate_pairs([pair], label_values=chosen, bootstrap=0) for chosen in ((1,), (1, 2)))
    assert (one.cases[0].values["lesions_truth"], both.cases[0].values["lesions_truth"]) == (1, 2)
    assert both.settings.label_values == (1, 2)
    with pytest.raises(InputError, match="label_values"):
        evaluate_pairs([pair], bootstrap=0)


def test_text_for_a_terminal(evaluation):
    text = format_table(evaluation)
    labels = {line.split("  ")[0] for line in text.splitlines()}
    assert {"DSC", "LTPR", "LFPR", "lesion F1", "MSSEG-2016 F1", "HD95 (mm)", "ISBI-2015 score, case"} <= labels
    assert not labels & {METRICS[key].label for key in ONLY_IN_FILES}
    assert max(map(len, text.splitlines()[:20])) < 100
    cohort = evaluation.cohort()
    assert f"volume correlation of {cohort['volume_correlation']:.4f}: {cohort['isbi_score']:.4f}" in text
    rows = {row[0]: dict(zip(STRATA_HEADER, row, strict=True)) for row in strata_rows(evaluation)}
    assert rows["50-250"] == {
        "size (mm3)": "50-250", "": "", "true": "3", "found": "2", "LTPR": "0.6667",
        "predicted": "2", "false": "0", "LFPR": "0.0000",
    }  # fmt: skip
    assert rows["<10"]["LTPR"] == "-"


def test_cases_without_rows_have_no_strata():
    scores = [CaseScores("a", {"dsc": 1.0, "iou": 1.0, "tp": 1, "fp": 0, "fn": 0})]
    evaluation = Evaluation.from_cases(scores, settings=Settings(bootstrap=0))
    assert (evaluation.strata(), evaluation.lesions) == ([], [])
    assert "size (mm3)" not in format_table(evaluation)
