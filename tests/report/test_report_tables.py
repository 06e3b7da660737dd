"""Tables: their numbers are those of the evaluation, in every format."""

import csv
import io
import json
import math
import re

import pytest

from msseg.report.cells import latex, markdown
from msseg.report.collect import collect_runs
from msseg.report.headline import headline
from msseg.report.lesion_words import LESIONS
from msseg.report.rows import build_rows
from msseg.report.tables import case_rows, summary_rows
from msseg.report.writers import cases_csv, notes_of, summary_csv, summary_latex, summary_markdown


@pytest.fixture
def two_networks(make_run):
    """Two networks on two channels; the residual one on FLAIR is best."""
    subjects = [make_run.subject(name, seed) for seed, name in enumerate("abc")]
    return [
        make_run("res", "residual_unet3d", {"FLAIR": 0.1, "T1": 0.6}, subjects),
        make_run("plain", "unet3d", {"FLAIR": 0.3, "T1": 0.5}, subjects),
    ]


def lines_of(runs):
    return summary_rows(build_rows(collect_runs(runs)))


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_summary_csv_holds_the_evaluations_numbers(two_networks):
    rows = read_csv(summary_csv(LESIONS, lines_of(two_networks)))
    assert len(rows) == 4
    folders = {"Residual 3D U-Net": two_networks[0], "3D U-Net": two_networks[1]}
    for row in rows:
        written = json.loads((folders[row["network"]] / row["channel"] / "evaluation.json").read_text())
        assert row["n"] == "3"
        for metric in ("dsc", "iou", "sensitivity", "precision", "hd95_mm"):
            for name in ("mean", "std", "median", "ci_low", "ci_high", "undefined"):
                assert float(row[f"{metric}_{name}"]) == pytest.approx(written["summary"][metric][name])
        assert float(row["pooled_dsc"]) == pytest.approx(written["pooled"]["dsc"])


def test_cases_csv_holds_every_case_worst_first(two_networks):
    rows = read_csv(cases_csv(case_rows(build_rows(collect_runs(two_networks)))))
    scores = [float(row["dsc"]) for row in rows]
    assert len(rows) == 12
    assert scores == sorted(scores)
    written = json.loads((two_networks[0] / "T1" / "evaluation.json").read_text())["cases"]
    for entry in written:
        (row,) = [
            r
            for r in rows
            if (r["network"], r["channel"]) == ("Residual 3D U-Net", "T1") and r["case"] == entry["case"]
        ]
        assert float(row["dsc"]) == entry["dsc"]
        assert float(row["volume_truth_mm3"]) == entry["volume_truth_mm3"]
        assert row["group"] == entry["group"]


def test_markdown_table_reads_back(two_networks):
    lines = lines_of(two_networks)
    table = [line for line in summary_markdown(LESIONS, lines).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0][:5] == ["Network", "Channel", "Cases", "DSC ↑", "IoU ↑"]
    assert [row[1] for row in cells[2:]] == ["FLAIR", "T1", "FLAIR", "T1"]
    assert [row[0] for row in cells[2:]] == ["Residual 3D U-Net", "", "3D U-Net", ""]
    for row, line in zip(cells[2:], lines, strict=True):
        assert float(re.search(r"[\d.]+", row[3]).group()) == pytest.approx(line.means["dsc"].mean, abs=5e-4)
    best = [row[3].startswith("**") for row in cells[2:]]
    assert best == [True, False, False, False]


def test_latex_table_reads_back(two_networks):
    lines = lines_of(two_networks)
    text = summary_latex(LESIONS, lines)
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [line.removesuffix(r" \\").split(" & ") for line in body.strip().splitlines()]
    width = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text).group(1))
    assert {len(row) for row in rows} == {width}
    for row, line in zip(rows, lines, strict=True):
        assert float(re.search(r"[\d.]+", row[3]).group()) == pytest.approx(line.means["dsc"].mean, abs=5e-4)
        assert row[3].startswith(r"\textbf{") == line.means["dsc"].best
    assert text.isascii()


