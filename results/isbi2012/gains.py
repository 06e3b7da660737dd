"""What each step between a trained network and its neurites brings: orientations, thresholds, watershed.

    python results/isbi2012/gains.py runs/isbi2012/sf_network_long

Predicts the test slices once more in one pass, and the validation slices for thresholds that the test slices have not
chosen; a few minutes on one core. Writes gains.md and gains.json, and puts the table into the README.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1]))

from shared.runs import Finished, Labels, Values, instances_of, probability_of, read_run, truth_of
from shared.tables import fill, machine, markdown, write_scores

import msseg
from msseg.atomic import write_text
from msseg.errors import InputError
from msseg.metrics.membranes import score_stack
from msseg.metrics.partition import count_pairs, information_agreement, rand_agreement, split_merge_f
from msseg.metrics.segments import grow_segments
from msseg.metrics.slice_counts import CHALLENGE_THRESHOLDS
from msseg.model import read_settings
from msseg.runs import ModelRun
from msseg.volumes.labels import read_truth

HERE = Path(__file__).resolve().parent
FINE_THRESHOLDS = (*CHALLENGE_THRESHOLDS, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
COLUMNS = ("v_rand", "v_rand_split", "v_rand_merge", "v_info")

Stack = NDArray[np.float32]


def main(folder: Path) -> None:
    """Score the steps of one run."""
    run = read_run(folder)
    if run is None or not run.scores:
        raise InputError(f"{folder} is not finished")
    test, truth = probabilities(run), truths(run)
    one_pass = predicted(run, [case.page or 0 for case in run.model.cases], orientations=False)
    validation = [int(name.rsplit("_", 1)[1]) - 1 for name in run.run.split["validation"]]
    known = score_stack(predicted(run, validation, True), boundary_maps(run, validation), warping=False)["stack"]
    chosen = known["v_rand_threshold"]
    settings = read_settings(ModelRun(run.model.folder).model).inference
    steps = {
        "one pass": at_best(one_pass, truth, CHALLENGE_THRESHOLDS),
        "mean of the eight orientations": at_best(test, truth, CHALLENGE_THRESHOLDS),
        "the same, thresholds up to 0.99 tried": at_best(test, truth, FINE_THRESHOLDS),
        "the same, threshold chosen on the validation slices": at_best(test, truth, (chosen,)),
        "the same, watershed from a threshold chosen on the validation slices": {
            **of_segments(
                [instances_of(case) for case in run.model.cases], [truth_of(c, run.run) for c in run.model.cases]
            ),
            "threshold": settings.segment_threshold,
        },
    }
    write_scores(HERE / "gains.json", {"machine": machine(), "run": run.run.folder.name, "steps": steps})
    lines = [
        [name, *(f"{scores[key]:.4f}" for key in COLUMNS), f"{scores['threshold']:g}"] for name, scores in steps.items()
    ]
    table = markdown(["step", "V_rand", "split", "merge", "V_info", "at"], lines)
    write_text(HERE / "gains.md", table + "\n")
    fill(HERE / "README.md", "table of gains", table)


def probabilities(run: Finished) -> Stack:
    """(H, W, N) what the run predicted."""
    return np.stack([probability_of(case) for case in run.model.cases], axis=-1)


def truths(run: Finished) -> NDArray[np.bool_]:
    """(H, W, N) the inside of neurites in the test slices."""
    return np.stack([truth_of(case, run.run) > 0 for case in run.model.cases], axis=-1)


def predicted(run: Finished, pages: Sequence[int], orientations: bool) -> Stack:
    """(H, W, N) probability of slices of the run's stack."""
    inference = read_settings(ModelRun(run.model.folder).model).inference
    inference = inference.model_copy(update={"mirror": orientations, "rotate": orientations, "segment": "none"})
    predictor = msseg.load_model(ModelRun(run.model.folder).model, "cpu", threads=1, inference=inference)
    return predictor.predict_prepared(predictor.prepare(dict(run.model.cases[0].images), pages)).probability


def boundary_maps(run: Finished, pages: Sequence[int]) -> NDArray[np.bool_]:
    """(H, W, N) the inside of neurites in slices of the run's stack."""
    label = run.model.cases[0].label
    assert label is not None
    return read_truth(label, run.run.label_meaning, run.run.membrane_width, pages).data


def at_best(probability: Stack, truth: NDArray[np.bool_], thresholds: Sequence[float]) -> Values:
    """Scores at the best of the thresholds."""
    scores = score_stack(probability, truth, thresholds, warping=False)["stack"]
    return {**{key: scores[key] for key in COLUMNS}, "threshold": scores["v_rand_threshold"]}


def of_segments(segments: Sequence[Labels], truth: Sequence[Labels]) -> Values:
    """The same scores of numbered segments."""
    grown = grow_segments(np.stack(segments))
    counted = [count_pairs(true[true > 0], one[true > 0]) for one, true in zip(grown, truth, strict=True)]
    rand, information = (
        np.array([agreement(one) for one in counted]) for agreement in (rand_agreement, information_agreement)
    )
    split, merge, _ = split_merge_f(rand.sum(axis=0))
    means = (float(split_merge_f(of)[:, 2].mean()) for of in (rand, information))
    v_rand, v_info = means
    return {"v_rand": v_rand, "v_rand_split": float(split), "v_rand_merge": float(merge), "v_info": v_info}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
