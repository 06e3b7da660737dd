"""Scores of segmented cells: the Cell Tracking Challenge's SEG, and the average precision of instances.

SEG (Maska et al. 2014, Bioinformatics 30:1609): the segment that covers more than half of a reference object is its
partner, the object's score is their Jaccard index, 0 without a partner; the mean over all reference objects. Segments
without an object cost nothing, as the reference need not name every cell.

AP at an IoU of t: TP / (TP + FP + FN), a segment being true if its IoU with an object is above t; for t of at least 0.5
no segment has two such objects. The mean over t = 0.5, 0.55, ... 0.95 is the score of the 2018 Data Science Bowl. Both
empty -> 1, one empty -> 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msseg.metrics.overlap import Overlap, count_overlap

Instances = NDArray[np.integer]

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))


@dataclass(frozen=True)
class CellCounts:
    """What is counted in one frame; frames taken together add up.

    Attributes:
        seg_sum: Sum over the reference objects of their Jaccard index with their partner.
        objects: Objects of the reference.
        segments: Objects of the prediction.
        matches: For each of `IOU_THRESHOLDS` the objects with a segment of a higher IoU.
        overlap: Pixels of cells, whichever they belong to.
    """

    seg_sum: float
    objects: int
    segments: int
    matches: tuple[int, ...]
    overlap: Overlap

    def __add__(self, other: "CellCounts") -> "CellCounts":
        matches = tuple(left + right for left, right in zip(self.matches, other.matches, strict=True))
        return CellCounts(
            self.seg_sum + other.seg_sum,
            self.objects + other.objects,
            self.segments + other.segments,
            matches,
            self.overlap + other.overlap,
        )

    @property
    def seg(self) -> float:
        """The Cell Tracking Challenge's SEG; NaN without a reference object."""
        return self.seg_sum / self.objects if self.objects else float("nan")

    @property
    def ap_per_iou(self) -> tuple[float, ...]:
        """AP at each of `IOU_THRESHOLDS`."""
        wholes = [self.objects + self.segments - matched for matched in self.matches]
        return tuple(matched / whole if whole else 1.0 for matched, whole in zip(self.matches, wholes, strict=True))

    @property
    def ap(self) -> float:
        """Mean of the AP over `IOU_THRESHOLDS`."""
        return float(np.mean(self.ap_per_iou))

    def scores(self) -> dict[str, float]:
        """All scores: seg, ap50, ap75, ap, iou, dice, objects_truth, objects_prediction."""
        ap = dict(zip(IOU_THRESHOLDS, self.ap_per_iou, strict=True))
        return {
            "seg": self.seg,
            "ap50": ap[0.5],
            "ap75": ap[0.75],
            "ap": self.ap,
            "iou": self.overlap.iou,
            "dice": self.overlap.dsc,
            "objects_truth": self.objects,
            "objects_prediction": self.segments,
        }

    def to_json_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {
            "seg_sum": self.seg_sum,
            "objects": self.objects,
            "segments": self.segments,
            "matches": list(self.matches),
            "overlap": [self.overlap.tp, self.overlap.fp, self.overlap.fn],
        }

    @classmethod
    def from_json_dict(cls, content: Mapping[str, Any]) -> "CellCounts":
        """The counts that `to_json_dict` described.

        Raises:
            KeyError, TypeError, ValueError: The content is something else.
        """
        return cls(
            seg_sum=float(content["seg_sum"]),
            objects=int(content["objects"]),
            segments=int(content["segments"]),
            matches=tuple(int(count) for count in content["matches"]),
            overlap=Overlap(*(int(count) for count in content["overlap"])),
        )


def count_cells(prediction: Instances, truth: Instances) -> CellCounts:
    """Count one frame.

    Args:
        prediction: Objects' numbers, 0 is background; any number of axes.
        truth: Objects' numbers, the same shape.

    Raises:
        ValueError: The shapes differ, or a number is negative.
    """
    if min(prediction.min(initial=0), truth.min(initial=0)) < 0:
        raise ValueError("objects' numbers cannot be negative")
    overlap = count_overlap(prediction > 0, truth > 0)
    objects, segments, shared, of_truth, of_prediction = _shared_pixels(prediction, truth)
    iou = shared / (of_truth + of_prediction - shared)
    return CellCounts(
        seg_sum=float(iou[2 * shared > of_truth].sum()),
        objects=objects,
        segments=segments,
        matches=tuple(int(np.count_nonzero(iou > threshold)) for threshold in IOU_THRESHOLDS),
        overlap=overlap,
    )


def seg_score(prediction: Instances, truth: Instances) -> tuple[float, int]:
    """Sum of the SEG scores of a frame's reference objects, and how many these are: frames are pooled by adding up.

    Args:
        prediction: (H, W) objects' numbers, 0 is background.
        truth: (H, W) objects' numbers.
    """
    counts = count_cells(prediction, truth)
    return counts.seg_sum, counts.objects


def _shared_pixels(
    prediction: Instances, truth: Instances
) -> tuple[int, int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Objects and segments in number; of each pair that overlaps the shared pixels, and those of each of the two."""
    (objects, of_truth), (segments, of_prediction) = (_dense(labels) for labels in (truth, prediction))
    width = len(of_prediction)
    keys, shared = np.unique(objects * width + segments, return_counts=True)
    rows, columns = np.divmod(keys, width)
    both = (rows > 0) & (columns > 0)
    return len(of_truth) - 1, width - 1, shared[both], of_truth[rows[both]], of_prediction[columns[both]]


def _dense(labels: Instances) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pixels' numbers without gaps, 0 staying background, and how many pixels each number has."""
    _, dense, counts = np.unique(np.append(0, labels), return_inverse=True, return_counts=True)
    counts[0] -= 1  # the zero put in front, so that background always has the number 0
    return dense[1:].astype(np.int64), counts.astype(np.int64)
