"""Cohorts on disk, and heads with the anatomy of the template."""

from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
import pytest

from msseg.errors import InputError
from msseg.volumes.phantom import cohort, template, write_cohort, write_small_cohort
from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.scan import Patient, Scan, draw_patient, draw_scan

needs_template = pytest.mark.skipif(find_spec("nilearn") is None, reason="needs the extra demo (nilearn)")


def test_folders_and_files_are_those_of_isbi2015(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_small_cohort(root, patients=2, sessions=3, shape=(20, 22, 18))
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    expected = set()
    for patient in ("training01", "training02"):
        for session in ("01", "02", "03"):
            for channel in ("flair", "mprage", "t2", "pd"):
                expected.add(f"{patient}/preprocessed/{patient}_{session}_{channel}_pp.nii")
            for rater in (1, 2):
                expected.add(f"{patient}/masks/{patient}_{session}_mask{rater}.nii")
    assert names == expected
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_files_hold_the_scan_on_one_grid(tmp_path: Path) -> None:
    write_small_cohort(tmp_path / "data", patients=1, sessions=1, shape=(20, 22, 18), seed=4)
    folder = tmp_path / "data" / "training01"
    scan = draw_scan(draw_patient(cohort.ellipsoid_anatomy((20, 22, 18)), 4001))
    flair = nibabel.load(folder / "preprocessed" / "training01_01_flair_pp.nii")
    mask = nibabel.load(folder / "masks" / "training01_01_mask1.nii")
    assert flair.get_data_dtype() == np.int16
    assert mask.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(mask.dataobj), scan.label)
    stored = np.asarray(flair.dataobj)
    assert np.abs(stored - scan.images["FLAIR"]).max() <= 0.5
    assert np.array_equal(stored != 0, scan.images["FLAIR"] != 0)
    assert np.array_equal(flair.affine, mask.affine)
    assert nibabel.aff2axcodes(flair.affine) == ("R", "A", "S")
    assert flair.header["sform_code"] == flair.header["qform_code"] == 4
    assert flair.header.get_zooms() == (1.5, 1.5, 1.5)


def test_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_small_cohort(tmp_path / name, patients=2, sessions=1, shape=(16, 16, 16), seed=1)
    for path in sorted((tmp_path / "a").rglob("*.nii")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_an_existing_patient_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "training02").mkdir()
    with pytest.raises(InputError, match="holds training02 already"):
        write_small_cohort(tmp_path, patients=3, sessions=1, shape=(16, 16, 16))
    assert [path.name for path in tmp_path.iterdir()] == ["training02"]


def test_an_existing_folder_is_added_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("kept")
    write_small_cohort(tmp_path, patients=1, sessions=1, shape=(16, 16, 16))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "training01"]


def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def draw_one_and_stop(patient: Patient, session: int) -> Scan:
        drawn.append(session)
        if len(drawn) > 2:
            raise KeyboardInterrupt
        return draw_scan(patient, session)

    monkeypatch.setattr(cohort, "draw_scan", draw_one_and_stop)
    with pytest.raises(KeyboardInterrupt):
        write_small_cohort(tmp_path / "data", patients=2, sessions=2, shape=(16, 16, 16))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_small_cohort(tmp_path / "file" / "data", patients=1, sessions=1, shape=(16, 16, 16))


