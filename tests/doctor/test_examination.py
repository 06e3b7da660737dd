"""What is kept of an examination: JSON, the text, the page; duplicates, splits, microscopy, real data."""

import json
import pickle
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from msseg.config.data import SplitConfig
from msseg.config.experiment import ExperimentConfig
from msseg.doctor.examine import Subject, examine, split_sides
from msseg.doctor.findings import Examination, from_json_dict
from msseg.doctor.gather import gather
from msseg.doctor.kinds import KINDS, Observation, group
from msseg.doctor.measure import Settings, measure
from msseg.doctor.page import write_page
from msseg.doctor.picture import Thumbnail
from msseg.doctor.text import describe
from msseg.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def kinds(examination: Examination) -> set[str]:
    return {finding.kind for finding in examination.findings}


def test_facts_are_those_of_the_files(three: Path, examined: Callable[..., Examination]) -> None:
    row = examined(three).rows[0]
    image, label = row.images["FLAIR"], row.label
    data = np.asarray(nib.load(image.path).dataobj)
    assert (image.shape, image.spacing, image.orientation, image.obliquity) == ((48, 56, 40), (3, 3, 3), "RAS", 0)
    assert (image.minimum, image.maximum) == (data.min(), data.max())
    assert image.nonzero == np.count_nonzero(data) / data.size
    assert sum(image.histogram) == pytest.approx(1, abs=1e-3)
    assert label is not None
    assert label.volume_mm3 == 27 * np.count_nonzero(np.asarray(nib.load(label.path).dataobj))
    assert label.objects > 5
    assert label.contrast is not None
    assert label.contrast > 2


def test_obliquity_is_the_tilt_in_degrees(three: Path, examined: Callable[..., Examination]) -> None:
    turn = np.radians(8)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    for path in (three / "patient01").iterdir():
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), rotation @ image.affine), path)
    examination = examined(three)
    assert examination.rows[0].images["FLAIR"].obliquity == pytest.approx(8, abs=1e-3)
    assert examination.findings == ()


def test_json_round_trip(three: Path, examined: Callable[..., Examination]) -> None:
    (three / "patient02" / "patient02_T1.nii.gz").write_bytes(b"nothing")
    values = examined(three).to_json_dict()
    again = from_json_dict(json.loads(json.dumps(values, allow_nan=False)))
    assert again.to_json_dict() == values
    assert again.findings[0].files == (three / "patient02" / "patient02_T1.nii.gz",)


@pytest.mark.parametrize("content", [{}, {"version": 0}, {"version": 1, "source": "", "layout": "", "cases": [3]}])
def test_other_json_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(InputError, match="findings"):
        from_json_dict(content)


def test_thirty_cases_with_one_problem_are_one_finding() -> None:
    problems = [Observation("warning", "background", (f"case{n}",), (), f"FLAIR has {n} there") for n in range(30)]
    problems.append(Observation("error", "constant", ("a",), (), "T1 is 0 everywhere"))
    worst, many = group(problems)
    assert (worst.severity, worst.cases) == ("error", ("a",))
    assert len(many.cases) == 30
    assert many.message.endswith("case3: FLAIR has 3 there; and 26 more")
    assert len(many.message) < 300


def test_what_all_have_alike_is_said_once() -> None:
    (finding,) = group([Observation("error", "missing_channel", (f"p{n}",), (), "no T1") for n in range(9)])
    assert finding.message.endswith("(9 cases): p0, p1, p2, p3 and 5 more: no T1")


def test_every_kind_is_explained_in_the_documentation() -> None:
    text = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


TINY = [(1, 1, 1), (2, 1, 1), (3, 4, 1), (5, 5, 2), (40, 1, 7), (33, 33, 33)]


