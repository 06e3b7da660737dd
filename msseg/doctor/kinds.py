"""Every kind of finding: what it is called in a sentence, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from msseg.cases.names import counted
from msseg.doctor.findings import Finding, Severity, ordered

NAMED = 4
"""Cases whose details a finding spells out; the others are in the JSON file and the page."""


@dataclass(frozen=True)
class Observation:
    """A problem of one case, or of several that share it, before it is grouped with its like.

    Attributes:
        severity: How bad it is.
        kind: A key of `KINDS`.
        cases: Ids of the cases.
        files: The files that it is about.
        detail: The figures of this case, a clause without a full stop.
    """

    severity: Severity
    kind: str
    cases: tuple[str, ...]
    files: tuple[Path, ...]
    detail: str


@dataclass(frozen=True)
class Kind:
    """The words of a kind: `title` without its cases, and the advice."""

    title: str
    advice: str


KINDS: dict[str, Kind] = {
    "unreadable": Kind(
        "a file cannot be used",
        "copy or convert the file anew, or leave the case out with data.select",
    ),
    "missing_channel": Kind(
        "a channel is missing that other cases have",
        "add the file, ask only for channels that all have (data.channels), or set data.missing",
    ),
    "missing_image": Kind("a label has no image", "add the image, or remove the label"),
    "missing_label": Kind(
        "a case has no label although others have one",
        "add the label, or leave the case out of training with data.select",
    ),
    "grid": Kind(
        "files of one case lie on different grids",
        "resample one onto the other (preprocessing.align: resample), after making sure that they belong together",
    ),
    "constant": Kind("an image is empty: every voxel has the same value", "export the image anew"),
    "mask_as_image": Kind(
        "an image holds one value beside the background: it is a mask",
        "put the image in its place",
    ),
    "not_finite": Kind(
        "voxels are NaN or infinite; they are taken as 0",
        "harmless outside the head; inside it, find out which step made them (--fix writes 0 into copies)",
    ),
    "background": Kind(
        "the background has a value other than 0, so it is taken for tissue when images are cropped and normalised",
        "set the background to 0 (subtract the value, or apply the brain mask)",
    ),
    "qform_sform": Kind(
        "the header's qform and sform disagree, so programs differ in where this volume lies",
        "find out which is right, by overlaying it on another scan; --fix copies the sform to the qform",
    ),
    "single_frame": Kind(
        "a volume has a fourth axis of one frame, which msseg drops and other tools may refuse",
        "nothing for msseg; --fix writes 3D copies",
    ),
    "label_values": Kind(
        "a label holds values other than 0 and 1",
        "say which values are lesion (data.label_values), or make masks of 0 and 1 (--fix does, for one value)",
    ),
    "label_fractions": Kind(
        "a label holds fractions; above 0.5 counts as lesion",
        "resample labels by nearest neighbour; if it is a probability map, threshold it where you mean to",
    ),
    "label_invalid": Kind(
        "a label's values are not what its meaning says",
        "correct data.label_meaning or the label",
    ),
    "label_empty": Kind(
        "a label is empty",
        "fine where the expert saw nothing; otherwise put the real label in its place",
    ),
    "label_outside": Kind(
        "part of a label lies outside of the subject, on voxels that are 0 in every channel",
        "look whether the label belongs to this scan and on this grid, and whether skull stripping cut off tissue",
    ),
    "label_flipped": Kind(
        "a label fits its images much better after a flip or a swap of axes",
        "overlay label and image in a viewer; if the suspicion is right, flip the label's voxels (not its header)",
    ),
    "label_contrast": Kind(
        "lesions of a label do not differ from their surroundings in any channel",
        "overlay label and image in a viewer: the label may be of another scan, or shifted",
    ),
    "channel_flipped": Kind(
        "a channel fits the first one much better after a flip",
        "overlay both channels in a viewer; if the suspicion is right, convert the flipped one anew",
    ),
    "head_flipped": Kind(
        "the head is turned or flipped against the other cases', although the headers say that all lie alike",
        "open it beside another case; if the header is wrong, convert the scan anew from DICOM",
    ),
    "duplicate": Kind(
        "images are the same, voxel for voxel",
        "keep one, or give all the same patient, so that no split puts them on both sides",
    ),
    "near_duplicate": Kind(
        "images under two patients are almost surely of one head",
        "if they are the same person, give both the same patient (group); if one is a processed copy, remove it",
    ),
    "repeated_scan": Kind(
        "scans of one patient are the same but for small changes",
        "fine for a scan repeated within a session; if one is a processed copy, remove it",
    ),
    "same_channels": Kind(
        "two channels of a case are the same image",
        "put the right file in the place of one of them",
    ),
    "duplicate_label": Kind(
        "labels of different scans are the same, voxel for voxel",
        "look which scan the label was drawn on, and put the right one beside the other",
    ),
    "split": Kind(
        "the split cannot be made, or has one patient on both sides",
        "change the lists in split, or the patients (group) of the cases",
    ),
    "duplicate_across_split": Kind(
        "the same scan is on both sides of the split: the test would be on training data",
        "remove one, or give both the same patient (group)",
    ),
    "spacing": Kind(
        "voxels are of another size than in most cases",
        "nothing if that is how they were acquired; preprocessing.spacing resamples all to one size",
    ),
    "mixed_spacing": Kind(
        "cases have different voxel sizes and none is the rule",
        "consider preprocessing.spacing, which resamples all to one size",
    ),
    "skull": Kind(
        "a head is not skull-stripped while others are",
        "strip it as the others were (HD-BET, SynthStrip, ...), or its skull and scalp will be learned or predicted",
    ),
    "intensity": Kind(
        "grey values are distributed unlike the other cases' of this channel, even after normalisation",
        "look at the image: another contrast under this name, another scanner, strong bias, or a failed strip",
    ),
    "lesion_volume": Kind(
        "the lesion volume is far from the other cases'",
        "nothing if the disease is like that; it is worth a look whether the label is complete",
    ),
    "reader": Kind("the reader remarked on a file", "see what it says"),
}


def group(observations: Iterable[Observation]) -> tuple[Finding, ...]:
    """Observations of one kind and severity as one finding, worst first."""
    alike: dict[tuple[Severity, str], list[Observation]] = {}
    for observation in observations:
        alike.setdefault((observation.severity, observation.kind), []).append(observation)
    return ordered([_finding(of) for of in alike.values()])


def _finding(observations: list[Observation]) -> Finding:
    first = observations[0]
    kind = KINDS[first.kind]
    cases = tuple(dict.fromkeys(case for observation in observations for case in observation.cases))
    files = tuple(dict.fromkeys(path for observation in observations for path in observation.files))
    number = f" ({counted(len(cases), 'case')})" if len(cases) > 1 else ""
    message = f"{kind.title}{number}: {_details(observations)}"
    return Finding(first.severity, first.kind, cases, files, message, kind.advice)


def _details(observations: list[Observation]) -> str:
    """The figures of the first few; what is the same for all is said once."""
    details = list(dict.fromkeys(observation.detail for observation in observations))
    if len(details) == 1 and len(observations) > 1:
        names = [name for observation in observations for name in observation.cases]
        shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        return f"{shown}: {details[0]}"
    spelled = [f"{', '.join(of.cases)}: {of.detail}" if of.cases else of.detail for of in observations[:NAMED]]
    more = f"; and {len(observations) - NAMED} more" if len(observations) > NAMED else ""
    return "; ".join(spelled) + more
