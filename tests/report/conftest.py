"""Small run folders as a run leaves them, made of random volumes and of stacks of slices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
import yaml
from scipy import ndimage

from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.pairs import Pair
from msseg.evaluation.scores import CaseScores
from msseg.evaluation.tasks import TaskName
from msseg.metrics.lesions import LesionRules, lesion_report
from msseg.volumes.labels import LabelMeaning

SHAPE = (20, 24, 12)
SPACING_MM = (1.0, 1.0, 3.0)
AFFINE = np.array([[-1.0, 0, 0, 10], [0, -1, 0, 12], [0, 0, 3, -15], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Subject:
    """A fake subject: image values and expert's mask on one grid."""

    case: str
    group: str
    image: np.ndarray
    truth: np.ndarray


def make_subject(case: str, seed: int, lesion: bool = True) -> Subject:
    """An ellipsoid head; lesions are brightest in slice 7."""
    draw = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, size) for size in SHAPE], indexing="ij")
    head = x**2 / 0.8 + y**2 / 0.9 + z**2 < 0.9
    image = np.where(head, 100 + 20 * y + draw.normal(0, 4, SHAPE), 0).astype(np.float32)
    truth = np.zeros(SHAPE, dtype=bool)
    if lesion:
        truth[6:10, 9:14, 6:9] = True
        truth[12:14, 12:15, 7] = True
        image[truth] += 60
    return Subject(case, f"patient of {case}", image, truth)


def save(path: Path, data: np.ndarray) -> Path:
    """Write an array as NIfTI with anisotropic voxels in LPS orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data.astype(np.uint8 if data.dtype == bool else np.float32), AFFINE)
    nib.save(image, path)
    return path


def predict(truth: np.ndarray, seed: int, error: float) -> np.ndarray:
    """The truth with a share of its voxels dropped and as many added beside it."""
    draw = np.random.default_rng(seed)
    beside = np.roll(truth, 2, axis=0) & ~truth
    return (truth & (draw.random(truth.shape) > error)) | (beside & (draw.random(truth.shape) < error))


class RunMaker:
    """Writes run folders into a temporary folder."""

    subject = staticmethod(make_subject)

    def __init__(self, root: Path) -> None:
        """Everything goes below this folder."""
        self.root = root

    def __call__(
        self,
        name: str,
        network: str = "residual_unet3d",
        errors: Mapping[str, float] | None = None,
        subjects: Sequence[Subject] | None = None,
        config: Mapping[str, object] | None = None,
        validated: bool = True,
    ) -> Path:
        """One run with a model for each channel of `errors` (share of wrong lesion voxels)."""
        errors = errors or {"FLAIR": 0.2}
        subjects = subjects if subjects is not None else [make_subject("a", 1), make_subject("b", 2)]
        run = self.root / name
        run.mkdir(parents=True)
        channels = list(errors)
        settings = {
            "name": name,
            "network": {"name": network, "base_channels": 8},
            "data": {"channels": channels},
        }
        (run / "config.yaml").write_text(yaml.safe_dump({**settings, **(config or {})}))
        test = [subject.case for subject in subjects]
        groups = {subject.case: subject.group for subject in subjects} | {"x": "other patient"}
        split = {"train": ["x"], "validation": [], "test": test, "unused": [], "groups": groups}
        split |= {"shared_patients": [], "warnings": []}
        (run / "split.json").write_text(json.dumps(split))
        (run / "versions.json").write_text(json.dumps({"msseg": "0.1.0", "torch": "2.13.0"}))
        for place, (channel, error) in enumerate(errors.items()):
            self.model(run / channel, name, network, subjects, error, place, validated)
        return run

    def model(
        self,
        folder: Path,
        config_name: str,
        network: str,
        subjects: Sequence[Subject],
        error: float,
        seed: int,
        validated: bool,
    ) -> None:
        """The folder of one trained model."""
        folder.mkdir()
        channels = folder.name.split("+")
        test = [subject.case for subject in subjects]
        facts = {
            "config_name": config_name,
            "network": network,
            "channels": channels,
            "parameters": 1_234_567,
        }
        facts |= {"train": ["x"], "validation": [], "test": test, "seconds_training": 754.0, "device": "cpu"}
        (folder / "run.json").write_text(json.dumps(facts))
        (folder / "model").mkdir()
        settings = {"network": {"name": network}, "channels": channels, "preprocessing": {}, "patch_size": [8, 8, 8]}
        settings |= {"inference": {}, "provenance": {"epoch": 3}}
        (folder / "model" / "model.yaml").write_text(yaml.safe_dump(settings))
        (folder / "epochs.csv").write_text(epochs_csv(validated))
        entries, scores = [], []
        for place, subject in enumerate(subjects):
            mask = predict(subject.truth, 10 * seed + place, error)
            stem = "".join(letter if letter.isalnum() else "_" for letter in subject.case)
            images = {name: save(self.root / "data" / f"{stem}_{name}.nii.gz", subject.image) for name in channels}
            label = save(self.root / "data" / f"{stem}_truth.nii.gz", subject.truth)
            save(folder / "predictions" / f"{stem}_mask.nii.gz", mask)
            entries.append(
                {
                    "case": subject.case,
                    "group": subject.group,
                    "images": {name: str(path) for name, path in images.items()},
                    "label": str(label),
                    "prediction": f"predictions/{stem}_mask.nii.gz",
                }
            )
            report = lesion_report(mask, subject.truth, SPACING_MM)
            lesions = report.rows(subject.case, AFFINE)
            scores.append(CaseScores(subject.case, report.values, subject.group, lesions=lesions))
        (folder / "cases.json").write_text(json.dumps(entries))
        if scores:
            Evaluation.from_cases(scores, settings=Settings(bootstrap=200, lesions=LesionRules())).to_json(
                folder / "evaluation.json"
            )


def epochs_csv(validated: bool, epochs: int = 6) -> str:
    """An epoch table; validation runs every second epoch."""
    lines = ["epoch,train_loss,val_loss,val_dsc,learning_rate,seconds"]
    for epoch in range(epochs):
        loss = 1.2 * 0.8**epoch
        checked = validated and epoch % 2 == 1
        lines.append(f"{epoch},{loss:.4f},{f'{loss + 0.1:.4f},{1 - loss / 1.3:.4f}' if checked else ','},0.0001,3.1")
    return "\n".join(lines) + "\n"


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """Writes run folders below the test's own folder."""
    return RunMaker(tmp_path)


