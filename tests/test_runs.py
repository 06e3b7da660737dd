"""The run folder: one process at a time, the same settings when it is resumed, nothing of others' replaced."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from msseg.atomic import write_text
from msseg.config.experiment import ExperimentConfig
from msseg.config.load import load_config
from msseg.errors import InputError
from msseg.runs import ModelRun, Run, open_run, versions, write_json


def config(**sections: dict[str, object]) -> ExperimentConfig:
    return ExperimentConfig.model_validate(sections)


def refusal(folder: Path, settings: ExperimentConfig | None = None, resume: bool = False) -> str:
    with pytest.raises(InputError) as caught, open_run(folder, settings or config(), resume):
        pytest.fail("the run was opened")
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


# ------------------------------------------------------------------------------------------------- a new run


def test_a_new_run_holds_its_settings_and_versions(tmp_path: Path) -> None:
    settings = config(training={"epochs": 3}, split={"train": ("yes", "007")})
    with open_run(tmp_path / "runs" / "a", settings) as run:
        assert run == Run(tmp_path / "runs" / "a", settings)
        assert load_config(run.folder / "config.yaml") == settings
        assert json.loads((run.folder / "versions.json").read_text()) == versions()
    assert sorted(os.listdir(tmp_path / "runs" / "a")) == [".lock", "config.yaml", "versions.json"]


def test_versions_name_what_matters() -> None:
    assert versions()["python"].count(".") == 2
    assert {"torch", "numpy", "nibabel", "torchio", "lightning"} <= versions().keys()
    assert versions()["numpy"][0].isdecimal()


def test_what_is_where(tmp_path: Path) -> None:
    run = Run(tmp_path, config())
    model = run.model_run(("FLAIR", "T1"))
    assert model == ModelRun(tmp_path / "FLAIR+T1")
    assert [path.relative_to(tmp_path).as_posix() for path in (run.split, run.cache, run.report)] == [
        "split.json",
        "cache",
        "report.html",
    ]
    places = (model.facts, model.cases, model.epochs, model.evaluation, model.model, model.checkpoints)
    assert [path.name for path in (*places, model.predictions)] == [
        "run.json",
        "cases.json",
        "epochs.csv",
        "evaluation.json",
        "model",
        "checkpoints",
        "predictions",
    ]
    assert Run(tmp_path, config(data={"cache": "~/x"})).cache == Path.home() / "x"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    with open_run(tmp_path, config()):
        pass
    assert (tmp_path / "config.yaml").exists()


def test_resuming_what_is_not_there_begins_it(tmp_path: Path) -> None:
    with open_run(tmp_path / "a", config(), resume=True) as run:
        assert run.folder.is_dir()


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    for resume in (False, True):
        assert "exists and is no run folder: give an empty or a new folder" in refusal(tmp_path, resume=resume)
    assert os.listdir(tmp_path) == ["thesis.docx"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "exists and is no run folder" in refusal(tmp_path / "file")
    assert "cannot be written: Not a directory" in refusal(tmp_path / "file" / "run")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody may write")
def test_a_folder_that_cannot_be_written_is_refused() -> None:
    assert "the run folder /proc/run cannot be written: " in refusal(Path("/proc/run"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written: Permission denied" in refusal(tmp_path / "run")


# -------------------------------------------------------------------------------------------------- resuming


@pytest.fixture
def started(tmp_path: Path) -> Path:
    with open_run(tmp_path / "run", config(training={"epochs": 3})):
        pass
    return tmp_path / "run"


def test_a_run_is_continued_only_when_asked_for(started: Path) -> None:
    settings = config(training={"epochs": 3})
    assert "already holds a run: continue it with --resume, or give another folder" in refusal(started, settings)
    with open_run(started, settings, resume=True) as run:
        assert run.config == settings


def test_other_settings_are_refused_by_name(started: Path) -> None:
    other = config(
        training={"epochs": 4, "seed": 1},
        network={"name": "residual_unet3d", "base_channels": 12, "dropout": 0.3},
        data={"select": {"rater": ("1",)}},
        augmentation=(),
    )
    before = (started / "config.yaml").read_bytes()
    message = refusal(started, other, resume=True)
    assert (
        "was started with other settings (augmentation, data.select.rater, network.base_channels, training.epochs,"
        " training.seed): resume with the same ones" in message
    )
    assert (started / "config.yaml").read_bytes() == before


def test_where_a_run_is_computed_may_change(started: Path) -> None:
    moved = config(
        training={"epochs": 3, "workers": 0, "threads": 2, "device": "cpu", "devices": 2}, data={"cache": "elsewhere"}
    )
    with open_run(started, moved, resume=True) as run:
        assert run.cache == Path("elsewhere")


def test_a_damaged_configuration_is_refused(started: Path) -> None:
    (started / "config.yaml").write_text("training: {epochs: ", encoding="utf-8")
    assert "config.yaml, line 1: not valid YAML" in refusal(started, resume=True)


@pytest.mark.parametrize("error", [RuntimeError("a fault"), KeyboardInterrupt(), InputError("a bad case")])
def test_a_run_that_crashed_can_be_resumed(tmp_path: Path, error: BaseException) -> None:
    def crash() -> None:
        with open_run(tmp_path / "run", config()) as run:
            write_text(run.model_run(("FLAIR",)).epochs, "epoch\n0\n")
            raise error

    with pytest.raises(type(error)) as caught:
        crash()
    assert caught.value is error
    with open_run(tmp_path / "run", config(), resume=True) as run:
        assert run.model_run(("FLAIR",)).epochs.read_text() == "epoch\n0\n"


def test_a_run_that_was_stopped_before_its_settings_were_written_can_be_begun(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / ".config.yaml.1a2b3c4d").write_text("half")
    with open_run(tmp_path / "run", config()) as run:
        assert load_config(run.folder / "config.yaml") == config()


# ------------------------------------------------------------------------------------------ errors while it runs


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_or_closed_disk_is_the_user_s_to_mend(tmp_path: Path, code: int) -> None:
    with pytest.raises(InputError) as caught, open_run(tmp_path / "run", config()):
        raise OSError(code, os.strerror(code), str(tmp_path / "run" / "FLAIR" / "epochs.csv"))
    assert str(caught.value) == (
        f"{tmp_path / 'run' / 'FLAIR' / 'epochs.csv'} cannot be read or written: {os.strerror(code)};"
        " what is finished stays, and --resume continues the run"
    )


def test_other_errors_of_the_system_are_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_run(tmp_path / "run", config()) as run:
        (run.folder / "forgotten.ckpt").read_bytes()


# ------------------------------------------------------------------------------------------------- the lock


def test_a_run_is_open_once(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", config()):
        assert "is in use by another msseg process" in refusal(tmp_path / "run", resume=True)
        with open_run(tmp_path / "other", config()):
            pass
    with open_run(tmp_path / "run", config(), resume=True):
        pass


HOLD = """
import sys
from pathlib import Path
from msseg.config.experiment import ExperimentConfig
from msseg.runs import open_run

