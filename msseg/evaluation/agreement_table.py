"""The agreement of raters, and a method's with them, as a table for a terminal."""

import math

from msseg.cases.names import counted
from msseg.evaluation.agreement import CONSENSUS, Agreement
from msseg.evaluation.compare_table import p_text, table_lines
from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.table import UNDEFINED
from msseg.evaluation.tasks import TASKS
from msseg.metrics.compare import SIGNIFICANT, groups_needed, smallest_p
from msseg.metrics.detection import volume_correlation

COLUMNS = ("dsc", "surface_dsc", "hd95_mm", "ltpr", "lfpr", "lesion_f1", "msseg_f1", "volume_difference_mm3")


def format_agreement(agreement: Agreement) -> str:
    """One row for each pair, means over the cases; then what they say."""
    metrics = TASKS["lesions"].metrics
    labels = [metrics[key].label for key in COLUMNS]
    head = ("judged", "against", labels[0], "95 % interval", *labels[1:], "volume r")
    rows = [_row(judged, against, of) for (judged, against), of in agreement.evaluations.items()]
    one = next(iter(agreement.evaluations.values()))
    patients = len({scores.group for scores in one.cases if scores.group})
    over = counted(len(one.cases), "scan") + (f" of {counted(patients, 'patient')}" if patients else "")
    return "\n".join([f"Means over {over}", "", *table_lines([head, *rows]), "", *_notes(agreement, patients)])


def _row(judged: str, against: str, evaluation: Evaluation) -> tuple[str, ...]:
    metrics = TASKS["lesions"].metrics
    summary = evaluation.summary
    first, *others = (_number(summary[key]["mean"], metrics[key].decimals) for key in COLUMNS)
    ends = [_number(summary["dsc"][end], 4) for end in ("ci_low", "ci_high")]
    volumes = [
        [scores.values[f"volume_{whose}_mm3"] for scores in evaluation.cases] for whose in ("truth", "prediction")
    ]
    interval = UNDEFINED if UNDEFINED in ends else " to ".join(ends)
    return (judged, against, first, interval, *others, _number(volume_correlation(*volumes), 3))


def _notes(agreement: Agreement, patients: int) -> list[str]:
    notes = [
        "LTPR: share of the second's lesions that the first has too; LFPR: share of the first's that the second has"
        " not. Volume difference: first minus second; volume r: Pearson's correlation over the scans.",
    ]
    if agreement.consensus and any(against == CONSENSUS for _, against in agreement.evaluations):
        notes.append(f"Consensus: {agreement.consensus} of the {counted(len(agreement.raters), 'rater')}.")
    like = agreement.like_a_rater
    if like is not None:
        if not patients:
            notes.append(
                "No patient is named (--groups), so each scan counts as one: with repeated scans p is too small."
            )
        notes.append(
            f"DSC of the prediction with the raters {like.mean_b:.4f}, of the raters with each other {like.mean_a:.4f}:"
            f" difference {like.difference:+.4f} ({_interval(like.ci_low, like.ci_high)}), p {p_text(like.p_value)}."
        )
        if smallest_p(like.groups) >= SIGNIFICANT:
            notes.append(
                f"With {counted(like.groups, 'patient')} no p value can be below {smallest_p(like.groups):g}: p <"
                f" {SIGNIFICANT:g} takes at least {groups_needed()}."
            )
    return [*notes, *(f"not scored: {case}: {reason}" for case, reason in agreement.failed.items())]


def _interval(low: float, high: float) -> str:
    return "no interval" if math.isnan(low) else f"95 % interval {low:+.4f} to {high:+.4f}"


def _number(value: float, decimals: int) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.{decimals}f}"
