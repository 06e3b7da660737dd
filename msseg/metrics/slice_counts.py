"""All that is counted in one slice of a boundary map, at each threshold; every score of slices and stacks follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msseg.metrics.overlap import Mask, Overlap, count_overlap
from msseg.metrics.partition import Floats, count_pairs, information_agreement, rand_agreement
from msseg.metrics.segments import grow_segments, label_segments
from msseg.metrics.warping import count_warping_errors

Probability = NDArray[np.floating]

CHALLENGE_THRESHOLDS = tuple(step / 10 for step in range(10))
"""0.0, 0.1, ... 0.9: those of the ISBI 2012 challenge."""

OVERLAP_THRESHOLD = 0.5
"""Where V_dice and the Jaccard index are measured."""

AGREEMENTS = ("v_rand", "v_info", "v_rand_unthinned", "v_info_unthinned")
"""The scores of partitions, with thinned and with full membranes."""


@dataclass(frozen=True)
class SliceCounts:
    """One slice, counted at T thresholds. A pixel is inside where its probability is above the threshold.

    Attributes:
        thresholds: The thresholds.
        agreements: For each of `AGREEMENTS` that was asked for (T, 3): see `msseg.metrics.partition.Agreement`; NaN
            where the truth has no inside.
        pixels: (T, 3) true positive, false positive and false negative pixels of the inside.
        overlap: The same at 0.5.
        size: Pixels of the slice.
        warping: (T, 3) pixels that no warping of the truth explains, and among them splits, and mergers; None where not
            asked for.
    """

    thresholds: tuple[float, ...]
    agreements: Mapping[str, Floats]
    pixels: NDArray[np.int64]
    overlap: Overlap
    size: int
    warping: NDArray[np.int64] | None = None

    @property
    def is_defined(self) -> bool:
        """Whether the truth has any inside, without which there is nothing to split or merge."""
        return self.overlap.tp + self.overlap.fn > 0

    def to_json_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON; NaN is None."""
        return {
            "thresholds": list(self.thresholds),
            "size": self.size,
            "overlap": [self.overlap.tp, self.overlap.fp, self.overlap.fn],
            "pixels": self.pixels.tolist(),
            "warping": None if self.warping is None else self.warping.tolist(),
            **{name: values.tolist() if self.is_defined else None for name, values in self.agreements.items()},
        }

    @classmethod
    def from_json_dict(cls, content: Mapping[str, Any]) -> "SliceCounts":
        """The counts that `to_json_dict` described.

        Raises:
            KeyError, TypeError, ValueError: The content is something else.
        """
        thresholds = tuple(float(threshold) for threshold in content["thresholds"])
        undefined = np.full((len(thresholds), 3), np.nan)
        return cls(
            thresholds=thresholds,
            agreements={
                name: undefined if content[name] is None else np.array(content[name], dtype=np.float64)
                for name in AGREEMENTS
                if name in content
            },
            pixels=np.array(content["pixels"], dtype=np.int64),
            overlap=Overlap(*(int(count) for count in content["overlap"])),
            size=int(content["size"]),
            warping=None if content["warping"] is None else np.array(content["warping"], dtype=np.int64),
        )


def count_slice(
    probability: Probability,
    truth: Mask,
    thresholds: Sequence[float] = CHALLENGE_THRESHOLDS,
    *,
    agreements: Sequence[str] = AGREEMENTS,
    warping: bool = True,
) -> SliceCounts:
    """Count one slice.

    Args:
        probability: (H, W) of being inside a segment; a mask counts as probabilities of 0 and 1.
        truth: (H, W) boolean, true inside segments.
        thresholds: T of them.
        agreements: Which of `AGREEMENTS` are needed; without the thinned ones it takes a third of the time.
        warping: Whether the warping error is measured, half of the time.

    Raises:
        ValueError: The shapes differ, the truth is not boolean, or there is no threshold.
    """
    probability, truth = _checked(probability, truth, thresholds)
    counts = {
        threshold: count_overlap(probability > threshold, truth) for threshold in (*thresholds, OVERLAP_THRESHOLD)
    }
    pixels = [(counts[threshold].tp, counts[threshold].fp, counts[threshold].fn) for threshold in thresholds]
    return SliceCounts(
        thresholds=tuple(thresholds),
        agreements=count_agreements(probability, truth, thresholds, agreements),
        pixels=np.array(pixels, dtype=np.int64),
        overlap=counts[OVERLAP_THRESHOLD],
        size=truth.size,
        warping=count_warping_errors(probability, truth, thresholds) if warping else None,
    )


def count_agreements(
    probability: Probability, truth: Mask, thresholds: Sequence[float], wanted: Sequence[str] = AGREEMENTS
) -> dict[str, Floats]:
    """For each wanted score (T, 3) agreements of the partitions at each threshold, as `SliceCounts` holds them.

    Raises:
        ValueError: As `count_slice`.
    """
    probability, truth = _checked(probability, truth, thresholds)
    distinct, which = _distinct_masks(probability, thresholds)
    true_segments = label_segments(truth)
    segments = np.stack([label_segments(mask) for mask in distinct])
    rows: dict[str, Floats] = {}
    for ending, labels in (("", lambda: grow_segments(segments)), ("_unthinned", lambda: segments)):
        names = {f"v_rand{ending}": rand_agreement, f"v_info{ending}": information_agreement}
        if not set(names) & set(wanted):
            continue
        counted = [count_pairs(true_segments[truth], slice_labels[truth]) for slice_labels in labels()]
        for name, agreement in names.items():
            rows[name] = np.array([agreement(one) for one in counted])[which]
    return {name: rows[name] for name in AGREEMENTS if name in wanted}


def _checked(probability: Probability, truth: Mask, thresholds: Sequence[float]) -> tuple[Probability, Mask]:
    """Both without gaps in memory, as slices cut from a stack (H, W, N) would be slow."""
    if probability.ndim != 2 or probability.shape != truth.shape:
        raise ValueError(f"slices (H, W) of one shape are needed, not {probability.shape} and {truth.shape}")
    if truth.dtype != np.bool_:
        raise ValueError(f"truth has to be a boolean mask, but is {truth.dtype}")
    if not len(thresholds):
        raise ValueError("at least one threshold is needed")
    return np.ascontiguousarray(probability), np.ascontiguousarray(truth)


def _distinct_masks(probability: Probability, thresholds: Sequence[float]) -> tuple[list[Mask], list[int]]:
    """The thresholded masks, equal ones once (a mask given as a probability has but one), and whose is whose."""
    masks: dict[bytes, int] = {}
    distinct: list[Mask] = []
    which = []
    for threshold in thresholds:
        mask = probability > threshold
        number = masks.setdefault(np.packbits(mask).tobytes(), len(distinct))
        if number == len(distinct):
            distinct.append(mask)
        which.append(number)
    return distinct, which