def test_lowest_distance_is_best_and_cases_left_out_do_not_compete(make_run):
    good = [make_run.subject("a", 1), make_run.subject("b", 2)]
    whole = make_run("whole", "residual_unet3d", {"FLAIR": 0.5}, good)
    partial = make_run("partial", "unet3d", {"FLAIR": 0.1}, good)
    path = partial / "FLAIR" / "evaluation.json"
    content = json.loads(path.read_text())
    content["summary"]["hd95_mm"] |= {"mean": 0.1, "undefined": 1, "n": 1}
    path.write_text(json.dumps(content))
    first, second = lines_of([whole, partial])
    assert second.means["dsc"].best
    assert first.means["hd95_mm"].best
    assert not second.means["hd95_mm"].best
    assert "0.1 (1 n.d.)" in summary_markdown(LESIONS, [first, second])


def test_equal_values_are_all_best_and_a_single_row_has_no_best(make_run):
    runs = [make_run("one", "residual_unet3d"), make_run("two", "unet3d")]
    assert [line.means["dsc"].best for line in lines_of(runs)] == [True, True]
    assert [line.means["dsc"].best for line in lines_of(runs[:1])] == [False]
    assert "level at" in headline(lines_of(runs))[0]


def test_rows_of_different_test_sets_are_not_compared(make_run):
    one = make_run("one", "residual_unet3d", {"FLAIR": 0.6}, [make_run.subject("a", 1)])
    two = make_run("two", "unet3d", {"FLAIR": 0.1, "T1": 0.3}, [make_run.subject("b", 2), make_run.subject("c", 3)])
    lines = lines_of([one, two])
    assert [(line.row.label, line.test_set) for line in lines] == [
        ("3D U-Net", 1),
        ("3D U-Net", 1),
        ("Residual 3D U-Net", 2),
    ]
    assert [line.means["dsc"].best for line in lines] == [True, False, False]
    assert "Test set 1: b and c." in notes_of(LESIONS, lines)
    sentences = headline(lines)
    assert sentences[0].startswith("3D U-Net on FLAIR is best of 2")
    assert sentences[3].startswith("Test set 2: Residual 3D U-Net on FLAIR reaches DSC")


def test_one_case_has_neither_spread_nor_interval(make_run):
    lines = lines_of([make_run("trial", subjects=[make_run.subject("a", 1)])])
    (row,) = read_csv(summary_csv(LESIONS, lines))
    assert row["dsc_std"] == ""
    assert row["dsc_ci_low"] == ""
    assert "±" not in summary_markdown(LESIONS, lines).splitlines()[2]
    assert notes_of(LESIONS, lines)[0].startswith("One test case")


def test_every_table_states_the_rule_for_empty_masks(two_networks):
    lines = lines_of(two_networks)
    for text in (summary_markdown(LESIONS, lines), summary_latex(LESIONS, lines)):
        assert "Both masks empty: 1; exactly one empty: 0" in text


def test_without_scores_the_tables_are_heads_alone(make_run):
    assert read_csv(summary_csv(LESIONS, [])) == []
    assert read_csv(cases_csv([])) == []
    assert summary_markdown(LESIONS, []).startswith("| Network |")
    assert r"\end{table}" in summary_latex(LESIONS, [])


def test_the_headline_names_the_best_and_how_often_it_is_ahead(two_networks):
    first, second, third = headline(lines_of(two_networks))
    assert re.fullmatch(
        r"Residual 3D U-Net on FLAIR is best of 4: mean DSC 0\.\d\d"
        r" \(95 % interval 0\.\d\d–0\.\d\d\) on 3 test cases\.",
        first,
    )
    assert second.endswith("case by case, the first is ahead in 3 of 3.")
    assert third == "So few cases (3) say little about other patients."
    assert headline([]) == ["No test case has been scored yet, so there is no result to report."]


def test_special_characters_are_escaped():
    assert markdown("a|b*c_d`<script>") == r"a\|b\*c\_d\`&lt;script&gt;"
    assert latex("50%_a&b#{x}\\~^$") == r"50\%\_a\&b\#\{x\}\textbackslash{}\textasciitilde{}\textasciicircum{}\$"
    assert markdown("two\nlines") == "two lines"


def test_undefined_scores_come_last(make_run):
    run = make_run("trial")
    path = run / "FLAIR" / "evaluation.json"
    content = json.loads(path.read_text())
    content["cases"][0]["dsc"] = None
    path.write_text(json.dumps(content))
    lines = case_rows(build_rows(collect_runs([run])))
    assert math.isnan(lines[-1].values["dsc"])
