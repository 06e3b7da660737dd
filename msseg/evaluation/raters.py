"""Which files several raters, and perhaps a method, made of the same scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msseg.cases.find import find_cases
from msseg.cases.layout import read_layout
from msseg.cases.names import listing
from msseg.cases.tree import absolute, files_below
from msseg.config.data import DataConfig
from msseg.errors import InputError
from msseg.evaluation.matching import match
from msseg.evaluation.names import Candidate
from msseg.evaluation.pairs import pair_files
from msseg.volumes.files import volume_suffix


@dataclass(frozen=True)
class Reading:
    """One scan as it was read.

    Attributes:
        case: Name of the scan.
        raters: Each rater's mask.
        group: The patient, where known.
        prediction: A method's mask of it, where one is compared.
    """

    case: str
    raters: Mapping[str, Path] = field(hash=False)
    group: str = ""
    prediction: Path | None = None


def readings_of_folders(folders: Sequence[Path], prediction: Path | None = None) -> list[Reading]:
    """Pair the masks of two raters or more, and a method's, by names as `msseg evaluate` does.

    Args:
        folders: A folder (or file) for each rater; raters are called by the folders' names where these differ.
        prediction: A method's folder or file.

    Raises:
        InputError: There are fewer than two raters, or files do not pair up.
    """
    if len(folders) < 2:
        raise InputError("agreement is between at least two raters: give --rater twice or more often")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise InputError(f"{listing(names)}: a rater is given twice")
    first, *others = folders
    by_truth: dict[Path, dict[str, Path]] = {}
    cases: dict[Path, str] = {}
    for name, folder in zip(names[1:], others, strict=True):
        for pair in pair_files(folder, first):
            by_truth.setdefault(pair.truth, {names[0]: pair.truth})[name] = pair.prediction
            cases.setdefault(pair.truth, pair.case)
    lacking = [cases[truth] for truth, raters in by_truth.items() if len(raters) < len(names)]
    if lacking:
        raise InputError(f"not every rater has {listing(lacking)}: take out what is not in all folders")
    found = {} if prediction is None else {pair.truth: pair.prediction for pair in pair_files(prediction, first)}
    return [Reading(cases[truth], raters, prediction=found.get(truth)) for truth, raters in by_truth.items()]


def readings_of_layout(
    layout: str, source: Path, raters: Sequence[str] = (), prediction: Path | None = None
) -> list[Reading]:
    """The scans of a data set that several raters labelled.

    Args:
        layout: A layout whose labels name their rater.
        source: The data set's folder.
        raters: Raters to compare, as file names call them; none: all.
        prediction: A method's masks, as `msseg predict --layout` writes them.

    Raises:
        InputError: The layout names no raters, a rater is not there, no scan has two of them, or a scan lacks one.
    """
    described = read_layout(layout)
    if "rater" not in described.label_fields:
        raise InputError(f"the layout {layout} does not say who made a label: give folders with --rater")
    data = DataConfig(
        layout=layout, channels=(next(iter(described.channels)),), select={"rater": tuple(raters) or ("*",)}
    )
    by_scan: dict[str, dict[str, Path]] = {}
    groups = {}
    for case in find_cases(data, source):
        assert case.label is not None
        name = case.id.removeprefix(case.scan).strip("_- ")
        by_scan.setdefault(case.scan, {})[name] = case.label
        groups[case.scan] = case.group
    names = sorted({name for of in by_scan.values() for name in of})
    if len(names) < 2:
        raise InputError(f"the labels in {source} are of one rater, and agreement is between two or more")
    lacking = [scan for scan, of in by_scan.items() if len(of) < len(names)]
    if lacking:
        raise InputError(f"not every rater ({', '.join(names)}) has labelled {listing(lacking)}: choose with --rater")
    firsts = {scan: of[names[0]] for scan, of in by_scan.items()}
    found = _matched(prediction, firsts, source) if prediction is not None else {}
    return [Reading(scan, of, groups[scan], found.get(scan)) for scan, of in sorted(by_scan.items())]


def _matched(predictions: Path, labels: Mapping[str, Path], source: Path) -> dict[str, Path]:
    """The prediction of each scan, by its first label's name."""
    if not predictions.is_dir():
        raise InputError(f"{predictions} is no folder of predictions")
    root = absolute(source)
    truths = [Candidate(absolute(path), root) for path in labels.values()]
    files = [Candidate(file, absolute(predictions)) for file in files_below(predictions) if volume_suffix(file)]
    masks = [candidate for candidate in files if candidate.kind == "mask"]
    if not masks:
        raise InputError(f"{predictions} holds no mask: give the folder that `msseg predict` wrote")
    scan_of = {absolute(path): scan for scan, path in labels.items()}
    return {scan_of[truth]: mask for mask, truth in match(masks, truths, partial=False).values()}
