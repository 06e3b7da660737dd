"""Pages of TIFF files whose chain has no end are refused before anything follows them."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from msseg.cases.pages import count_pages
from msseg.errors import InputError
from msseg.volumes.files import read_volume


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_a_circle_of_pages_is_refused(tmp_path: Path, order: str, big: bool, back_to: int) -> None:
    path = tmp_path / "a.tif"
    grey = np.random.default_rng(0).integers(0, 200, (3, 20, 30)).astype(np.uint8)
    tifffile.imwrite(path, grey, bigtiff=big, byteorder=order, photometric="minisblack", metadata=None)
    assert count_pages(path) == 3
    assert read_volume(path).data.shape == (20, 30, 3)
    with tifffile.TiffFile(path) as file:
        places = [page.offset for page in file.pages]
    content = bytearray(path.read_bytes())
    count, tag, place = ("Q", 20, "Q") if big else ("H", 12, "I")
    (tags,) = struct.unpack_from(order + count, content, places[2])
    struct.pack_into(order + place, content, places[2] + struct.calcsize(count) + tags * tag, places[back_to])
    path.write_bytes(content)
    for read in (count_pages, read_volume):
        with pytest.raises(InputError, match="its pages lead back to one before"):
            read(path)
