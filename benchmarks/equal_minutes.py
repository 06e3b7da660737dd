"""Which lesions a network finds that was trained for so many minutes: msseg, and nnU-Net by its own trainer.

    python benchmarks/equal_minutes.py --data FOLDER --train patient19 --test patient07 --minutes 10

FOLDER holds the Open MS data (patient07 and patient19). Both train on the FLAIR of one patient and predict that of
another. msseg trains by an experiment of configs/ms, for about as many epochs as fit: a short run before it measures
them, and nnU-Net gets as long as they then took. It prepares, plans and trains as it does by itself, except that its
learning rate falls over the minutes instead of 1000 epochs, and that it validates not at all. The minutes are those of
training alone. Not part of `make bench`: it needs the data.
"""

import argparse
import csv
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from given import dsc, make_image, on_grid
from harness import ROOT, Result, Target, parser, run_command, tell, without_folder, write_results

CONFIG = ROOT / "configs" / "ms" / "openms_unet3d.yaml"
DATASET = "Dataset001_Lesions"
FLAIR = "FLAIR_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI.nii.gz"
MASK = "GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI.nii.gz"
TRIAL_EPOCHS = 3
OURS, PEER = "msseg", "nnU-Net"


def make_patients(folder: Path) -> Path:
    """Two small made-up patients, for `--tiny`: their lesion is a bright box."""
    import nibabel as nib
    import numpy as np

    for seed, patient in enumerate(("patient07", "patient19")):
        (folder / patient).mkdir(parents=True)
        image = nib.load(make_image(folder / patient / FLAIR, (48, 56, 40), seed))
        mask = np.zeros(image.shape, np.uint8)
        mask[20:28, 24:32, 16:24] = 1
        nib.save(nib.Nifti1Image(image.get_fdata() + 100 * mask, image.affine), folder / patient / FLAIR)
        nib.save(nib.Nifti1Image(mask, image.affine), folder / patient / MASK)
    return folder


def files_of(data: Path, patient: str) -> tuple[Path, Path]:
    """A patient's FLAIR and mask."""
    image, mask = data / patient / FLAIR, data / patient / MASK
    for path in (image, mask):
        if not path.exists():
            raise SystemExit(f"{path} is missing")
    return image, mask


# ------------------------------------------------------------------------------------------- msseg
def msseg_command(arguments: argparse.Namespace, out: Path, epochs: int) -> list[str | Path]:
    """A run as a user starts it."""
    workers = f"training.workers={max(arguments.threads - 1, 1)}"  # as many as nnU-Net is given
    return [
        sys.executable, "-m", "msseg", "train", arguments.config, "--data", arguments.data, "--out", out,
        "--channel", "FLAIR",
        f"split.train=[{arguments.train}]", f"split.test=[{arguments.test}]", f"training.epochs={epochs}",
        f"training.device={arguments.device}", workers, *arguments.settings,
    ]  # fmt: skip


