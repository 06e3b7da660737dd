"""Run folders: what is read, what is listed as missing, what is refused."""

import json

import pytest

from msseg.errors import InputError
from msseg.report.collect import collect_runs


def test_reads_a_run_with_its_models(make_run):
    run = make_run("trial", errors={"T1": 0.5, "FLAIR": 0.1, "FLAIR+T1": 0.2})
    (content,) = collect_runs([run])
    assert content.name == "trial"
    assert [model.channel for model in content.models] == ["T1", "FLAIR", "FLAIR+T1"]  # as the config lists them
    assert content.missing == ()
    model = content.models[0]
    assert model.missing == ()
    assert model.kept_epoch == 3
    assert model.facts.parameters == 1_234_567
    assert [case.case for case in model.cases] == ["a", "b"]
    assert model.cases[0].prediction == model.folder / "predictions/a_mask.nii.gz"


def test_a_models_folder_stands_for_itself_and_knows_its_run(make_run):
    run = make_run("trial", errors={"FLAIR": 0.1, "T1": 0.5})
    (content,) = collect_runs([run / "T1"])
    assert [model.channel for model in content.models] == ["T1"]
    assert content.config["name"] == "trial"


def test_what_is_named_twice_is_read_once(make_run):
    run = make_run("trial", errors={"FLAIR": 0.1, "T1": 0.5})
    (content,) = collect_runs([run / "T1", run, run / "FLAIR"])
    assert sorted(model.channel for model in content.models) == ["FLAIR", "T1"]


def test_refuses_what_is_no_run_folder(make_run, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(InputError, match=r"other is no run folder: it holds neither config\.yaml nor"):
        collect_runs([tmp_path / "other"])
    with pytest.raises(InputError, match="absent is no run folder: it does not exist"):
        collect_runs([tmp_path / "absent"])
    with pytest.raises(InputError, match=r"file\.txt is no run folder: it is a file"):
        collect_runs([tmp_path / "file.txt"])
    with pytest.raises(InputError, match="no run folder given"):
        collect_runs([])


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("FLAIR/run.json", "no run.json"),
        ("FLAIR/epochs.csv", "no epochs.csv"),
        ("FLAIR/cases.json", "no cases.json"),
        ("FLAIR/evaluation.json", "no evaluation.json: the run stopped before its test cases were scored"),
        ("FLAIR/model/model.yaml", "no trained model"),
        ("config.yaml", "no config.yaml"),
        ("split.json", "no split.json"),
        ("versions.json", "no versions.json"),
    ],
)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_part_that_is_missing_or_damaged_is_listed(make_run, name, note, damaged):
    run = make_run("trial")
    (run / name).unlink()
    if damaged:
        (run / name).write_text('{"a": [')
    (content,) = collect_runs([run])
    notes = [*content.missing, *content.models[0].missing]
    assert len(notes) == 1
    if not damaged:
        assert notes[0].startswith(note)
    assert content.models[0].facts.network == "residual_unet3d" or name == "config.yaml"


def test_an_interrupted_training_is_known_by_its_checkpoints(make_run):
    run = make_run("trial")
    (run / "T2" / "checkpoints").mkdir(parents=True)
    (content,) = collect_runs([run])
    started = next(model for model in content.models if model.channel == "T2")
    assert started.facts.network == "residual_unet3d"  # from the config
    assert started.evaluation is None
    assert any("no trained model" in note for note in started.missing)


def test_a_run_without_test_cases_says_so(make_run):
    (content,) = collect_runs([make_run("trial", subjects=[])])
    assert content.models[0].missing == ("no test cases: the split leaves none, so nothing was predicted and scored",)


def test_a_config_alone_has_no_model_yet(tmp_path):
    (tmp_path / "config.yaml").write_text("name: begun\n")
    (content,) = collect_runs([tmp_path])
    assert content.name == "begun"
    assert "no model has been trained yet" in content.missing


def test_an_epoch_table_that_was_cut_short_keeps_its_whole_rows(make_run):
    run = make_run("trial")
    table = run / "FLAIR" / "epochs.csv"
    table.write_text(table.read_text() + "\n,0.")
    (content,) = collect_runs([run])
    assert list(content.models[0].epochs["epoch"]) == [0, 1, 2, 3, 4, 5]


def test_cases_that_failed_are_named(make_run):
    run = make_run("trial")
    path = run / "FLAIR" / "evaluation.json"
    content = json.loads(path.read_text())
    content["failed"] = {"c": "its truth is damaged"}
    path.write_text(json.dumps(content))
    (found,) = collect_runs([run])
    assert found.models[0].missing == ("case c was not scored: its truth is damaged",)
