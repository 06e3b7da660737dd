"""Model folders that were damaged, or made to do harm, are refused with a sentence; nothing in them is executed."""

import hashlib
import json
import os
import pickle
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save, save_file

from msseg.errors import InputError
from msseg.model import load_network


@pytest.fixture
def model(trained_run: tuple[Path, Any], tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run[0] / "FLAIR" / "model", tmp_path / "model"))


def put_weights(model: Path, weights: bytes) -> None:
    """New weights with the checksum that belongs to them: not an accident, but intent."""
    (model / "model.safetensors").write_bytes(weights)
    edit(model, weights_sha256=hashlib.sha256(weights).hexdigest())


def edit(model: Path, **changes: object) -> None:
    settings = yaml.safe_load((model / "model.yaml").read_text())
    (model / "model.yaml").write_text(yaml.safe_dump(settings | changes))


def write_settings(model: Path, text: str) -> None:
    (model / "model.yaml").write_text(text)


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def changed(model: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(model / "model.safetensors")
    change(weights)
    put_weights(model, save(weights))


def first(weights: dict[str, torch.Tensor]) -> str:
    return next(name for name, tensor in weights.items() if tensor.dim() > 1)


def spoil(value: float) -> Callable[[dict[str, torch.Tensor]], object]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        weights[first(weights)].view(-1)[0] = value

    return change


def header(length: int, content: bytes = b"{}") -> bytes:
    return struct.pack("<Q", length) + content


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine short lines that spell 10^9 values."""

DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "wrong hash": (lambda model: edit(model, weights_sha256="0" * 64), "has changed since it was written"),
    "no weights": (lambda model: (model / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no settings": (lambda model: (model / "model.yaml").unlink(), "no model.yaml"),
    "truncated": (
        lambda model: put_weights(model, (model / "model.safetensors").read_bytes()[:-100]),
        "does not fit the network",
    ),
    "empty weights": (lambda model: put_weights(model, b""), "does not fit the network"),
    "empty settings": (lambda model: write_settings(model, ""), "model.yaml is not valid"),
    "header too long": (lambda model: put_weights(model, header(2**62)), "does not fit the network"),
    "header of nothing": (lambda model: put_weights(model, header(2)), "does not fit the network"),
    "NaN": (lambda model: changed(model, spoil(float("nan"))), "not finite"),
    "infinite": (lambda model: changed(model, spoil(float("-inf"))), "not finite"),
    "other shape": (
        lambda model: changed(model, lambda weights: weights.update({first(weights): torch.zeros(3, 3)})),
        "does not fit the network",
    ),
    "missing weight": (
        lambda model: changed(model, lambda weights: weights.pop(first(weights))),
        "does not fit the network",
    ),
    "one weight too many": (
        lambda model: changed(model, lambda weights: weights.update({"extra": torch.zeros(1)})),
        "does not fit the network",
    ),
    "unknown key": (lambda model: edit(model, colour="red"), "not valid at colour"),
    "newer version": (lambda model: edit(model, format_version=99), "has format 99; .* update msseg"),
    "unknown network": (lambda model: edit(model, network={"name": "unet5d"}), "not valid at network"),
    "gigantic network": (
        lambda model: edit(model, network={"name": "unet3d", "base_channels": 10**9}),
        "not valid at network|does not fit the network",
    ),
    "binary settings": (lambda model: (model / "model.yaml").write_bytes(b"\xff\xfe\x00\x01" * 9), "model.yaml"),
    "deep settings": (lambda model: write_settings(model, "[" * 3000), "model.yaml is not"),
    "many aliases": (lambda model: write_settings(model, LAUGHS), "model.yaml is not"),
    "aliases in a known key": (
        lambda model: write_settings(model, (model / "model.yaml").read_text() + LAUGHS + "provenance: *i\n"),
        "model.yaml is not",
    ),
    "a list": (lambda model: write_settings(model, "- 1\n- 2\n"), "model.yaml is not valid"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_model_folder_is_refused(msseg: Callable, small_cohort: Path, model: Path, kind: str) -> None:
    damage, words = DAMAGES[kind]
    damage(model)
    scan, out, begun = next(small_cohort.rglob("*01_01_flair_pp.nii")), model.parent / "out", time.monotonic()
    with pytest.raises(InputError, match=words) as caught:
        load_network(model)
    assert str(model) in str(caught.value)
    assert len(str(caught.value)) < 400
    answer = msseg("predict", model, scan, "--out", out)
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert not out.exists()
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("kind", ["pickle", "torch", "archive"])
def test_a_pickle_is_never_opened(model: Path, kind: str) -> None:
    """Its checksum may be right all the same."""
    touched = model.parent / "touched"
    if kind == "pickle":
        weights = pickle.dumps({"weight": Payload(touched)})
    else:
        torch.save({"weight": Payload(touched)}, model.parent / "w", _use_new_zipfile_serialization=kind == "archive")
        weights = (model.parent / "w").read_bytes()
    put_weights(model, weights)
    with pytest.raises(InputError, match="does not fit the network"):
        load_network(model)
    assert not touched.exists()
    if kind == "pickle":
        pickle.loads(weights)["weight"].close()
        assert touched.exists()  # the payload works


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir ['{path}']",
        "!!python/object/new:os.mkdir ['{path}']",
        "!!python/object:msseg.errors.InputError {{}}",
        "!!python/name:os.system",
    ],
)
def test_python_in_yaml_is_refused(msseg: Callable, model: Path, tmp_path: Path, tag: str) -> None:
    text = tag.format(path=tmp_path / "touched")
    original = (model / "model.yaml").read_text()
    for content in (
        text,
        original + f"provenance: {text}\n",
        original.replace("provenance:", f"provenance: {text}\nx:"),
    ):
        write_settings(model, content)
        with pytest.raises(InputError, match=r"model\.yaml is not"):
            load_network(model)
    config = tmp_path / "config.yaml"
    config.write_text(f"name: {text}\n")
    answer = msseg("run", config, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "config.yaml" in answer.err
    assert sorted(os.listdir(tmp_path)) == ["config.yaml", "model"]


def test_a_config_of_many_aliases_is_refused(msseg: Callable, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    for text in (LAUGHS, LAUGHS + "name: *i\n", LAUGHS + "data: {select: {rater: *i}}\n", "[" * 5000):
        config.write_text(text)
        begun = time.monotonic()
        answer = msseg("run", config, "--out", tmp_path / "run")
        assert answer.code == 2, answer.err
        assert len(answer.err) < 2000
        assert time.monotonic() - begun < 10
    assert not (tmp_path / "run").exists()


def test_weights_of_a_model_without_checksum_are_checked_all_the_same(model: Path) -> None:
    edit(model, weights_sha256="")
    weights = load_file(model / "model.safetensors")
    spoil(float("nan"))(weights)
    save_file(weights, model / "model.safetensors")
    with pytest.raises(InputError, match="not finite"):
        load_network(model)


def test_metadata_in_the_weights_does_no_harm(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    put_weights(model, save(weights, metadata={"format": "pt", "note": json.dumps({"__class__": "os.system"})}))
    load_network(model)
