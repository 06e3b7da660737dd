"""Training curves: the points of the epoch tables, colours that follow the network, a harmless SVG."""

import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex

from msseg.report.collect import collect_runs
from msseg.report.curves import SERIES_COLOURS, curves_figure, curves_svg, has_curves
from msseg.report.rows import build_rows


@pytest.fixture
def rows(make_run):
    """Two networks on two channels."""
    errors = {"FLAIR": 0.1, "T1": 0.5}
    return build_rows(collect_runs([make_run("one", "residual_unet3d", errors), make_run("two", "unet3d", errors)]))


def test_lines_hold_the_tables_values_counted_from_one(rows):
    loss, score = curves_figure(rows, ["FLAIR"]).axes
    train = loss.lines[0]
    assert train.get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    assert train.get_ydata()[0] == pytest.approx(1.2)
    validated = score.lines[0]
    assert validated.get_xdata().tolist() == [2, 4, 6]  # every second epoch has one
    assert score.get_ylim() == (0, 1)


def test_the_kept_epoch_is_circled(rows):
    score = curves_figure(rows, ["FLAIR"]).axes[1]
    kept = score.lines[1]
    assert kept.get_xdata() == [4]
    assert kept.get_ydata()[0] == score.lines[0].get_ydata()[1]


def test_a_network_has_one_colour_in_all_figures(rows):
    for channel in ("FLAIR", "T1"):
        loss = curves_figure(rows, [channel]).axes[0]
        assert [to_hex(line.get_color()) for line in loss.lines[::2]] == list(SERIES_COLOURS[:2])


def test_runs_without_validation_say_so(make_run):
    rows = build_rows(collect_runs([make_run("one", validated=False)]))
    loss, score = curves_figure(rows, ["FLAIR"]).axes
    assert len(loss.lines) == 1
    assert [text.get_text() for text in score.texts] == ["no validation"]


def test_without_epochs_there_are_no_curves(make_run):
    run = make_run("one")
    (run / "FLAIR" / "epochs.csv").unlink()
    assert not has_curves(build_rows(collect_runs([run])), "FLAIR")


def test_the_svg_is_valid_follows_the_theme_and_refers_to_nothing_outside(make_run):
    name = "<script>alert(1)</script> $x_y$"
    runs = [make_run(f"run{place}", config={"name": f"{name}{place}"}, errors={"FLAIR": 0.1}) for place in (1, 2)]
    before = dict(mpl.rcParams)
    svg = curves_svg(build_rows(collect_runs(runs)), "FLAIR")
    assert dict(mpl.rcParams) == before
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert any(name in (text.text or "") for text in root.iter("{http://www.w3.org/2000/svg}text"))
    references = [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
    assert all(reference.startswith("#") for reference in references)
    assert "prefers-color-scheme: dark" in svg
    assert not any(f": {colour}" in svg for colour in SERIES_COLOURS)


def test_the_same_rows_give_the_same_svg(rows):
    assert curves_svg(rows, "T1") == curves_svg(rows, "T1")


def test_the_legend_of_long_names_stays_inside_the_figure(make_run):
    name = "an_experiment_with_a_rather_long_name_{}"
    runs = [make_run(name.format(place), config={"training": {"epochs": place}}) for place in range(4)]
    figure = curves_figure(build_rows(collect_runs(runs)), ["FLAIR"])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_what_models_were_selected_by_has_a_panel_of_its_own_scale(make_run):
    run = make_run("one")
    table = run / "FLAIR" / "epochs.csv"
    header, *lines = table.read_text().splitlines()
    place = header.split(",").index("val_dsc") + 1
    distances = iter(range(30, 0, -3))
    rows = [line.split(",") for line in lines]
    rows = [[*row[:place], str(next(distances)) if row[place - 1] else "", *row[place:]] for row in rows]
    columns = [*header.split(",")[:place], "val_hd95", *header.split(",")[place:]]
    table.write_text("".join(",".join(row) + "\n" for row in [columns, *rows]))
    _, dsc, distance = curves_figure(build_rows(collect_runs([run])), ["FLAIR"]).axes
    assert distance.get_title(loc="left") == "Validation HD95 (mm)"
    assert distance.lines[0].get_ydata()[0] == 30
    assert distance.get_ylim()[0] == 0
    assert distance.get_ylim()[1] > 30
    assert dsc.get_ylim() == (0, 1)
