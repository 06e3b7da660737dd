"""The examination: every case by itself, one at a time, then all of them together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msseg.cases.case import Case
from msseg.cases.labels import label_meaning_of
from msseg.cases.splits import Split, make_split
from msseg.config.experiment import ExperimentConfig
from msseg.doctor.cohort import compare, histogram_distances
from msseg.doctor.duplicates import find_duplicates
from msseg.doctor.facts import CaseFacts
from msseg.doctor.findings import Examination
from msseg.doctor.kinds import Observation, group
from msseg.doctor.measure import Measured, Settings, measure
from msseg.doctor.picture import Thumbnail
from msseg.doctor.reading import quietly
from msseg.errors import InputError


@dataclass(frozen=True)
class Subject:
    """What is examined, besides the cases.

    Attributes:
        source: Its name in the output.
        layout: The layout's name; empty where files were given.
        known: Problems that were met while the cases were gathered.
        sides: Part of the split by case id.
    """

    source: str = ""
    layout: str = ""
    known: Sequence[Observation] = ()
    sides: Mapping[str, str] = field(default_factory=dict)


PLAIN, NAMELESS = Settings(), Subject()


def settings_of(config: ExperimentConfig, pictures: bool = False) -> Settings:
    """What of an experiment matters to the examination."""
    return Settings(
        label_meaning_of(config.data),
        config.data.label_values,
        config.preprocessing.align,
        config.preprocessing.colour,
        pictures,
    )


def examine(
    cases: Iterable[Case],
    settings: Settings = PLAIN,
    subject: Subject = NAMELESS,
    done: Callable[[], None] | None = None,
    pictures: dict[str, Thumbnail] | None = None,
) -> Examination:
    """Examine cases; nothing that is wrong with them is raised.

    One case is in memory at a time; of each about 150 kB a channel are kept to compare it with the others.

    Args:
        cases: From a layout, a table or files; they may lack channels and labels.
        settings: See `settings_of`.
        subject: Names, a split, and what is known already.
        done: Called after each case.
        pictures: Filled with the thumbnails by case id, if `settings.pictures`.
    """
    measured = []
    for case in cases:
        of = measure(case, settings)
        if pictures is not None and of.picture is not None:
            pictures[case.id] = of.picture
        of.picture = None
        measured.append(of)
        if done is not None:
            done()
    problems = [problem for of in measured for problem in of.problems]
    among, skipped = compare(measured)
    found = group([*subject.known, *problems, *among, *find_duplicates(measured, subject.sides)])
    return Examination(subject.source, subject.layout, _rows(measured), found, tuple(skipped))


def split_sides(cases: Sequence[Case], config: ExperimentConfig) -> tuple[dict[str, str], list[Observation]]:
    """The part of each case under an experiment's split, and what is wrong with the split."""
    try:
        with quietly():
            split = make_split(cases, config.split)
    except InputError as error:
        return {}, [Observation("error", "split", (), (), str(error))]
    return sides_of(split), [Observation("warning", "split", (), (), warning) for warning in split.warnings]


def sides_of(split: Split) -> dict[str, str]:
    """Part by case id."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {case.id: part for part, cases in parts.items() for case in cases}


def _rows(measured: Sequence[Measured]) -> tuple[CaseFacts, ...]:
    """The facts of all cases, with what only the cohort tells."""
    distances = histogram_distances(measured)
    rows = []
    for of in measured:
        images = {
            channel: replace(image, histogram_distance=distances.get(channel, {}).get(of.case.id))
            for channel, image in of.facts.images.items()
        }
        rows.append(replace(of.facts, images=images))
    return tuple(rows)
