"""A test slice of a stack: image, truth and predictions as segments, read page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msseg.errors import InputError
from msseg.metrics.segments import label_segments
from msseg.report.contents import TestedCase
from msseg.report.pictures import CasePicture
from msseg.report.segment_errors import Labels
from msseg.report.slices import Grey, Key
from msseg.volumes.files import is_stack, read_volume
from msseg.volumes.labels import read_instances, read_truth

WINDOW_PERCENTILES = (0.2, 99.8)
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Predicted:
    """What one network made of a slice.

    Attributes:
        segments: (H, W) segments from 1, 0 is membrane or background.
        threshold: Where the probability was cut into segments; None: the segments were predicted as such.
        probability: (H, W) of being inside as grey values; None where the run kept none.
    """

    segments: Labels
    threshold: float | None
    probability: Grey | None


@dataclass(frozen=True, eq=False)
class Section:
    """One slice.

    Attributes:
        images: Grey values (H, W) per channel.
        truth: (H, W) true objects from 1.
        predictions: By network and channel.
        number: Number of the slice in its file from 1, and of how many; None where the file holds one slice.
    """

    images: Mapping[str, Grey]
    truth: Labels
    predictions: Mapping[Key, Predicted]
    number: int | None


def read_section(picture: CasePicture) -> Section:
    """Read the slice of a picture.

    Raises:
        InputError: There is no truth, a file cannot be read, or one has another size than the truth.
    """
    if picture.truth is None:
        raise InputError(f"the slice {picture.case} has no truth to compare with")
    pages = None if picture.page is None else (picture.page,)
    truth = _read_truth(picture, picture.truth, pages)
    images = {channel: _read_page(path, picture.page) for channel, path in picture.images.items()}
    predictions = {key: _read_predicted(picture, key, tested) for key, tested in picture.tested.items()}
    sizes = {path: images[channel].shape for channel, path in picture.images.items()}
    sizes |= {picture.tested[key].prediction or Path(): made.segments.shape for key, made in predictions.items()}
    for path, size in sizes.items():
        if size != truth.shape:
            raise InputError(
                f"{path} is {_text(size)} pixels large, but its truth {picture.truth} {_text(truth.shape)}"
            )
    number = None if picture.page is None else picture.page + 1
    return Section({name: grey_levels(image) for name, image in images.items()}, truth, predictions, number)


def grey_levels(values: NDArray[Any]) -> Grey:
    """Grey values 0-255 between a low and a high percentile of the slice."""
    values = np.asarray(values, dtype=np.float64)
    low, high = np.percentile(values, WINDOW_PERCENTILES)
    scaled = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
    return np.clip(np.rint(scaled * 255), 0, 255).astype(np.uint8)


def _read_truth(picture: CasePicture, path: Path, pages: Sequence[int] | None) -> Labels:
    """The objects that the evaluation compares with."""
    if picture.words.main.key == "seg":
        return _middle(read_instances(path, picture.meaning, pages).data).astype(np.int32)
    return label_segments(_middle(read_truth(path, picture.meaning, picture.membrane_width, pages).data))


def _read_predicted(picture: CasePicture, key: Key, tested: TestedCase) -> Predicted:
    """What the evaluation scores: of membranes the probability at the best threshold, of cells their numbers."""
    probability = None
    if tested.probability is not None:
        probability = _probability(tested.probability, tested.predicted_page)
    grey = None if probability is None else np.rint(255 * probability).astype(np.uint8)
    numbered = picture.words.main.key == "seg" or probability is None
    if numbered and tested.instances is not None:
        numbers = _read_page(tested.instances, tested.predicted_page)
        return Predicted(np.rint(numbers).astype(np.int32), None, grey)
    if probability is not None:
        threshold = picture.thresholds.get(key, DEFAULT_THRESHOLD)
        return Predicted(label_segments(probability > threshold), threshold, grey)
    if tested.prediction is None:
        raise InputError(f"cases.json names no prediction of the slice {picture.case}")
    return Predicted(label_segments(_read_page(tested.prediction, tested.predicted_page) > 0), None, None)


def _probability(path: Path, page: int | None) -> NDArray[np.float32]:
    return np.clip(_read_page(path, page), 0, 1)


def _read_page(path: Path, page: int | None) -> NDArray[np.float32]:
    """(H, W) one page of a stack; without a page the file's only slice, or the middle one."""
    if not is_stack(path):
        return _middle(read_volume(path).data)
    # Colours as brightness, whatever the run did about them: this is for looking alone.
    return _middle(read_volume(path, pages=None if page is None else (page,), colour="grey").data)


def _middle(data: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(data[:, :, data.shape[2] // 2])


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
