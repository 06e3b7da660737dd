"""Whether a strip of a TIFF file is a valid LZW stream.

imagecodecs, which decodes it, follows codes that a damaged stream names before they exist: it reads memory that it
never wrote, and at times ends the process (version 2026.3.6). So all codes are looked at first (TIFF 6.0, section 13).
"""

import numpy as np

CLEAR, END, FIRST = 256, 257, 258
"""The code that empties the table, the one that ends a stream, and the first of the table's own."""
LONGEST = 4096 - FIRST + 1
"""Codes from an empty table to the one that empties it again: no more have room in it."""

_NUMBERS = np.arange(LONGEST)
# A writer widens its codes one entry early: its table has entries up to FIRST - 1 + number when it writes one.
_WIDTHS = np.select([_NUMBERS + FIRST < 512, _NUMBERS + FIRST < 1024, _NUMBERS + FIRST < 2048], [9, 10, 11], 12)
_PLACES = np.concatenate([[0], np.cumsum(_WIDTHS)[:-1]])


def is_valid_lzw(stream: bytes) -> bool:
    """Whether each code of a stream, up to its end, is a byte, a sign, or one that the table has by then."""
    padded = np.frombuffer(stream + bytes(3), dtype=np.uint8).astype(np.int64)
    bits = 8 * len(stream)
    if bits < 9 or _codes(padded, 0, 1)[0] != CLEAR:
        return False
    start = 9
    while start + 9 <= bits:
        count = int(np.searchsorted(start + _PLACES + _WIDTHS, bits, side="right"))
        codes = _codes(padded, start, count)
        signs = np.flatnonzero((codes == CLEAR) | (codes == END))
        data = codes[: signs[0]] if len(signs) else codes
        # The first code of a table is a byte; each later one may be the entry that is being made.
        if (data >= FIRST + _NUMBERS[: len(data)]).any():
            return False
        if not len(signs):
            return count < LONGEST  # it stops without its end, or goes on where the table is full
        if codes[signs[0]] == END:
            return True
        start += int(_PLACES[signs[0]] + _WIDTHS[signs[0]])
    return True


def _codes(padded: np.ndarray, start: int, count: int) -> np.ndarray:
    """The codes of a table from a bit on."""
    places, widths = start + _PLACES[:count], _WIDTHS[:count]
    first = places >> 3
    words = padded[first] << 16 | padded[first + 1] << 8 | padded[first + 2]
    codes: np.ndarray = words >> (24 - (places & 7) - widths) & ((1 << widths) - 1)
    return codes
