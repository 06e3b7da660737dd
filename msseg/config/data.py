"""Which files an experiment reads, and how they are split."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from msseg.config.section import Section, Seed, Text


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once")
    return names


def _joined_channels(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Entries without spaces about their plus signs, since they name folders."""
    joined = []
    for entry in entries:
        parts = [part.strip() for part in entry.split("+")]
        if not all(parts) or len(set(parts)) < len(parts):
            raise ValueError(f"has the entry '{entry}'; it has to be a channel, or different ones as FLAIR+T1")
        if any(part.startswith(".") or not part.isprintable() or set(part) & set("/\\") for part in parts):
            raise ValueError(f"has the entry {entry!r}, which cannot name a folder; rename the channel")
        joined.append("+".join(parts))
    return tuple(joined)


def _shares(fractions: tuple[float, float, float]) -> tuple[float, float, float]:
    if abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"is {list(fractions)}, which does not add up to 1")
    if fractions[0] == 0:
        raise ValueError(f"is {list(fractions)}: the first is for training and has to be above 0")
    return fractions


def _as_names(value: object) -> object:
    """A single name or slice number stands for a list of one; numbers are slices, as text."""
    entries = value if isinstance(value, list | tuple) else [value]
    return tuple(str(entry) if type(entry) is int else entry for entry in entries) if value is not None else None


def _whole_values(values: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if values is not None and (not values or min(values) < 1):
        raise ValueError(f"is {list(values)}; list the values that are foreground, each 1 or more (0 is background)")
    return values


LabelMeaning = Literal["mask", "inside", "membrane", "instances"]
"""What the values of a label file stand for."""
Missing = Literal["error", "skip", "zero"]
"""What becomes of a case without one of the channels."""
Share = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[
    tuple[Text, ...] | None,
    BeforeValidator(_as_names, json_schema_input_type=Text | int | tuple[Text | int, ...] | None),
]
"""Who is listed: one name or a list of them."""


class DataConfig(Section):
    """Where the cases are: a layout of folders, or a CSV table."""

    layout: Text | None = None
    """Name of a layout (`msseg layouts` lists them) or path of a layout file of your own."""
    root: Text | None = None
    """Folder that holds the data set; `--data` on the command line replaces it."""
    table: Text | None = None
    """CSV table with the columns case, group, label and one per channel, instead of a layout; relative paths
    in it start from `root`, or else from the table's own folder."""
    slices: bool | None = None
    """Whether each slice of a file is a case of its own (2D), or the whole file is (3D); null: as the layout says,
    and in a table the former for TIFF and HDF5 files of more than one slice."""
    label_meaning: LabelMeaning | None = None
    """What the values of labels stand for; null: what the layout says, in a table `mask`. `mask`: above 0.5 is
    foreground (lesions). `inside`: a boundary map of two values, the higher is the inside of neurites or cells.
    `membrane`: two values, the higher is membrane. `instances`: 0 is background, any other value the number of an
    object, of which every one is kept apart from those it touches."""
    label_values: Annotated[tuple[int, ...] | None, AfterValidator(_whole_values)] = None
    """Which values of a `mask` are foreground, e.g. `[1, 3]`; null: all above 0.5, but a label that holds several
    different whole values besides 0 is refused, since it may tell several tissues apart."""
    membrane_width: int = Field(default=2, ge=1)
    """Pixels between touching objects of `instances` that become membrane."""
    channels: Annotated[tuple[str, ...], AfterValidator(_joined_channels), AfterValidator(_unique)] = ()
    """Channels to use, by the layout's names; empty: all that the layout knows. `run` trains one model for
    each entry; `FLAIR+T1` is one model that sees both."""
    select: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """Keep only files whose named field (or rows whose column) has one of these values, e.g.
    `rater: ["1", "2"]` or `patient: ["training*"]`; `*` matches anything."""
    missing: Missing = "error"
    """What becomes of cases that lack a channel which is asked for. `error`: they are named, and nothing is run.
    `skip`: they are left out, with a warning that names them. `zero`: the network sees the channel as zeros, its mean
    after normalisation; each model needs at least one of its channels."""
    cache: Text | None = None
    """Folder for preprocessed volumes; null: `cache` in the run folder. Runs on the same data may share one."""

    @model_validator(mode="after")
    def _one_door(self) -> Self:
        if self.layout is not None and self.table is not None:
            raise ValueError("give either layout or table, not both")
        if self.label_values is not None and self.label_meaning not in (None, "mask"):
            raise ValueError(f"label_values are of masks, but label_meaning is {self.label_meaning}: leave one out")
        return self

    def path(self) -> Path | None:
        """The data set's folder, if one is set."""
        return Path(self.root).expanduser() if self.root else None


class SplitConfig(Section):
    """Who trains, who validates, who is tested."""

    group_by: Literal["patient", "scan", "slice"] = "patient"
    """What is kept together on one side: the patient (right; of slices, the stack that they are of), or the single
    scan (as the paper did; patients on both sides are named). `slice` divides each stack of slices into blocks of
    consecutive ones: the first train, the last are tested (stacks on both sides are named)."""
    fractions: Annotated[tuple[Share, Share, Share], AfterValidator(_shares)] = (0.8, 0.1, 0.1)
    """Shares of the groups for train, validation and test; a share above 0 is at least one group where there
    are enough."""
    train: Names = None
    """Groups, scans or cases to train on, instead of fractions; `*` in a name matches anything. Slices are listed
    by their numbers, from 1: `1-24` (of every stack), `stack3:1-100` (of one), `5, 8-12`."""
    validation: Names = None
    """Groups, scans or cases to validate on; without any, all epochs are trained and the last state kept."""
    test: Names = None
    """Groups, scans or cases to test on; what is in none of the lists is not used."""
    folds: int | None = Field(default=None, ge=2)
    """Cross-validation: the groups are dealt into this many folds; one is the test set, the next the
    validation set (with two folds there is none)."""
    fold: int = Field(default=0, ge=0)
    """Which of the folds (from 0) is the test set."""
    leak: Literal["error", "warn"] = "error"
    """What happens when lists put one patient on both sides of the split; `group_by: scan` asks for that, and
    warns. Lists may divide the slices of a stack, which is warned of as well."""
    seed: Seed = 0
    """Seed of the draw."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        lists = [name for name in ("train", "validation", "test") if getattr(self, name) is not None]
        if lists and "train" not in lists:
            raise ValueError(f"{' and '.join(lists)} given without train: list the groups to train on as well")
        if self.train == ():
            raise ValueError("train is empty: list the groups to train on")
        if lists and self.folds is not None:
            raise ValueError("give either folds or lists of groups, not both")
        if self.folds is None and self.fold:
            raise ValueError(f"fold {self.fold} is given without folds: say how many there are")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} does not exist among {self.folds} folds (they count from 0)")
        return self
