"""Which cases a list of files, folders and `CHANNEL=path` pairs names, and what their outputs are called."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msseg.cases.case import Case
from msseg.cases.names import listing
from msseg.errors import InputError
from msseg.inference.bids import SUFFIXES, BidsName, bids_name, refuse_equal
from msseg.volumes.files import VOLUME_SUFFIXES, output_suffix, volume_stem, volume_suffix

OUTPUT_ENDINGS = ("_mask", "_probability", "_instances", "_isbi2012")
"""What outputs are called; such files in a folder are not taken for inputs."""

BIDS_ENDINGS = ("_probseg", "_dseg")
"""What else outputs are called by BIDS."""

SUBMISSION_ENDING = OUTPUT_ENDINGS[-1]
"""The ISBI 2012 challenge takes TIFF stacks alone."""


@dataclass(frozen=True)
class Input:
    """One case to predict.

    Attributes:
        name: What its outputs are named after.
        images: Its files by channel.
        slices: Slices of a stack to predict, from 0; None: all, or the file is no stack.
        series: Where every slice is a file of its own: all files of the stack by channel, in order.
        bids: What the first image's name says, where outputs are to be named by BIDS.
    """

    name: str
    images: Mapping[str, Path]
    slices: tuple[int, ...] | None = None
    series: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    bids: BidsName | None = None

    def output(self, folder: Path, ending: str) -> Path:
        """Path of an output, of the first image's kind: `X.nii` -> `folder/X_mask.nii`, `X.png` -> `X_mask.tif`.

        By BIDS: `sub-1_FLAIR.nii.gz` -> `folder/sub-1/anat/sub-1_space-orig_label-lesion_mask.nii.gz`.
        """
        suffix = ".tif" if ending == SUBMISSION_ENDING else output_suffix(_first(self))
        if self.bids is not None and ending in SUFFIXES:
            return folder / self.bids.path(ending, suffix)
        return folder / f"{self.name}{ending}{suffix}"


def inputs_from_arguments(arguments: Sequence[str | Path], channels: Sequence[str]) -> list[Input]:
    """Cases that files, folders or `CHANNEL=path` pairs name.

    Args:
        arguments: Files (NIfTI, TIFF, PNG, HDF5) and folders of them for a model of one channel; or one
            `CHANNEL=path` pair for each channel: files of one case, or folders whose files pair up by name (the
            channel in it aside). Of a folder in which file names hold the channel, only these files are taken.
        channels: The channels that the model needs, in its order.

    Raises:
        InputError: A channel is unknown, missing or given twice, a folder holds nothing, or no files pair up.
    """
    pairs = [_as_pair(argument) for argument in arguments]
    if any(pairs):
        lone = [str(argument) for argument, pair in zip(arguments, pairs, strict=True) if pair is None]
        if lone:
            raise InputError(f"{lone[0]} was given without a channel beside CHANNEL=path pairs: name its channel")
        return _paired([pair for pair in pairs if pair is not None], channels)
    if not arguments:
        raise InputError(
            "no input was given: name a volume (NIfTI, NRRD, MetaImage, MGZ, TIFF), a folder of them, or CHANNEL=path"
        )
    if len(channels) > 1:
        raise InputError(
            f"the model needs the channels {', '.join(channels)}: give one file or folder for each,"
            f" {' '.join(f'{channel}=PATH' for channel in channels)}"
        )
    files = [file for argument in arguments for file in _files(Path(argument))]
    unique = {os.path.realpath(file): file for file in files}  # Path.resolve gives up on links in a circle
    return with_distinct_names([Input(volume_stem(file), {channels[0]: file}) for file in unique.values()])


def named_channels(arguments: Sequence[str | Path]) -> tuple[str, ...] | None:
    """The channels that `CHANNEL=path` arguments name; None where they are plain paths."""
    pairs = [_as_pair(argument) for argument in arguments]
    return tuple(pair[0] for pair in pairs if pair is not None) or None


def named_by_bids(inputs: Sequence[Input]) -> list[Input]:
    """Inputs whose images have BIDS names, with such names for their outputs; others as they are.

    Raises:
        InputError: The outputs of two would be one file.
    """
    named = [replace(item, bids=bids_name(_first(item))) for item in inputs]
    refuse_equal([(_first(item), item.output(Path(), "_mask")) for item in named if item.bids is not None])
    return named


def inputs_from_cases(cases: Iterable[Case], channels: Sequence[str], incomplete: bool = False) -> list[Input]:
    """Cases of a data set: one input for each scan; channels that the model does not need are left aside.

    The slices of one stack are predicted together, in their order. A case without all channels is kept: it fails by
    itself, and the others go on.

    Args:
        cases: As `msseg.cases.find.find_cases` finds them.
        channels: The channels that the model needs, in its order.
        incomplete: Whether the model takes cases that have some of the channels alone.

    Raises:
        InputError: There is no case, or none that has all channels.
    """
    scans: dict[tuple[str, tuple[Path, ...]], list[Case]] = {}
    for case in cases:  # by their files as well: two data sets may have scans of one name
        scans.setdefault((case.scan, tuple(case.images.values())), []).append(case)
    if not scans:
        raise InputError("the data set holds no case to predict")
    inputs = [_of_scan(scan, of, channels) for (scan, _), of in scans.items()]
    if all(len(item.images) < (1 if incomplete else len(channels)) for item in inputs):
        there = sorted({channel for of in scans.values() for case in of for channel in case.images})
        raise InputError(
            f"the model needs the channels {', '.join(channels)}, which no case has; there are {', '.join(there)}"
        )
    return with_distinct_names(inputs)


def _of_scan(scan: str, cases: Sequence[Case], channels: Sequence[str]) -> Input:
    first = cases[0]
    images = {channel: first.images[channel] for channel in channels if channel in first.images}
    slices = sorted({case.slice_index for case in cases if case.slice_index is not None})
    return Input(scan, images, tuple(slices) or None, first.series)


def with_distinct_names(inputs: Sequence[Input]) -> list[Input]:
    """Inputs whose names occur more than once are named after their folder as well: `a/X`, `b/X` -> a_X, b_X.

    Raises:
        InputError: Names are still the same.
    """
    counts = Counter(item.name.casefold() for item in inputs)
    named = [_named_after_folder(item) if counts[item.name.casefold()] > 1 else item for item in inputs]
    seen: dict[str, Input] = {}
    for item in named:
        other = seen.setdefault(item.name.casefold(), item)
        if other is not item:
            raise InputError(
                f"the outputs of {_first(other)} and {_first(item)} would have the same name, {item.name}:"
                " predict them into different folders"
            )
    return named


def _named_after_folder(item: Input) -> Input:
    return replace(item, name=f"{_first(item).resolve().parent.name}_{item.name}")


def _first(item: Input) -> Path:
    return next(iter(item.images.values()), Path(item.name))


def _as_pair(argument: str | Path) -> tuple[str, Path] | None:
    match = re.fullmatch(r"([^=/\\]+)=(.+)", str(argument))
    return None if match is None or Path(argument).exists() else (match[1], Path(match[2]))


def _files(path: Path) -> list[Path]:
    """The file itself, or the volumes of a folder that are not outputs."""
    if not path.is_dir():
        return [path]
    # What is called like an image and is none (a folder, a link to nowhere) is kept: it fails by name, not in silence.
    visible = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    there = [file for file in visible if file.is_file() or volume_suffix(file)]
    images = [file for file in there if volume_suffix(file)]
    inputs = [file for file in images if not _is_output(file)]
    if not inputs:
        endings = Counter(file.suffix or "no ending" for file in there if file not in images)
        found = [f"{count} files with {ending}" for ending, count in endings.most_common(3)]
        found += [f"{len(images)} masks or probabilities (X_mask, X_probability)"] if images else []
        folders = "; what is in folders of it is found with --layout" if any(map(Path.is_dir, path.iterdir())) else ""
        raise InputError(
            f"the folder {path} holds no image to predict ({listing(VOLUME_SUFFIXES)}): it holds"
            f" {', '.join(found) or 'no files'}{folders}"
        )
    return inputs


def _is_output(file: Path) -> bool:
    stem = volume_stem(file)
    return stem.endswith(OUTPUT_ENDINGS) or (stem.startswith("sub-") and stem.endswith(BIDS_ENDINGS))


def _paired(pairs: list[tuple[str, Path]], channels: Sequence[str]) -> list[Input]:
    paths = dict(pairs)
    repeated = [channel for channel, count in Counter(channel for channel, _ in pairs).items() if count > 1]
    unknown = [channel for channel in paths if channel not in channels]
    missing = [channel for channel in channels if channel not in paths]
    if unknown:
        raise InputError(f"the model does not know the channel {', '.join(unknown)}; it knows {', '.join(channels)}")
    if repeated:
        raise InputError(f"the channel {repeated[0]} is given twice: predict one case (or folder) at a time")
    if missing:
        raise InputError(f"the model needs the channel {', '.join(missing)} as well: add {missing[0]}=PATH")
    folders = [channel for channel in channels if paths[channel].is_dir()]
    if not folders:
        return [Input(volume_stem(paths[channels[0]]), {channel: paths[channel] for channel in channels})]
    if len(folders) < len(channels):
        raise InputError("some channels are given as folders and others as files: give all as folders or all as files")
    return _paired_folders({channel: paths[channel] for channel in channels})


def _paired_folders(folders: Mapping[str, Path]) -> list[Input]:
    files = {channel: _by_key(_files(folder), channel) for channel, folder in folders.items()}
    keys = sorted(set().union(*files.values()))
    if not any(all(key in of for of in files.values()) for key in keys):
        raise InputError(
            f"the files in {' and '.join(map(str, folders.values()))} cannot be paired:"
            " apart from the channel, their names have to be equal"
        )
    cases = [{channel: of[key] for channel, of in files.items() if key in of} for key in keys]
    return with_distinct_names([Input(volume_stem(next(iter(case.values()))), case) for case in cases])


def _by_key(files: list[Path], channel: str) -> dict[str, Path]:
    """Files by their stem without the channel, in which patient19_FLAIR and patient19_T1 are the same."""
    pattern = re.compile(rf"(^|[_.-]){re.escape(channel)}(?![a-z0-9])", re.IGNORECASE)
    named = [file for file in files if pattern.search(volume_stem(file))]
    found: dict[str, Path] = {}
    for file in named or files:
        other = found.setdefault(pattern.sub("", volume_stem(file), count=1), file)
        if other is not file:
            raise InputError(f"{other} and {file} are both {channel} of one case by their names: remove one")
    return found
