"""Read pairs of files and score them; one bad pair does not stop the others."""

from collections import Counter
from collections.abc import Callable, Sequence

from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.pairs import Pair
from msseg.evaluation.scores import CaseScores, score_case
from msseg.volumes.files import read_label, require_same_grid


def evaluate_pairs(
    pairs: Sequence[Pair],
    *,
    threshold: float = 0.5,
    bootstrap: int = 2000,
    seed: int = 0,
    on_done: Callable[[Pair], None] | None = None,
) -> Evaluation:
    """Score predictions against truths.

    Args:
        pairs: Files and names; every case once.
        threshold: A predicted voxel is foreground where its value is above this; for masks anything from 0 to
            below 1.
        bootstrap: Bootstrap samples of the intervals; 0: none.
        seed: Seed of the bootstrap.
        on_done: Called after each pair, scored or not, for a progress bar.

    Returns:
        Scores of all pairs that could be read and lie on one grid; the others are named in `failed`, with the
        reason.

    Raises:
        InputError: There is no pair, a case occurs twice, or no pair at all could be scored.
    """
    if not pairs:
        raise InputError("there is nothing to evaluate: no pair of a prediction and a truth was given")
    repeated = [case for case, count in Counter(pair.case for pair in pairs).items() if count > 1]
    if repeated:
        raise InputError(f"the case {repeated[0]} occurs more than once; give every pair a name of its own")
    cases: list[CaseScores] = []
    failed: dict[str, str] = {}
    for pair in pairs:
        try:
            cases.append(evaluate_pair(pair, threshold))
        except InputError as error:
            failed[pair.case] = str(error)
        if on_done is not None:
            on_done(pair)
    if not cases:
        reason = next(iter(failed.values()))
        raise InputError(
            reason if len(pairs) == 1 else f"none of {len(pairs)} pairs could be evaluated; first: {reason}"
        )
    return Evaluation.from_cases(cases, failed, Settings(threshold, bootstrap, seed))


def evaluate_pair(pair: Pair, threshold: float = 0.5) -> CaseScores:
    """Score one prediction against its truth.

    Raises:
        InputError: A file cannot be read, or the two do not lie on one grid.
    """
    truth = read_label(pair.truth)
    prediction = read_label(pair.prediction, threshold)
    require_same_grid(truth, prediction)
    values = score_case(prediction.data, truth.data, truth.spacing)
    return CaseScores(pair.case, values, pair.group, str(pair.prediction), str(pair.truth))
