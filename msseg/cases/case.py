"""One case: the images of one scan or slice, and the label that goes with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """The files that a network sees together: a whole volume, or one slice of a stack."""

    id: str
    """Unique among the cases, and safe as the name of a file."""
    group: str
    """The patient, the stack or the sequence: what a split keeps on one side."""
    scan: str
    """What shares image files: the examination (two raters of one scan are two cases), or the stack whose pages
    are cases; a slice that is a file of its own is a scan of its own."""
    images: Mapping[str, Path] = field(hash=False)
    """Image files by the channel's canonical name; `stack.h5/main` is a data set of an HDF5 file."""
    label: Path | None = None
    """The label, where there is one: the lesion mask, the label stack, or the slice's own file."""
    slice_index: int | None = None
    """Position in the stack, from 0: the page of the files, or the index into `series`; None: the whole file."""
    slice_number: int | None = None
    """What a split calls the slice: page + 1, or the number in the file's name; None: the whole file."""
    series: Mapping[str, tuple[Path, ...]] = field(default_factory=dict, hash=False)
    """All files of the stack in order, by channel, where each slice is a file of its own (those without a label
    as well, since a network may see them as neighbours)."""
    slice_span: tuple[int, int] | None = None
    """Number of the stack's first and last slice."""

    @property
    def page(self) -> int | None:
        """The page of its files that the case is; None: whole files."""
        return None if self.series else self.slice_index

    @property
    def stack(self) -> str:
        """The stack that a slice is of; the scan where the whole file is the case."""
        return self.group if self.series else self.scan

    @property
    def order(self) -> tuple[str, int, str]:
        """What cases are sorted by: the id, but slices by stack and number, since 10 comes after 9."""
        if self.slice_number is None:
            return self.id, -1, self.id
        return self.stack, self.slice_number, self.id
