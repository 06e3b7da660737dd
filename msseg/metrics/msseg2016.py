"""Lesion detection as the MSSEG-2016 challenge scored it: sensitivity, positive predictive value, F1.

Commowick et al. 2018 (Scientific Reports 8:13650) describe the rule; this follows the program that scored the
challenge, `animaSegPerfAnalyzer` of Anima-Public (in segmentation/validation_tools/segmentation_performance_analyzer,
functions getDetectionMarks, getOverlapTab, getTruePositiveLesions and falsePositiveRatioTester of
animaSegPerfCAnalyzer.cxx, with the default parameters of animaSegPerfApp.cxx), reimplemented:

- A lesion is a component of voxels that share faces (ITK's ConnectedComponentImageFilter as it is by default) and is
  larger than 3 mm^3: it has at least floor(3 / voxel volume) + 1 voxels. Smaller ones are background, in both masks.
- A true lesion is detected where more than alpha = 10 % of it lie in predicted lesions, and where those predicted
  lesions that cover it most do not lie outside too far: taken in the order of the voxels they share with it until they
  make up gamma = 65 % of what is covered, none has more than beta = 70 % of its voxels outside of all true lesions. No
  more predicted lesions are looked at than there are true lesions, plus one (the bound of the scorer's loop).
- The positive predictive value asks the same with prediction and truth exchanged: the share of predicted lesions that
  are detected by the true ones. F1 is the harmonic mean of the two.

The scorer sorts with std::sort, which leaves open what comes first among equal overlaps; here it is the lesion that
lies outside least. It divides by zero where a mask has no lesion or nothing is detected; here both masks without a
lesion score 1, exactly one without 0, and nothing detected 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from msseg.metrics.components import (
    Components,
    Connectivity,
    Counts,
    Shared,
    label_components,
    shared_voxels,
    voxels_above,
)
from msseg.metrics.overlap import Mask

ALPHA, BETA, GAMMA = 0.10, 0.70, 0.65
MINIMUM_MM3 = 3.0
CONNECTIVITY: Connectivity = 6


class Detection(NamedTuple):
    """Shares of detected lesions, from 0 to 1: of the truth (SensL), of the prediction (PPVL), and their F1."""

    sensitivity: float
    precision: float
    f1: float


def msseg_detection(prediction: Mask, truth: Mask, spacing_mm: Sequence[float]) -> Detection:
    """Score the lesions of two boolean masks (X, Y, Z) by the rule of MSSEG 2016; axes in mm."""
    smallest = voxels_above(MINIMUM_MM3, spacing_mm)
    predicted, true = (label_components(mask, CONNECTIVITY, smallest) for mask in (prediction, truth))
    if not (len(predicted) and len(true)):
        both = float(len(predicted) == len(true))
        return Detection(both, both, both)
    shared = shared_voxels(true, predicted)
    turned = Shared(shared.second, shared.first, shared.voxels)
    sensitivity = count_detected(true, predicted, shared) / len(true)
    precision = count_detected(predicted, true, turned) / len(predicted)
    together = sensitivity + precision
    return Detection(sensitivity, precision, 2 * sensitivity * precision / together if together else 0.0)


def count_detected(reference: Components, tested: Components, shared: Shared) -> int:
    """How many lesions of `reference` are detected by those of `tested`; `shared` has the reference first."""
    covered = _sums(shared.first, shared.voxels, len(reference))
    outside = tested.sizes - _sums(shared.second, shared.voxels, len(tested))
    share_outside = outside / tested.sizes
    order = np.lexsort((share_outside[shared.second], -shared.voxels, shared.first))
    starts = np.searchsorted(shared.first[order], np.arange(len(reference) + 1))
    detected = 0
    for lesion in np.flatnonzero(covered / reference.sizes > ALPHA):
        those = order[starts[lesion] : starts[lesion + 1]][: len(reference) + 1]
        together = np.cumsum(shared.voxels[those] / covered[lesion])  # added up one by one, as the scorer does
        looked_at = those[: 1 + np.count_nonzero(together[:-1] < GAMMA)]
        detected += not (share_outside[shared.second[looked_at]] > BETA).any()
    return detected


def _sums(places: Counts, voxels: Counts, length: int) -> Counts:
    return np.bincount(places, weights=voxels, minlength=length).astype(np.int64)
