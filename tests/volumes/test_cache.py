"""Preprocessed cases on disk: once per content and settings, complete or not there, shared by processes."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import msseg.volumes.cache as cache_module
from msseg.cases.case import Case
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.cache import CachedCase, Truth, cache_case
from msseg.volumes.files import read_label, read_volume
from msseg.volumes.preprocessing import prepare

SETTINGS = PreprocessingConfig()
BOTH = ("FLAIR", "T1")


@pytest.fixture
def make_case(tmp_path: Path) -> Callable[..., Case]:
    """A case of two channels; its files hold what the seed and the lesions say."""

    def make(name: str = "a", seed: int = 0, lesions: tuple[tuple[int, int, int], ...] = ((2, 3, 4),)) -> Case:
        folder = tmp_path / name
        folder.mkdir()
        random = np.random.default_rng(seed)
        label = np.zeros((6, 7, 8), np.uint8)
        for voxel in lesions:
            label[voxel] = 1
        content = {channel: random.uniform(1, 9, label.shape).astype(np.float32) for channel in BOTH}
        for data in content.values():
            data[0] = 0
        for file, data in {**content, "label": label}.items():
            nib.save(nib.Nifti1Image(data, np.diag([-1, 1, 2, 1])), folder / f"{file}.nii.gz")
        images = {channel: folder / f"{channel}.nii.gz" for channel in BOTH}
        return Case(name, name, name, images, folder / "label.nii.gz")

    return make


@pytest.fixture
def prepared_cases(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for every case that is computed and not found."""
    count: list[int] = []

    def counting(*arguments: Any) -> Any:
        count.append(1)
        return prepare(*arguments)

    monkeypatch.setattr(cache_module, "prepare", counting)
    return count


