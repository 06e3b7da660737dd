"""Pictures as files."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from msseg.errors import InputError
from msseg.report import figures
from msseg.report.collect import collect_runs
from msseg.report.drawings import draw
from msseg.report.figures import overlay_figure, write_figures
from msseg.report.overlays import OUTCOMES, rgb
from msseg.report.pictures import case_pictures
from msseg.report.rows import build_rows


def test_curves_and_one_overlay_for_each_case_worst_first(make_run, tmp_path):
    subjects = [make_run.subject("a", 1), make_run.subject("b/<c>", 2)]
    runs = [
        make_run("one", errors={"FLAIR": 0.2, "T1": 0.4}, subjects=subjects),
        make_run("two", "unet3d", subjects=subjects),
    ]
    written = write_figures(runs, tmp_path / "figures")
    assert written[0].name == "curves.png"
    assert {path.name for path in written[1:]} == {"overlay_a.png", "overlay_b__c_.png"}
    for path in written:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
        assert path.stat().st_size < 400_000
    order = [picture.case for picture in case_pictures(build_rows(collect_runs(runs)))]
    scores = {case: [] for case in order}
    for row in build_rows(collect_runs(runs)):
        for score in row.evaluation.cases:
            scores[score.case].append(score.values["dsc"])
    assert np.mean(scores[order[0]]) <= np.mean(scores[order[1]])


def test_an_overlay_has_a_panel_for_image_expert_and_each_network(make_run):
    runs = [make_run("one", errors={"FLAIR": 0.3, "T1": 0.4}), make_run("two", "unet3d")]
    picture = case_pictures(build_rows(collect_runs(runs)))[0]
    drawing = draw(picture)
    figure = overlay_figure(picture, drawing)
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["Image", "Expert", "Residual 3D U-Net", "3D U-Net"]
    assert [axes.axison for axes in figure.axes] == [True] * 7 + [False]  # the 3D U-Net was not trained on T1
    height, width = drawing.size
    assert figure.axes[0].images[0].get_extent() == [0, width, height, 0]
    assert [text.get_text() for text in figure.axes[0].texts] == ["R", "L"]


def test_an_overlay_holds_the_three_colours(make_run, tmp_path):
    write_figures([make_run("one", errors={"FLAIR": 0.4})], tmp_path)
    colours = np.asarray(Image.open(tmp_path / "overlay_a.png").convert("RGB")).reshape(-1, 3).astype(int)
    for mark in OUTCOMES:  # the legend shows each colour pure
        assert np.abs(colours - rgb(mark.colour).astype(int)).sum(axis=1).min() < 12


def test_a_file_that_is_gone_is_an_input_error(make_run, tmp_path):
    run = make_run("one")
    (run / "FLAIR/predictions/a_mask.nii.gz").unlink()
    with pytest.raises(InputError, match=r"a_mask\.nii\.gz does not exist"):
        write_figures([run], tmp_path / "figures")


def test_a_rare_colour_keeps_its_hue(tmp_path):
    """A legend's orange has to stay orange where the picture shows it nowhere else."""
    figure = Figure(figsize=(6, 6))
    axes = figure.add_axes((0, 0, 1, 1))
    ramp = np.linspace(0, 1, 600)
    axes.imshow(np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], 0.3), axis=-1), extent=(0, 1, 0, 1))
    axes.add_patch(Rectangle((0.1, 0.1), 0.02, 0.02, color=OUTCOMES[1].colour))
    figures._save(figure, tmp_path / "rare.png")
    colours = np.asarray(Image.open(tmp_path / "rare.png").convert("RGB")).reshape(-1, 3).astype(int)
    assert np.abs(colours - rgb(OUTCOMES[1].colour).astype(int)).sum(axis=1).min() < 12
