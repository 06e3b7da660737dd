"""Slices of stacks in pictures: the right pages, the truth as it is scored, what cannot be shown."""

import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from msseg.errors import InputError
from msseg.report.collect import collect_runs
from msseg.report.drawings import draw
from msseg.report.overlays import MERGER, SEGMENT_MARKS, SPLIT
from msseg.report.pictures import case_pictures
from msseg.report.rows import build_rows
from msseg.report.sections import grey_levels, read_section

KEY = ("SF Network", "EM")


def pictures_of(*runs):
    return {picture.case: picture for picture in case_pictures(build_rows(collect_runs(runs)))}


def edit_cases(run, change):
    path = run / "EM" / "cases.json"
    path.write_text(json.dumps([change(entry) for entry in json.loads(path.read_text())]))


def without(*keys):
    return lambda entry: {key: value for key, value in entry.items() if key not in keys}


@pytest.mark.parametrize(("case", "page", "predicted"), [("train_003", 2, 0), ("train_005", 4, 1)])
def test_each_slice_is_read_from_its_pages(make_slices, tmp_path, case, page, predicted):
    run = make_slices("one")
    shown = read_section(pictures_of(run)[case])
    truth = tifffile.imread(tmp_path / "data" / "train-inside.tif")[page] > 0
    assert (shown.truth == ndimage.label(truth)[0]).all()
    image = tifffile.imread(tmp_path / "data" / "train-volume.tif")[page]
    assert (shown.images["EM"] == grey_levels(image)).all()
    made = shown.predictions[KEY]
    probability = tifffile.imread(run / "EM" / "predictions" / "train_probability.tif")[predicted]
    assert (made.probability == np.rint(255 * probability)).all()
    best = json.loads((run / "EM" / "evaluation.json").read_text())["pooled"]["v_rand_threshold"]
    assert made.threshold == best
    assert ((made.segments > 0) == (probability > best)).all()
    assert shown.number == page + 1


def test_the_truth_is_read_by_its_meaning(make_slices):
    shown = [
        read_section(pictures_of(make_slices(meaning, meaning=meaning))["train_003"]).truth > 0
        for meaning in ("inside", "membrane", "instances")
    ]
    assert (shown[0] == shown[1]).all()
    assert (shown[0] == shown[2]).all()


def test_cells_are_shown_by_their_numbers(make_slices):
    shown = read_section(pictures_of(make_slices("one", task="cells"))["train_003"])
    made = shown.predictions[KEY]
    assert made.threshold is None
    assert made.segments.max() > 1
    assert made.probability is not None


def test_runs_that_kept_masks_alone_are_shown(make_slices):
    run = make_slices("one")
    edit_cases(run, without("probability"))
    numbered = read_section(pictures_of(run)["train_003"]).predictions[KEY]
    assert numbered.probability is None
    edit_cases(run, without("instances"))
    masked = read_section(pictures_of(run)["train_003"]).predictions[KEY]
    assert (masked.segments == numbered.segments).all()
    edit_cases(run, without("prediction"))
    with pytest.raises(InputError, match="names no prediction of the slice train_003"):
        read_section(pictures_of(run)["train_003"])


def test_a_slice_that_is_a_file_of_its_own_has_no_number(make_slices, tmp_path):
    run = make_slices("one")
    image = tifffile.imread(tmp_path / "data" / "train-volume.tif")
    tifffile.imwrite(tmp_path / "data" / "slice.tif", image[2])
    tifffile.imwrite(tmp_path / "data" / "label.tif", tifffile.imread(tmp_path / "data" / "train-inside.tif")[2])
    for kind in ("probability", "mask"):
        path = run / "EM" / "predictions" / f"train_{kind}.tif"
        tifffile.imwrite(path, tifffile.imread(path)[0])
    files = {"images": {"EM": str(tmp_path / "data/slice.tif")}, "label": str(tmp_path / "data/label.tif")}
    edit_cases(run, lambda entry: without("page", "predicted_page")(entry) | files)
    picture = pictures_of(run)["train_003"]
    assert read_section(picture).number is None
    assert draw(picture).place == ""


def test_what_does_not_fit_the_truth_is_refused(make_slices, tmp_path):
    run = make_slices("one")
    tifffile.imwrite(tmp_path / "data" / "train-volume.tif", np.zeros((5, 60, 64), dtype=np.uint8))
    with pytest.raises(InputError, match=r"train-volume\.tif is 60 x 64 pixels large, but its truth .* 64 x 64"):
        read_section(pictures_of(run)["train_003"])
    edit_cases(run, without("label"))
    with pytest.raises(InputError, match="the slice train_003 has no truth"):
        read_section(pictures_of(run)["train_003"])


def test_one_network_has_one_line_with_its_errors(make_slices):
    (line,) = draw(pictures_of(make_slices("one"))["train_003"]).lines
    assert [panel.title.split(" at ")[0] for panel in line.panels] == [
        "Image", "Truth", "SF Network: probability", "SF Network: segments",
    ]  # fmt: skip
    codes = line.panels[3].codes
    for mark in (MERGER, SPLIT):
        assert (codes == 1 + SEGMENT_MARKS.index(mark)).any()
    assert line.panels[3].score.startswith("V_rand 0.")
    assert line.panels[2].grey is not None


def test_several_networks_stand_beside_each_other_with_probabilities_below(make_slices):
    picture = pictures_of(make_slices("one"), make_slices("two", "unet2d", gap=False))["train_005"]
    first, second = draw(picture).lines
    titles = [panel.title.split(":")[0] for panel in first.panels]
    assert titles == ["Image", "Truth", "SF Network", "U-Net"]
    assert [panel is None for panel in second.panels] == [True, True, False, False]
    merger = 1 + SEGMENT_MARKS.index(MERGER)
    assert [(panel.codes == merger).any() for panel in first.panels[2:]] == [True, False]


def test_right_segments_have_the_truths_colours(make_slices):
    (line,) = draw(pictures_of(make_slices("one", gap=False))["train_003"]).lines
    truth, codes = line.panels[1].codes, line.panels[3].codes
    lines = codes >= 1 + SEGMENT_MARKS.index(SPLIT)
    assert (codes == truth)[~lines].mean() > 0.8


def test_large_slices_are_drawn_smaller(make_slices, monkeypatch):
    monkeypatch.setattr("msseg.report.drawings.LONGEST_SIDE", 30)
    drawing = draw(pictures_of(make_slices("one"))["train_003"])
    assert drawing.lines[0].grey.shape == (22, 22)
    assert drawing.lines[0].panels[3].codes.shape == (22, 22)
    assert drawing.size == (64, 64)


def test_grey_levels_span_the_slice():
    values = np.linspace(-5, 3, 10_000).reshape(100, 100)
    grey = grey_levels(values)
    assert (grey.min(), grey.max()) == (0, 255)
    assert (grey_levels(np.full((3, 3), 7.0)) == 128).all()
