"""Stacks of membranes and cells: from files to slices, stacks, JSON and CSV, and the files that are refused."""

import csv
import json

import numpy as np
import pytest
import tifffile

from msseg.errors import InputError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.pairs import Pair
from msseg.evaluation.slice_metrics import CELL_METRICS, MEMBRANE_METRICS, MEMBRANE_STACK
from msseg.evaluation.table import SLICE_HEADER, format_table, summary_rows
from msseg.metrics.lesions import LesionRules
from msseg.metrics.membranes import score_stack


def save(path, stack):
    """Write (rows, columns, slices) as pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.moveaxis(np.asarray(stack), -1, 0), photometric="minisblack")
    return path


def neurites(slices=3, size=16):
    """Truth (rows, columns, slices): each slice has a wall of membrane, each at another place, and one across."""
    truth = np.ones((size, size, slices), dtype=bool)
    truth[size // 2] = False
    for z in range(slices):
        truth[:, 4 + z, z] = False
    return truth


def guess(truth, seed=0):
    """Probabilities that are right on average and wrong here and there."""
    noise = np.random.default_rng(seed).normal(0, 0.25, truth.shape)
    return np.clip(np.where(truth, 0.8, 0.2) + noise, 0, 1).astype(np.float32)


@pytest.fixture
def pair(tmp_path):
    truth = neurites()
    prediction = save(tmp_path / "s_probability.tif", guess(truth))
    return Pair("s", prediction, save(tmp_path / "s_labels.tif", np.where(truth, 255, 0).astype(np.uint8)))


@pytest.fixture
def evaluation(pair):
    return evaluate_pairs([pair], task="membranes", bootstrap=50)


def test_scores_are_those_of_the_arrays(evaluation):
    arrays = score_stack(guess(neurites()), neurites())
    content = evaluation.to_json_dict()
    assert content["stack"] == arrays["stack"]
    for ours, theirs in zip(content["slices"], arrays["slices"], strict=True):
        assert {key: ours[key] for key in theirs} == pytest.approx(theirs)


def test_slices_are_cases_of_their_stack(evaluation):
    assert [scores.case for scores in evaluation.cases] == ["s_001", "s_002", "s_003"]
    assert {scores.group for scores in evaluation.cases} == {"s"}
    assert list(evaluation.summary) == list(MEMBRANE_METRICS)
    assert set(evaluation.pooled) == {*MEMBRANE_METRICS, *MEMBRANE_STACK}
    mean = np.mean([scores.values["v_rand"] for scores in evaluation.cases])
    assert evaluation.summary["v_rand"]["mean"] == pytest.approx(mean) == pytest.approx(evaluation.pooled["v_rand"])


def test_slices_of_one_stack_are_drawn_one_by_one(evaluation):
    numbers = evaluation.summary["dice"]
    assert numbers["ci_low"] < numbers["mean"] < numbers["ci_high"]


def test_pages_say_which_slices_were_predicted(tmp_path):
    truth = neurites(6)
    labels = save(tmp_path / "s_labels.tif", truth)
    prediction = save(tmp_path / "s.tif", guess(truth)[..., 3:5])
    part = evaluate_pairs([Pair("s", prediction, labels, "s", (3, 4))], task="membranes", warping=False)
    assert [scores.case for scores in part.cases] == ["s_004", "s_005"]
    assert part.pooled["dice"] == pytest.approx(
        score_stack(guess(truth)[..., 3:5], truth[..., 3:5], warping=False)["stack"]["dice"]
    )


def test_several_stacks_are_scored_one_by_one_and_together(pair, tmp_path):
    other = neurites(2)
    second = Pair("t", save(tmp_path / "t.tif", guess(other, 1)), save(tmp_path / "t_labels.tif", other), "t")
    both = evaluate_pairs([pair, second], task="membranes", bootstrap=0)
    content = both.to_json_dict()
    alone = [evaluate_pairs([one], task="membranes", bootstrap=0).pooled for one in (pair, second)]
    assert content["stacks"]["s"] == {"slices": 3} | alone[0]
    assert content["stacks"]["t"] == {"slices": 2} | alone[1]
    threshold = [row["threshold"] for row in content["stack"]["thresholds"]].index(both.pooled["v_rand_threshold"])
    f = [one["thresholds"][threshold]["v_rand"]["f"] for one in content["slices"]]
    assert both.pooled["v_rand"] == pytest.approx(np.mean(f))


def test_json_round_trip(evaluation, tmp_path):
    evaluation.to_json(tmp_path / "e.json")
    again = Evaluation.from_json(tmp_path / "e.json")
    assert again.to_json_dict() == evaluation.to_json_dict()
    assert again.settings == evaluation.settings
    assert again.settings.threshold is None
    assert again.task == "membranes"


def test_json_has_the_promised_keys(evaluation, tmp_path):
    evaluation.to_json(tmp_path / "e.json")
    content = json.loads((tmp_path / "e.json").read_text(), parse_constant=pytest.fail)
    promised = {"v_rand", "v_info", "v_rand_unthinned", "v_info_unthinned", "pixel_error", "warping_error", "dice"}
    for entry in (content["stack"], *content["slices"]):
        assert entry.keys() >= promised | {"jaccard", "thresholds"}
        assert len(entry["thresholds"]) == 10
        assert entry["thresholds"][3]["v_info"].keys() == {"split", "merge", "f"}
    assert content["definitions"].keys() >= {*MEMBRANE_METRICS, *MEMBRANE_STACK}
    assert content["settings"]["thresholds"] == [step / 10 for step in range(10)]


def test_evaluations_of_folds_can_be_joined(evaluation):
    """As a report does: cases alone tell the task, and the threshold is chosen anew for all of them."""
    joined = Evaluation.from_cases([*evaluation.cases[:1], *evaluation.cases[1:]], settings=evaluation.settings)
    assert joined.to_json_dict() == evaluation.to_json_dict()


def test_csv_has_a_line_per_slice_and_per_stack(evaluation, tmp_path):
    evaluation.to_csv(tmp_path / "e.csv")
    with (tmp_path / "e.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["level"] for line in lines] == ["slice"] * 3 + ["stack"]
    assert lines[3]["case"] == "s"
    assert float(lines[3]["v_rand"]) == evaluation.pooled["v_rand"]
    assert float(lines[0]["dice"]) == evaluation.cases[0].values["dice"]
    assert lines[0]["best_alpha"] == ""


def test_table_says_which_end_is_better_and_where_the_threshold_is(evaluation):
    rows = {row[0]: dict(zip(SLICE_HEADER, row, strict=True)) for row in summary_rows(evaluation)}
    assert rows["V_rand"]["better"] == "higher"
    assert rows["warping error"]["better"] == "lower"
    assert rows["V_rand"]["stack"] == f"{evaluation.pooled['v_rand']:.4f}"
    text = format_table(evaluation)
    assert f"V_rand is highest at the threshold {evaluation.pooled['v_rand_threshold']:g}" in text
    assert "Weighted V_rand is highest at alpha" in text


def test_the_last_threshold_invites_to_try_finer_ones(tmp_path):
    """An open membrane is nearly as likely inside as the rest."""
    truth = neurites(1)
    pair = Pair(
        "s", save(tmp_path / "p.tif", np.where(truth, 0.99, 0.85).astype(np.float32)), save(tmp_path / "t.tif", truth)
    )
    assert "it is the last one tried" in format_table(evaluate_pairs([pair], task="membranes"))
    finer = evaluate_pairs([pair], task="membranes", thresholds=[0.5, 0.9, 0.995])
    assert "it is the last one tried" not in format_table(finer)


def test_headline(evaluation):
    assert evaluation.headline() == (
        f"V_rand {evaluation.pooled['v_rand']:.4f}, V_info {evaluation.pooled['v_info']:.4f},"
        f" V_dice {evaluation.pooled['dice']:.4f} (3 slices)"
    )


def test_the_warping_error_can_be_left_out(pair):
    evaluation = evaluate_pairs([pair], task="membranes", warping=False)
    content = evaluation.to_json_dict()
    keys = [*evaluation.summary, *evaluation.pooled, *content["stack"]["thresholds"][0], *content["slices"][0]]
    assert not [key for key in keys if "warping" in key]


@pytest.mark.parametrize("meaning", ["inside", "membrane", "instances"])
def test_meanings_of_the_truth(tmp_path, meaning):
    truth = neurites(2)
    values = {
        "inside": truth,
        "membrane": ~truth,
        "instances": np.stack([_numbered(truth[..., z]) for z in range(2)], axis=-1),
    }[meaning]
    pair = Pair("s", save(tmp_path / "p.tif", truth), save(tmp_path / "t.tif", values.astype(np.uint8)))
    assert evaluate_pairs([pair], task="membranes", label_meaning=meaning, warping=False).pooled["v_rand"] == 1


def _numbered(inside):
    from msseg.metrics.segments import label_segments

    return label_segments(inside)


def test_a_slice_without_inside_is_counted_as_undefined(tmp_path):
    truth = neurites(3)
    truth[..., 1] = False
    pair = Pair("s", save(tmp_path / "p.tif", guess(truth)), save(tmp_path / "t.tif", truth))
    evaluation = evaluate_pairs([pair], task="membranes")
    assert (evaluation.summary["v_rand"]["n"], evaluation.summary["v_rand"]["undefined"]) == (2, 1)
    assert evaluation.to_json_dict()["slices"][1]["thresholds"][0]["v_rand"]["f"] is None
    again = Evaluation.from_json_dict(json.loads(json.dumps(evaluation.to_json_dict())))
    assert again.to_json_dict() == evaluation.to_json_dict()


def cells(slices=2):
    """Two cells in each slice, numbered."""
    frame = np.zeros((12, 14, slices), dtype=np.uint16)
    frame[2:6, 2:6] = 3
    frame[7:10, 8:13] = 500
    return frame


def test_cells(tmp_path):
    truth, found = cells(), cells()
    found[2:6, 2, 0] = 0
    found[7:10, 8:13, 1] = 0
    pair = Pair("c", save(tmp_path / "c_instances.tif", found), save(tmp_path / "c.tif", truth))
    evaluation = evaluate_pairs([pair], task="cells")
    assert [scores.values["seg"] for scores in evaluation.cases] == pytest.approx([(0.75 + 1) / 2, 1 / 2])
    assert evaluation.pooled["seg"] == pytest.approx((0.75 + 1 + 1) / 4)
    assert evaluation.pooled["ap50"] == pytest.approx(3 / 4)
    content = evaluation.to_json_dict()
    assert list(content["summary"]) == list(CELL_METRICS)
    assert content["stack"]["ap_per_iou"][0] == {"iou": 0.5, "ap": 0.75}
    assert Evaluation.from_json_dict(json.loads(json.dumps(content))).to_json_dict() == content
    assert evaluation.headline() == "SEG 0.6875, AP at IoU 0.5 0.7500 (2 slices)"
    assert "cells, truth" in format_table(evaluation)


@pytest.mark.parametrize("factor", [1, 255, 0.9])
def test_masks_and_probabilities_of_cells_are_cut_into_components(tmp_path, factor):
    found = (cells() > 0) * factor
    kind = np.float32 if factor < 1 else np.uint8
    pair = Pair("c", save(tmp_path / "c.tif", found.astype(kind)), save(tmp_path / "t.tif", cells()))
    assert evaluate_pairs([pair], task="cells").pooled["seg"] == 1


def test_lesions_in_stacks_have_pages_too(tmp_path):
    truth = neurites(4)
    pair = Pair("s", save(tmp_path / "p.tif", truth[..., 1:3]), save(tmp_path / "t.tif", truth), pages=(1, 2))
    evaluation = evaluate_pairs([pair], label_meaning="inside")
    assert evaluation.pooled["dsc"] == 1
    assert [scores.case for scores in evaluation.cases] == ["s"]
    assert evaluation.settings == Settings(label_meaning="inside", lesions=LesionRules())


SMALL = neurites(2, 8)
REFUSED = {
    "another shape": (guess(SMALL)[:7], SMALL, r"has 7 x 8 pixels in 2 slices, but its truth .* 8 x 8 pixels in 2"),
    "another number of slices": (guess(SMALL)[..., :1], SMALL, r"in 1 slice, but its truth .* in 2 slices"),
    "above 1": (guess(SMALL) + 1, SMALL, r"values from 1 to 2, but a probability of being inside lies between 0 and 1"),
    "below 0": (guess(SMALL) - 0.5, SMALL, "values from -0.5"),
    "NaN": (np.where(SMALL, np.nan, 0).astype(np.float32), SMALL, "values that are NaN or infinite"),
    "unknown scale": ((guess(SMALL) * 999).astype(np.int32), SMALL, "which of them stands for a probability of 1"),
    "empty truth": (guess(SMALL), np.zeros((8, 8, 2), np.uint8), "no pixel inside a neurite"),
    "three values": (guess(SMALL), SMALL.astype(np.uint8) + (guess(SMALL) > 0.5), "holds 3 values"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(tmp_path, reason):
    prediction, truth, message = REFUSED[reason]
    pair = Pair("s", save(tmp_path / "p.tif", prediction), save(tmp_path / "t.tif", truth))
    with pytest.raises(InputError, match=message):
        evaluate_pairs([pair], task="membranes")


def test_cells_refused(tmp_path):
    nothing = np.zeros_like(cells())
    with pytest.raises(InputError, match="has no cell"):
        evaluate_pairs([Pair("c", save(tmp_path / "p.tif", cells()), save(tmp_path / "t.tif", nothing))], task="cells")
    numbers = save(tmp_path / "n.tif", -cells().astype(np.int16))
    with pytest.raises(InputError, match="cells are numbered from 1"):
        evaluate_pairs([Pair("c", numbers, save(tmp_path / "t.tif", cells()))], task="cells")


def test_thresholds_outside_0_to_1(pair):
    with pytest.raises(InputError, match=r"threshold 1\.5 lies outside 0 to 1"):
        evaluate_pairs([pair], task="membranes", thresholds=[0.5, 1.5])
    with pytest.raises(InputError, match="at least one threshold"):
        evaluate_pairs([pair], task="membranes", thresholds=[])


def test_one_bad_stack_does_not_stop_the_others(pair, tmp_path):
    gone = Pair("gone", tmp_path / "gone.tif", pair.truth)
    evaluation = evaluate_pairs([gone, pair], task="membranes", warping=False)
    assert len(evaluation.cases) == 3
    assert list(evaluation.failed) == ["gone"]
