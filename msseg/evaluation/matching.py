"""Matching predictions with truths by what their names say, and the sentence where that does not work out."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from msseg.cases.names import listing
from msseg.errors import InputError
from msseg.evaluation.names import (
    PREDICTION_NAMINGS,
    TRUTH_NAMINGS,
    Candidate,
    Naming,
    comparable,
    without_role,
)

ADVICE = "rename them, or name the pairs in a table (columns case, prediction, truth)"

Partners = Mapping[Candidate, Sequence[Candidate]]
"""For each file that needs a partner all those that its name fits."""


def match(
    predictions: list[Candidate], truths: list[Candidate], partial: bool, by_truth: bool = False
) -> dict[str, tuple[Path, Path]]:
    """Find for each prediction the one truth that it belongs to; for a single truth file its one prediction.

    Args:
        predictions: At least one.
        truths: At least one.
        partial: Whether truths may be left over.
        by_truth: Whether it is the truths that each need a prediction, and predictions may be left over.

    Returns:
        Case -> (prediction, truth). The case's name is what the match went by.

    Raises:
        InputError: No reading of the names gives each file one partner of its own, or truths are left over.
    """
    one_file = truths[0].chosen or predictions[0].chosen
    from_truth = truths[0].chosen or (by_truth and not one_file)
    seekers, offered = (truths, predictions) if from_truth else (predictions, truths)
    best: Partners = {seeker: [] for seeker in seekers}
    for naming, truth_naming in product(PREDICTION_NAMINGS, TRUTH_NAMINGS):
        namings = (truth_naming, naming) if from_truth else (naming, truth_naming)
        partners = _partners(seekers, offered, *namings)
        if _is_complete(partners):
            break
        best = max(best, partners, key=_completeness)
    else:
        raise _no_match(best, offered)
    if not (partial or one_file or from_truth):
        _require_none_left(truths, partners)
    matches = [(seeker, *found) for seeker, found in partners.items()]
    matches = [(left, right) if not from_truth else (right, left) for left, right in matches]
    names = _case_names([prediction for prediction, _ in matches], naming)
    return {names[prediction]: (prediction.path, truth.path) for prediction, truth in matches}


def _partners(seekers: list[Candidate], offered: list[Candidate], naming: Naming, offered_naming: Naming) -> Partners:
    """For each seeker those that have the same name under these readings."""
    by_name: dict[str, list[Candidate]] = {}
    for candidate in offered:
        by_name.setdefault(comparable(offered_naming(candidate)), []).append(candidate)
    by_name.pop("", None)
    return {seeker: by_name.get(comparable(naming(seeker)), []) for seeker in seekers}


def _is_complete(partners: Partners) -> bool:
    found = [candidate for candidates in partners.values() for candidate in candidates]
    return all(len(candidates) == 1 for candidates in partners.values()) and len(set(found)) == len(found)


def _completeness(partners: Partners) -> tuple[int, int]:
    counts = [len(candidates) for candidates in partners.values()]
    return sum(count > 0 for count in counts), -sum(counts)


def _case_names(predictions: list[Candidate], naming: Naming) -> dict[Candidate, str]:
    """What the match went by, without role words where names stay distinct: '07/x_mask' -> '07_x'."""
    full = {candidate: naming(candidate).replace("/", "_") for candidate in predictions}
    short = {candidate: without_role(name) for candidate, name in full.items()}
    return short if all(short.values()) and len(set(short.values())) == len(short) else full


def _require_none_left(truths: list[Candidate], partners: Partners) -> None:
    used = {candidate for found in partners.values() for candidate in found}
    left = [truth for truth in truths if truth not in used]
    if left:
        raise InputError(
            f"no prediction belongs to {_listing(left)}; predict what is missing, or take these out of"
            f" {left[0].root}, or name the pairs in a table (columns case, prediction, truth)"
        )


def _no_match(partners: Partners, offered: list[Candidate]) -> InputError:
    """The sentence that says which files have no partner, or whose partner is not clear."""
    alone = [seeker for seeker, found in partners.items() if not found]
    if alone:
        return InputError(
            f"nothing belongs to {_listing(alone)} by name among what {offered[0].root} holds"
            f" ({_listing(offered)}); {ADVICE}"
        )
    for seeker, found in partners.items():
        if len(found) > 1:
            return InputError(f"{seeker.path} may belong to each of {_listing(found)}; {ADVICE}")
    claimants: dict[Candidate, list[Candidate]] = {}
    for seeker, found in partners.items():
        claimants.setdefault(found[0], []).append(seeker)
    wanted, rivals = max(claimants.items(), key=lambda item: len(item[1]))
    return InputError(f"{_listing(rivals)} belong to {wanted.path} alike by their names; {ADVICE}")


def _listing(candidates: Sequence[Candidate]) -> str:
    return listing([candidate.path.relative_to(candidate.root).as_posix() for candidate in candidates])
