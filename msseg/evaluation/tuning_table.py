"""What `msseg tune` prints: the grid of scores, and what is best in it."""

from msseg.cases.names import counted, listing
from msseg.evaluation.compare_table import table_lines
from msseg.evaluation.tuning import Choice, Tuning
from msseg.metrics.selection import CRITERIA

BEST, PRESENT = "*", "<"


def format_tuning(tuning: Tuning) -> str:
    """Scores by threshold (rows) and smallest lesion (columns), then before, after, and what to think of it."""
    criterion = CRITERIA[tuning.criterion]
    best = tuning.best(tuning.means)
    rows = [["threshold", *(f"{size:g} mm3" for size in tuning.sizes_mm3)]]
    for row, threshold in enumerate(tuning.thresholds):
        marks = [_mark((row, column), best, tuning.present) for column in range(len(tuning.sizes_mm3))]
        numbers = [f"{mean:.{criterion.decimals}f}" for mean in tuning.means[row]]
        rows.append([f"{threshold:g}", *(number + mark for number, mark in zip(numbers, marks, strict=True))])
    direction = "lower" if criterion.lower else "higher"
    patients = len(set(tuning.groups))
    over = f"{counted(len(tuning.cases), 'validation case')} of {counted(patients, 'patient')}"
    return "\n".join(
        [
            f"{criterion.label} ({direction} is better), mean over {over} ({listing(tuning.cases)});"
            f" by threshold and smallest lesion; {BEST} best, {PRESENT} as it is now",
            "",
            *table_lines(rows, left=0),
            "",
            *_conclusions(tuning),
        ]
    )


def _conclusions(tuning: Tuning) -> list[str]:
    criterion, before, after = CRITERIA[tuning.criterion], tuning.before, tuning.after
    lines = [f"before: {_told(tuning, before)}", f"after:  {_told(tuning, after)}"]
    left_out = tuning.left_out()
    if left_out is None:
        lines.append("Note: all cases are of one patient; of others nothing is known.")
    else:
        lines.append(
            f"chosen on the other patients and scored on the one left out: {left_out:.{criterion.decimals}f}; this is"
            " what to expect of new patients"
        )
        gain = (before.score - left_out) if criterion.lower else (left_out - before.score)
        if after != before and gain <= 0:
            lines.append(
                "Note: that is no better than before, so that the gain may be luck with these few patients; more"
                " validation patients, or the settings as they were, are the safer choice."
            )
    edge = tuning.at_edge()
    if edge and after != before:
        lines.append(f"Note: the best lies at {edge} that was tried; --thresholds and --sizes look further.")
    return lines


def _told(tuning: Tuning, choice: Choice) -> str:
    criterion = CRITERIA[tuning.criterion]
    return (
        f"threshold {choice.threshold:g}, smallest lesion {choice.smallest_lesion_mm3:g} mm3:"
        f" {criterion.label} {choice.score:.{criterion.decimals}f}"
    )


def _mark(place: tuple[int, int], best: tuple[int, int], present: tuple[int, int]) -> str:
    return (BEST if place == best else " ") + (PRESENT if place == present else " ")
