"""The model folder: what is saved is loaded, and damage of any kind is refused in one sentence."""

import ast
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

import msseg.model
from msseg.config.inference import InferenceConfig
from msseg.config.network import NetworkConfig, ResidualUNet3dConfig, UNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.model import ModelSettings, find_models, load_network, read_settings, save_model
from msseg.networks.registry import build_network

RESIDUAL = ResidualUNet3dConfig(base_channels=2, dropout=0.25)


def settings_for(network: NetworkConfig = RESIDUAL, channels: tuple[str, ...] = ("FLAIR", "T1")) -> ModelSettings:
    return ModelSettings(
        network=network,
        channels=channels,
        preprocessing=PreprocessingConfig(crop="none"),
        patch_size=(16, 24, 32),
        inference=InferenceConfig(overlap=0.25, threshold=0.3),
        provenance={"experiment": "é", "train": ["a", "007"], "epoch": 3, "score": 1e-4, "versions": {"torch": "2"}},
    )


def write(folder: Path, network: NetworkConfig = RESIDUAL, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    settings = settings_for(network)
    save_model(folder, build_network(network, in_channels=len(settings.channels)), settings)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "model")


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_network(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


# ----------------------------------------------------------------------------------------- there and back again


@pytest.mark.parametrize("network", [RESIDUAL, UNet3dConfig(base_channels=2, deep_supervision=True)])
def test_what_is_saved_is_loaded(tmp_path: Path, network: NetworkConfig) -> None:
    torch.manual_seed(0)
    saved = build_network(network, in_channels=2).eval()
    save_model(tmp_path / "deep" / "model", saved, settings_for(network))
    loaded, settings = load_network(tmp_path / "deep" / "model")
    assert settings == settings_for(network).model_copy(update={"weights_sha256": settings.weights_sha256})
    assert len(settings.weights_sha256) == 64
    assert not loaded.training
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    for name, tensor in saved.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0)
    volume = torch.randn(1, 2, 16, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(loaded(volume), saved(volume), rtol=0, atol=0)


def test_settings_are_read_without_the_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert read_settings(model).channels == ("FLAIR", "T1")


def test_a_network_in_training_is_saved_as_it_is(tmp_path: Path) -> None:
    """Channels last in memory, as training has it, and without its gradients."""
    network = build_network(RESIDUAL, in_channels=2).to(memory_format=torch.channels_last_3d)
    network(torch.randn(1, 2, 16, 16, 16)).sum().backward()
    save_model(tmp_path / "model", network, settings_for())
    for name, tensor in load_network(tmp_path / "model")[0].state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name].detach(), rtol=0, atol=0)


def test_a_model_takes_the_place_of_the_one_before(model: Path) -> None:
    write(model, seed=1)
    assert sorted(os.listdir(model.parent)) == ["model"]
    assert sorted(os.listdir(model)) == ["model.safetensors", "model.yaml"]
    torch.manual_seed(1)
    expected = build_network(RESIDUAL, in_channels=2).state_dict()
    for name, tensor in load_network(model)[0].state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        model = write(tmp_path / "model")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [model, *model.iterdir()]}
    assert modes == {"model": 0o750, "model.safetensors": 0o640, "model.yaml": 0o640}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [True, False])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, before: bool
) -> None:
    if before:
        write(tmp_path / "model")
    text = Path.write_text

    def fail(self: Path, *arguments: str, **named: str) -> None:
        text(self, "half a file", encoding="utf-8")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fail)
        with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
            write(tmp_path / "model", seed=1)
    assert os.listdir(tmp_path) == (["model"] if before else [])
    if before:
        load_network(tmp_path / "model")


def test_a_rename_that_fails_puts_the_old_model_back(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.replace

    def fail(source: Path, target: Path) -> None:
        if Path(target) == model and "old" not in Path(source).name:
            raise OSError(5, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(InputError, match="cannot be written: Input/output error"):
            write(model, seed=1)
    assert os.listdir(model.parent) == ["model"]
    load_network(model)


def test_a_folder_with_other_files_is_not_replaced(model: Path) -> None:
    (model / "thesis.docx").touch()
    with pytest.raises(InputError, match=r"holds other files \(thesis\.docx\)"):
        write(model)
    assert (model / "thesis.docx").exists()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/model cannot be written: Not a directory"):
        write(tmp_path / "file" / "model")
    with pytest.raises(InputError, match=r"file cannot be written: there is a file of that name"):
        write(tmp_path / "file")


@pytest.mark.parametrize("change", [{"channels": ()}, {"patch_size": (16, 16, 0)}, {"patch_size": (16, 16)}])
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({**settings_for().model_dump(), **change})


# ------------------------------------------------------------------------------------------------------ damage


def edit(model: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = model / "model.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def test_missing_files_are_refused(tmp_path: Path, model: Path) -> None:
    assert "is not a model folder: it has no model.yaml" in refusal(tmp_path)
    assert "is not a model folder: it has no model.yaml" in refusal(tmp_path / "none")
    assert "is not a model folder: it has no model.yaml" in refusal(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    assert "is damaged: model.safetensors is missing" in refusal(model)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not valid at the whole file"),
        (b"- 1\n", "is not valid at the whole file"),
        (b"network: [1,\n", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"a: !!python/object/apply:os.getcwd []\n", "is not YAML"),
    ],
)
def test_a_broken_settings_file_is_refused(model: Path, content: bytes, words: str) -> None:
    (model / "model.yaml").write_bytes(content)
    assert f"is damaged: model.yaml {words}" in refusal(model)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content.pop("channels"), "channels"),
        (lambda content: content.update(channels=[]), "channels"),
        (lambda content: content.update(patch_size=[16, 16]), "patch_size.2"),
        (lambda content: content["network"].update(name="transformer"), "network"),
        (lambda content: content["preprocessing"].update(crop="maybe"), "preprocessing.crop"),
        (lambda content: content.update(extra=1), "extra"),
    ],
)
def test_settings_that_are_not_valid_are_refused(
    model: Path, change: Callable[[dict[str, object]], object], place: str
) -> None:
    edit(model, change)
    assert f"is damaged: model.yaml is not valid at {place};" in refusal(model)


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(model: Path, keep: float) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    assert "model.safetensors has changed since it was written" in refusal(model)
    edit(model, lambda content: content.update(weights_sha256=""))  # nor does it load without the checksum
    assert "model.safetensors does not fit the network" in refusal(model)


