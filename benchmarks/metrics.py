"""How long the scores of one case of lesions, and of one stack of membranes, take on one core.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --truth expert.nii.gz --prediction mine.nii.gz

Without files: balls of radius 1 to 7 in 182 x 218 x 182 voxels of 1 mm, and a copy with a fifth of them missed, the
others a voxel aside, and false ones; and 30 slices of 512 x 512 with the cells of a Voronoi diagram, their membranes
made uncertain by noise. MONAI has surface distances, and no scores of lesions; nobody has thinned V_rand and V_info:
beside them stands scikit-image, without and with its own thinning, which is another than the challenge's.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch are imported: all of this is about one core

import numpy as np
from harness import Result, Target, compare, parser, write_results
from scipy import ndimage

from msseg.metrics.components import label_components
from msseg.metrics.lesions import lesion_report
from msseg.metrics.membranes import score_stack
from msseg.metrics.msseg2016 import msseg_detection
from msseg.metrics.overlap import Mask, joint_box
from msseg.metrics.slice_counts import CHALLENGE_THRESHOLDS, count_agreements
from msseg.metrics.surface import surface_distances
from msseg.volumes.files import read_label

SHAPE = (182, 218, 182)
SLICES, EDGE, CELLS = 30, 512, 120
LESIONS_S, MEMBRANES_S = 0.5, 10.0
Contenders = dict[str, Callable[[], object]]


# ------------------------------------------------------------------------------------------- lesions
def balls(shape: tuple[int, int, int], count: int, seed: int) -> Mask:
    """Balls of radius 1 to 7 at random places."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    for radius in generator.integers(1, 8, size=count):
        centre = [int(generator.integers(radius, size - radius)) for size in shape]
        grid = np.ogrid[tuple(slice(-radius, radius + 1) for _ in shape)]
        ball = sum(axis**2 for axis in grid) <= radius**2
        mask[tuple(slice(place - radius, place + radius + 1) for place in centre)] |= ball
    return mask


def perturbed(truth: Mask) -> Mask:
    """Lesions missed, moved and made up."""
    labels, count = ndimage.label(truth, np.ones((3, 3, 3)))
    kept = np.append(False, np.random.default_rng(1).random(count) > 0.2)
    return np.roll(kept[labels], 1, axis=0) | balls(truth.shape, 30, seed=2)


def lesion_contenders(prediction: Mask, truth: Mask, spacing: tuple[float, ...]) -> Contenders:
    """All scores of a case, and peers that compute some of them."""
    box = joint_box(prediction, truth)
    return {
        "msseg: all scores of lesions, voxels and surfaces": lambda: lesion_report(prediction, truth, spacing),
        "MONAI: DSC, HD95, ASSD": lambda: monai_scores(prediction, truth, spacing),
        "MONAI: the same, cropped first": lambda: monai_scores(prediction[box], truth[box], spacing),
        "SciPy: lesions found, HD95, ASSD": lambda: scipy_scores(prediction, truth, spacing),
        "SciPy: the same, cropped first": lambda: scipy_scores(prediction[box], truth[box], spacing),
    }


def lesion_parts(prediction: Mask, truth: Mask, spacing: tuple[float, ...]) -> Contenders:
    """Where msseg's time goes."""
    box = joint_box(prediction, truth)
    cropped = prediction[box], truth[box]
    return {
        "all": lambda: lesion_report(prediction, truth, spacing),
        "crop": lambda: joint_box(prediction, truth),
        "label one mask": lambda: label_components(cropped[0], 26),
        "detection of MSSEG 2016": lambda: msseg_detection(*cropped, spacing),
        "surface distances": lambda: surface_distances(*cropped, spacing),
    }


def monai_scores(prediction: Mask, truth: Mask, spacing: tuple[float, ...]) -> list[float]:
    """DSC, 95th percentile of the surface distances, and their mean, by MONAI."""
    import torch
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance

    torch.set_num_threads(1)
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth)]
    scores = [
        compute_dice(*pair),
        compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=list(spacing)),
        compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=list(spacing)),
    ]
    return [float(score) for score in scores]


def scipy_scores(prediction: Mask, truth: Mask, spacing: tuple[float, ...]) -> list[float]:
    """Lesions found, HD95 and ASSD, written down plainly."""
    labels, count = ndimage.label(truth, np.ones((3, 3, 3)))
    found = np.unique(labels[prediction & truth]).size / max(count, 1)
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (prediction, truth)]
    distances = [
        ndimage.distance_transform_edt(~other, sampling=spacing)[edge]
        for edge, other in (edges, edges[::-1])
    ]  # fmt: skip
    everything = np.concatenate(distances)
    return [found, max(float(np.percentile(one, 95)) for one in distances), float(everything.mean())]


