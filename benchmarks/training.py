"""A training step with its augmentation: msseg against plain Lightning, MONAI and TorchIO.

    python benchmarks/training.py                      # about 15 minutes on 2 cores
    python benchmarks/training.py --device cuda --steps 200

Every contender is a process of its own that trains for a few epochs on one made-up case with 96^3 patches, two workers
and the augmentation of configs/ms/openms_residual_unet3d.yaml. A step's time is an epoch's time by its steps, with all
that a user waits for in an epoch: patches, augmentation, checkpoint. The first epoch, in which workers start, does not
count. The peers are MONAI's DynUNet with as many parameters and products as our network with 8 maps, and our network
spelled out in PyTorch's own layers; both in fp32 with MONAI's loss, TorchIO's transforms on the same patches and
nothing that is tuned. TorchIO has no random linear contrast: the peers do without that transform.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from harness import ROOT, Result, Target, parser, run_command, tell, write_results

CONFIG = ROOT / "configs" / "ms" / "openms_residual_unet3d.yaml"
HEAD = (130, 160, 126)
"""Voxels of the case: a skull-stripped head at 1 mm."""
OURS, MONAI = "msseg", "Lightning + MONAI + TorchIO"
AIM = 3.0
BASE_CHANNELS = 8
SAME_SIZE = 10
"""Maps of the first level with which DynUNet is as large as our network with 8: 39.7 GFLOP of 40.4 forward, and 2.2
million parameters of 2.4."""


# ------------------------------------------------------------------------------------------- the contenders
def train_msseg(arguments: argparse.Namespace, engine: str, network: str = "instance") -> list[float]:
    """Seconds of each epoch of the run that a user would start."""
    from rich.console import Console

    from msseg.cases.find import find_cases
    from msseg.cases.splits import Split
    from msseg.config.load import load_config
    from msseg.runs import ModelRun
    from msseg.training.fit import train_model
    from msseg.training.progress import read_epochs

    side, folder = arguments.patch, Path(arguments.folder)
    config = load_config(
        CONFIG,
        [
            "data.layout=isbi2015",
            "data.channels=[FLAIR]",
            f"patches.size=[{side},{side},{side}]",
            f"patches.per_volume={arguments.steps}",
            f"patches.engine={engine}",
            f"network.base_channels={arguments.base_channels}",
            f"network.norm={network}",
            f"training.epochs={arguments.epochs}",
            f"training.device={arguments.device}",
            f"training.workers={arguments.workers}",
        ],
    )
    with tempfile.TemporaryDirectory() as out:
        run = ModelRun(Path(out))
        split = Split(tuple(find_cases(config.data, folder)[:1]), (), ())
        train_model(config, ("FLAIR",), split, run, folder.parent / "cache", Console(quiet=True))
        return [float(row["seconds"]) for row in read_epochs(run.epochs)]


def train_plainly(arguments: argparse.Namespace, make_network: Callable[[int], Any]) -> list[float]:
    """Seconds of each epoch of a LightningModule as tutorials write it."""
    import time

    import lightning as L
    import torch
    from monai.losses import DiceCELoss
    from torch.utils.data import DataLoader

    class Task(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = make_network(arguments.base_channels)
            self.loss = DiceCELoss(sigmoid=True, batch=True)
            self.seconds: list[float] = []
            self.begun = 0.0

        def on_train_epoch_start(self) -> None:
            self.begun = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.seconds.append(time.perf_counter() - self.begun)

        def training_step(self, batch: dict[str, Any], _: int) -> torch.Tensor:
            loss: torch.Tensor = self.loss(self.network(batch["image"]["data"]), batch["label"]["data"].float())
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    L.seed_everything(0, verbose=False)
    task = Task()
    patches = PlainPatches(Path(arguments.folder), arguments.patch, arguments.steps)
    with tempfile.TemporaryDirectory() as out:
        trainer = L.Trainer(
            accelerator="gpu" if arguments.device == "cuda" else "cpu",
            devices=1,
            max_epochs=arguments.epochs,
            gradient_clip_val=1.0,
            default_root_dir=out,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader = DataLoader(patches, 1, num_workers=arguments.workers, persistent_workers=arguments.workers > 0)  # type: ignore[arg-type]
        trainer.fit(task, loader)
    return task.seconds


class PlainPatches:
    """A dataset of TorchIO's patches; the volume stays in memory, normalised."""

    def __init__(self, folder: Path, side: int, length: int) -> None:
        import torchio as tio

        (image,) = sorted(folder.rglob("*_flair_pp.nii*"))[:1]
        (label,) = sorted(folder.rglob("*_mask1.nii*"))[:1]
        subject = tio.Subject(image=tio.ScalarImage(image), label=tio.LabelMap(label))
        shape = [max(side, size) for size in subject.spatial_shape]
        prepare = tio.Compose([tio.ToCanonical(), tio.ZNormalization(lambda x: x > 0), tio.CropOrPad(shape)])
        self.subject, self.sampler, self.length = prepare(subject), tio.UniformSampler(side), length
        self.transform = tio.Compose(
            [
                tio.RandomGamma(log_gamma=(-0.4, 0.4), p=0.5),
                tio.RandomBiasField(coefficients=0.3, order=3, p=0.2),
                tio.RandomNoise(std=(0, 0.25), p=0.2),
                tio.RandomBlur(std=(0, 1), p=0.2),
                tio.RandomFlip(axes=(0, 1, 2), flip_probability=0.5),
                tio.RandomAffine(scales=(0.85, 1.15), degrees=15, p=0.3),
            ]
        )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, _: int) -> dict[str, Any]:
        patches: Iterator[Any] = self.sampler(self.subject, 1)
        patch = self.transform(next(patches))
        return {name: {"data": patch[name].data} for name in ("image", "label")}


