"""From a model folder and image files to a prediction on the images' own grid."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from msseg.box import model_folders
from msseg.config.inference import InferenceConfig
from msseg.errors import InputError
from msseg.inference.changes import Changes
from msseg.inference.engines.base import Engine
from msseg.inference.engines.load import Wish, load_engine
from msseg.inference.lesion_size import without_small_lesions
from msseg.inference.planning import planned_probability
from msseg.inference.prediction import Prediction
from msseg.inference.segments import watershed_segments
from msseg.model import GRAPH_FILE, ModelSettings, read_settings
from msseg.volumes.preprocessing import Prepared, prepare
from msseg.volumes.slabs import read_slices

Images = Path | str | Mapping[str, Path | str]
"""The files of one case: by channel, or the one file of a model of one channel."""

MissingChannel = Literal["error", "zero"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case on the network's grid, and what its files need on the way back."""

    prepared: Prepared
    affine: np.ndarray
    header: Any


class Predictor:
    """One model, or several whose probabilities are averaged (the folds of a cross-validation).

    Attributes:
        channels: The channels that every case needs, in the network's order.
    """

    def __init__(
        self,
        models: Sequence[tuple[Engine | Future[Engine], ModelSettings]],
        inference: InferenceConfig | None = None,
        missing: MissingChannel = "error",
    ) -> None:
        """Take networks, each in an engine, with their settings, which agree in channels and preprocessing.

        Args:
            models: At least one network with its settings; a network may still be loading.
            inference: Windows and threshold instead of those that each model brings.
            missing: What becomes of a case without one of several channels: refused, or it is 0 everywhere there.
        """
        self.missing = missing
        self._models = list(models)
        self._inference = inference
        self._preprocessing = models[0][1].preprocessing
        self.channels = models[0][1].channels

    def predict(self, images: Images, threshold: float | None = None) -> Prediction:
        """Predict one case.

        Args:
            images: File (NIfTI, TIFF, PNG, HDF5), or files by channel: `{"FLAIR": path, "T1": path}`.
            threshold: A voxel is foreground where its probability is above this; None: the model's own.

        Raises:
            InputError: A channel is unknown or missing, a file cannot be used, or grids differ.
        """
        threshold = self.threshold(threshold)
        return self.predict_prepared(self.prepare(images), threshold)

    def prepare(
        self,
        images: Images,
        slices: Sequence[int] | None = None,
        series: Mapping[str, Sequence[Path]] | None = None,
    ) -> PreparedCase:
        """Read a case and bring it to the network's grid, without computing anything on the device.

        Args:
            images: As `predict`.
            slices: Slices of a stack, from 0; None: all.
            series: Where every slice is a file of its own: all files of the stack by channel, in order.

        Raises:
            InputError: As `predict`.
        """
        paths = self._paths(images)
        settings = self._preprocessing
        read = [
            read_slices(paths[channel], settings, slices, (series or {}).get(channel, ())) if channel in paths else None
            for channel in self.channels
        ]
        first, places = next(of for of in read if of is not None)
        if settings.context and places is None and first.shape[2] == 1:
            _LOG.warning(
                "%s is a single slice, and the model was trained with %d neighbours on each side: the slice stands in"
                " for them",
                first.path,
                settings.context,
            )
        volumes = [None if of is None else of[0] for of in read]
        return PreparedCase(prepare(volumes, settings, places=places), first.affine, first.header)

    def predict_prepared(self, case: PreparedCase, threshold: float | None = None) -> Prediction:
        """Predict a case that `prepare` gave.

        Raises:
            InputError: The network's output is not finite, or the threshold impossible.
        """
        threshold = self.threshold(threshold)
        probability = case.prepared.grid.to_source(self._probability(case.prepared.data))
        spacing = np.linalg.norm(case.affine[:3, :3], axis=0)
        mask = without_small_lesions(probability > threshold, spacing, self.smallest_lesion())
        return Prediction(mask, probability, case.affine, case.header, self._objects(probability, threshold))

    @cached_property
    def engines(self) -> tuple[Engine, ...]:
        """What computes each model, once it is loaded.

        Raises:
            InputError: As `load_model`, where that did not wait.
        """
        return tuple(engine.result() if isinstance(engine, Future) else engine for engine, _ in self._models)

    @property
    def models(self) -> list[tuple[Engine, ModelSettings, InferenceConfig]]:
        """Each model's engine and settings, and the settings of prediction that hold for it."""
        settings = [of for _, of in self._models]
        return [
            (engine, of, self._inference or of.inference) for engine, of in zip(self.engines, settings, strict=True)
        ]

    @property
    def segments(self) -> bool:
        """Whether predictions come with numbered objects."""
        return self._settings.segment != "none"

    @property
    def _settings(self) -> InferenceConfig:
        """Of several models, the first one's settings hold for what comes after averaging."""
        return self._inference or self._models[0][1].inference

    def _objects(self, probability: np.ndarray, threshold: float) -> np.ndarray | None:
        settings = self._settings
        if settings.segment == "none":
            return None
        start = threshold if settings.segment_threshold is None else settings.segment_threshold
        return watershed_segments(probability, start, threshold, settings.smallest_segment)

    def threshold(self, given: float | None = None) -> float:
        """The threshold that holds: the given one, or the models'.

        Raises:
            InputError: It is outside 0 to 1, or none is given and the models differ.
        """
        own = {(self._inference or settings.inference).threshold for _, settings in self._models}
        if given is None and len(own) > 1:
            values = ", ".join(f"{value:g}" for value in sorted(own))
            raise InputError(f"the models have different thresholds ({values}): give one")
        threshold = own.pop() if given is None else given
        if not 0 <= threshold <= 1:
            raise InputError(f"the threshold is a probability and lies between 0 and 1, but is {threshold:g}")
        return threshold

    def smallest_lesion(self) -> float:
        """The volume (mm^3) below which lesions are taken out of masks.

        Raises:
            InputError: The models differ in it.
        """
        own = {(self._inference or settings.inference).smallest_lesion_mm3 for _, settings in self._models}
        if len(own) > 1:
            values = ", ".join(f"{value:g}" for value in sorted(own))
            raise InputError(f"the models take out lesions below different volumes ({values} mm3): give one")
        return own.pop()

    def _probability(self, data: np.ndarray) -> np.ndarray:
        """Mean probability of all models, (C, X, Y, Z) -> (X, Y, Z) float32, on the network's grid."""
        total = np.zeros(data.shape[1:], np.float32)
        for engine, settings, inference in self.models:
            total += planned_probability(engine, data, settings, inference)
        total /= np.float32(len(self._models))
        return total

    def _paths(self, images: Images) -> dict[str, Path]:
        known = ", ".join(self.channels)
        if not isinstance(images, Mapping):
            if len(self.channels) > 1:
                raise InputError(
                    f"{images} was given without a channel, but the model needs {known}: give one file for"
                    f" each, {' '.join(f'{channel}=FILE' for channel in self.channels)}"
                )
            return {self.channels[0]: Path(images)}
        unknown = [channel for channel in images if channel not in self.channels]
        if unknown:
            raise InputError(f"the model does not know the channel {', '.join(unknown)}; it knows {known}")
        missing = [channel for channel in self.channels if channel not in images]
        if missing and (self.missing == "error" or not images):
            raise InputError(f"the model needs the channel {', '.join(missing)} as well; it was trained on {known}")
        return {channel: Path(path) for channel, path in images.items()}