def epoch_seconds(run: Path) -> list[float]:
    """Seconds of every epoch of a run."""
    (path,) = run.rglob("epochs.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def train_msseg(arguments: argparse.Namespace, folder: Path, mask: Path) -> dict[str, float]:
    """As many epochs as fit into the minutes, and the mask of the test patient."""
    run_command(msseg_command(arguments, folder / "trial", TRIAL_EPOCHS))
    first, *others = epoch_seconds(folder / "trial")
    each = sum(others) / len(others)
    epochs = max(1, round((60 * arguments.minutes - first) / each) + 1)
    run_command(msseg_command(arguments, folder / "run", epochs))
    image, _ = files_of(arguments.data, arguments.test)
    predict = [sys.executable, "-m", "msseg", "predict", folder / "run", image, "--out", folder / "masks"]
    figures = run_command(predict)
    (written,) = (folder / "masks").glob("*_mask.nii.gz")
    shutil.copy(written, mask)
    seconds = epoch_seconds(folder / "run")
    return {
        "seconds": sum(seconds),
        "steps": float(epochs * steps_per_epoch(arguments)),
        "predict_s": figures["seconds"],
    }


def steps_per_epoch(arguments: argparse.Namespace) -> int:
    """Steps of an epoch of one training case."""
    from msseg.config.load import load_config

    patches = load_config(arguments.config, arguments.settings).patches
    return patches.per_volume // patches.batch_size


# ------------------------------------------------------------------------------------------- nnU-Net, in a process
def train_nnunet(arguments: argparse.Namespace, folder: Path, mask: Path) -> dict[str, float]:
    """Its own preparation, plan and training; the mask of the test patient."""
    for name in ("raw", "preprocessed", "results"):
        (folder / name).mkdir(parents=True)
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    os.environ["nnUNet_n_proc_DA"] = str(max(arguments.threads - 1, 1))  # noqa: SIM112
    import torch
    from nnunetv2.experiment_planning import plan_and_preprocess_api as prepare

    torch.set_num_threads(arguments.threads)
    write_dataset(folder / "raw" / DATASET, *files_of(arguments.data, arguments.train))
    prepare.extract_fingerprints([1], num_processes=1)
    prepare.plan_experiments([1])
    prepare.preprocess([1], configurations=["3d_fullres"], num_processes=[1])
    trainer, seconds, steps = timed_trainer(arguments, folder / "preprocessed" / DATASET)
    image, _ = files_of(arguments.data, arguments.test)
    start = time.perf_counter()
    predict_nnunet(trainer, image, mask)
    return {"seconds": seconds, "steps": float(steps), "predict_s": time.perf_counter() - start}


def write_dataset(folder: Path, image: Path, mask: Path) -> None:
    """One case in nnU-Net's layout."""
    for name, source, target in (("imagesTr", image, "case_0000.nii.gz"), ("labelsTr", mask, "case.nii.gz")):
        (folder / name).mkdir(parents=True)
        shutil.copy(source, folder / name / target)
    dataset = {
        "channel_names": {"0": "FLAIR"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")


def timed_trainer(arguments: argparse.Namespace, prepared: Path) -> tuple[Any, float, int]:
    """nnU-Net's trainer after so many minutes, the seconds it trained, and its steps."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    plans, dataset = (json.loads((prepared / name).read_text()) for name in ("nnUNetPlans.json", "dataset.json"))
    plans["continue_training"] = False
    trainer = nnUNetTrainer(plans, "3d_fullres", "all", dataset, torch.device(arguments.device))
    trainer.initialize()
    trainer.on_train_start()
    trainer.network.train()
    limit, steps, start = 60 * arguments.minutes, 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < limit:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - passed / limit) ** 0.9  # its polynomial schedule
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
    seconds = time.perf_counter() - start
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, "_finish"):
            loader._finish()
    return trainer, seconds, steps


def predict_nnunet(trainer: Any, image: Path, mask: Path) -> None:
    """Predict as nnU-Net does by default, mirrored copies included."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(0.5, True, True, trainer.device.type == "cuda", trainer.device, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network, trainer.plans_manager, trainer.configuration_manager, [trainer.network.state_dict()],
        trainer.dataset_json, "nnUNetTrainer", trainer.inference_allowed_mirroring_axes,
    )  # fmt: skip
    files = trainer.plans_manager.image_reader_writer_class()
    volume, properties = files.read_images([str(image)])
    found = predictor.predict_single_npy_array(volume, properties)
    files.write_seg(found, str(mask), properties)


# ------------------------------------------------------------------------------------------- the run
def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--data", type=Path, help="folder with patient07 and patient19")
    options.add_argument("--train", default="patient19", help="default: %(default)s")
    options.add_argument("--test", default="patient07", help="default: %(default)s")
    options.add_argument("--minutes", type=float, default=10.0, help="of training (default: %(default)s)")
    options.add_argument("--config", type=Path, default=CONFIG, help=f"msseg trains (default: {CONFIG.name})")
    options.add_argument("--settings", nargs="*", default=[], metavar="KEY=VALUE", help="keys of msseg's config")
    options.add_argument("--nnunet", nargs=2, type=Path, metavar=("FOLDER", "MASK"), help=argparse.SUPPRESS)
    return options.parse_args(argv)


def main() -> None:
    """Train both, one after the other, and write both files."""
    arguments = parse()
    if arguments.nnunet:
        sys.stdout.write("\n" + json.dumps(train_nnunet(arguments, *arguments.nnunet)) + "\n")
        return
    if arguments.data is None and not arguments.tiny:
        raise SystemExit("--data is missing: the folder with patient07 and patient19 of the Open MS data")
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.tiny:
            arguments.data, arguments.minutes = make_patients(folder / "data"), 0.05
            arguments.settings = ["patches.size=[32,32,32]", "patches.per_volume=2", "network.base_channels=2"]
        title = f"DSC of {arguments.test} after {arguments.minutes:g} minutes on {arguments.train}"
        image, truth = files_of(arguments.data, arguments.test)
        for name in (OURS, PEER):
            mask = folder / f"{name}.nii.gz"
            if name == OURS:
                figures: dict[str, float] = train_msseg(arguments, folder / name, mask)
            else:
                again = [sys.executable, __file__, *sys.argv[1:], "--data", arguments.data]
                again += ["--minutes", str(results[0].seconds / 60), "--nnunet", folder / name, mask]
                whole = run_command(again, arguments.threads)
                figures = {key: whole[key] for key in ("seconds", "steps", "predict_s")}
            tell(title, name, 0, 1, figures["seconds"])
            score = dsc(on_grid(mask, image), on_grid(truth, image))
            results.append(dataclasses.replace(Result(title, name, (figures,)), facts={"dsc_with_truth": score}))
    ours, peer = (result.facts["dsc_with_truth"] for result in results)
    aims = [Target("DSC with the truth, more than nnU-Net's", round(ours - peer, 3), at_least=0)]
    experiment = {
        "msseg trains": without_folder(arguments.config),
        "with": " ".join(arguments.settings) or "its settings",
    }
    notes = experiment | {"threads": arguments.threads, "device": arguments.device, "minutes": arguments.minutes}
    write_results("equal_minutes", results, notes, aims, arguments.out)


if __name__ == "__main__":
    main()