def test_without_the_template_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template.template_anatomy.cache_clear()
    monkeypatch.setattr(template, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'msseg\[demo\]'"):
        write_cohort(tmp_path / "data", patients=1, sessions=1)
    assert list(tmp_path.iterdir()) == []


def test_spacing_finer_than_the_template_is_refused() -> None:
    with pytest.raises(InputError, match=r"1 to 8 mm, but is 0\.5 mm"):
        template.template_anatomy(0.5)


@pytest.fixture(scope="module")
def heads() -> list[tuple[Anatomy, Scan]]:
    anatomies = [draw_patient(template.template_anatomy(3.0), seed) for seed in (1, 2, 4)]
    return [(patient.anatomy, draw_scan(patient)) for patient in anatomies]


@needs_template
def test_template_has_the_volumes_of_a_human_brain() -> None:
    anatomy = template.template_anatomy(3.0)
    litres = {name: float(values.sum()) * 27e-6 for name, values in anatomy.maps().items()}
    assert 0.5 < litres["white"] < 0.8
    assert 0.8 < litres["grey"] < 1.1
    assert 0.1 < litres["fluid"] < 0.4
    assert 0.01 < litres["ventricles"] < 0.04
    assert litres["infratentorial"] > 0.12
    assert anatomy.affine[:3, 3].tolist() == list(template.LOW_MM)


@needs_template
def test_template_is_symmetric_and_the_right_way_up() -> None:
    anatomy = template.template_anatomy(2.0)
    assert np.corrcoef(anatomy.white.ravel(), anatomy.white[::-1].ravel())[0, 1] > 0.97
    cerebellum_mm = (anatomy.affine @ [*np.argwhere(anatomy.infratentorial > 0.5).mean(axis=0), 1])[:3]
    ventricles_mm = (anatomy.affine @ [*np.argwhere(anatomy.ventricles > 0.5).mean(axis=0), 1])[:3]
    assert cerebellum_mm[1] < ventricles_mm[1]
    assert cerebellum_mm[2] < ventricles_mm[2]


@needs_template
def test_contrasts_are_those_measured_in_patients(heads: list[tuple[Anatomy, Scan]]) -> None:
    # Lesjak et al. 2018, patients 07 and 19, medians of the regions; the phantom may lie a little outside.
    measured = {
        ("FLAIR", "white"): (1.38, 1.40),
        ("FLAIR", "grey"): (1.16, 1.24),
        ("MPRAGE", "white"): (0.67, 0.80),
        ("MPRAGE", "grey"): (1.02, 1.17),
        ("T2W", "white"): (1.58, 2.02),
        ("T2W", "grey"): (1.14, 1.39),
    }
    for (channel, tissue), (low, high) in measured.items():
        ratios = []
        for anatomy, scan in heads:
            image = scan.images[channel]
            healthy = (getattr(anatomy, tissue) > 0.95) & ~scan.label & (image > 0)
            ratios.append(np.median(image[scan.label]) / np.median(image[healthy]))
        assert low - 0.15 < np.mean(ratios) < high + 0.15, (channel, tissue, ratios)


@needs_template
def test_flair_separates_lesions_best(heads: list[tuple[Anatomy, Scan]]) -> None:
    best = {
        channel: np.mean([best_band_dsc(scan.images[channel], scan.label) for _, scan in heads])
        for channel in heads[0][1].images
    }
    assert max(best, key=lambda channel: best[channel]) == "FLAIR"
    assert best["FLAIR"] > 2 * sorted(best.values())[-2]
    assert best["FLAIR"] < 0.85, "a threshold must not do the job"


def best_band_dsc(image: np.ndarray, label: np.ndarray) -> float:
    """Highest DSC that any pair of an upper and a lower threshold reaches."""
    inside = image > 0
    edges = np.quantile(image[inside], np.linspace(0, 1, 201))
    lesion = np.histogram(image[label], edges)[0].cumsum()
    every = np.histogram(image[inside], edges)[0].cumsum()
    hits, marked = lesion[None] - lesion[:, None], every[None] - every[:, None]
    return float(np.triu(2 * hits / np.maximum(marked + label.sum(), 1)).max())


@needs_template
def test_cohort_from_the_template(tmp_path: Path) -> None:
    write_cohort(tmp_path / "data", patients=1, sessions=2, spacing_mm=4.0)
    paths = sorted((tmp_path / "data" / "training01" / "preprocessed").glob("*flair*"))
    assert len(paths) == 2
    for path in paths:
        image = nibabel.load(path)
        litres = np.count_nonzero(np.asarray(image.dataobj)) * 64e-6
        assert 1.3 < litres < 2.5
