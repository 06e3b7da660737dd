"""What killed writes leave is removed on resuming, and nothing else is."""

import os
import time
from pathlib import Path

from msseg.atomic import remove_leftovers, replacing
from msseg.config.experiment import ExperimentConfig
from msseg.runs import open_run

LEFT = (
    ".0a1b2c3d.epochs.csv",
    "FLAIR/.00000000.run.json",
    "FLAIR/checkpoints/.ffffffff.last.ckpt",
    "FLAIR/predictions/.12345678.a_mask.nii.gz",
    "FLAIR/.model.0a1b2c3d/model.yaml",
    "FLAIR/.model.0a1b2c3d.old/model.yaml",
)
KEPT = (
    ".lock",
    ".git/0a1b2c3d.x",
    ".notes",
    "FLAIR/.notes.txt",
    "FLAIR/.0A1B2C3D.run.json",
    "FLAIR/.backup.20240131",
    "FLAIR/0a1b2c3d.run.json",
    "FLAIR/model/model.yaml",
)


def make(folder: Path, name: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("half")
    return folder / name


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_leftovers_go_and_everything_else_stays(tmp_path: Path) -> None:
    for name in LEFT + KEPT:
        make(tmp_path, name)
    remove_leftovers(tmp_path)
    assert files(tmp_path) == set(KEPT)
    assert not list((tmp_path / "FLAIR").glob(".model*"))
    remove_leftovers(tmp_path / "nowhere")


def test_what_is_written_is_called_like_a_leftover(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
        remove_leftovers(tmp_path, older_than=3600)
        assert temporary.exists()
        remove_leftovers(tmp_path)
        assert not temporary.exists()
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_cache_that_others_may_be_writing_keeps_what_is_new(tmp_path: Path) -> None:
    key = "0123456789abcdef01234567"
    with open_run(tmp_path / "run", ExperimentConfig()) as run:
        cache = run.cache
    new, old = (make(cache, f".{key}.{number}/data.npy").parent for number in ("00000000", "11111111"))
    table = make(tmp_path / "run", "FLAIR/.0a1b2c3d.epochs.csv")
    hours_ago = time.time() - 2 * 3600
    os.utime(old, (hours_ago, hours_ago))
    with open_run(tmp_path / "run", ExperimentConfig(), resume=True):
        assert new.exists()
        assert not old.exists()
        assert not table.exists()
