"""Reports of membranes and cells: their scores, their words, no others."""

import csv
import io
import json
import re

import pytest

from msseg.errors import InputError
from msseg.report.collect import collect_runs
from msseg.report.curves import curves_figure, scores_of
from msseg.report.figures import write_figures
from msseg.report.headline import headline
from msseg.report.page import make_report
from msseg.report.rows import build_rows
from msseg.report.slice_words import CELLS, MEMBRANES
from msseg.report.tables import stack_rows, summary_rows
from msseg.report.thresholds import curves_of, has_thresholds, thresholds_figure
from msseg.report.vocabulary import WORDS
from msseg.report.writers import summary_csv, summary_latex, summary_markdown


def rows_of(*runs):
    return build_rows(collect_runs(runs))


def written(run):
    return json.loads((run / "EM" / "evaluation.json").read_text())


@pytest.fixture
def page(tmp_path):
    """Writes a report and returns its HTML."""

    def write(*runs):
        out = tmp_path / "out" / "report.html"
        make_report(runs, out)
        return out.read_text(encoding="utf-8")

    return write


@pytest.mark.parametrize("task", ["membranes", "cells"])
def test_no_word_of_lesions_and_patients(make_slices, page, tmp_path, task):
    html = re.sub(r"<pre>.*?</pre>", "", page(make_slices("one", task=task)), flags=re.DOTALL)
    texts = [html, *(path.read_text() for path in (tmp_path / "out" / "tables").iterdir())]
    for text in texts:
        text = re.sub(r"data:[^\"]*", "", text)
        assert not re.search(r"lesion|patient|expert|axial|voxel|radiolog| mL\b", text, re.IGNORECASE)


@pytest.mark.parametrize("task", ["membranes", "cells"])
def test_the_stacks_scores_stand_before_the_means_of_its_slices(make_slices, task):
    run = make_slices("one", task=task)
    words = WORDS[task]
    lines = summary_rows(rows_of(run))
    (row,) = csv.DictReader(io.StringIO(summary_csv(words, lines)))
    content = written(run)
    for metric in words.overall:
        assert float(row[f"stack_{metric.key}"]) == pytest.approx(content["stack"][metric.key])
        assert float(row[f"{metric.key}_mean"]) == pytest.approx(content["summary"][metric.key]["mean"])
    cells = summary_markdown(words, lines).splitlines()[2].strip("|").split("|")
    main = words.main
    assert cells[3].strip().startswith(f"{content['stack'][main.key]:.{main.digits}f} (")
    assert row["n"] == "2"


def test_the_directions_that_are_better_are_marked(make_slices):
    lines = summary_rows(rows_of(make_slices("one")))
    head = summary_markdown(MEMBRANES, lines).splitlines()[0]
    assert "V\\_rand ↑" in head
    assert "warping error ↓" in head
    latex = summary_latex(MEMBRANES, lines)
    assert latex.isascii()
    assert r"pixel error $\downarrow$" in latex


def test_the_better_network_leads_and_is_marked(make_slices):
    rows = rows_of(make_slices("one"), make_slices("two", "unet2d", gap=False))
    lines = summary_rows(rows)
    assert [line.pooled["v_rand"].best for line in lines] == [False, True]
    first, second, third = headline(lines)
    assert re.fullmatch(r"U-Net is best of 2: V_rand 0\.\d{3} on 2 test slices\.", first)
    assert second.endswith("slice by slice, the first is ahead in 2 of 2.")
    assert third == "All slices come from one stack (train), which says little about other tissue."


def test_each_of_several_stacks_has_its_own_scores(make_slices, page):
    run = make_slices("one", stacks=("a", "bcd"))
    lines = stack_rows(rows_of(run))
    stacks = written(run)["stacks"]
    assert {line.case for line in lines} == {"a", "bcd"}
    for line in lines:
        assert line.values["v_rand"] == pytest.approx(stacks[line.case]["v_rand"])
    assert "Each stack by itself" in page(run)
    assert stack_rows(rows_of(make_slices("two"))) == []


def test_the_curves_over_thresholds_are_those_of_the_evaluation(make_slices):
    run = make_slices("one")
    rows = rows_of(run)
    found = {(curve.panel, curve.part): curve for curve in curves_of(rows[0])}
    for number, entry in enumerate(written(run)["stack"]["thresholds"]):
        for key, title in (("v_rand", "V_rand"), ("v_info", "V_info")):
            for part in ("split", "merge", "f"):
                curve = found[title, part]
                assert curve.thresholds[number] == entry["threshold"]
                assert curve.values[number] == pytest.approx(entry[key][part])
    assert has_thresholds(rows, "EM")
    rand, info = thresholds_figure(rows, ["EM"]).axes
    assert (rand.get_title(loc="left"), info.get_title(loc="left")) == ("V_rand", "V_info")
    assert len(rand.lines) == 4  # F, split, merge, and the circle at the best
    assert rand.lines[1].get_xdata() == [written(run)["stack"]["v_rand_threshold"]]


