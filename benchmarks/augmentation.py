"""How long a training patch takes on one core, from the cached volume to tensors, every transform on: both engines.

    python benchmarks/augmentation.py
    python benchmarks/augmentation.py --device cuda

A made-up head of 182 x 218 x 182 voxels gives patches of 144^3 with the paper's list of augmentations, and a micrograph
of 512 x 512 gives slices of 256 x 256 with the list of the membranes' settings. Each entry is applied to every patch;
with --each then each alone. Both engines see the same seeds; the one named torchio moves slices by itself, so
TorchIO's own transforms stand beside it there. On a GPU, what is left for the workers (drawing and reading) and what
is carried out on the GPU are measured apart.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch are imported: a worker has one core

import numpy as np
import torch
import torchio as tio
from harness import Result, Target, compare, parser, write_results
from scipy.ndimage import gaussian_filter

from msseg.config.patches import (
    PAPER_ORDER,
    Affine,
    Augmentation,
    Blur,
    Contrast,
    Elastic,
    Gamma,
    Noise,
    PatchesConfig,
    Rotate90,
)
from msseg.patches.engines import build_engine
from msseg.patches.fused import FusedPatches
from msseg.patches.intensity import LinearContrast, RescaledGamma
from msseg.patches.sampling import draw_patch

HEAD, PATCH = (182, 218, 182), (144, 144, 144)
MICROGRAPH, SLICE, SLICES_A_ROUND = (512, 512, 1), (256, 256, 1), 10
MARGIN = 80
FACTOR = 10.0
MEMBRANES: tuple[Augmentation, ...] = (
    Rotate90(),
    Affine(scales=(0.85, 1.15), degrees=(-45, 45)),
    Elastic(control_points=8, max_displacement=15, locked_borders=0),
    Contrast(scale=(0.7, 1.3), shift=(-0.5, 0.5)),
    Gamma(),
    Noise(std=(0, 0.3)),
)
"""As configs/em has them."""
MORE: tuple[Augmentation, ...] = (Gamma(), Contrast(), Blur())
"""What the paper's list does not have; measured alone."""


# ------------------------------------------------------------------------------------------- what is augmented
@dataclass(frozen=True)
class Volume:
    """A prepared case: memory maps of an image and its label."""

    folder: Path

    def data(self) -> np.ndarray:
        """Image (1, X, Y, Z)."""
        return np.load(self.folder / "data.npy", mmap_mode="r")

    def label(self) -> np.ndarray:
        """Lesions (X, Y, Z)."""
        return np.load(self.folder / "label.npy", mmap_mode="r")

    def lesion_voxels(self) -> np.ndarray:
        """Their indices (N, 3)."""
        return np.load(self.folder / "voxels.npy", mmap_mode="r")


def made_up(folder: Path, shape: tuple[int, int, int]) -> Volume:
    """A smooth texture in an ellipsoid, the background 0; what is bright is lesion."""
    folder.mkdir()
    smooth = [2.0 if length > 1 else 0.0 for length in shape]
    texture = gaussian_filter(np.random.default_rng(0).normal(size=shape), smooth)
    texture /= texture.std()
    if shape[2] > 1:
        from_middle = sum(
            ((axis - n / 2) / (n / 2)) ** 2 for axis, n in zip(np.ogrid[tuple(map(slice, shape))], shape, strict=True)
        )
        texture[from_middle > 1] = 0
    np.save(folder / "data.npy", texture[np.newaxis].astype(np.float32))
    np.save(folder / "label.npy", texture > 2.5)
    np.save(folder / "voxels.npy", np.argwhere(texture > 2.5).astype(np.int32))
    return Volume(folder)


def certain(entries: Sequence[Augmentation]) -> list[Augmentation]:
    """Each entry for every patch."""
    return [entry.model_copy(update={"probability": 1.0}) for entry in entries]


# ------------------------------------------------------------------------------------------- contenders
def contender(
    engine: str, case: Volume, size: tuple[int, int, int], entries: Sequence[Augmentation], patches: int
) -> Callable[[], dict[str, float]]:
    """Draws so many patches, other ones in each round."""
    options = {"margin": MARGIN, "beyond": "mirror", "lesion_share": 0.0} if size[2] == 1 else {}
    build = build_engine(PatchesConfig(size=size, engine=engine, **options), entries, (1.0, 1.0, 1.0))
    numbers = count()

    def draw() -> dict[str, float]:
        start = time.process_time()
        for _ in range(patches):
            build(case, np.random.SeedSequence([0, next(numbers)]))
        return {"processor_s": time.process_time() - start}

    return draw