# ------------------------------------------------------------------------------------------- membranes
def cells(edge: int, slices: int, count: int, seed: int = 0) -> tuple[np.ndarray, Mask]:
    """Probability of being inside a cell, and the truth; (H, W, N) each."""
    generator = np.random.default_rng(seed)
    probability, truth = np.empty((edge, edge, slices), np.float32), np.empty((edge, edge, slices), bool)
    for z in range(slices):
        seeds = np.ones((edge, edge), bool)
        seeds[tuple(generator.integers(0, edge, size=(2, count)))] = False
        nearest = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
        owner = nearest[0] * edge + nearest[1]
        inside = ndimage.maximum_filter(owner, 5) == ndimage.minimum_filter(owner, 5)
        noise = ndimage.gaussian_filter(generator.normal(size=(edge, edge)), 2)
        blurred = ndimage.gaussian_filter(inside.astype(np.float32), 1.5) + 0.6 * noise
        truth[..., z], probability[..., z] = inside, np.clip(blurred, 0, 1)
    return probability, truth


def membrane_contenders(probability: np.ndarray, truth: Mask) -> Contenders:
    """V_rand and V_info of a stack at ten thresholds, more, and less of it by scikit-image."""
    wanted = ("v_rand", "v_info")
    slices = range(truth.shape[2])
    return {
        "msseg: V_rand and V_info, thinned": lambda: [
            count_agreements(probability[..., z], truth[..., z], CHALLENGE_THRESHOLDS, wanted) for z in slices
        ],
        "msseg: all scores but the warping error": lambda: score_stack(probability, truth, warping=False),
        "msseg: all scores": lambda: score_stack(probability, truth),
        "scikit-image: Rand and information, unthinned": lambda: skimage_scores(probability, truth, thin=False),
        "scikit-image: the same, membranes thinned": lambda: skimage_scores(probability, truth, thin=True),
    }


def skimage_scores(probability: np.ndarray, truth: Mask, thin: bool) -> list[Any]:
    """Adapted Rand error and variation of information of every slice at every threshold."""
    from skimage.measure import label
    from skimage.metrics import adapted_rand_error, variation_of_information
    from skimage.morphology import thin as thinned

    scores = []
    for z in range(truth.shape[2]):
        true_segments = label(truth[..., z], connectivity=1)
        for threshold in CHALLENGE_THRESHOLDS:
            inside = probability[..., z] > threshold
            segments = label(~thinned(~inside) if thin else inside, connectivity=1)
            rand = adapted_rand_error(true_segments, segments, ignore_labels=(0,))
            scores.append((rand, variation_of_information(true_segments, segments, ignore_labels=(0,))))
    return scores


# ------------------------------------------------------------------------------------------- the run
def targets(results: list[Result]) -> list[Target]:
    """What was aimed at."""
    seconds = {result.name: result.seconds for result in results}
    return [
        Target(f"{name} (s)", seconds[name], at_most=limit)
        for name, limit in (
            ("msseg: all scores of lesions, voxels and surfaces", LESIONS_S),
            ("msseg: V_rand and V_info, thinned", MEMBRANES_S),
        )
    ]


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--truth", type=Path, help="an expert's mask; without a prediction it is disturbed")
    options.add_argument("--prediction", type=Path)
    options.add_argument("--lesions", type=int, default=140, help="balls, where no truth is given")
    return options.parse_args(argv)


def main() -> None:
    """Measure, and write both files."""
    arguments = parse()
    shape, stack, rounds = SHAPE, (EDGE, SLICES, CELLS), arguments.rounds
    if arguments.tiny:
        shape, stack, rounds = (40, 40, 40), (64, 2, 8), 1
    if arguments.truth:
        volume = read_label(arguments.truth)
        truth, spacing = volume.data, volume.spacing
    else:
        truth, spacing = balls(shape, arguments.lesions, seed=0), (1.0, 1.0, 1.0)
    prediction = read_label(arguments.prediction).data if arguments.prediction else perturbed(truth)
    report = lesion_report(prediction, truth, spacing)
    results = compare("Lesions of one case", lesion_contenders(prediction, truth, spacing), rounds)
    results += compare("Parts of it", lesion_parts(prediction, truth, spacing), rounds)
    few = min(rounds, 3)  # they take seconds, and vary little
    results += compare("Membranes of one stack", membrane_contenders(*cells(*stack)), few, warm_up=0)
    notes = {
        "threads": 1,
        "lesions": f"{report.values['lesions_truth']:g} true, {report.values['lesions_predicted']:g} predicted,"
        f" {' x '.join(map(str, truth.shape))} voxels",
        "membranes": f"{stack[1]} slices of {stack[0]} x {stack[0]}, {len(CHALLENGE_THRESHOLDS)} thresholds",
    }
    write_results("metrics", results, notes, targets(results), arguments.out)


if __name__ == "__main__":
    main()
