"""LZW streams are looked at before they are decoded: those of other programs pass, damaged ones do not."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from msseg.errors import InputError
from msseg.volumes.files import read_volume
from msseg.volumes.lzw import CLEAR, END, FIRST, LONGEST, is_valid_lzw


def packed(codes: list[int]) -> bytes:
    """Codes of 9 bits, highest bit first."""
    bits = "".join(f"{code:09b}" for code in codes)
    return bytes(int(bits[start : start + 8].ljust(8, "0"), 2) for start in range(0, len(bits), 8))


@given(st.binary(max_size=600), st.integers(1, 60))
def test_what_an_encoder_wrote_is_valid(content: bytes, repeats: int) -> None:
    assert is_valid_lzw(imagecodecs.lzw_encode(content * repeats))


@pytest.mark.parametrize("length", [252, 253, 254, 508, 510, 1020, 1022, 2046, LONGEST - 1, LONGEST, 20_000])
def test_codes_widen_and_tables_empty_where_they_do_in_the_encoder(length: int) -> None:
    noise = np.random.default_rng(length).integers(0, 256, length).astype(np.uint8)
    assert is_valid_lzw(imagecodecs.lzw_encode(noise.tobytes()))


@given(st.lists(st.integers(0, 511), min_size=1, max_size=100))
def test_a_code_may_name_no_entry_that_is_not_there_yet(codes: list[int]) -> None:
    """Against a table that is filled one code after another."""
    size, valid = None, True
    for code in [CLEAR, *codes]:
        if code == END:
            break
        if code == CLEAR:
            size = FIRST - 1  # the first code adds no entry, so the second may not name one
        else:
            valid = valid and size is not None and code not in (CLEAR, END) and code <= (size if size >= FIRST else 255)
            size = None if size is None else size + 1
    assert is_valid_lzw(packed([CLEAR, *codes, END])) == valid


@pytest.mark.parametrize("stream", [b"", b"\x80", packed([65, END]), packed([END]), packed([CLEAR, FIRST, END])])
def test_streams_that_do_not_begin_as_they_should(stream: bytes) -> None:
    assert not is_valid_lzw(stream)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_another_programs_files_are_read(tmp_path: Path, dtype: type) -> None:
    grey = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (200, 300)).astype(dtype)
    Image.fromarray(grey).save(tmp_path / "a.tif", compression="tiff_lzw")
    assert np.array_equal(read_volume(tmp_path / "a.tif").data[:, :, 0], grey)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="lzw")
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start + 1] |= 0x60  # the first code after the table was emptied names an entry
    path.write_bytes(content)
    with pytest.raises(InputError, match="its LZW compression does not decode"):
        read_volume(path)