def test_an_entry_holds_what_preprocessing_gives(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case = make_case()
    entry = cache_case(case, BOTH, SETTINGS, tmp_path / "new" / "cache")
    assert case.label is not None
    direct = prepare([read_volume(case.images[name]) for name in BOTH], SETTINGS, read_label(case.label))
    stored = entry.prepared()
    np.testing.assert_array_equal(stored.data, direct.data)
    np.testing.assert_array_equal(stored.label, direct.label)
    assert (stored.grid, stored.spacing) == (direct.grid, direct.spacing)
    np.testing.assert_array_equal(entry.lesion_voxels(), np.argwhere(direct.label))
    assert entry.case == "a"
    assert entry.folder.parent == tmp_path / "new" / "cache"


def test_the_same_content_and_settings_are_computed_once(
    tmp_path: Path, make_case: Callable[..., Case], prepared_cases: list[int]
) -> None:
    first = cache_case(make_case("a"), BOTH, SETTINGS, tmp_path / "cache")
    again = cache_case(make_case("copy"), BOTH, PreprocessingConfig(), tmp_path / "cache")
    assert again.folder == first.folder
    assert len(prepared_cases) == 1
    assert os.listdir(tmp_path / "cache") == [first.folder.name]


def test_other_content_or_settings_are_another_entry(
    tmp_path: Path, make_case: Callable[..., Case], prepared_cases: list[int]
) -> None:
    case, cache = make_case("a"), tmp_path / "cache"
    entries = [
        cache_case(case, BOTH, SETTINGS, cache),
        cache_case(case, ("T1", "FLAIR"), SETTINGS, cache),
        cache_case(case, ("FLAIR",), SETTINGS, cache),
        cache_case(case, BOTH, SETTINGS.model_copy(update={"crop": "none"}), cache),
        cache_case(make_case("b", seed=1), BOTH, SETTINGS, cache),
        cache_case(make_case("c", lesions=((2, 3, 5),)), BOTH, SETTINGS, cache),
    ]
    assert len({entry.folder for entry in entries}) == len(prepared_cases) == len(entries)


def test_a_file_that_changed_is_read_anew(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case, other, cache = make_case("a"), make_case("b", seed=1), tmp_path / "cache"
    before = np.array(cache_case(case, BOTH, SETTINGS, cache).data())
    stat = case.images["T1"].stat()
    shutil.copyfile(other.images["T1"], case.images["T1"])
    os.utime(case.images["T1"], ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the time alone would not tell
    after = cache_case(case, BOTH, SETTINGS, cache).data()
    np.testing.assert_array_equal(after[0], before[0])
    assert not np.array_equal(after[1], before[1])


def test_arrays_are_mapped_and_cannot_be_written(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    entry = cache_case(make_case(), BOTH, SETTINGS, tmp_path / "cache")
    for array in (entry.data(), entry.label(), entry.lesion_voxels()):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_case_without_lesion_is_kept(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    entry = cache_case(make_case(lesions=()), BOTH, SETTINGS, tmp_path / "cache")
    assert entry.lesion_voxels().shape == (0, 3)
    assert not entry.label().any()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [0, 2])
def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path,
    make_case: Callable[..., Case],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    at: int,
) -> None:
    case, cache, calls, save = make_case(), tmp_path / "cache", [], np.save

    def fail(path: Path, array: np.ndarray) -> None:
        calls.append(path)
        if len(calls) > at:
            raise error
        save(path, array)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", fail)
        expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected) as caught:
            cache_case(case, BOTH, SETTINGS, cache)
    if expected is InputError:
        assert f"the cache folder {cache} cannot be written: " in str(caught.value)
    assert os.listdir(cache) == []
    assert cache_case(case, BOTH, SETTINGS, cache).data().shape == (2, 5, 7, 8)


@pytest.mark.parametrize("damage", ["data.npy", "label.npy", "lesion_voxels.npy", "facts.json", "missing"])
def test_a_damaged_entry_is_made_anew(
    tmp_path: Path, make_case: Callable[..., Case], prepared_cases: list[int], damage: str
) -> None:
    case, cache = make_case(lesions=((2, 3, 4), (2, 3, 5), (3, 3, 3))), tmp_path / "cache"
    entry = cache_case(case, BOTH, SETTINGS, cache)
    sound = np.array(entry.data())
    if damage == "missing":
        (entry.folder / "facts.json").unlink()
    else:
        path = entry.folder / damage
        path.write_bytes(path.read_bytes()[:-20])
    again = cache_case(case, BOTH, SETTINGS, cache)
    np.testing.assert_array_equal(again.data(), sound)
    assert json.loads((again.folder / "facts.json").read_text())["lesion_voxels_total"] == 3
    assert len(prepared_cases) == 2
    assert os.listdir(cache) == [entry.folder.name]


@pytest.mark.parametrize("file", ["data.npy", "label.npy", "lesion_voxels.npy", "facts.json"])
def test_a_single_changed_byte_is_noticed(
    tmp_path: Path,
    make_case: Callable[..., Case],
    prepared_cases: list[int],
    caplog: pytest.LogCaptureFixture,
    file: str,
) -> None:
    case, cache = make_case(), tmp_path / "cache"
    entry = cache_case(case, BOTH, SETTINGS, cache)
    sound = {name: (entry.folder / name).read_bytes() for name in os.listdir(entry.folder)}
    changed = bytearray(sound[file])
    place = changed.rindex(b"2.0") if file == "facts.json" else len(changed) - 5  # 2.0 is a voxel's length
    changed[place] ^= 1
    (entry.folder / file).write_bytes(changed)
    again = cache_case(case, BOTH, SETTINGS, cache)
    assert {name: (again.folder / name).read_bytes() for name in os.listdir(again.folder)} == sound
    assert len(prepared_cases) == 2
    assert caplog.messages == [f"the cache entry {entry.folder} of case a is damaged and is made anew"]


def test_whatever_lies_in_an_entry_s_place_gives_way(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case, cache = make_case(), tmp_path / "cache"
    folder = cache_case(case, BOTH, SETTINGS, cache).folder
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert cache_case(case, BOTH, SETTINGS, cache).data().shape == (2, 5, 7, 8)
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path / "nowhere")
    assert cache_case(case, BOTH, SETTINGS, cache).data().shape == (2, 5, 7, 8)
    for content in ("", "null", "[]", "{}", '{"checksum": 0, "files": 3}'):
        (folder / "facts.json").write_text(content)
        assert cache_case(case, BOTH, SETTINGS, cache).data().shape == (2, 5, 7, 8)


def test_a_damaged_map_is_made_anew(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    entry = cache_case(make_case(), BOTH, SETTINGS, tmp_path / "cache", maps=["signed_distance"])
    path = entry.folder / "map_signed_distance.npy"
    sound = path.read_bytes()
    for damaged in (sound[:-7], sound[:-1] + bytes([sound[-1] ^ 4]), b""):
        path.write_bytes(damaged)
        entry.make_map("signed_distance")
        assert path.read_bytes() == sound
    path.with_suffix(".crc32").unlink()
    entry.make_map("signed_distance")
    assert path.read_bytes() == sound


def test_a_missing_channel_is_zero_and_another_entry(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case, cache = make_case(), tmp_path / "cache"
    whole = cache_case(case, BOTH, SETTINGS, cache)
    lacking = Case(case.id, case.group, case.scan, {"T1": case.images["T1"]}, case.label)
    entry = cache_case(lacking, BOTH, SETTINGS, cache)
    assert entry.folder != whole.folder
    assert not entry.data()[0].any()
    np.testing.assert_array_equal(entry.data()[1], cache_case(case, ("T1",), SETTINGS, cache).data()[0])
    other = Case(case.id, case.group, case.scan, {"FLAIR": case.images["T1"]}, case.label)
    assert cache_case(other, BOTH, SETTINGS, cache).folder not in (entry.folder, whole.folder)
    with pytest.raises(InputError, match="none of the channels"):
        cache_case(Case(case.id, case.group, case.scan, {}, case.label), BOTH, SETTINGS, cache)


def test_the_values_that_count_as_lesion_are_those_asked_for(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case, cache = make_case(), tmp_path / "cache"
    assert case.label is not None
    label = np.zeros((6, 7, 8), np.uint8)
    label[2, 3, 4], label[3, 3, 3], label[4, 4, 4] = 1, 2, 3
    nib.save(nib.Nifti1Image(label, np.diag([-1, 1, 2, 1])), case.label)
    for values, count in (((1,), 1), ((1, 3), 2), ((2,), 1)):
        assert len(cache_case(case, BOTH, SETTINGS, cache, Truth(values=values)).lesion_voxels()) == count
    with pytest.raises(InputError, match="label_values"):
        cache_case(case, BOTH, SETTINGS, cache)


@pytest.mark.parametrize("named", ["hdr", "img"])
def test_header_and_voxels_in_files_of_their_own_are_both_content(
    tmp_path: Path, make_case: Callable[..., Case], named: str
) -> None:
    made, cache = make_case(), tmp_path / "cache"
    image = nib.load(made.images["T1"])
    case = Case("a", "a", "a", {"T1": tmp_path / f"T1.{named}"}, made.label)
    files = []
    for change in range(3):
        data = np.asarray(image.dataobj).copy()
        if change == 1:
            data[-1, -1, -1] += 1
        shift = np.array([0, 0, 0, 0.001 * (change == 2)])  # within the tolerance of grids
        affine = image.affine + np.column_stack([np.zeros((4, 3)), shift[[3, 0, 1, 2]]])
        nib.save(nib.Nifti1Pair(data, affine), tmp_path / "T1.hdr")
        for number, ending in enumerate(("hdr", "img")):
            os.utime(tmp_path / f"T1.{ending}", ns=(1, 10**9 * (10 * change + number)))
        files.append(cache_case(case, ("T1",), SETTINGS, cache).folder)
    assert len(set(files)) == 3


def test_two_processes_that_make_the_same_entry_do_not_disturb_each_other(
    tmp_path: Path, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, cache = make_case(), tmp_path / "cache"
    faster: list[CachedCase] = []

    def overtaken(*arguments: Any) -> Any:
        if not faster:
            faster.append(CachedCase("", Path()))
            faster[0] = cache_case(case, BOTH, SETTINGS, cache)
        return prepare(*arguments)

    monkeypatch.setattr(cache_module, "prepare", overtaken)
    slower = cache_case(case, BOTH, SETTINGS, cache)
    assert slower.folder == faster[0].folder
    np.testing.assert_array_equal(slower.data(), faster[0].data())
    assert os.listdir(cache) == [slower.folder.name]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"the cache folder .*file/cache cannot be written: Not a directory"):
        cache_case(make_case(), BOTH, SETTINGS, tmp_path / "file" / "cache")


def test_a_case_without_label_or_with_a_missing_file_is_refused(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case = make_case()
    with pytest.raises(InputError, match="case a has no label"):
        cache_case(Case("a", "a", "a", case.images, None), BOTH, SETTINGS, tmp_path / "cache")
    case.images["T1"].unlink()
    with pytest.raises(InputError, match=r"T1\.nii\.gz cannot be read: No such file"):
        cache_case(case, BOTH, SETTINGS, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