def test_cells_have_a_curve_of_average_precision(make_slices):
    run = make_slices("one", task="cells")
    (curve,) = curves_of(rows_of(run)[0])
    assert curve.values == tuple(entry["ap"] for entry in written(run)["stack"]["ap_per_iou"])
    (axes,) = thresholds_figure(rows_of(run), ["EM"]).axes
    assert axes.get_xlabel() == "IoU above which cells match"


def test_volumes_have_no_threshold_curve(make_run):
    assert not has_thresholds(rows_of(make_run("one")), "FLAIR")


@pytest.mark.parametrize(("task", "titles"), [("membranes", ["V_rand", "V_dice"]), ("cells", ["SEG", "DSC"])])
def test_the_validation_curve_is_of_the_tasks_score(make_slices, task, titles):
    rows = rows_of(make_slices("one", task=task))
    assert list(scores_of(rows).values()) == titles
    _, main, _ = curves_figure(rows, ["EM"]).axes
    assert main.get_title(loc="left") == f"Validation {titles[0]}"
    assert main.lines[0].get_ydata().tolist() == [0.3, 0.7]


def test_an_epoch_table_without_the_tasks_score_shows_what_it_has(make_slices):
    run = make_slices("one")
    (run / "EM" / "epochs.csv").write_text("epoch,train_loss,val_loss,val_dsc\n0,0.9,0.8,0.85\n")
    assert scores_of(rows_of(run)) == {"val_dsc": "V_dice"}
    (run / "EM" / "epochs.csv").write_text("epoch,train_loss\n0,0.9\n")
    assert scores_of(rows_of(run)) == {"val_v_rand": "V_rand"}


def test_the_page_shows_every_slice_worst_first(make_slices, page):
    html = page(make_slices("one"), make_slices("two", "unet2d"))
    assert re.search(r"<h1>Membrane segmentation report: one and two</h1>", html)
    assert html.count('class="case"') >= 2
    assert len(re.findall(r"<article class=\"case\" id=\"case-\d\">", html)) == 2
    assert "slice 3 of the stack" in html
    assert "Scores against the threshold" in html


def test_only_the_worst_slices_of_a_large_stack_are_shown(make_slices, page, monkeypatch):
    monkeypatch.setattr("msseg.report.page.PICTURE_LIMIT", 1)
    html = page(make_slices("one"))
    assert len(re.findall(r"<article class=\"case\"", html)) == 1
    assert "1 better slices are not shown" in html


def test_pictures_as_files(make_slices, tmp_path):
    paths = write_figures([make_slices("one"), make_slices("two", "unet2d")], tmp_path / "figures")
    assert [path.name for path in paths[:2]] == ["curves.png", "thresholds.png"]
    assert {path.name for path in paths[2:]} == {"overlay_train_003.png", "overlay_train_005.png"}
    assert all(path.stat().st_size < 400_000 for path in paths)


def test_runs_of_different_tasks_are_not_compared(make_slices, make_run):
    with pytest.raises(InputError, match=r"different tasks.*membranes: em; lesions: ms"):
        collect_runs([make_slices("em"), make_run("ms")])


def test_the_task_is_known_from_the_scores_where_the_config_is_lost(make_slices):
    run = make_slices("one")
    (run / "config.yaml").unlink()
    (content,) = collect_runs([run])
    assert (content.task, content.label_meaning, content.membrane_width) == ("membranes", "inside", 2)


def test_a_run_without_scores_has_its_tasks_words(make_slices, page, tmp_path):
    run = make_slices("one", task="cells")
    (run / "EM" / "evaluation.json").unlink()
    html = page(run)
    assert "Cell segmentation report" in html
    assert "stack_seg" in (tmp_path / "out" / "tables" / "summary.csv").read_text()


def test_folds_of_stacks_are_one_row(make_slices):
    runs = [make_slices(f"fold{place}", stacks=(stack,)) for place, stack in enumerate(("a", "bcd"))]
    for place, run in enumerate(runs):
        text = (run / "config.yaml").read_text()
        (run / "config.yaml").write_text(f"{text}split: {{fold: {place}}}\n")
    (row,) = rows_of(*runs)
    assert set(row.evaluation.stacks) == {"a", "bcd"}
    assert row.evaluation.task == "membranes"


def test_all_words_explain_their_columns():
    for words in (MEMBRANES, CELLS):
        for metric in (*words.overall, *words.by_case, *words.pooled):
            assert metric.meaning.endswith(".")
        assert {metric.key for metric in words.overall} <= {metric.key for metric in words.pooled}