def neurites(seed: int, size: int = 64, cell: int = 16) -> np.ndarray:
    """(size, size) bool: squares between membranes of two pixels, shifted by the seed so that slices differ."""
    place = (np.arange(size) + seed) % cell
    inside = place >= 2
    return inside[:, None] & inside[None, :]


def predicted_neurites(truth: np.ndarray, gap: bool) -> np.ndarray:
    """Probability of the truth, with a membrane across a row of squares, and with `gap` a hole in another membrane."""
    probability = np.where(truth, 0.9, 0.1).astype(np.float32)
    first_membrane = int(np.flatnonzero(~truth.any(axis=1))[0])
    probability[first_membrane + 8, :] = 0.2
    if gap:
        probability[:, 40:44] = np.maximum(probability[:, 40:44], 0.8)
    return probability


class SliceRunMaker:
    """Writes run folders of membranes or cells: two stacks at most, of which the last slices are tested."""

    def __init__(self, root: Path) -> None:
        """Everything goes below this folder."""
        self.root = root

    def __call__(
        self,
        name: str,
        network: str = "sf_network",
        task: TaskName = "membranes",
        stacks: Sequence[str] = ("train",),
        gap: bool = True,
        meaning: LabelMeaning | None = None,
    ) -> Path:
        """One run with one model."""
        run, meaning = self.root / name, meaning or ("instances" if task == "cells" else "inside")
        model = run / "EM"
        (model / "predictions").mkdir(parents=True)
        config = {"name": name, "task": task, "network": {"name": network}, "patches": {"lesion_share": 0.0}}
        config["data"] = {"layout": "em_stack", "channels": ["EM"], "label_meaning": meaning}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        tested = (2, 4)
        cases = [f"{stack}_{page + 1:03d}" for stack in stacks for page in tested]
        split = {"train": [f"{stacks[0]}_001"], "validation": [], "test": cases, "unused": [], "warnings": []}
        split["groups"] = {case: case[:-4] for case in [*split["train"], *cases]}
        (run / "split.json").write_text(json.dumps(split))
        (run / "versions.json").write_text(json.dumps({"msseg": "0.2.0"}))
        facts = {"config_name": name, "network": network, "channels": ["EM"], "parameters": 1_593_601, "test": cases}
        (model / "run.json").write_text(json.dumps(facts))
        (model / "model").mkdir()
        settings = {"network": {"name": network}, "channels": ["EM"], "preprocessing": {}, "patch_size": [8, 8, 1]}
        (model / "model" / "model.yaml").write_text(
            yaml.safe_dump(settings | {"inference": {}, "provenance": {"epoch": 1}})
        )
        score = {"membranes": "val_v_rand", "cells": "val_seg"}[task]
        (model / "epochs.csv").write_text(
            f"epoch,train_loss,val_loss,val_dsc,{score},learning_rate,seconds\n"
            "0,0.9,0.8,0.85,0.3,0.001,2.0\n1,0.5,0.6,0.9,0.7,0.001,2.0\n"
        )
        pairs = [self.stack(model, stack, tested, gap, meaning) for stack in stacks]
        entries = [self.entry(pair, page, place) for pair in pairs for place, page in enumerate(tested)]
        (model / "cases.json").write_text(json.dumps(entries))
        judged = [self.judged(pair, task) for pair in pairs]
        evaluation = evaluate_pairs(
            judged, task=task, label_meaning=meaning, thresholds=(0.3, 0.5, 0.7, 0.95), bootstrap=50
        )
        evaluation.to_json(model / "evaluation.json")
        return run

    def stack(self, model: Path, stack: str, tested: Sequence[int], gap: bool, meaning: LabelMeaning) -> Pair:
        """Images and labels of five slices; probability, mask and numbers of the tested ones."""
        data = self.root / "data"
        data.mkdir(exist_ok=True)
        truth = np.stack([neurites(page + len(stack)) for page in range(5)])
        noise = np.random.default_rng(3).integers(0, 40, truth.shape)
        tifffile.imwrite(data / f"{stack}-volume.tif", (150 * truth + noise).astype(np.uint8))
        numbers = np.stack([ndimage.label(one)[0] for one in truth])
        values = {"inside": 255 * truth, "membrane": ~truth, "instances": numbers, "mask": truth}[meaning]
        labels = data / f"{stack}-{meaning}.tif"
        tifffile.imwrite(labels, values.astype(np.uint8))
        probability = np.stack([predicted_neurites(truth[page], gap) for page in tested])
        predicted = model / "predictions"
        tifffile.imwrite(predicted / f"{stack}_probability.tif", probability)
        mask = probability > 0.5
        tifffile.imwrite(predicted / f"{stack}_mask.tif", (255 * mask).astype(np.uint8))
        instances = np.stack([ndimage.label(one)[0] for one in mask]).astype(np.uint16)
        tifffile.imwrite(predicted / f"{stack}_instances.tif", instances)
        return Pair(stack, predicted / f"{stack}_probability.tif", labels, stack, tuple(tested))

    def entry(self, pair: Pair, page: int, place: int) -> dict[str, object]:
        """A slice in `cases.json`."""
        files = {kind: f"predictions/{pair.case}_{kind}.tif" for kind in ("mask", "probability", "instances")}
        return {
            "case": f"{pair.case}_{page + 1:03d}",
            "group": pair.case,
            "images": {"EM": str(self.root / "data" / f"{pair.case}-volume.tif")},
            "label": str(pair.truth),
            "prediction": files.pop("mask"),
            **files,
            "page": page,
            "predicted_page": place,
        }

    @staticmethod
    def judged(pair: Pair, task: TaskName) -> Pair:
        """The pair with the file that the task scores."""
        kind = {"membranes": "probability", "cells": "instances"}[task]
        return replace(pair, prediction=pair.prediction.with_name(f"{pair.case}_{kind}.tif"))


@pytest.fixture
def make_slices(tmp_path: Path) -> SliceRunMaker:
    """Writes run folders of slices below the test's own folder."""
    return SliceRunMaker(tmp_path)