def dynunet(base_channels: int) -> Any:
    """MONAI's network with residual blocks, five levels."""
    from monai.networks.nets import DynUNet

    base = round(base_channels * SAME_SIZE / BASE_CHANNELS)
    widths = [base * 2**level for level in range(5)]
    return DynUNet(3, 1, 1, [3] * 5, [1, 2, 2, 2, 2], [2] * 4, filters=widths, res_block=True)


def plain_layers(base_channels: int) -> Any:
    """Our network with PyTorch's instance norm, and with upsampling before the convolution."""
    from torch import nn

    from msseg.config.network import ResidualUNet3dConfig
    from msseg.networks.blocks import InstanceNorm3d, UpsampleConv3d
    from msseg.networks.registry import build_network

    def replace(module: nn.Module) -> nn.Module:
        for name, child in module.named_children():
            if isinstance(child, InstanceNorm3d):
                setattr(module, name, nn.InstanceNorm3d(child.num_features, affine=True))
            elif isinstance(child, UpsampleConv3d):
                convolution = nn.Conv3d(child.in_channels, child.out_channels, 3, padding=1, bias=False)
                setattr(module, name, nn.Sequential(nn.Upsample(scale_factor=2), convolution))
            else:
                replace(child)
        return module

    return replace(build_network(ResidualUNet3dConfig(base_channels=base_channels, dropout=0.1), in_channels=1))


CONTENDERS: dict[str, Callable[[argparse.Namespace], list[float]]] = {
    OURS: partial(train_msseg, engine="fused"),
    "msseg, TorchIO's augmentation": partial(train_msseg, engine="torchio"),
    "msseg, batch renormalisation": partial(train_msseg, engine="fused", network="renorm"),
    MONAI: partial(train_plainly, make_network=dynunet),
    "Lightning + TorchIO, our network in plain layers": partial(train_plainly, make_network=plain_layers),
}


# ------------------------------------------------------------------------------------------- the benchmark
def options() -> argparse.ArgumentParser:
    """Those of every benchmark, and the sizes."""
    given = parser(__doc__)
    given.add_argument("--steps", type=int, default=20, help="steps in an epoch (default: %(default)s)")
    given.add_argument("--epochs", type=int, default=3, help="the first does not count (default: %(default)s)")
    given.add_argument("--patch", type=int, default=96, help="side of a patch (default: %(default)s)")
    given.add_argument("--base-channels", type=int, default=BASE_CHANNELS, help="maps (default: %(default)s)")
    given.add_argument("--workers", type=int, default=2, help="processes that make patches (default: %(default)s)")
    given.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="some contenders")
    given.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    given.add_argument("--folder", help=argparse.SUPPRESS)
    return given


def figures_of(contender: str, arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """One contender's process: seconds a step, and its peak memory."""
    sizes = ("steps", "epochs", "patch", "base_channels", "workers", "device")
    passed = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in sizes]
    command = [sys.executable, __file__, "--contender", contender, "--folder", folder, *passed]
    figures = run_command(command, arguments.threads)
    return {"seconds": figures["step_s"]} | {name: figures[name] for name in ("peak_mib",) if name in figures}


def main() -> None:
    """Measure, or be measured."""
    arguments = options().parse_args()
    if arguments.contender:
        seconds = CONTENDERS[arguments.contender](arguments)[1:]
        print(json.dumps({"step_s": statistics.median(seconds) / arguments.steps}))
        return
    head = HEAD
    if arguments.tiny:
        arguments.rounds, arguments.steps, arguments.epochs, arguments.patch, arguments.base_channels = 1, 2, 2, 32, 4
        head = (40, 48, 40)
    from msseg.volumes.phantom.cohort import write_small_cohort

    rows: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    with tempfile.TemporaryDirectory() as folder:
        cohort = Path(folder) / "cohort"
        write_small_cohort(cohort, patients=1, sessions=1, shape=head)
        for turn in range(arguments.rounds):
            for name, measured in rows.items():
                measured.append(figures_of(name, arguments, cohort))
                tell("one training step", name, turn, arguments.rounds, measured[-1]["seconds"])
    title = f"one training step, {arguments.base_channels} maps, {arguments.patch}^3, with augmentation"
    results = [Result(title, name, tuple(measured)) for name, measured in rows.items()]
    named = {result.name: result.seconds for result in results}
    targets = []
    if OURS in named and MONAI in named:
        targets.append(Target("times faster a step than " + MONAI, named[MONAI] / named[OURS], at_least=AIM))
    notes = {"steps": arguments.steps, "workers": arguments.workers, "threads": arguments.threads, "peers in": "fp32"}
    write_results("training", results, notes | {"device": arguments.device}, targets, arguments.out)


if __name__ == "__main__":
    main()
