"""What benchmarks of prediction are given: an image, a model, and how masks are compared."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from harness import without_folder

SHAPE = (182, 218, 182)
"""The grid of the MNI template at 1 mm."""
HEAD_PATCH = (144, 160, 128)
"""Multiples of 16 that hold such a head: a network trained on patches of this size predicts it in one window."""
HEAD_SHARE = (132 / 182, 151 / 218, 121 / 182)
"""Size of a skull-stripped head in that grid, as a share of it."""
MODEL = """
from pathlib import Path
from msseg.config.inference import InferenceConfig
from msseg.config.network import ResidualUNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.model import ModelSettings, save_model
from msseg.networks.registry import build_network
network = ResidualUNet3dConfig(base_channels={base_channels})
settings = ModelSettings(network=network, channels=("FLAIR",), patch_size={patch},
                         preprocessing=PreprocessingConfig(), inference=InferenceConfig())
save_model(Path({folder!r}), build_network(network, in_channels=1), settings)
"""


def add_options(options: argparse.ArgumentParser) -> None:
    """What stands in for a trained model and a volume where none is given."""
    options.add_argument("--model", type=Path, help="folder of one model of one channel (default: random weights)")
    options.add_argument("--image", type=Path, help="NIfTI file, at least as large as a patch (default: made up)")
    options.add_argument("--truth", type=Path, help="mask of the image, for the DSC")
    options.add_argument("--base-channels", type=int, default=16, help="of the random weights")
    options.add_argument(
        "--patch", type=int, nargs=3, default=HEAD_PATCH, help="of the random weights (default: holds a head)"
    )


def notes_of(arguments: argparse.Namespace) -> dict[str, object]:
    """What a table says of how it was made."""
    model = f"random weights, {arguments.base_channels} base maps, patches of {' x '.join(map(str, arguments.patch))}"
    return {
        "threads": arguments.threads,
        "device": arguments.device,
        "rounds": arguments.rounds,
        "model": without_folder(arguments.model) if arguments.model else model,
    }


def shrink(arguments: argparse.Namespace) -> tuple[int, int, int]:
    """The shape of a made-up image; with `--tiny` a small one, a small network and one round."""
    if not arguments.tiny:
        return SHAPE
    arguments.rounds, arguments.base_channels, arguments.patch = 1, 2, (32, 32, 32)
    return (48, 56, 40)


def make_image(path: Path, shape: tuple[int, int, int], seed: int = 0) -> Path:
    """An ellipsoid of noise, as large in its grid as a head is; its content does not matter to the time."""
    axes = [np.linspace(-1, 1, size) / share for size, share in zip(shape, HEAD_SHARE, strict=True)]
    inside = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")) <= 1
    voxels = np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32) * inside
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return path


def make_model(folder: Path, base_channels: int, patch: Sequence[int]) -> Path:
    """A residual U-Net with random weights, written by another process so that this one stays small."""
    program = MODEL.format(folder=str(folder), base_channels=base_channels, patch=tuple(patch))
    subprocess.run([sys.executable, "-c", program], check=True)
    return folder


def predict_command(model: Path, images: Sequence[Path], out: Path, *options: str) -> list[str | Path]:
    """`msseg predict` as a user types it."""
    return [sys.executable, "-m", "msseg", "predict", model, *images, "--out", out, *options]


def predictor_command(
    predictor: str, model: Path, images: Sequence[Path], mask: Path, arguments: argparse.Namespace
) -> list[str | Path]:
    """One of `predictors.py`."""
    script = Path(__file__).with_name("predictors.py")
    options = ["--device", arguments.device, "--threads", str(arguments.threads)]
    return [sys.executable, script, predictor, "--model", model, "--image", *images, "--mask", mask, *options]


def dsc(first: np.ndarray, second: np.ndarray) -> float:
    """Dice similarity coefficient of two masks."""
    both = first.sum() + second.sum()
    return float(2 * (first & second).sum() / both) if both else 1.0


def on_grid(path: Path, image: Path) -> np.ndarray:
    """A mask on the image's grid; the peers write theirs turned to RAS, or cropped."""
    mask, grid = nib.load(path), nib.load(image)
    there = np.argwhere(np.asarray(mask.dataobj) > 0.5)
    here = nib.affines.apply_affine(np.linalg.inv(grid.affine) @ mask.affine, there)
    result = np.zeros(grid.shape, dtype=bool)
    result[tuple(np.rint(here).astype(int).T)] = True
    return result