with open_run(Path(sys.argv[1]), ExperimentConfig()):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the run open until its input ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_run_is_open_in_one_process(tmp_path: Path, other_process: "subprocess.Popen[str]") -> None:
    assert "is in use by another msseg process" in refusal(tmp_path / "run", resume=True)
    other_process.kill()  # leaves no time to tidy up
    other_process.wait()
    with open_run(tmp_path / "run", config(), resume=True):
        pass


def test_a_worker_process_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    """Forked workers have the lock's file open as well."""
    with open_run(tmp_path / "run", config()):
        numbers = [int(name) for name in os.listdir("/dev/fd")]
        (own,) = [number for number in numbers if _is(number, tmp_path / "run" / ".lock")]
        copy = os.dup(own)
    try:
        with open_run(tmp_path / "run", config(), resume=True):
            pass
    finally:
        os.close(copy)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def test_a_run_that_another_process_began_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one was faster, is finished already, and so holds no lock any more."""
    lock = fcntl.flock

    def late(*arguments: int) -> None:
        write_text(tmp_path / "run" / "config.yaml", "training: {epochs: 7}\n")
        lock(*arguments)

    monkeypatch.setattr(fcntl, "flock", late)
    assert "already holds a run" in refusal(tmp_path / "run")
    assert (tmp_path / "run" / "config.yaml").read_text() == "training: {epochs: 7}\n"


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with open_run(tmp_path / "run", config()):
        pass
    assert "run is on a file system without locks" in caplog.text


# ---------------------------------------------------------------------------------------------------- writing


def test_json_and_text_are_written_as_they_are(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"é": [1, None]})
    assert (tmp_path / "new" / "a.json").read_text(encoding="utf-8") == '{\n  "é": [\n    1,\n    null\n  ]\n}\n'


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(source: Path, target: Path) -> None:
        raise error

    write_text(tmp_path / "a.csv", "before")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError if isinstance(error, OSError) else type(error)):
        write_text(tmp_path / "a.csv", "after")
    assert os.listdir(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"
