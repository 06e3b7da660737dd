"""The models in the box: found by name, described by their cards, put there by results/models/add.py, and packaged."""

import configparser
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
import torch

import msseg.box
from msseg.box import box_folder, boxed_model, boxed_names, model_folders, read_card
from msseg.config.network import SFNetworkConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.pairs import Pair
from msseg.inference.predictor import load_model
from msseg.model import ModelSettings, read_settings, save_model
from msseg.networks.registry import build_network

ROOT = Path(__file__).resolve().parents[1]
CARD = """---
summary: Tiny things
data_licence: for tests alone
scores: {V_rand: 0.5, V_dice: 1}
---
# A card

It says é and ---
"""
SECTIONS = (
    "What it segments", "Data and their licence", "Split", "Scores", "Limits", "How to cite", "How to use",
)  # fmt: skip
LARGEST_MB = 12


def write_model(folder: Path, base_channels: int = 2, **provenance: object) -> Path:
    """A model folder of an SF Network with random weights."""
    settings = ModelSettings(
        network=SFNetworkConfig(base_channels=base_channels),
        channels=("EM",),
        preprocessing=PreprocessingConfig(orientation="keep", crop="none", normalise="z_score_slice"),
        patch_size=(32, 32, 1),
        inference={"window": "whole", "segment": "watershed", "segment_threshold": 0.7},  # type: ignore[arg-type]
        provenance=provenance,
    )
    torch.manual_seed(0)
    save_model(folder, build_network(settings.network, in_channels=1), settings)
    return folder


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box of its own, empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setattr(msseg.box, "box_folder", lambda: folder)
    return folder


@pytest.fixture
def model(box: Path) -> Path:
    """The model em-tiny in the box."""
    folder = write_model(box / "em-tiny")
    (folder / "CARD.md").write_text(CARD, encoding="utf-8")
    return folder


# ------------------------------------------------------------------------------------------------------ names


def test_a_name_stands_for_the_model_in_the_box(model: Path) -> None:
    assert model_folders("em-tiny") == model_folders(Path("em-tiny")) == [model]
    assert load_model("em-tiny").channels == ("EM",)  # with the card beside it
    assert load_model(["em-tiny", model]).predict is not None


def test_a_path_that_exists_counts_before_a_name(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "em-tiny" / "EM" / "model")
    assert model_folders("em-tiny") == [Path("em-tiny/EM/model")]
    shutil.rmtree(tmp_path / "em-tiny")
    (tmp_path / "em-tiny").touch()
    with pytest.raises(InputError, match="em-tiny is a file: give the model's folder"):
        model_folders("em-tiny")