def test_changed_weights_are_refused(model: Path) -> None:
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "model.safetensors has changed since it was written" in refusal(model)


def test_weights_of_another_network_are_refused(tmp_path: Path, model: Path) -> None:
    other = write(tmp_path / "other", UNet3dConfig(base_channels=2))
    shutil.copy(other / "model.safetensors", model)
    assert "has changed since it was written" in refusal(model)
    edit(model, lambda content: content.update(weights_sha256=read_settings(other).weights_sha256))
    assert "does not fit the network in model.yaml" in refusal(model)


def test_settings_of_another_network_are_refused(model: Path) -> None:
    edit(model, lambda content: content.update(channels=["FLAIR"]))
    assert "does not fit the network in model.yaml" in refusal(model)


def test_missing_and_additional_weights_are_refused(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    name = next(iter(weights))
    edit(model, lambda content: content.update(weights_sha256=""))
    for changed in ({**weights, "more": torch.zeros(1)}, {key: item for key, item in weights.items() if key != name}):
        save_file(changed, model / "model.safetensors")
        assert "does not fit the network in model.yaml" in refusal(model)


def test_a_model_of_a_newer_format_asks_for_a_newer_msseg(model: Path) -> None:
    edit(model, lambda content: content.update(format_version=2, something_new=1))
    assert "has format 2; this msseg reads up to 1: update msseg" in refusal(model)


def test_a_file_that_the_system_denies_is_not_called_damaged(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", denied)
    assert "model.yaml cannot be read: Permission denied" in refusal(model)


def test_loading_runs_no_code_that_came_with_the_model() -> None:
    """No pickle in any form: neither the module nor torch.load, which unpickles, nor a loader of YAML objects."""
    tree = ast.parse(Path(msseg.model.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert "load_file" in called  # the check sees calls
    assert "safetensors.torch" in imported
    assert not {name for name in imported if "pickle" in name or name in {"joblib", "dill", "marshal", "shelve"}}
    assert not called & {"torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"}


# ------------------------------------------------------------------------------------------------------ finding


def test_a_model_is_found_in_all_its_folders(tmp_path: Path, model: Path) -> None:
    run = tmp_path / "folds" / "fold0"
    for folder in (
        run / "FLAIR" / "model",
        run / "FLAIR+T1" / "model",
        tmp_path / "folds" / "fold1" / "FLAIR" / "model",
    ):
        shutil.copytree(model, folder)
    found = {name: find_models(tmp_path / name) for name in ("model", "folds/fold0/FLAIR", "folds/fold0", "folds")}
    assert {name: [path.relative_to(tmp_path).as_posix() for path in paths] for name, paths in found.items()} == {
        "model": ["model"],
        "folds/fold0/FLAIR": ["folds/fold0/FLAIR/model"],
        "folds/fold0": ["folds/fold0/FLAIR/model", "folds/fold0/FLAIR+T1/model"],
        "folds": ["folds/fold0/FLAIR/model", "folds/fold0/FLAIR+T1/model", "folds/fold1/FLAIR/model"],
    }


def test_hidden_folders_of_interrupted_writes_are_not_found(tmp_path: Path, model: Path) -> None:
    shutil.copytree(model, tmp_path / "run" / "FLAIR" / ".model.1a2b3c4d")
    with pytest.raises(InputError, match="neither a model folder nor a run folder"):
        find_models(tmp_path / "run")
    shutil.copytree(model, tmp_path / "run" / "FLAIR" / "model")
    assert find_models(tmp_path / "run") == [tmp_path / "run" / "FLAIR" / "model"]
    assert find_models(tmp_path / "run" / "FLAIR" / ".model.1a2b3c4d")  # unless it is named itself


def test_a_hidden_folder_above_does_not_matter(tmp_path: Path, model: Path) -> None:
    shutil.copytree(model, tmp_path / ".cache" / "run" / "model")
    assert find_models(tmp_path / ".cache" / "run") == [tmp_path / ".cache" / "run" / "model"]


def test_a_damaged_model_is_found_so_that_it_can_be_refused(model: Path) -> None:
    (model / "model.yaml").unlink()
    assert find_models(model) == [model]
    assert "has no model.yaml" in refusal(model)


def test_where_there_is_no_model_it_is_said(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match=r"the model .*none does not exist"):
        find_models(tmp_path / "none")
    with pytest.raises(InputError, match="is a file: give the model's folder"):
        find_models(model / "model.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty is neither a model folder nor a run folder"):
        find_models(tmp_path / "empty")
