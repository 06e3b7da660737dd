"""Lesion by lesion: what small examples score, rows of lesions, empty masks, rates and composites."""

import math

import numpy as np
import pytest

from msseg.config.inference import EvaluationConfig
from msseg.metrics.detection import detection_rates, isbi_score, volume_correlation
from msseg.metrics.lesions import LesionRules, lesion_report, lesion_scores

LESIONS = ("lesions_truth", "lesions_predicted", "lesions_found", "lesions_false")


def mask(*boxes, shape=(12, 12, 12)):
    """Boxes given as six numbers: where they begin on each axis, and where they end."""
    found = np.zeros(shape, dtype=bool)
    for x, y, z, to_x, to_y, to_z in boxes:
        found[x:to_x, y:to_y, z:to_z] = True
    return found


TRUTH = mask((0, 0, 0, 3, 3, 3), (5, 0, 0, 7, 2, 2), (0, 6, 6, 1, 7, 7), (8, 8, 8, 12, 12, 12))
"""Lesions of 27, 8, 1 and 64 voxels."""
PREDICTION = mask((2, 2, 2, 4, 4, 4), (8, 8, 8, 12, 12, 10), (0, 10, 0, 2, 11, 1))
"""One touches the first by a corner of itself, one covers half of the last, one is false (2 voxels)."""


def test_counts_of_a_small_example():
    values = lesion_scores(PREDICTION, TRUTH, (1, 1, 1))
    assert {key: values[key] for key in LESIONS} == {
        "lesions_truth": 4,
        "lesions_predicted": 3,
        "lesions_found": 2,
        "lesions_false": 1,
    }
    assert values["ltpr"] == 1 / 2
    assert values["lfpr"] == pytest.approx(1 / 3)
    assert values["lesion_f1"] == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))
    assert values["volume_difference_relative"] == pytest.approx((8 + 32 + 2) / 100 - 1)


@pytest.mark.parametrize(
    ("overlap", "found", "false"), [(0, 2, 1), (1 / 27, 2, 1), (0.04, 1, 1), (0.125, 1, 1), (0.13, 1, 2), (0.51, 0, 2)]
)
def test_share_of_a_lesion_that_has_to_be_covered(overlap, found, false):
    """Of the truth 1 of 27 and 32 of 64 voxels are covered, of the prediction 1 of 8, all of 32, none of 2."""
    values = lesion_scores(PREDICTION, TRUTH, (1, 1, 1), LesionRules(overlap=overlap))
    assert (values["lesions_found"], values["lesions_false"]) == (found, false)


@pytest.mark.parametrize(
    ("smallest", "truth", "predicted"), [(0, 4, 3), (1, 4, 3), (1.5, 3, 3), (2.5, 3, 2), (8, 3, 2)]
)
def test_small_lesions_are_left_out_of_both_masks(smallest, truth, predicted):
    values = lesion_scores(PREDICTION, TRUTH, (1, 1, 1), LesionRules(min_lesion_mm3=smallest))
    assert (values["lesions_truth"], values["lesions_predicted"]) == (truth, predicted)
    assert values["dsc"] == lesion_scores(PREDICTION, TRUTH, (1, 1, 1))["dsc"]


def test_shares_are_not_lost_to_rounding():
    """7 of 100 voxels are the share 0.07, although 0.07 * 100 is 7.000000000000001."""
    truth, prediction = mask((0, 0, 0, 10, 10, 1)), mask((0, 0, 0, 7, 1, 1))
    assert lesion_scores(prediction, truth, (1, 1, 1), LesionRules(overlap=0.07))["ltpr"] == 1
    assert lesion_scores(prediction, truth, (1, 1, 1), LesionRules(overlap=0.071))["ltpr"] == 0


