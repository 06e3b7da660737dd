"""Outputs of images that are named by BIDS: folders, names and dataset_description.json of a derivative data set.

Brain Imaging Data Structure, specification 1.9, "Derivatives": "Imaging data types" and "Masks".
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msseg
from msseg.atomic import write_text
from msseg.errors import InputError
from msseg.volumes.suffixes import NIFTI_SUFFIXES, volume_stem, volume_suffix

BIDS_VERSION = "1.9.0"
DESCRIPTION = "dataset_description.json"
SUFFIXES = {
    "_mask": "label-lesion{desc}_mask",
    "_probability": "label-lesion{desc}_probseg",
    "_instances": "label-lesion{desc}_dseg",
}
"""How outputs end, by how they end elsewhere."""
_NAME = re.compile(r"sub-[A-Za-z0-9+]+(?:_[a-z]+-[A-Za-z0-9+]+)*_[A-Za-z0-9]+")


@dataclass(frozen=True)
class BidsName:
    """What the name of an image says: entities (`sub`, `ses`, ...) in their order."""

    entities: tuple[tuple[str, str], ...]

    def path(self, ending: str, suffix: str) -> Path:
        """Where an output belongs below the folder of all: `sub-01/ses-1/anat/sub-01_ses-1_..._mask.nii.gz`.

        Args:
            ending: `_mask`, `_probability` or `_instances`.
            suffix: Of the file, `.nii.gz`.
        """
        known = dict(self.entities)
        desc = f"_desc-{known['desc']}" if "desc" in known else ""
        kept = "_".join(f"{key}-{value}" for key, value in self.entities if key not in ("space", "label", "desc"))
        name = f"{kept}_space-{known.get('space', 'orig')}_{SUFFIXES[ending].format(desc=desc)}{suffix}"
        folders = [f"{key}-{known[key]}" for key in ("sub", "ses") if key in known]
        return Path(*folders, "anat", name)


def bids_name(path: Path) -> BidsName | None:
    """What a BIDS name says (`sub-01[_ses-02][_run-1]_FLAIR.nii.gz`); None: it is not named so, or is no NIfTI file."""
    suffix = volume_suffix(path)
    if suffix is None or suffix.lower() not in NIFTI_SUFFIXES or not _NAME.fullmatch(volume_stem(path)):
        return None
    pairs = [part.split("-", 1) for part in volume_stem(path).split("_")[:-1]]
    return BidsName(tuple((key, value) for key, value in pairs))


def write_description(folder: Path) -> None:
    """Write dataset_description.json, which says that the folder's files are derived by msseg; one there is kept.

    Raises:
        InputError: It cannot be written.
    """
    path = folder / DESCRIPTION
    if path.exists():
        return
    content = {
        "Name": "msseg lesion segmentations",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "msseg", "Version": msseg.__version__}],
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def refuse_equal(paths: Sequence[tuple[Path, Path]]) -> None:
    """Refuse images whose outputs would be the same file.

    Args:
        paths: Image and output, for each.

    Raises:
        InputError: Names the images.
    """
    images: dict[Path, Path] = {}
    for image, output in paths:
        other = images.setdefault(output, image)
        if other != image:
            raise InputError(
                f"the outputs of {other} and {image} would have the same name, {output}: predict them into different"
                " folders, or name the images of one channel alone"
            )