@pytest.mark.parametrize("shape", TINY, ids=str)
@pytest.mark.parametrize("fill", ["noise", "negative", "one voxel", "one slice"])
def test_odd_volumes_do_not_stop_the_examination(
    shape: tuple[int, int, int], fill: str, tmp_path: Path, examined: Callable[..., Examination]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        data = rng.normal(size=shape).astype(np.float32)
        if fill == "negative":
            data = -np.abs(data) - 1
        elif fill != "noise":
            data[:] = 0
            data[tuple(size // 2 for size in shape)[: 3 if fill == "one voxel" else 1]] = 1
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii")
        nib.save(nib.Nifti1Image((data > 0.5).astype(np.uint8), np.eye(4)), tmp_path / f"{name}_mask.nii")
    examination = examined(tmp_path, None, pictures=True)
    assert len(examination.rows) == 3
    assert from_json_dict(examination.to_json_dict()).to_json_dict() == examination.to_json_dict()
    assert list(describe(examination))


def test_little_is_kept_of_a_case(three: Path) -> None:
    (case, *_) = gather(three, "openms").cases
    assert len(pickle.dumps(measure(case, Settings()))) < 2 * 100_000


@pytest.mark.real
def test_a_whole_head_takes_seconds(shared_data: Path) -> None:
    """Four channels of 182 x 218 x 182 and a label; processor time, which other processes do not lengthen."""
    case = gather(shared_data / "openms", "openms").cases[1]
    begun = time.process_time()
    measure(case, Settings(pictures=True))
    assert time.process_time() - begun < 6


def test_a_missing_channel_is_a_note_where_the_experiment_says_what_becomes_of_it(three: Path) -> None:
    (three / "patient02" / "patient02_T1.nii.gz").unlink()
    severities = [gather(three, "openms", missing=missing).problems[0].severity for missing in ("error", "zero")]
    assert severities == ["error", "note"]


# ------------------------------------------------------------------------------------------- duplicates and splits


def test_a_copy_is_found_whatever_its_bytes_and_header(three: Path, examined: Callable[..., Examination]) -> None:
    for channel in ("FLAIR", "T1"):
        source = nib.load(three / "patient01" / f"patient01_{channel}.nii.gz")
        data = np.asarray(source.dataobj).astype(np.float64)
        place = nib.as_closest_canonical(source).affine @ np.diag([1.1, 1.1, 1.1, 1])
        nib.save(nib.Nifti1Image(data, place), three / "patient03" / f"patient03_{channel}.nii.gz")
    (three / "patient03" / "patient03_consensus_gt.nii.gz").unlink()
    (finding,) = (of for of in examined(three).findings if of.kind == "duplicate")
    assert finding.cases == ("patient01", "patient03")
    assert "FLAIR and T1 (patients patient01 and patient03)" in finding.message


def test_a_reoriented_copy_is_found(three: Path, examined: Callable[..., Examination]) -> None:
    for kind in ("FLAIR", "T1", "consensus_gt"):
        image = nib.load(three / "patient01" / f"patient01_{kind}.nii.gz")
        turned = image.as_reoriented(nib.orientations.axcodes2ornt("LIP"))
        nib.save(turned, three / "patient03" / f"patient03_{kind}.nii.gz")
    assert "duplicate" in kinds(examined(three))


def split_of(root: Path, train: str, test: str, leak: str = "error") -> Examination:
    split = SplitConfig.model_validate_json(json.dumps({"train": [train], "test": test.split(), "leak": leak}))
    gathered = gather(root, "openms")
    sides, problems = split_sides(gathered.cases, ExperimentConfig(split=split))
    return examine(gathered.cases, Settings(), Subject("", "openms", problems, sides))


def test_a_copy_on_the_other_side_of_the_split_is_an_error(three: Path) -> None:
    for channel in ("FLAIR", "T1"):
        shutil.copy(three / f"patient01/patient01_{channel}.nii.gz", three / f"patient03/patient03_{channel}.nii.gz")
    finding = split_of(three, "patient01", "patient03").findings[0]
    assert (finding.severity, finding.kind) == ("error", "duplicate_across_split")
    assert "in test and train" in finding.message


def test_a_patient_on_both_sides_is_an_error(three: Path) -> None:
    shutil.copytree(three / "patient01", three / "again" / "patient01")
    table = three / "cases.csv"
    rows = ["case,group,FLAIR,label"]
    for name, of in (("a", "patient01"), ("b", "patient02")):
        rows.append(f"{name},same,{of}/{of}_FLAIR.nii.gz,{of}/{of}_consensus_gt.nii.gz")
    table.write_text("\n".join(rows))
    gathered = gather(table)
    split = SplitConfig(train=("a",), test=("b",))
    _, (problem,) = split_sides(gathered.cases, ExperimentConfig(split=split))
    assert (problem.severity, problem.kind) == ("error", "split")
    assert "same (in train and test)" in problem.detail


# ------------------------------------------------------------------------------------------------ where cases are


def test_a_single_file_and_loose_files_are_examined(three: Path, tmp_path: Path) -> None:
    file = three / "patient01" / "patient01_FLAIR.nii.gz"
    (case,) = gather(file).cases
    assert (case.id, case.images) == ("patient01_FLAIR", {"IMAGE": file})
    loose = tmp_path / "loose"
    loose.mkdir()
    shutil.copy(file, loose / "x.nii.gz")
    shutil.copy(three / "patient01" / "patient01_consensus_gt.nii.gz", loose / "x_mask.nii.gz")
    (case,) = gather(loose).cases
    assert case.label == loose / "x_mask.nii.gz"


def test_the_layout_is_recognised(three: Path) -> None:
    assert gather(three).layout == "openms"


def test_a_table_is_examined_with_its_gaps(three: Path) -> None:
    table = three / "cases.csv"
    table.write_text("case,group,FLAIR,T1\na,a,patient01/patient01_FLAIR.nii.gz,\nb,b,nowhere.nii,nowhere.nii\n")
    gathered = gather(table)
    assert [problem.kind for problem in gathered.problems] == ["missing_channel"]
    examination = examine(gathered.cases)
    assert kinds(examination) == {"unreadable"}


def test_a_table_may_start_from_another_folder(three: Path, tmp_path: Path) -> None:
    table = tmp_path / "elsewhere.csv"
    table.write_text("case,group,FLAIR\na,a,patient01/patient01_FLAIR.nii.gz\n")
    (case,) = gather(three, table=table).cases
    assert examine([case]).findings == ()


def test_a_data_set_without_labels_is_recognised(three: Path) -> None:
    for path in three.rglob("*_gt.nii.gz"):
        path.unlink()
    gathered = gather(three)
    assert (gathered.layout, len(gathered.cases), gathered.problems) == ("openms", 3, ())


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_nothing_to_examine_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"does not exist|holds no"):
        gather(tmp_path / name)


def stack(root: Path, name: str, seed: int, pages: int = 4) -> None:
    rng = np.random.default_rng(seed)
    from scipy import ndimage

    image = ndimage.gaussian_filter(rng.normal(size=(pages, 160, 160)), (0.3, 2, 2))
    image = (128 + 200 * image).clip(1, 255).astype(np.uint8)
    tifffile.imwrite(root / f"{name}-volume.tif", image, photometric="minisblack")
    label = np.where(image > 128, 255, 0).astype(np.uint8)
    tifffile.imwrite(root / f"{name}-labels.tif", label, photometric="minisblack")


def test_stacks_of_slices_are_examined(tmp_path: Path, examined: Callable[..., Examination]) -> None:
    stack(tmp_path, "a", 1)
    stack(tmp_path, "b", 2)
    examination = examined(tmp_path, None)
    assert (examination.layout, len(examination.rows)) == ("em_stack", 8)
    assert examination.findings == ()
    assert examination.rows[0].images["EM"].head_ml is None


def test_a_section_that_is_a_copy_or_lost_is_found(tmp_path: Path, examined: Callable[..., Examination]) -> None:
    stack(tmp_path, "a", 1, pages=6)
    pages = tifffile.imread(tmp_path / "a-volume.tif")
    pages[3], pages[5] = pages[2], 0
    tifffile.imwrite(tmp_path / "a-volume.tif", pages, photometric="minisblack")
    found = {finding.kind: finding.cases for finding in examined(tmp_path, None).findings}
    assert found == {"constant": ("a_006",), "duplicate": ("a_003", "a_004")}


# ----------------------------------------------------------------------------------------------------- text and page


def test_the_text_is_short_and_ends_with_a_summary(three: Path, examined: Callable[..., Examination]) -> None:
    (three / "patient02" / "patient02_T1.nii.gz").write_bytes(b"nothing")
    lines = list(describe(examined(three)))
    assert lines[-1].startswith("3 cases (layout openms): 1 error")
    assert sum(line.startswith("ERROR: ") for line in lines) == 1
    assert sum(line.startswith("  -> ") for line in lines) == 1


def test_the_page_escapes_names_and_needs_no_network(three: Path, tmp_path: Path) -> None:
    hostile = '<script>alert("1")</script>'
    (three / "patient01" / "patient01_FLAIR.nii.gz").write_bytes(b"nothing")
    pictures: dict[str, Thumbnail] = {}
    cases = gather(three, "openms").cases
    examination = examine(cases, Settings(pictures=True), Subject(hostile, hostile), pictures=pictures)
    page = tmp_path / "page.html"
    write_page(page, examination, pictures)
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert "default-src 'none'" in text
    assert text.count("data:image/png;base64,") == 3
    assert text.count("<polyline") == 2 * 5
    assert text.index('id="case-1"') < text.index('id="case-2"')


# ------------------------------------------------------------------------------------------------------- real data


@pytest.mark.real
def test_real_data_give_no_false_alarm(shared_data: Path, examined: Callable[..., Examination]) -> None:
    for name in ("openms", "isbi2012", "ctc_dic_hela"):
        examination = examined(shared_data / name, None)
        assert [finding.message for finding in examination.findings] == []


@pytest.mark.real
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("channel", ["FLAIR", "T2"])
def test_flips_of_real_labels_are_found(shared_data: Path, axis: int, channel: str) -> None:
    from msseg.doctor.intensity import subject_of
    from msseg.doctor.orientation import LabelProbe
    from msseg.volumes.files import read_label, read_volume

    for case in gather(shared_data / "openms", "openms").cases:
        assert case.label is not None
        image, label = read_volume(case.images[channel]).data, read_label(case.label).data
        probe = LabelProbe(np.flip(label, axis))
        probe.add(image, subject_of(image))
        better = probe.better()
        assert better is not None
        assert better[0] == ((0, 1, 2), tuple(at == axis for at in range(3)))


@pytest.mark.real
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flips_of_real_channels_are_found(shared_data: Path, axis: int) -> None:
    from msseg.doctor.channels import better_flip
    from msseg.doctor.intensity import subject_of
    from msseg.volumes.files import read_volume

    for case in gather(shared_data / "openms", "openms").cases:
        first, *others = (read_volume(path).data for path in case.images.values())
        for other in others:
            flipped = np.flip(other, axis)
            assert better_flip(first, other, subject_of(first), subject_of(other)) is None
            found = better_flip(first, flipped, subject_of(first), subject_of(flipped))
            assert found == ((0, 1, 2), tuple(at == axis for at in range(3)))