@pytest.mark.parametrize(
    ("others", "asked", "hint", "ways"),
    [
        (["em-tiny"], "em-tyni", "did you mean em-tiny?", "give a name that `msseg models` lists, or the path of a"),
        (["em-tiny"], "EM-Tiny", "did you mean em-tiny?", "give a name that `msseg models` lists, or the path of a"),
        (["em-tiny", "em-tidy"], "em-tily", "did you mean em-tiny or em-tidy?", "or the path of a model folder"),
        (["em-tiny", "flair"], "qqq", "which holds em-tiny, flair", "or the path of a model folder or run folder"),
        ([], "em-tiny", "which is empty", "nor as a path: give the path of a model folder or run folder"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(
    box: Path, others: list[str], asked: str, hint: str, ways: str
) -> None:
    for name in others:
        write_model(box / name)
    with pytest.raises(InputError) as caught:
        load_model(asked)
    assert str(caught.value).startswith(f"the model {asked} does not exist, neither in the box ({hint}) nor as a path")
    assert ways in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("asked", ["../models/em-tiny/no", "runs/em-tiny", "models/../em-tiny"])
def test_a_path_with_folders_is_no_name(model: Path, asked: str) -> None:
    with pytest.raises(InputError, match=f"^the model {asked} does not exist$"):
        model_folders(asked)


def test_names_do_not_lead_out_of_the_box(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("..", ".", "", "em-tiny/../em-tiny"):
        with pytest.raises(InputError, match="is not in the box"):
            boxed_model(name)


def test_a_name_too_long_for_a_file_is_refused(box: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        model_folders("x" * 5000)


def test_only_models_are_in_the_box(model: Path) -> None:
    (model.parent / "README.md").touch()
    (model.parent / "__pycache__").mkdir()
    shutil.copytree(model, model.parent / ".em-tiny")
    assert boxed_names() == ["em-tiny"]
    shutil.rmtree(model.parent)
    assert boxed_names() == []


# ------------------------------------------------------------------------------------------------------ cards


def test_a_model_with_its_card(model: Path) -> None:
    boxed = boxed_model("em-tiny")
    assert (boxed.name, boxed.folder, boxed.card) == ("em-tiny", model, model / "CARD.md")
    assert boxed.settings.network.name == "sf_network"
    assert boxed.facts.summary == "Tiny things"
    assert boxed.facts.scores == {"V_rand": 0.5, "V_dice": 1.0}
    assert boxed.text == "# A card\n\nIt says é and ---"
    assert boxed.weights_size == (model / "model.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# A card\n", "does not begin with YAML between two lines ---"),
        ("", "does not begin with YAML"),
        ("---\nsummary: [\n---\n", "its head is not YAML"),
        ("---\n- 1\n---\n", "its head is not valid at the whole head"),
        (CARD.replace("Tiny things", '"two\\nlines"'), "not valid at summary"),
        (CARD.replace("data_licence: for tests alone\n", ""), "not valid at data_licence"),
        (CARD.replace("0.5", "high"), "not valid at scores.V_rand"),
        (CARD.replace("0.5", ".nan"), "not valid at scores.V_rand"),
        (CARD.replace("{V_rand: 0.5, V_dice: 1}", "{}"), "not valid at scores"),
        (CARD.replace("summary", "sumary"), "not valid at summary"),
    ],
)
def test_a_damaged_card_is_refused(model: Path, text: str, words: str) -> None:
    (model / "CARD.md").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        boxed_model("em-tiny")
    assert str(caught.value).startswith(f"the model card {model / 'CARD.md'} is damaged: ")
    assert words in str(caught.value)
    assert load_model("em-tiny")  # a card is for people


def test_a_card_that_cannot_be_read_is_refused(model: Path) -> None:
    (model / "CARD.md").write_bytes(b"\xff\xfe---")
    with pytest.raises(InputError, match="is damaged: it is not UTF-8 text"):
        boxed_model("em-tiny")
    (model / "CARD.md").unlink()
    with pytest.raises(InputError, match=r"CARD\.md cannot be read: No such file or directory"):
        boxed_model("em-tiny")


def test_a_model_without_weights_is_refused(model: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"is damaged: model\.safetensors is missing; install msseg anew"):
        boxed_model("em-tiny")


# ------------------------------------------------------------------------------------- putting a model there


@pytest.fixture(scope="module")
def adding() -> ModuleType:
    """The script results/models/add.py as a module."""
    spec = importlib.util.spec_from_file_location("add_model_script", ROOT / "results" / "models" / "add.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_scores(path: Path, pages: tuple[int, ...] = (24, 25)) -> Path:
    """Scores of a rough prediction of some slices of a stack called train."""
    truth = np.full((30, 24, 24), 255, np.uint8)
    truth[:, 8], truth[:, :, 12] = 0, 0
    noise = np.random.default_rng(0).normal(0, 0.2, (len(pages), 24, 24))
    tifffile.imwrite(path.parent / "truth.tif", truth)
    tifffile.imwrite(
        path.parent / "probability.tif",
        np.clip(truth[list(pages)] / 255 * 0.8 + 0.1 + noise, 0, 1).astype(np.float32),
    )
    pair = Pair("train", path.parent / "probability.tif", path.parent / "truth.tif", "train", pages)
    evaluate_pairs([pair], task="membranes", label_meaning="inside", bootstrap=0).to_json(path)
    return path


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """RUN/EM with a model of slices 1-4 and 20-21, and scores of slices 25-26."""
    folder = tmp_path / "run" / "EM"
    write_model(
        folder / "model",
        experiment="isbi2012_tiny",
        train=[f"train_{number:03d}" for number in (1, 2, 3, 4, 20, 21)],
        validation=["train_022"],
        epoch=3,
        selected_by="val_v_rand",
        seed=0,
        versions={"python": "3.11"},
        data="/scratch/anna/isbi2012/train-volume.tif",
    )
    write_scores(folder / "evaluation.json")
    return folder


def test_a_trained_model_goes_into_the_box_with_its_card(
    adding: ModuleType, trained: Path, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = ROOT / "results" / "models" / "cards" / "em-sf-isbi2012.md"
    assert adding.main([str(trained), "em-tiny", "--box", str(box), "--card", str(card)]) == 0
    assert f"the model is in {box / 'em-tiny'}" in capsys.readouterr().out
    assert os.listdir(box) == ["em-tiny"]
    assert faults(box / "em-tiny") == []
    scores = json.loads((trained / "evaluation.json").read_text(encoding="utf-8"))["stack"]
    boxed = boxed_model("em-tiny")
    assert boxed.facts.scores["V_rand"] == pytest.approx(scores["v_rand"], abs=5e-5)
    assert f"| V_info | {scores['v_info']:.4f} (threshold" in boxed.text
    assert f"| warping error | {scores['warping_error']:.6f} | lower |" in boxed.text
    assert "| training | train 1-4, train 20-21 |" in boxed.text
    assert "| test | train 25-26 |" in boxed.text
    assert "non-commercial" in boxed.facts.data_licence
    assert "weights trained on them\ninherit that restriction" in boxed.text
    assert "msseg predict em-tiny slice.tif --out out/" in boxed.text
    assert "regions\nabove a probability of 0.7, grown to 0.5" in boxed.text
    assert boxed.settings.provenance["data"] == "train-volume.tif"
    kept = json.loads((box / "em-tiny" / "evaluation.json").read_text(encoding="utf-8"))
    assert [case["truth"] for case in kept["cases"]] == ["truth.tif", "truth.tif"]


def test_the_boxed_model_predicts_what_the_trained_one_does(adding: ModuleType, trained: Path, box: Path) -> None:
    adding.add_model(trained, "em-tiny", write_template(trained), box)
    images = trained / "probability.tif"
    one, two = (load_model(model, "cpu", "fp32").predict(images) for model in ("em-tiny", trained))
    np.testing.assert_array_equal(one.probability, two.probability)


def write_template(folder: Path, text: str = CARD) -> Path:
    (folder / "card.md").write_text(text, encoding="utf-8")
    return folder / "card.md"


def test_a_model_is_replaced_only_when_asked_to(adding: ModuleType, trained: Path, model: Path) -> None:
    template = write_template(trained, CARD.replace("Tiny things", "Other things"))
    with pytest.raises(InputError, match=r"there is a model em-tiny in the box: choose another name, or give --repl"):
        adding.add_model(trained, "em-tiny", template, model.parent)
    assert boxed_model("em-tiny").facts.summary == "Tiny things"
    adding.add_model(trained, "em-tiny", template, model.parent, replace=True)
    assert boxed_model("em-tiny").facts.summary == "Other things"
    assert os.listdir(model.parent) == ["em-tiny"]


def test_what_cannot_go_into_the_box_leaves_nothing_there(
    adding: ModuleType, trained: Path, box: Path, tmp_path: Path
) -> None:
    good = write_template(trained)
    other = tmp_path / "other"
    shutil.copytree(trained, other)
    (other / "evaluation.json").unlink()
    seen = write_scores(other / "seen.json", (21, 22))

    def refusal(run: Path = trained, name: str = "em", template: Path = good, **more: Path) -> str:
        with pytest.raises(InputError) as caught:
            adding.add_model(run, name, template, more.pop("box", box), **more)
        assert os.listdir(box) == []
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "lower-case letters and digits, with dashes between them" in refusal(name="../em")
    assert "holds 2 models: name the folder of one" in refusal(run=tmp_path)
    assert "does not exist" in refusal(run=tmp_path / "none")
    assert "evaluation.json cannot be read" in refusal(run=other)
    assert "scores train_022, which the model was trained or chosen on" in refusal(evaluation=seen)
    assert "cannot be read: No such file" in refusal(template=tmp_path / "none.md")
    unknown = write_template(other, CARD.replace("0.5", "{{ evaluation.stack.v_random | score }}"))
    assert "cannot be filled in: 'dict object' has no attribute 'v_random'" in refusal(template=unknown)
    assert "cannot be filled in: " in refusal(template=write_template(other, "{% if %}"))
    assert "does not begin with YAML" in refusal(template=write_template(other, "# Card"))
    assert "is no folder" in refusal(box=tmp_path / "nowhere")
    content = json.loads((trained / "evaluation.json").read_text(encoding="utf-8"))
    (other / "part.json").write_text(json.dumps(content | {"failed": {"train_027": "is torn"}}), encoding="utf-8")
    assert "lacks the test case train_027 (is torn)" in refusal(evaluation=other / "part.json")


def test_errors_of_the_script_are_one_line(
    adding: ModuleType, trained: Path, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adding.main([str(trained), "em-none", "--box", str(box)]) == 2
    assert re.fullmatch(r"error: the card's template \S+em-none\.md cannot be read: .*\n", capsys.readouterr().err)


def test_scores_older_than_the_model_are_told(
    adding: ModuleType, trained: Path, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.utime(trained / "evaluation.json", (0, 0))
    adding.add_model(trained, "em-tiny", write_template(trained), box)
    assert "is older than the model" in capsys.readouterr().err


@pytest.mark.parametrize(("megabytes", "end"), [(6.9, "fits"), (7.1, "told"), (11.9, "told"), (12.1, "refused")])
def test_the_size_is_checked(
    adding: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], megabytes: float, end: str
) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.truncate(int(megabytes * 1e6))
    if end == "refused":
        with pytest.raises(InputError, match=r"has 12\.1 MB, but at most 12 MB"):
            adding.checked_size(path)
        return
    assert adding.checked_size(path) == pytest.approx(megabytes)
    assert ("below 7 MB is wanted" in capsys.readouterr().err) is (end == "told")


def test_the_published_network_is_small_enough(adding: ModuleType, tmp_path: Path) -> None:
    write_model(tmp_path / "model", base_channels=64)
    assert adding.checked_size(tmp_path / "model" / "model.safetensors") < adding.WANTED_MB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/scratch/anna/train.tif", "train.tif"),
        ("~/isbi/train.tif", "train.tif"),
        ("D:\\isbi\\train.tif", "train.tif"),
        ("read /scratch/anna/isbi/ and '/scratch/b.h5'", "read isbi and 'b.h5'"),
        ("https://doi.org/10.1371/journal", "https://doi.org/10.1371/journal"),
        ("runs/em/EM", "runs/em/EM"),
        ("1 / 2 and 3/4", "1 / 2 and 3/4"),
    ],
)
def test_places_on_one_machine_become_names(adding: ModuleType, text: str, expected: str) -> None:
    assert adding.portable({"key": [text, 1, None, {"deep": (text,)}]}) == {
        "key": [expected, 1, None, {"deep": [expected]}]
    }


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        (["a_003", "a_001", "a_002"], "a 1-3"),
        (["a_001", "b_002", "b_003", "a_007"], "a 1, a 7, b 2-3"),
        (["patient07", "patient19"], "patient07, patient19"),
        (["a_001", "patient19"], "a_001, patient19"),
        ([], "none"),
    ],
)
def test_slices_are_told_in_short(adding: ModuleType, cases: list[str], text: str) -> None:
    assert adding.ranges(cases) == text


# ------------------------------------------------------------------------------------- what is in the box here


def faults(folder: Path) -> list[str]:
    """What keeps a model folder from being shipped."""
    found = []
    files = {path.name for path in folder.iterdir()}
    if files != {"model.safetensors", "model.yaml", "CARD.md", "evaluation.json"}:
        found.append(f"files: {sorted(files)}")
    try:
        facts, text = read_card(folder / "CARD.md")
        load_model(folder)
        stack = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (InputError, OSError) as error:
        return [*found, f"unusable: {error}"]
    missing = [title for title in SECTIONS if f"\n## {title}\n" not in text]
    found += [f"no section {title}" for title in missing]
    told = json.dumps(stack.get("stack", stack["pooled"]))
    numbers = [float(number) for number in re.findall(r"\d+\.\d+(?:e-?\d+)?|\d+", told)]
    for name, value in facts.scores.items():
        if not any(abs(value - number) <= 1e-3 for number in numbers):
            found.append(f"{name} {value} is not in evaluation.json")
    if (folder / "model.safetensors").stat().st_size > LARGEST_MB * 1e6:
        found.append("too large")
    for path in folder.glob("*[!s]"):
        if path.suffix != ".safetensors" and re.search(r"(?<![\w.:/~])/\w+/\w", path.read_text(encoding="utf-8")):
            found.append(f"{path.name} names a place on one machine")
    if not read_settings(folder).provenance.get("train"):
        found.append("nothing tells what it was trained on")
    return found


def test_every_model_in_the_box_can_be_shipped() -> None:
    assert {name: faults(box_folder() / name) for name in boxed_names() if faults(box_folder() / name)} == {}


def test_that_check_finds_faults(adding: ModuleType, trained: Path, box: Path) -> None:
    card = ROOT / "results" / "models" / "cards" / "em-sf-isbi2012.md"
    folder = adding.add_model(trained, "em-tiny", card, box)
    text = (folder / "CARD.md").read_text(encoding="utf-8")
    for change, fault in (
        (lambda text: text.replace("## Limits", "## Praise"), "no section Limits"),
        (lambda text: re.sub(r"V_rand: \S+", "V_rand: 12.5", text), "V_rand 12.5 is not in evaluation.json"),
        (lambda text: text + "\nsee /scratch/anna/x\n", "CARD.md names a place on one machine"),
        (lambda text: text[3:], "unusable"),
    ):
        (folder / "CARD.md").write_text(change(text), encoding="utf-8")
        assert [found for found in faults(folder) if found.startswith(fault)], fault
    (folder / "CARD.md").write_text(text, encoding="utf-8")
    assert faults(folder) == []
    (folder / "notes.txt").touch()
    assert faults(folder)[0].startswith("files: ")


# ------------------------------------------------------------------------------------------------- packaged


def test_the_box_lies_at_the_top_of_a_checkout() -> None:
    assert (box_folder() / "README.md").is_file()


def test_all_files_of_the_box_are_packaged() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = parser["options.package_data"]["msseg.models"].split()
    assert "msseg.models" in parser["options"]["packages"].split()
    kinds = {Path(pattern).name for pattern in patterns}
    assert kinds == {"README.md", "CARD.md", "evaluation.json", "model.safetensors", "model.yaml"}
    files = [path.relative_to(box_folder()) for path in box_folder().rglob("*") if path.is_file()]
    assert [file for file in files if not any(file.match(pattern) for pattern in patterns)] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout with nothing but a tiny model in the box, unpacked where pip would."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    for name in ("msseg", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    model = write_model(source / "models" / "em-tiny")
    (model / "CARD.md").write_text(CARD, encoding="utf-8")
    (model / "evaluation.json").write_text("{}", encoding="utf-8")
    shutil.copy(ROOT / "models" / "README.md", source / "models")
    program = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, folder], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    shutil.rmtree(source)
    return folder / "site"


def call(site: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`msseg` as it is installed, far from the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "msseg", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_box_is_installed_whole(installed: Path) -> None:
    box = installed / "msseg" / "models"
    files = {path.relative_to(box).as_posix() for path in box.rglob("*") if path.is_file()}
    model = {f"em-tiny/{name}" for name in ("model.safetensors", "model.yaml", "CARD.md", "evaluation.json")}
    assert files == {"README.md", *model}


def test_a_name_works_right_after_installing(installed: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 33), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "slice.tif", image)
    answer = call(installed, tmp_path, "predict", "em-tiny", "slice.tif", "--out", "out/", "--device", "cpu")
    assert answer.returncode == 0, answer.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["slice_instances.tif", "slice_mask.tif"]
    assert tifffile.imread(tmp_path / "out" / "slice_mask.tif").shape == image.shape


def test_an_empty_box_works_after_installing_too(installed: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(installed / "msseg", site / "msseg")
    listed = call(site, tmp_path, "models")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert f"  card:     {site / 'msseg' / 'models' / 'em-tiny' / 'CARD.md'}\n" in listed.stdout
    (site / "models").mkdir()  # another package of that name beside msseg is not the box
    shutil.move(site / "msseg" / "models" / "em-tiny", site / "models")
    listed = call(site, tmp_path, "models")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.startswith("no model comes with this msseg")
