"""Damaged files: bytes of valid ones flipped, cut out and put in. Each is read or refused; nothing else may happen.

The cases run in a child process, so that a signal, a hang or a huge allocation is seen as what it is.
"""

import gzip
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from msseg.errors import InputError
from msseg.volumes.files import output_suffix, read_header, read_volume, write_volume
from msseg.volumes.volume import Volume
from msseg.volumes.writing import write_grid

resource = pytest.importorskip("resource", reason="this system does not limit processes")

VOLUMES = ("nii.gz", "nii", "nrrd", "nhdr", "mha", "mgz", "hdr", "mhd")
STACKS = ("tif", "lzw.tif", "png", "h5")
PACKED = ("nii.gz", "mgz")
SHAPE = (9, 10, 7)
AFFINE = np.array([[-0.9, 0.2, 0.1, 30], [0.15, 1.9, -0.3, -20], [0.1, 0.3, 2.8, 5], [0, 0, 0, 1.0]])
LIMIT_BYTES = 3 << 30
"""Address space of the child: more is never needed for a volume of 630 voxels."""
SECONDS_FOR_ONE = 10


def write_valid(folder: Path, kind: str) -> Path:
    """A sound file, of which the bytes to damage are those of its header or of all of it."""
    data = np.random.default_rng(0).integers(0, 1000, SHAPE).astype(np.int16)
    path = folder / f"a.{kind}"
    raw = data.tobytes(order="F")
    if kind.endswith("tif"):
        compression = "lzw" if kind == "lzw.tif" else None
        tifffile.imwrite(path, np.moveaxis(data, -1, 0), photometric="minisblack", compression=compression)
    elif kind == "png":
        Image.fromarray(data[..., 0].astype(np.uint8)).save(path)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("main", data=data, chunks=(3, 5, 7), compression="gzip")
    elif kind == "nii.gz":
        image = nib.Nifti1Image(data, AFFINE)
        image.header.set_qform(AFFINE, 1)
        path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))
    elif kind == "nii":
        path.write_bytes(nib.Nifti2Image(data, AFFINE).to_bytes())
    elif kind == "nhdr":
        (folder / "a.raw").write_bytes(raw)
        path.write_bytes(
            b"NRRD0005\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 9 10 7\n"
            b"space directions: (1,0,0) (0.1,2,0) (0,0,3)\nkinds: domain domain domain\nendian: little\n"
            b"encoding: raw\nbyte skip: 0\nspace origin: (1,2,3)\ndata file: a.raw\n"
        )
    elif kind == "mhd":
        (folder / "a.raw").write_bytes(raw)
        path.write_bytes(
            b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
            b"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 1 2 3\nDimSize = 9 10 7\n"
            b"HeaderSize = -1\nElementType = MET_SHORT\nElementDataFile = a.raw\n"
        )
    else:
        write_grid(path, f".{kind}", data, Volume(data, AFFINE))
    return path


EXTREME_WORDS = (
    b"-1",
    b"0",
    b"1",
    b"2",
    b"7",
    b"nan",
    b"inf",
    b"1e308",
    b"-1e-320",
    b"2147483647",
    b"99999999999",
    b"none",
    b"",
)
EXTREME_BYTES = tuple(
    bytes.fromhex(text) for text in ("00", "ff", "80", "ffff7f7f", "0000c07f", "000080ff", "7fffffff", "ff7f")
)


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """Change one to six places, mostly in the first 700 bytes, where headers are."""
    changed = content
    for _ in range(random.integers(1, 7) if random.random() < 0.5 else 1):
        reach = min(len(changed), 700) if random.random() < 0.8 else len(changed)
        if not reach:
            break
        changed = change(changed, int(random.integers(reach)), random)
    return changed


def change(content: bytes, place: int, random: np.random.Generator) -> bytes:
    length = int(random.choice([1, 1, 2, 4, 30]))
    before, after = content[:place], content[place:]
    match random.integers(7):
        case 0:
            return before + bytes([after[0] ^ 1 << int(random.integers(8))]) + after[1:]
        case 1:
            return before + random.bytes(length) + after[length:]
        case 2:
            return before + after[length:]
        case 3:
            return before + random.bytes(length) + after
        case 4:
            word = EXTREME_WORDS[random.integers(len(EXTREME_WORDS))]
            return before + re.sub(rb"[-\d.e]+", word, after, count=1)
        case 5:
            pattern = EXTREME_BYTES[random.integers(len(EXTREME_BYTES))]
            return before + pattern + after[len(pattern) :]
        case _:
            return content if random.random() < 0.7 else before


