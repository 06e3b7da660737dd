"""Laws of the scores of lesions on small random masks, a slow reference over SciPy's labels, and MONAI."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import compute_surface_dice
from scipy import ndimage

from msseg.metrics.lesions import LesionRules, lesion_report, lesion_scores

# MONAI 1.6 calls its own deprecated argument.
MONAI_WARNS = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
SPACING = (0.7, 1.2, 3.0)
RATES = ("ltpr", "lfpr", "lesion_f1", "msseg_sensitivity", "msseg_precision", "msseg_f1")

SHAPES = st.tuples(*[st.integers(1, 7)] * 3)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(*[arrays(bool, shape)] * 2))
RULES = st.builds(
    LesionRules,
    connectivity=st.sampled_from([6, 18, 26]),
    min_lesion_mm3=st.sampled_from([0.0, 2.0, 2.52, 5.04, 11.0]),
    overlap=st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]),
    strata_mm3=st.sampled_from([(), (5.0,), (2.6, 8.0, 20.0)]),
)


def components(array, connectivity, smallest_mm3, voxel_mm3):
    """Sets of voxels, by another library than the one that is tested."""
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels, count = ndimage.label(array, structure)
    found = [set(map(tuple, np.argwhere(labels == number).tolist())) for number in range(1, count + 1)]
    return [one for one in found if len(one) * voxel_mm3 >= smallest_mm3 - 1e-6]


def reference(prediction, truth, rules):
    """Verdicts of all lesions, found by comparing each with each."""
    voxel_mm3 = math.prod(SPACING)
    predicted, true = (
        components(array, rules.connectivity, rules.min_lesion_mm3, voxel_mm3) for array in (prediction, truth)
    )

    def judged(own, others):
        everything = set().union(*others)
        for one in own:
            shared = len(one & everything)
            yield one, shared, shared > 0 and shared / len(one) >= rules.overlap

    return list(judged(true, predicted)), list(judged(predicted, true))


@given(PAIRS, RULES)
def test_the_slow_reference_agrees(pair, rules):
    prediction, truth = pair
    report = lesion_report(prediction, truth, SPACING, rules)
    true, predicted = reference(prediction, truth, rules)
    values = report.values
    assert (values["lesions_truth"], values["lesions_predicted"]) == (len(true), len(predicted))
    assert values["lesions_found"] == sum(found for *_, found in true)
    assert values["lesions_false"] == sum(not found for *_, found in predicted)
    if true and predicted:
        assert values["ltpr"] == pytest.approx(values["lesions_found"] / len(true))
        assert values["lfpr"] == pytest.approx(values["lesions_false"] / len(predicted))
    rows = report.rows("case")
    for kind, lesions in (("truth", true), ("prediction", predicted)):
        ours = sorted(
            (*(round(place, 6) for place in row.centroid_mm), round(row.volume_mm3, 6), round(row.overlap_mm3, 6))
            for row in rows
            if row.kind == kind
        )
        voxel = math.prod(SPACING)
        theirs = sorted(
            (
                *(round(place, 6) for place in np.mean(list(one), axis=0) * SPACING),
                round(len(one) * voxel, 6),
                round(shared * voxel, 6),
            )
            for one, shared, _ in lesions
        )
        np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=2e-6)


@given(PAIRS, RULES)
def test_exchanging_the_masks_exchanges_the_rates(pair, rules):
    there, back = (lesion_scores(*masks, SPACING, rules) for masks in (pair, pair[::-1]))
    assert there["ltpr"] == pytest.approx(1 - back["lfpr"])
    assert there["lesion_f1"] == pytest.approx(back["lesion_f1"])
    assert there["msseg_sensitivity"] == back["msseg_precision"]
    assert there["msseg_f1"] == pytest.approx(back["msseg_f1"])
    assert there["surface_dsc"] == pytest.approx(back["surface_dsc"])
    assert there["volume_difference_mm3"] == -back["volume_difference_mm3"]


@given(PAIRS, RULES, st.sets(st.integers(0, 2)), st.permutations(range(3)))
def test_mirrored_and_turned_masks_score_the_same(pair, rules, flipped, order):
    turned = [np.transpose(np.flip(one, tuple(flipped)), order) for one in pair]
    before, after = (
        lesion_scores(*pair, SPACING, rules),
        lesion_scores(*turned, [SPACING[axis] for axis in order], rules),
    )
    assert after == pytest.approx(before, nan_ok=True)


@given(PAIRS, RULES, st.integers(1, 3))
def test_space_around_changes_nothing(pair, rules, margin):
    before, after = (
        lesion_report(*pair, SPACING, rules),
        lesion_report(*(np.pad(one, margin) for one in pair), SPACING, rules),
    )
    assert after.values == pytest.approx(before.values, nan_ok=True)
    for old, new in zip(before.rows(), after.rows(), strict=True):
        moved = np.subtract(new.centroid_mm, np.multiply(margin, SPACING))
        assert replace(new, centroid_mm=old.centroid_mm) == old
        assert tuple(moved) == pytest.approx(old.centroid_mm)


@given(PAIRS, RULES, st.sampled_from([0.0, 3.0, 6.0]), st.sampled_from([0.0, 0.2, 0.6]))
def test_stricter_rules_find_less(pair, rules, more_mm3, more_overlap):
    loose, larger, covered = (
        lesion_scores(*pair, SPACING, other)
        for other in (
            rules,
            replace(rules, min_lesion_mm3=rules.min_lesion_mm3 + more_mm3),
            replace(rules, overlap=min(1.0, rules.overlap + more_overlap)),
        )
    )
    for key in ("lesions_truth", "lesions_predicted"):
        assert larger[key] <= loose[key] == covered[key]
    assert covered["lesions_found"] <= loose["lesions_found"]
    assert covered["lesions_false"] >= loose["lesions_false"]


@given(PAIRS)
def test_more_neighbours_make_fewer_lesions(pair):
    counts = [lesion_scores(*pair, SPACING, LesionRules(connectivity))["lesions_truth"] for connectivity in (6, 18, 26)]
    assert counts == sorted(counts, reverse=True)


@given(PAIRS, RULES)
def test_a_perfect_prediction(pair, rules):
    values = lesion_scores(pair[0], pair[0], SPACING, rules)
    assert [values[key] for key in RATES] == [1, 0, 1, 1, 1, 1]
    assert values["surface_dsc"] == values["isbi_score"] == 1


@given(PAIRS, RULES)
def test_rows_add_up_to_the_counts(pair, rules):
    report = lesion_report(*pair, SPACING, rules)
    rows, values = report.rows(), report.values
    verdicts = [(row.kind, row.verdict) for row in rows]
    assert verdicts.count(("truth", "TP")) == values["lesions_found"]
    assert verdicts.count(("truth", "FN")) == values["lesions_truth"] - values["lesions_found"]
    assert verdicts.count(("prediction", "FP")) == values["lesions_false"]
    assert all(row.volume_mm3 >= rules.min_lesion_mm3 - 1e-5 for row in rows)
    shared = [sum(row.overlap_mm3 for row in rows if row.kind == kind) for kind in ("truth", "prediction")]
    assert shared[0] == pytest.approx(shared[1])


@given(PAIRS, st.lists(st.floats(0, 10), min_size=2, max_size=2))
def test_surface_dsc_rises_with_the_tolerance(pair, tolerances):
    low, high = (
        lesion_scores(*pair, SPACING, LesionRules(tolerance_mm=tolerance))["surface_dsc"]
        for tolerance in sorted(tolerances)
    )
    assert 0 <= low <= high <= 1


@MONAI_WARNS
@settings(max_examples=40)
@given(
    PAIRS.filter(lambda pair: all(one.any() and min(one.shape) > 1 for one in pair)), st.sampled_from([0.5, 1.0, 2.5])
)
def test_monai_agrees_on_the_surface_dsc(pair, tolerance):
    prediction, truth = (torch.from_numpy(one.copy())[None, None].float() for one in pair)
    expected = compute_surface_dice(
        prediction, truth, class_thresholds=[tolerance], include_background=True, spacing=SPACING, use_subvoxels=False
    ).item()
    ours = lesion_scores(*pair, SPACING, LesionRules(tolerance_mm=tolerance))["surface_dsc"]
    assert ours == pytest.approx(expected, abs=1e-5)
