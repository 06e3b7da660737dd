"""The chain of a TIFF file's pages, each of which says where the next one is (TIFF 6.0, section 2; BigTIFF)."""

import struct
from pathlib import Path

from msseg.errors import InputError

ORDERS = {b"II": "<", b"MM": ">"}
LAYOUTS = {42: (4, "I", "H", 12), 43: (8, "Q", "Q", 20)}
"""Version -> where the first page's place stands, types of places and of a page's number of tags, bytes of a tag."""


def require_chain_that_ends(path: Path) -> None:
    """Refuse a damaged file whose pages lead back to one before: tifffile 2026.3.3 would follow them for ever.

    Nothing is said of files that are no TIFF or are cut off: those tifffile refuses by itself.

    Raises:
        InputError: A page comes twice.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = ORDERS.get(head[:2])
        layout = LAYOUTS.get(struct.unpack_from(order + "H", head, 2)[0]) if order and len(head) == 16 else None
        if layout is None:
            return
        start, place_type, count_type, tag = layout
        size = struct.calcsize(count_type)
        (place,) = struct.unpack_from(f"{order}{place_type}", head, start)
        seen = set()
        try:
            while place:
                if place in seen:
                    raise InputError(f"{path} is damaged: its pages lead back to one before; save it anew from Fiji")
                seen.add(place)
                file.seek(place)
                (tags,) = struct.unpack(f"{order}{count_type}", file.read(size))
                file.seek(place + size + tags * tag)
                (place,) = struct.unpack(f"{order}{place_type}", file.read(struct.calcsize(place_type)))
        except (struct.error, OverflowError, ValueError):  # it ends before it says where the next page is
            return
