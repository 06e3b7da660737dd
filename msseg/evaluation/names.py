"""What a file's name and folders say about the case it belongs to.

`patient07_FLAIR_mask.nii.gz`, `patient07_consensus_gt.nii` and `patient07/GOLD_STANDARD.nii.gz` all mean
patient07: the first after taking off what msseg appends and the channel, the second what marks a truth, the
third by its folder.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msseg.volumes.files import volume_stem

_ROLE = (
    r"masks?\d*|labels?|lesions?|consensus|gt|gold[_-]?standard|ground[_-]?truth|truth|seg|segmentations?"
    r"|manual|manual[_-]?segmentations?|rater[_-]?\d+|pred|predictions?|prob|probability|probabilities|probseg|dseg|roi"
    r"|instances|membranes?"
)
_DATA = r"volume"
_CHANNEL = r"flair|mprage|t1(?:w|ks|wks|post|ce|gd|c)?|t2w?|pdw?|dp|dir|gado"
_PROCESSING = r"pp|preprocessed|n4|brain|stripped|registered|coregistered"
_STORAGE = (
    r"images?|anat|raw|orig|data|derivatives|outputs?|results"
    r"|train|training|validation|val|test|models?|runs?"
)

_EDGE = r"[_\-. /]+"
_OWN_SUFFIX = re.compile(r"_(?:mask|probability|instances)$", re.IGNORECASE)
_ROLE_AT_END = re.compile(rf"(?:{_EDGE}(?:{_ROLE}|{_DATA}))+$", re.IGNORECASE)
_ROLE_AT_START = re.compile(rf"^(?:(?:{_ROLE}){_EDGE})+", re.IGNORECASE)
_CHANNEL_AT_END = re.compile(
    rf"{_EDGE}(?:{_CHANNEL})(?:\+(?:{_CHANNEL}))*(?:{_EDGE}(?:{_PROCESSING}))*$", re.IGNORECASE
)
_WITHOUT_MEANING = re.compile(rf"(?:{_ROLE}|{_CHANNEL}|{_PROCESSING}|{_STORAGE})", re.IGNORECASE)

_WORD_OF_TRUTH = re.compile(rf"(?:^|{_EDGE})(?:{_ROLE}|man_seg\d+)(?=$|{_EDGE})", re.IGNORECASE)
_BRAIN_MASK = re.compile(r"brain[_-]?mask", re.IGNORECASE)
_PROBABILITY = re.compile(rf"(?:^|{_EDGE})prob(?:ability|abilities|seg)?$", re.IGNORECASE)
_INSTANCES = re.compile(rf"(?:^|{_EDGE})instances$", re.IGNORECASE)
_BIDS = re.compile(r"sub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?(?=_)")
_FRAME = re.compile(r"(?:.*[_-])?(?:t|m|mask)?(\d{3,})", re.IGNORECASE)
_FRAME_OF_TRUTH = re.compile(r"(?:t|man_seg)(\d{3,})", re.IGNORECASE)

Kind = Literal["mask", "probability", "instances"]


@dataclass(frozen=True)
class Candidate:
    """A file that may be one half of a pair, below the folder that was given."""

    path: Path
    root: Path
    chosen: bool = False
    """Whether the file itself was given: then its folder's own name counts as well."""

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return volume_stem(self.path)

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders between root and file, outermost first."""
        return self.path.relative_to(self.root).parts[:-1]

    @property
    def relative_stem(self) -> str:
        """Folders and stem, separated by slashes."""
        return "/".join((*self.folders, self.stem))

    @property
    def kind(self) -> Kind:
        """What its name says that it holds; a mask where it says nothing."""
        if _PROBABILITY.search(self.stem):
            return "probability"
        return "instances" if _INSTANCES.search(self.stem) else "mask"

    @property
    def is_named_truth(self) -> bool:
        """Whether its name, or a folder's, says that it is a segmentation (and not of the brain)."""
        is_segmentation = _WORD_OF_TRUTH.search(self.relative_stem) is not None
        return is_segmentation and self.kind != "probability" and _BRAIN_MASK.search(self.stem) is None


def without_role(name: str) -> str:
    """Take words that only say 'segmentation' off both ends: 'patient07_lesion_mask' -> 'patient07'."""
    return _ROLE_AT_START.sub("", _ROLE_AT_END.sub("", name))


def without_channel(name: str) -> str:
    """Take the role words and one channel with its processing off: 'p01_flair_pp_mask' -> 'p01'."""
    return _CHANNEL_AT_END.sub("", without_role(name))


def comparable(name: str) -> str:
    """Lower case, one underscore between words, 'mask2' as 'rater2': 'P-01/mask2' is 'p_01_rater2'."""
    plain = re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
    return re.sub(r"(?<![^_])mask(\d+)(?![^_])", r"rater\1", plain)


def _telling_folders(candidate: Candidate, with_root: bool) -> list[str]:
    names = (candidate.root.resolve().name, *candidate.folders) if with_root else candidate.folders
    return [name for name in names if not _WITHOUT_MEANING.fullmatch(name)]


Naming = Callable[[Candidate], str]
"""A way to read a case's name from a file; empty where this way gives none."""


def _nearest_folder(with_root: bool) -> Naming:
    # A chosen file's root is the folder it lies in: without its name nothing would be left to read.
    return lambda candidate: (_telling_folders(candidate, with_root or candidate.chosen) or [""])[-1]


def _all_folders(candidate: Candidate) -> str:
    return "/".join(_telling_folders(candidate, with_root=False))


def _bids_entities(candidate: Candidate) -> str:
    """Whom a BIDS name is about, without what says how and in what space: 'sub-01_ses-2'."""
    found = _BIDS.match(candidate.stem)
    return found[0] if found else ""


def _frame(pattern: re.Pattern[str]) -> Naming:
    """The number of a frame in the Cell Tracking Challenge's names: t007, mask007, man_seg007."""

    def number(candidate: Candidate) -> str:
        found = pattern.fullmatch(_OWN_SUFFIX.sub("", candidate.stem))
        return f"t{int(found[1]):03d}" if found else ""

    return number


PREDICTION_NAMINGS: tuple[Naming, ...] = (
    lambda candidate: candidate.stem,
    lambda candidate: _OWN_SUFFIX.sub("", candidate.stem),
    _bids_entities,
    lambda candidate: without_role(candidate.stem),
    lambda candidate: without_channel(candidate.stem),
    lambda candidate: without_role(candidate.relative_stem),
    lambda candidate: without_channel(candidate.relative_stem),
    _nearest_folder(with_root=False),
    _all_folders,
    _frame(_FRAME),
)
"""From the strictest to the loosest."""

TRUTH_NAMINGS: tuple[Naming, ...] = (
    lambda candidate: candidate.stem,
    _bids_entities,
    lambda candidate: without_role(candidate.stem),
    lambda candidate: without_role(candidate.relative_stem),
    _nearest_folder(with_root=True),
    _all_folders,
    _frame(_FRAME_OF_TRUTH),
)
"""A truth's channel is never taken off: 'P1_T1_mask' and 'P1_T2_mask' may be two time points of a patient."""