def test_a_lesion_that_is_left_out_finds_none():
    truth, speck = mask((0, 0, 0, 3, 3, 3)), mask((1, 1, 1, 2, 2, 2))
    assert lesion_scores(speck, truth, (1, 1, 1))["ltpr"] == 1
    assert lesion_scores(speck, truth, (1, 1, 1), LesionRules(min_lesion_mm3=2))["ltpr"] == 0


def test_smallest_volume_is_in_millimetres_and_forgives_single_precision():
    two = mask((0, 0, 0, 1, 1, 2))
    spacing = tuple(float(np.float32(length)) * (1 - 1e-8) for length in (0.5, 1.0, 3.0))
    counts = [
        lesion_scores(two, two, spacing, LesionRules(min_lesion_mm3=smallest))["lesions_truth"]
        for smallest in (2.9, 3.0, 3.1)
    ]
    assert counts == [1, 1, 0]


@pytest.mark.parametrize(("connectivity", "count"), [(6, 3), (18, 2), (26, 1)])
def test_connectivity(connectivity, count):
    """Three voxels: the second shares an edge with the first, the third a corner with the second."""
    steps = mask((0, 0, 0, 1, 1, 1), (1, 1, 0, 2, 2, 1), (2, 2, 1, 3, 3, 2))
    values = lesion_scores(steps, steps, (1, 1, 1), LesionRules(connectivity=connectivity))
    assert values["lesions_truth"] == count


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 1, 1), (3, 1, 9), (3, 3, 3)])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_voxels_that_touch_nothing(shape, connectivity):
    """As many lesions as a small volume can hold; cc3d 4.1.1 fails on them for booleans and 26 neighbours."""
    array = np.zeros(shape, dtype=bool)
    array[::2, ::2, ::2] = True
    values = lesion_scores(array, array, (1, 1, 1), LesionRules(connectivity))
    assert values["lesions_truth"] == np.count_nonzero(array)


def test_one_prediction_over_two_lesions_finds_both():
    truth = mask((0, 0, 0, 2, 2, 2), (0, 0, 4, 2, 2, 6))
    values = lesion_scores(mask((0, 0, 0, 2, 2, 6)), truth, (1, 1, 1))
    assert (values["ltpr"], values["lfpr"], values["lesion_f1"]) == (1, 0, 1)


def test_rows():
    rows = lesion_report(PREDICTION, TRUTH, (1, 1, 1)).rows("p1")
    assert [(row.kind, row.number, row.volume_mm3, row.overlap_mm3, row.verdict, row.stratum) for row in rows] == [
        ("truth", 1, 64, 32, "TP", "50-250"),
        ("truth", 2, 27, 1, "TP", "10-50"),
        ("truth", 3, 8, 0, "FN", "<10"),
        ("truth", 4, 1, 0, "FN", "<10"),
        ("prediction", 1, 32, 32, "TP", "10-50"),
        ("prediction", 2, 8, 1, "TP", "<10"),
        ("prediction", 3, 2, 0, "FP", "<10"),
    ]
    assert rows[0].centroid_mm == (9.5, 9.5, 9.5)
    assert rows[0].overlap_share == 0.5
    assert {row.case for row in rows} == {"p1"}


def test_centroids_lie_in_the_world():
    """Turned by 90 degrees about z, 2 mm voxels, shifted."""
    affine = np.array([[0, -2, 0, 100], [2, 0, 0, -50], [0, 0, 2, 7], [0, 0, 0, 1]], dtype=float)
    row = lesion_report(mask((5, 0, 0, 7, 2, 2)), mask((5, 0, 0, 7, 2, 2)), (2, 2, 2)).rows("", affine)[0]
    assert row.centroid_mm == pytest.approx((-2 * 0.5 + 100, 2 * 5.5 - 50, 2 * 0.5 + 7))