def load_model(
    path: Path | str | Sequence[Path | str],
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    *,
    engine: str = "torch",
    channels: Sequence[str] | None = None,
    inference: InferenceConfig | None = None,
    changes: Changes | None = None,
    missing: MissingChannel = "error",
    wait: bool = True,
) -> Predictor:
    """Load a trained model, or several to average.

    Args:
        path: Model folder, run folder, name of a model in the box, or a list of them. All models found are averaged.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
        precision: "auto" (bf16 where the device computes it fast, else fp32), "fp32", "bf16" or "fp16".
        threads: CPU threads of this process from now on; None: the engine's choice.
        engine: "torch"; "openvino" or "onnxruntime", on a CPU without PyTorch; or "auto", OpenVINO where it is
            installed and the CPU computes, else PyTorch. Models get their export when it is first asked for.
        channels: Of a run folder with models of several channels, take those that were trained on these.
        inference: Windows and threshold instead of those that the model brings.
        changes: What else is done differently.
        missing: What becomes of a case without one of several channels: refused, or it is 0 everywhere there.
        wait: Return when networks are loaded. Else those that have their export are loaded while the first case is
            read, and what is wrong with them is raised where they are first needed.

    Raises:
        InputError: There is no model, it is damaged, models do not agree, or the engine or the device cannot be used.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        raise InputError("no model was given: name a model folder or a run folder")
    wish = Wish(engine, device, precision, threads)
    folders = _agreeing([folder for one in paths for folder in model_folders(one)], channels)
    models = [(folder, (changes or Changes()).applied(read_settings(folder))) for folder in folders]
    if wait or engine == "torch" or not all((folder / GRAPH_FILE).exists() for folder in folders):
        return Predictor([(load_engine(folder, of, wish), of) for folder, of in models], inference, missing)
    loader = ThreadPoolExecutor(max_workers=1)
    loading = [(loader.submit(load_engine, folder, of, wish), of) for folder, of in models]
    loader.shutdown(wait=False)
    return Predictor(loading, inference, missing)


def _agreeing(folders: list[Path], channels: Sequence[str] | None) -> list[Path]:
    """The folders of the wanted channels; refuses models that cannot be averaged."""
    settings = {folder: read_settings(folder) for folder in folders}
    names = {folder: "+".join(of.channels) for folder, of in settings.items()}
    if channels is not None:
        kept = [folder for folder in folders if set(settings[folder].channels) == set(channels)]
        if not kept:
            there = ", ".join(sorted(set(names.values())))
            raise InputError(f"there is no model of {'+'.join(channels)}; there are models of {there}")
        folders = kept
    first = folders[0]
    for other in folders[1:]:
        if settings[other].channels != settings[first].channels:
            raise InputError(
                f"{first} and {other} are models of different channels ({names[first]} and {names[other]})"
                " and cannot be averaged: name one of the folders"
            )
        if settings[other].preprocessing != settings[first].preprocessing:
            raise InputError(
                f"{first} and {other} preprocess their input differently and cannot be averaged: name one of them"
            )
    return folders
