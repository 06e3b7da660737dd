"""How long all scores of one case of lesions take.

    python benchmarks/metrics.py --lesions 140
    python benchmarks/metrics.py --truth expert.nii.gz --prediction mine.nii.gz

Without files: balls of radius 1 to 7 in 182 x 218 x 182 voxels of 1 mm, and a copy with a fifth of them missed, the
others a voxel aside, and false ones. Prints the median seconds as JSON, whole and by part; all run on one core.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from msseg.metrics.components import label_components
from msseg.metrics.lesions import lesion_report
from msseg.metrics.msseg2016 import msseg_detection
from msseg.metrics.overlap import Mask, joint_box
from msseg.metrics.surface import surface_distances
from msseg.volumes.files import read_label

SHAPE = (182, 218, 182)


def balls(count: int, seed: int) -> Mask:
    """Balls of radius 1 to 7 at random places."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, dtype=bool)
    for radius in generator.integers(1, 8, size=count):
        centre = [int(generator.integers(radius, size - radius)) for size in SHAPE]
        grid = np.ogrid[tuple(slice(-radius, radius + 1) for _ in SHAPE)]
        ball = sum(axis**2 for axis in grid) <= radius**2
        mask[tuple(slice(place - radius, place + radius + 1) for place in centre)] |= ball
    return mask


def perturbed(truth: Mask) -> Mask:
    """Lesions missed, moved and made up."""
    labels, count = ndimage.label(truth, np.ones((3, 3, 3)))
    kept = np.append(False, np.random.default_rng(1).random(count) > 0.2)
    return np.roll(kept[labels], 1, axis=0) | balls(30, seed=2)


def seconds(compute: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        compute()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 4)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, help="an expert's mask; without a prediction it is disturbed")
    parser.add_argument("--prediction", type=Path)
    parser.add_argument("--lesions", type=int, default=140, help="balls, where no truth is given")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args(argv)


def main() -> None:
    """Measure, and print."""
    arguments = parse()
    if arguments.truth:
        volume = read_label(arguments.truth)
        truth, spacing = volume.data, volume.spacing
    else:
        truth, spacing = balls(arguments.lesions, seed=0), (1.0, 1.0, 1.0)
    prediction = read_label(arguments.prediction).data if arguments.prediction else perturbed(truth)
    box = joint_box(prediction, truth)
    cropped = prediction[box], truth[box]
    report = lesion_report(prediction, truth, spacing)
    parts: dict[str, Callable[[], object]] = {
        "all_s": lambda: lesion_report(prediction, truth, spacing).rows("case"),
        "crop_s": lambda: joint_box(prediction, truth),
        "label_one_mask_s": lambda: label_components(cropped[0], 26),
        "msseg_2016_s": lambda: msseg_detection(*cropped, spacing),
        "surfaces_s": lambda: surface_distances(*cropped, spacing),
    }
    figures = {
        "shape": " x ".join(map(str, truth.shape)),
        "lesions_truth": report.values["lesions_truth"],
        "lesions_predicted": report.values["lesions_predicted"],
        **{name: seconds(compute, arguments.repeats) for name, compute in parts.items()},
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
