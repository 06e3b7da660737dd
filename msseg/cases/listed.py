"""Channels that a file beside the data names: nnU-Net's dataset.json, in which images are numbered."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from msseg.cases.layout import Layout
from msseg.cases.names import listing
from msseg.errors import InputError

KEYS = ("channel_names", "modality")
"""Where version 2 of nnU-Net and version 1 keep the names: {"0": "FLAIR", "1": "T1"}."""
DIGITS = 4
"""Files are called X_0000.nii.gz, X_0001.nii.gz, ..."""


def with_listed_channels(layout: Layout, root: Path | None) -> Layout:
    """The layout with the channels that the data set itself names, where the layout says so.

    Args:
        layout: Any layout; one without `channels_from` is returned as it is.
        root: The data set's folder, a folder within it or the one above; None: not known.

    Raises:
        InputError: There is no such file, there are several, or it names no channels.
    """
    if not layout.channels_from:
        return layout
    if root is None:
        raise InputError(f"where is the data set (layout {layout.name})? Give data.root or --data")
    path = _file_beside(root, layout.channels_from)
    if path is None and layout.channels:
        return layout
    if path is None:
        raise InputError(
            f"layout {layout.name} takes the channels' names from {layout.channels_from}, which is neither in"
            f' {root} nor beside it; add it ({{"channel_names": {{"0": "FLAIR"}}}}), or write a layout of your own'
            ' with channels: {FLAIR: "0000"}'
        )
    return Layout.model_validate({**layout.model_dump(), "channels": _channels(path)})


def _file_beside(root: Path, name: str) -> Path | None:
    for path in (root / name, root.absolute().parent / name):
        if path.is_file():
            return path
    below = sorted(root.glob(f"*/{name}"))
    if len(below) > 1:
        folders = listing([str(path.parent) for path in below])
        raise InputError(f"{root} holds several data sets ({folders}); give the folder of one as data.root or --data")
    return below[0] if below else None


def _channels(path: Path) -> dict[str, tuple[str, ...]]:
    names = _names(path)
    channels: dict[str, tuple[str, ...]] = {}
    for number, name in sorted(names.items()):
        # Letters that neither a folder's name nor FLAIR+T1 can have; several channels may be called alike (MRI).
        clean = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.-") or "channel"
        if list(names.values()).count(name) > 1 or clean in channels:
            clean = f"{clean}_{number}"
        channels[clean] = (f"{number:0{DIGITS}d}",)
    return channels


def _names(path: Path) -> dict[int, str]:
    """Number -> name, as the file has them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    listed = next((content[key] for key in KEYS if key in content), None) if isinstance(content, Mapping) else None
    if not isinstance(listed, Mapping) or not listed or not all(str(key).isdecimal() for key in listed):
        raise InputError(
            f'{path} does not name the channels; it needs "channel_names" (nnU-Net 2) or "modality" (nnU-Net 1),'
            ' such as {"0": "FLAIR", "1": "T1"}'
        )
    return {int(key): str(name) for key, name in listed.items()}
