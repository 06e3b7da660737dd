"""`msseg predict` on every family of files: outputs in the same family, exactly on the input's grid."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from msseg.volumes import files
from msseg.volumes.files import output_suffix, read_header, read_volume

SHAPE = (20, 18, 22)
OBLIQUE = np.array([[-0.9, 0.1, 0.05, 30], [0.15, 1.1, -0.3, -20], [0.1, 0.2, 1.2, 5], [0, 0, 0, 1.0]])
ANGLE = np.cos(0.2), np.sin(0.2)


def brain() -> np.ndarray:
    data = np.zeros(SHAPE, dtype=np.int16)
    data[2:-2, 3:-1, 1:-4] = np.random.default_rng(0).integers(1, 100, (16, 14, 17))
    return data


def write_itk(path: Path, compressed: bool = False) -> None:
    image = SimpleITK.GetImageFromArray(brain().T)
    image.SetSpacing((0.9, 1.1, 1.2))
    image.SetOrigin((30, -20, 5))
    image.SetDirection((ANGLE[0], -ANGLE[1], 0, ANGLE[1], ANGLE[0], 0, 0, 0, -1))
    SimpleITK.WriteImage(image, str(path), compressed)


def big_endian(path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(brain(), OBLIQUE, header), path)


def disagreeing(path: Path) -> None:
    image = nib.Nifti1Image(brain(), OBLIQUE)
    image.header.set_qform(np.diag([1, 1, 1, 1]), 1)
    image.header.set_sform(OBLIQUE, 2)
    nib.save(image, path)


WRITERS = {
    "a.nii": lambda path: nib.save(nib.Nifti2Image(brain(), OBLIQUE), path),
    "a.nii.gz": lambda path: nib.save(nib.Nifti1Image(brain()[..., np.newaxis], OBLIQUE), path),
    "big.nii.gz": big_endian,
    "forms.nii.gz": disagreeing,
    "pair.hdr": lambda path: nib.save(nib.Nifti1Pair(brain(), OBLIQUE), path),
    "pair.img": lambda path: nib.save(nib.Nifti1Pair(brain(), OBLIQUE), path),
    "analyze.hdr": lambda path: nib.save(nib.AnalyzeImage(brain(), np.diag([-0.9, 1.1, 1.2, 1])), path),
    "a.mgz": lambda path: nib.save(nib.MGHImage(brain(), OBLIQUE), path),
    "a.mgh": lambda path: nib.save(nib.MGHImage(brain(), OBLIQUE), path),
    "a.nrrd": write_itk,
    "packed.nrrd": lambda path: write_itk(path, compressed=True),
    "a.nhdr": write_itk,
    "a.mha": lambda path: write_itk(path, compressed=True),
    "a.mhd": write_itk,
}


@pytest.mark.parametrize("name", WRITERS)
def test_predictions_lie_on_the_input_s_grid_in_its_family(tmp_path, write_model, msseg, name):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    WRITERS[name](path)
    files._SAID.clear()
    answer = msseg("predict", write_model(), path, "--out", tmp_path / "out", "--probability")
    assert answer.code == 0, answer.err
    suffix = output_suffix(path)
    assert suffix == {".nhdr": ".nrrd", ".mhd": ".mha", ".img": ".nii"}.get(
        path.suffix, ".nii" if name == "pair.hdr" else "".join(path.suffixes)
    )
    before = read_header(path)
    for ending, dtype in (("mask", np.uint8), ("probability", np.float32)):
        output = tmp_path / "out" / f"{path.name.split('.')[0]}_{ending}{suffix}"
        after = read_header(output)
        assert after.kind == before.kind
        assert after.shape == before.shape == SHAPE
        np.testing.assert_array_equal(after.affine, before.affine)
        assert after.dtype.newbyteorder("=") == dtype
        volume = read_volume(output)
        assert volume.data.min() >= 0
        assert volume.data.max() <= 1
        if before.kind.startswith("nifti"):
            for code in ("qform_code", "sform_code"):
                assert after.native[code] == before.native[code]
            assert after.qform_sform_mm == before.qform_sform_mm
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert len(written) == (4 if suffix == ".hdr" else 2)
    assert (b"place it up to" in answer.err.encode()) == (name == "forms.nii.gz")


def test_all_families_give_one_answer(tmp_path, above_level):
    """The same voxels in the same place, in every family."""
    affine = np.diag([-0.9, 1.1, 1.2, 1])
    affine[:3, 3] = 8.55, -9.35, -12.6  # Analyze: around the middle
    nib.save(nib.Nifti1Image(brain(), affine), tmp_path / "a.nii.gz")
    nib.save(nib.AnalyzeImage(brain(), affine), tmp_path / "a.img")
    nib.save(nib.MGHImage(brain(), affine), tmp_path / "a.mgz")
    (tmp_path / "packed.nii").write_bytes(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    image = SimpleITK.GetImageFromArray(brain().T)
    image.SetSpacing((0.9, 1.1, 1.2))
    image.SetOrigin((-8.55, 9.35, -12.6))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    for name in ("a.nrrd", "a.mhd"):
        SimpleITK.WriteImage(image, str(tmp_path / name))
    predictor = above_level(50.0)
    expected = predictor.predict(tmp_path / "a.nii.gz")
    assert 0 < expected.mask.mean() < 1
    for name in ("packed.nii", "a.hdr", "a.mgz", "a.nrrd", "a.mhd"):
        prediction = predictor.predict(tmp_path / name)
        np.testing.assert_array_equal(prediction.mask, expected.mask, err_msg=name)
        np.testing.assert_allclose(prediction.affine, expected.affine, atol=1e-5, err_msg=name)


def test_a_folder_of_several_families_is_predicted_whole(tmp_path, write_model, msseg):
    folder = tmp_path / "in"
    folder.mkdir()
    nib.save(nib.Nifti1Pair(brain(), OBLIQUE), folder / "pair.img")
    write_itk(folder / "detached.nhdr")
    write_itk(folder / "meta.mhd")
    nib.save(nib.MGHImage(brain(), OBLIQUE), folder / "surfer.mgz")
    answer = msseg("predict", write_model(), folder, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == ["detached_mask.nrrd", "meta_mask.mha", "pair_mask.nii", "surfer_mask.mgz"]


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        ("a.nrrd", b"sizes: 20", b"sizes: 90", "is damaged"),
        ("a.nrrd", b"dimension: 3", b"dimension: x", "header cannot be read"),
        ("a.mhd", b"ElementSpacing = 0.9", b"ElementSpacing = -0.9", "voxel size of -0.9"),
        ("a.mhd", b"a.raw", b"b.raw", "b.raw does not exist"),
        ("a.mha", b"NDims = 3", b"NDims = 9", "header cannot be read"),
    ],
)  # fmt: skip
def test_what_is_refused_ends_in_one_sentence_and_code_two(tmp_path, write_model, msseg, name, before, after, words):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    WRITERS[name](path)
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    answer = msseg("predict", write_model(), path, "--out", tmp_path / "out")
    assert answer.code == 2
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert list((tmp_path / "out").glob("*")) == []
