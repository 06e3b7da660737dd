"""Rows of the tables: folds together, other settings apart, names without ambiguity."""

import numpy as np
import pytest

from msseg.report.collect import collect_runs
from msseg.report.rows import build_rows


def rows_of(*runs):
    return build_rows(collect_runs(runs))


def test_one_row_for_each_network_and_channel(make_run):
    first = make_run("one", "residual_unet3d", {"T1": 0.3, "FLAIR": 0.1, "FLAIR+T1": 0.2})
    second = make_run("two", "unet3d", {"FLAIR": 0.2})
    names = [(row.label, row.channel) for row in rows_of(first, second)]
    assert names == [
        ("Residual 3D U-Net", "T1"),
        ("Residual 3D U-Net", "FLAIR"),
        ("Residual 3D U-Net", "FLAIR+T1"),
        ("3D U-Net", "FLAIR"),
    ]


def test_folds_are_one_row_with_all_their_cases(make_run):
    folds = [
        make_run(f"fold{place}", subjects=[make_run.subject(name, place)], config={"split": {"fold": place}})
        for place, name in enumerate("abc")
    ]
    (row,) = rows_of(*folds)
    assert row.label == "Residual 3D U-Net"
    assert row.test_cases == {"a", "b", "c"}
    single = [fold.model.evaluation.cases[0].values["dsc"] for fold in row.folds]
    assert row.evaluation.summary["dsc"]["mean"] == pytest.approx(np.mean(single))
    assert row.evaluation.summary["dsc"]["n"] == 3


def test_an_interrupted_fold_belongs_to_its_row(make_run):
    folds = [
        make_run(f"fold{place}", subjects=[make_run.subject(name, place)], config={"split": {"fold": place}})
        for place, name in enumerate("ab")
    ]
    (folds[1] / "FLAIR" / "evaluation.json").unlink()
    (row,) = rows_of(*folds)
    assert len(row.folds) == 2
    assert row.test_cases == {"a"}


@pytest.mark.parametrize(
    ("cases", "configs"),
    [
        ("ab", [{"split": {"fold": 0}, "training": {"epochs": 1}}, {"split": {"fold": 1}, "training": {"epochs": 2}}]),
        ("aa", [{"split": {"fold": 0}}, {"split": {"fold": 1}}]),
        ("ab", [{"split": {"fold": 0}}, {"split": {"fold": 0}}]),
    ],
    ids=["other settings", "same cases", "same split"],
)
def test_what_are_no_folds_stays_apart(make_run, cases, configs):
    runs = [
        make_run(f"run{place}", subjects=[make_run.subject(case, 1)], config=config)
        for place, (case, config) in enumerate(zip(cases, configs, strict=True))
    ]
    assert [row.label for row in rows_of(*runs)] == ["Residual 3D U-Net · run0", "Residual 3D U-Net · run1"]


def test_channels_of_one_network_may_come_from_runs_with_other_settings(make_run):
    long = make_run("long", errors={"FLAIR": 0.1}, config={"training": {"epochs": 60}})
    short = make_run("short", errors={"T1": 0.3}, config={"training": {"epochs": 20}})
    assert [(row.label, row.channel) for row in rows_of(long, short)] == [
        ("Residual 3D U-Net", "FLAIR"),
        ("Residual 3D U-Net", "T1"),
    ]


def test_one_series_has_one_name_on_all_channels(make_run):
    folds = [
        make_run(
            f"wide_fold{place}",
            errors={"FLAIR": 0.1, "T1": 0.3},
            subjects=[make_run.subject(name, place)],
            config={"split": {"fold": place}},
        )
        for place, name in enumerate("ab")
    ]
    other = make_run("small", errors={"FLAIR": 0.1}, config={"training": {"epochs": 2}})
    assert [(row.label, row.channel) for row in rows_of(*folds, other)] == [
        ("Residual 3D U-Net · wide_fold", "FLAIR"),
        ("Residual 3D U-Net · wide_fold", "T1"),
        ("Residual 3D U-Net · small", "FLAIR"),
    ]


def test_rows_of_runs_with_one_name_are_told_apart_by_their_folders(make_run):
    runs = [make_run(name, config={"name": "same"}) for name in ("left", "right")]
    assert [row.label for row in rows_of(*runs)] == ["Residual 3D U-Net · left", "Residual 3D U-Net · right"]


def test_a_run_without_scores_is_a_row_without_evaluation(make_run):
    run = make_run("trial")
    (run / "FLAIR" / "evaluation.json").unlink()
    (row,) = rows_of(run)
    assert row.evaluation is None
    assert row.test_cases == frozenset()