def cases(count: int, seed: int, kinds: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Damaged files of all kinds in turn; of compressed ones, half are damaged before compression."""
    with tempfile.TemporaryDirectory() as name:
        valid = {kind: write_valid(Path(name), kind).read_bytes() for kind in kinds}
    for number in range(count):
        random = np.random.default_rng([seed, number])
        kind = kinds[number % len(kinds)]
        content = valid[kind]
        if kind in PACKED and number % 4 < 3:
            yield kind, gzip.compress(damage(gzip.decompress(content), random), 1, mtime=0)
        elif kind == "nrrd" and number % 4 < 2:
            header, _, voxels = content.partition(b"\n\n")
            yield kind, damage(header, random) + b"\n\n" + voxels
        else:
            yield kind, damage(content, random)


def try_all(count: int, seed: int, kinds: tuple[str, ...]) -> None:
    """Print for each case its kind, number and 'started', then what became of it."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    warnings.simplefilter("error")
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in {*kinds, "hdr"}:
            write_valid(folder, kind)
        (folder / "b.img").write_bytes((folder / "a.img").read_bytes())
        for number, (kind, content) in enumerate(cases(count, seed, kinds)):
            path = folder / f"b.{kind}"
            path.write_bytes(content)
            say(kind, number, "started")
            say(kind, number, judge(path))


def say(*words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def judge(path: Path) -> str:
    start = time.process_time()
    try:
        volume = read_volume(path)
        assert volume.data.dtype == np.float32
        assert np.isfinite(volume.data).all()
        assert np.isfinite(volume.affine).all()
        assert read_header(path).shape == volume.shape
        target = path.with_name(f"written{output_suffix(path)}")
        write_volume(target, volume.data > 500, volume)
        again = read_volume(target)
        assert again.shape == volume.shape
        assert np.allclose(again.affine, volume.affine, rtol=1e-5, atol=1e-4 * np.abs(volume.affine).max())
        result = "read"
    except InputError as error:
        sentence = str(error)
        fine = "\n" not in sentence and str(path.parent) in sentence and len(sentence) < 700
        result = "refused" if fine else f"an unclear sentence: {sentence!r}"
    except BaseException:
        result = traceback.format_exc()
    seconds = time.process_time() - start  # what waits for ever is seen by its parent
    return result if seconds < SECONDS_FOR_ONE else f"took {seconds:.0f} seconds: {result}"


def run(count: int, seed: int, kinds: tuple[str, ...] = VOLUMES) -> list[tuple[str, int, str]]:
    """Outcomes of all cases from a child process; a signal or a hang fails with the case's number."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # threads take address space
    command = [sys.executable, __file__, str(count), str(seed), *kinds]
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=root
    )
    try:
        out, err = child.communicate(timeout=60 + count / 5)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        err = f"it did not end: {err}"
    lines = [tuple(json.loads(line)) for line in out.splitlines() if line.endswith("]")]
    assert child.returncode == 0, f"seed {seed}: {lines[-1:]} ended the process with {child.returncode}: {err[-2000:]}"
    return [line for line in lines if line[2] != "started"]


def check(count: int, seed: int, kinds: tuple[str, ...] = VOLUMES) -> Counter[tuple[str, str]]:
    results = run(count, seed, kinds)
    wrong = [result for result in results if result[2] not in ("read", "refused")]
    assert not wrong, f"seed {seed}: {len(wrong)} of {count}, such as {wrong[0][0]} number {wrong[0][1]}: {wrong[0][2]}"
    assert len(results) == count
    return Counter((kind, what) for kind, _, what in results)


def test_five_hundred_damaged_files_are_read_or_refused() -> None:
    counts = check(500, seed=1)
    for kind in VOLUMES:
        assert counts[kind, "refused"] > 10, kind
    assert sum(counts[kind, "read"] for kind in VOLUMES) > 20  # else nothing but the first bytes is tried


def test_damaged_stacks_are_read_or_refused() -> None:
    counts = check(200, 1, STACKS)
    assert all(counts[kind, "refused"] > 3 for kind in STACKS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_thousands_of_damaged_files_are_read_or_refused(seed: int) -> None:
    check(4000, seed)
    check(4000, seed, STACKS)


if __name__ == "__main__":
    try_all(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]))