def test_a_volume_on_an_edge_is_in_the_class_above():
    rules = LesionRules(strata_mm3=(8, 27, 64))
    rows = lesion_report(TRUTH, TRUTH, (1, 1, 1), rules).rows()
    assert [row.stratum for row in rows if row.kind == "truth"] == [">=64", "27-64", "8-27", "<8"]
    assert rules.strata == ("<8", "8-27", "27-64", ">=64")
    assert LesionRules(strata_mm3=()).strata == ("all",)


NONE, SOME = mask(), mask((1, 1, 1, 4, 4, 4))


@pytest.mark.parametrize(
    ("prediction", "truth", "good", "lfpr", "relative"),
    [(NONE, NONE, 1, 0, 0), (SOME, NONE, 0, 1, math.nan), (NONE, SOME, 0, 1, -1)],
)
def test_one_rule_for_empty_masks(prediction, truth, good, lfpr, relative):
    values = lesion_scores(prediction, truth, (1, 1, 1))
    higher = ("dsc", "iou", "sensitivity", "precision", "surface_dsc", "ltpr", "lesion_f1", "msseg_f1", "isbi_score")
    assert {values[key] for key in higher} == {good}
    assert values["lfpr"] == lfpr
    assert values["volume_difference_relative"] == pytest.approx(relative, nan_ok=True)
    assert math.isnan(values["hd95_mm"])
    assert math.isnan(values["assd_mm"])


def test_masks_whose_lesions_are_all_too_small_have_none():
    values = lesion_scores(SOME, SOME, (1, 1, 1), LesionRules(min_lesion_mm3=100))
    assert (values["ltpr"], values["lfpr"], values["lesion_f1"], values["dsc"]) == (1, 0, 1, 1)


def test_nothing_found():
    assert detection_rates(truth=3, found=0, predicted=2, true=0) == (0, 1, 0)


def test_isbi_score():
    assert isbi_score(dsc=0.6, precision=0.8, lfpr=0.2, ltpr=0.4) == pytest.approx(4 / 3 * (0.075 + 0.1 + 0.2 + 0.1))
    assert isbi_score(0.6, 0.8, 0.2, 0.4, correlation=0.9) == pytest.approx(0.475 + 0.225)
    assert isbi_score(1, 1, 0, 1, 1) == isbi_score(1, 1, 0, 1) == 1


def test_volume_correlation():
    assert volume_correlation([1, 2, 3], [5, 7, 9]) == pytest.approx(1)
    assert volume_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert volume_correlation([1, 2, 4], [1, 3, 2]) == pytest.approx(1 / math.sqrt(42 / 9 * 2))
    for truth, prediction in (([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [4, 4, 4])):
        assert math.isnan(volume_correlation(truth, prediction))


@pytest.mark.parametrize(
    "wrong",
    [
        {"connectivity": 8},
        {"min_lesion_mm3": -1},
        {"min_lesion_mm3": math.nan},
        {"overlap": 1.5},
        {"tolerance_mm": -0.1},
        {"strata_mm3": (5.0, 5.0)},
        {"strata_mm3": (0.0,)},
    ],
)
def test_impossible_rules(wrong):
    with pytest.raises(ValueError, match=r"connectivity|at least 0|rise"):
        LesionRules(**wrong)


def test_rules_of_an_experiment():
    assert LesionRules.from_config(EvaluationConfig()) == LesionRules()
    config = EvaluationConfig(
        connectivity=18, min_lesion_mm3=3.0, overlap=0.1, strata_mm3=(5.0, 20.0), tolerance_mm=2.0
    )
    assert LesionRules.from_config(config) == LesionRules(18, 3.0, 0.1, (5.0, 20.0), 2.0)


def test_masks_that_do_not_fit():
    with pytest.raises(ValueError, match="differ in shape"):
        lesion_scores(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 3), bool), (1, 1, 1))
    with pytest.raises(ValueError, match="three axes"):
        lesion_scores(np.zeros((2, 2), bool), np.zeros((2, 2), bool), (1, 1))
    with pytest.raises(ValueError, match="boolean"):
        lesion_scores(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), (1, 1, 1))