def torchio_alone(case: Volume, size: tuple[int, int, int], patches: int) -> Callable[[], dict[str, float]]:
    """The membranes' list from TorchIO's own transforms, where the engine of that name moves slices by itself."""
    margin = (MARGIN, MARGIN, 0)
    transform = tio.Compose([
        tio.RandomFlip((0, 1)),
        tio.RandomAffine((0.85, 1.15), (-45, 45), default_pad_value=0),
        tio.RandomElasticDeformation(8, (15, 15, 0), locked_borders=0),
        tio.Crop(margin),
        tio.Lambda(LinearContrast((0.7, 1.3), (-0.5, 0.5)), [tio.INTENSITY]),
        tio.Lambda(RescaledGamma((-0.3, 0.3)), [tio.INTENSITY]),
        tio.RandomNoise(std=(0, 0.3)),
    ])  # fmt: skip
    settings = PatchesConfig(size=size, beyond="mirror", lesion_share=0.0)
    numbers = count()

    def draw() -> dict[str, float]:
        start = time.process_time()
        for _ in range(patches):
            image, label = draw_patch(case, settings, np.random.default_rng(next(numbers)), margin)
            images = tio.ScalarImage(tensor=torch.from_numpy(image)), tio.LabelMap(tensor=torch.from_numpy(label))
            transform(tio.Subject(image=images[0], label=images[1]))
        return {"processor_s": time.process_time() - start}

    return draw


def compared(
    title: str, case: Volume, size: tuple[int, int, int], entries: Sequence[Augmentation], rounds: int, patches: int = 1
) -> list[Result]:
    """The engines in turns."""
    draws = {name: contender(name, case, size, entries, patches) for name in ("fused", "torchio")}
    if size[2] == 1:
        draws["TorchIO's own transforms"] = torchio_alone(case, size, patches)
    return compare(title, draws, rounds)


def on_gpu(case: Volume, size: tuple[int, int, int], entries: Sequence[Augmentation], rounds: int) -> list[Result]:
    """Drawing and reading in a worker, and what the GPU does then."""
    engine = FusedPatches(PatchesConfig(size=size, engine="fused"), entries, (1.0, 1.0, 1.0))
    recipe = engine.recipe(case, np.random.SeedSequence(0)).pin_memory()
    there = recipe.to(torch.device("cuda"))

    def waited(act: Callable[[], object]) -> None:
        act()
        torch.cuda.synchronize()

    acts: dict[str, Callable[[], object]] = {
        "drawing and reading": partial(engine.recipe, case, np.random.SeedSequence(0)),
        "to the GPU": partial(waited, partial(recipe.to, torch.device("cuda"))),
        "on the GPU": partial(waited, there.make),
    }
    return compare("one 144^3 patch, augment_device: training", acts, rounds)


# ------------------------------------------------------------------------------------------- the measurement
def targets(results: Sequence[Result]) -> list[Target]:
    """How many times faster the fused engine is with every transform on, in processor time."""
    aims = []
    for title in dict.fromkeys(one.comparison for one in results if one.comparison.endswith("every transform on")):
        fused, *others = (one for one in results if one.comparison == title)
        for other in others:
            factor = other.median["processor_s"] / fused.median["processor_s"]
            aims.append(Target(f"{title}: times faster than {other.name}", factor, at_least=FACTOR))
    return aims


def main() -> None:
    """Measure, and write."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--each", action="store_true", help="each transform alone as well")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    head, patch, micrograph, size = HEAD, PATCH, MICROGRAPH, SLICE
    if arguments.tiny:
        head, patch, micrograph, size = (40, 44, 40), (32, 32, 32), (96, 96, 1), (64, 64, 1)
    rounds = 1 if arguments.tiny else arguments.rounds
    cubes, squares = f"one patch of {patch[0]}^3", f"{SLICES_A_ROUND} slices of {size[0]} x {size[1]}"
    with tempfile.TemporaryDirectory() as folder:
        volume = made_up(Path(folder) / "head", head)
        slice_ = made_up(Path(folder) / "micrograph", micrograph)
        results = compared(f"{cubes}, every transform on", volume, patch, certain(PAPER_ORDER), rounds)
        results += compared(f"{squares}, every transform on", slice_, size, certain(MEMBRANES), rounds, SLICES_A_ROUND)
        results += compared(f"{cubes}, nothing", volume, patch, [], rounds)
        for entry in certain((*PAPER_ORDER, *MORE)) if arguments.each else ():
            results += compared(f"{cubes}, {entry.name}", volume, patch, [entry], rounds)
        if arguments.device == "cuda":
            results += on_gpu(volume, patch, certain(PAPER_ORDER), rounds)
    notes = {"threads": 1, "probability of each transform": 1}
    write_results("augmentation", results, notes, () if arguments.tiny else targets(results), arguments.out)


if __name__ == "__main__":
    main()
