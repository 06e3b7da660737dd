"""One case: the images of one scan, and the label that goes with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """The files that a network sees together."""

    id: str
    """Unique among the cases, and safe as the name of a file."""
    group: str
    """The patient."""
    scan: str
    """The examination: cases of one scan share their images (two raters of one scan are two cases)."""
    images: Mapping[str, Path] = field(hash=False)
    """Image files by the channel's canonical name."""
    label: Path | None = None
    """The lesion mask, where there is one."""
    slice_index: int | None = None
    """Page of a stack that this case is; None: the whole file."""
