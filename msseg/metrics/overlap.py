"""How far two masks cover each other: Dice (DSC), Jaccard (IoU), sensitivity and precision from counted
voxels.

One rule holds for empty masks: both empty -> 1, exactly one empty -> 0, for each of the four scores. So
sensitivity is 0, not undefined, where the truth is empty and something was predicted, and precision is 0
where a lesion exists and nothing was predicted: every case counts in every mean, and a prediction cannot gain
by being empty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def require_masks(prediction: Mask, truth: Mask) -> None:
    """Raise ValueError unless both arrays are boolean and of one shape."""
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction and truth differ in shape: {prediction.shape} and {truth.shape}")
    for name, mask in (("prediction", prediction), ("truth", truth)):
        if mask.dtype != np.bool_:
            raise ValueError(f"{name} has to be a boolean mask (probabilities: threshold them), but is {mask.dtype}")


@dataclass(frozen=True)
class Overlap:
    """Numbers of true positive, false positive and false negative voxels; pooled cases add up."""

    tp: int
    fp: int
    fn: int

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def dsc(self) -> float:
        """Dice similarity coefficient, 2 TP / (2 TP + FP + FN) (Dice 1945)."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground, TP / (TP + FP + FN) (Jaccard 1901)."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def sensitivity(self) -> float:
        """Share of the true voxels that were found, TP / (TP + FN)."""
        return self._ratio(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """Share of the predicted voxels that are true, TP / (TP + FP)."""
        return self._ratio(self.tp, self.tp + self.fp)

    def _ratio(self, part: int, whole: int) -> float:
        if self.tp + self.fp + self.fn == 0:
            return 1.0
        return part / whole if whole else 0.0


def count_overlap(prediction: Mask, truth: Mask) -> Overlap:
    """Count the voxels of two boolean masks of one shape (any number of axes).

    Raises:
        ValueError: the shapes differ, or an array is not boolean.

    >>> count_overlap(np.array([True, True, False]), np.array([True, False, True]))
    Overlap(tp=1, fp=1, fn=1)
    """
    require_masks(prediction, truth)
    tp = int(np.count_nonzero(prediction & truth))
    return Overlap(tp, int(np.count_nonzero(prediction)) - tp, int(np.count_nonzero(truth)) - tp)


def joint_box(*masks: Mask) -> tuple[slice, ...]:
    """The smallest box with all that is true in any of these masks of one shape; a single voxel where nothing is."""
    together = np.logical_or.reduce(masks)
    sides = []
    for axis in range(together.ndim):
        others = tuple(other for other in range(together.ndim) if other != axis)
        places = np.flatnonzero(together.any(axis=others))
        sides.append(slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 1))
    return tuple(sides)
