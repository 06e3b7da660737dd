"""What the report calls things, and the sentences that explain its numbers to a reader."""

from collections.abc import Mapping
from dataclasses import dataclass

NETWORK_TITLES = {
    "residual_unet3d": "Residual 3D U-Net",
    "unet3d": "3D U-Net",
    "sf_network": "SF Network",
    "unet2d": "U-Net",
    "fusionnet": "FusionNet",
    "mcdnn": "MCDNN",
}


@dataclass(frozen=True)
class Metric:
    """One column of the tables.

    Attributes:
        key: Its name in `evaluation.json`.
        title: Column head.
        unit: Unit in brackets behind the title; empty for ratios.
        digits: Digits behind the point.
        higher_is_better: Which end is the good one; None where neither is.
        meaning: One sentence for a reader who has not met it.
        scale: Factor from the stored value to the printed one.
    """

    key: str
    title: str
    unit: str
    digits: int
    higher_is_better: bool | None
    meaning: str
    scale: float = 1.0

    @property
    def head(self) -> str:
        """Title, unit, and an arrow towards the good end, e.g. 'HD95 (mm) ↓'."""
        unit = f" ({self.unit})" if self.unit else ""
        arrow = {True: "\u00a0↑", False: "\u00a0↓", None: ""}[self.higher_is_better]  # never on a line of its own
        return f"{self.title}{unit}{arrow}"

    @property
    def slice_digits(self) -> int:
        """Digits of the mean and spread over slices, which stand small beside the stack's score."""
        return self.digits - 1


@dataclass(frozen=True)
class Words:
    """What is particular to the report of a task: its columns, and what its cases are called.

    Attributes:
        title: What was done.
        case: What is scored, in the singular: a case, or a slice.
        group: Where several cases come from.
        truth: What predictions are compared with.
        few: Sentence for a test set too small to tell much.
        main: The score that ranks.
        spread: Scores printed with their spread.
        overall: Columns of the table of networks.
        pooled: Scores of all cases taken together; for slices those of the stack, the numbers that count.
        by_case: Columns of the table of cases.
        lesionwise: Columns of the table of networks' scores on lesions, where an evaluation has them.
        together: What the pooled scores are called.
        together_note: What they are.
        validation: Column of `epochs.csv` -> what it is called, the one that matters first.
        validated_on: What a validation is made on.
        empty_rule: What empty masks score.
        groups_note: What it means that cases are of one group.
        pictures: Sentence above the pictures.
        picture_notes: Sentences below them.
        notes: Sentences below the table of cases.
        thresholds_title: Heading of the curves of scores against a threshold; empty where there are none.
        thresholds_note: What they show.
    """

    title: str
    case: str
    group: str
    truth: str
    few: str
    main: Metric
    spread: tuple[Metric, ...]
    overall: tuple[Metric, ...]
    pooled: tuple[Metric, ...]
    by_case: tuple[Metric, ...]
    together: str
    together_note: str
    validation: Mapping[str, str]
    validated_on: str
    empty_rule: str
    groups_note: str
    pictures: str
    picture_notes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    lesionwise: tuple[Metric, ...] = ()
    thresholds_title: str = ""
    thresholds_note: str = ""

    @property
    def is_stack(self) -> bool:
        """Whether cases are slices, of which the score is that of their stack."""
        return self.case == "slice"

    @property
    def compared(self) -> tuple[Metric, ...]:
        """Scores of which there is a mean over the cases."""
        return (*self.overall, *self.lesionwise)

    @property
    def further(self) -> tuple[Metric, ...]:
        """Columns of the table of cases that the table of networks has not explained."""
        return tuple(metric for metric in self.by_case if metric not in self.overall)


def empty_masks(words: Words) -> str:
    """The rule for empty masks as a sentence."""
    return f"One rule for empty masks. {words.empty_rule[0].upper()}{words.empty_rule[1:]}."


def network_title(name: str) -> str:
    """The network's name in prose; a network without one keeps its registry name."""
    return NETWORK_TITLES.get(name, name)
