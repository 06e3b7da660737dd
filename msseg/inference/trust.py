"""Which windows and which arithmetic `auto` means for a model: the fastest that its validation cases speak for.

Larger windows are a different prediction, because norms see other statistics and the patch's border lies elsewhere; a
reduced precision flips voxels near the threshold. By how much hangs on the network and on what it learned, so it is
measured for each model: on validation cases, against windows as in training in fp32, the figures in `model.yaml`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from msseg.config.inference import InferenceConfig, Window
from msseg.config.trust import Arithmetic, Trust, WayFigures

MOST_CASES = 3
"""Cases that are predicted; what differs shows in a few, and each is predicted several times."""
SECONDS = 120.0
"""No further case is begun when it would presumably take the time beyond this; the first always is."""
LEAST_VOXELS = 1000
"""Foreground voxels of the reference that DSC is taken over at least: of 1000, one voxel changes it by 0.0005."""

EngineName = Literal["torch", "openvino", "onnxruntime"]

_LOG = logging.getLogger(__name__)


class Way(NamedTuple):
    """A way of predicting.

    Attributes:
        window: Windows, as `inference.window`.
        precision: The network's arithmetic.
    """

    window: Window
    precision: Arithmetic


class KnownCase(NamedTuple):
    """A case whose truth is known, on the network's grid.

    Attributes:
        name: The case's id.
        data: Channels, shape (C, X, Y, Z), float32.
        truth: Shape (X, Y, Z); foreground is not 0.
    """

    name: str
    data: np.ndarray
    truth: np.ndarray


Predict = Callable[[np.ndarray, Way], np.ndarray]
"""Channels (C, X, Y, Z) to the probability (X, Y, Z), in that way."""


def reference_window(settings: InferenceConfig) -> Window:
    """The windows that others are compared with: those of the experiment, and the patch's where it says `auto`."""
    return "patch" if settings.window == "auto" else settings.window


def ways_to_judge(settings: InferenceConfig, fast: Arithmetic, margin: int = 0) -> tuple[Way, ...]:
    """What may be faster than the reference, and has to show that it is as good.

    Args:
        settings: The experiment's.
        fast: The reduced precision that the device computes fast, or "fp32".
        margin: The network's; where it is not 0, tiles of any size give the same, and precision alone is to be judged.
    """
    reference = reference_window(settings)
    windows: list[Window] = ["fit"] if reference == "patch" and not margin else []
    precisions: list[Arithmetic] = [fast, "fp32"] if fast != "fp32" else ["fp32"]
    ways = [Way(window, precision) for window in [*windows, reference] for precision in precisions]
    return tuple(way for way in ways if way != Way(reference, "fp32"))


@dataclass
class _Tally:
    """Voxels of a way's masks, over all cases."""

    mask: int = 0
    reference: int = 0
    truth: int = 0
    both: int = 0
    hits: int = 0

    def add(self, mask: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> None:
        self.mask += int(mask.sum())
        self.reference += int(reference.sum())
        self.truth += int(truth.sum())
        self.both += int((mask & reference).sum())
        self.hits += int((mask & truth).sum())

    @property
    def dsc(self) -> float:
        return _dsc(self.both, self.mask, self.reference)

    @property
    def truth_dsc(self) -> float:
        return _dsc(self.hits, self.mask, self.truth)


def _dsc(common: int, first: int, second: int) -> float:
    return 2 * common / (first + second) if first + second else 1.0


@dataclass
class _Trial:
    """Reference and ways on the same cases."""

    predict: Predict
    threshold: float
    reference: Way
    ways: Sequence[Way]
    tallies: dict[Way, _Tally] = field(default_factory=dict)

    def add(self, case: KnownCase) -> None:
        truth = np.asarray(case.truth) != 0
        masks = {way: self.predict(case.data, way) > self.threshold for way in (self.reference, *self.ways)}
        for way, mask in masks.items():
            self.tallies.setdefault(way, _Tally()).add(mask, masks[self.reference], truth)


def judge(
    cases: Iterable[KnownCase],
    predict: Predict,
    settings: InferenceConfig,
    ways: Sequence[Way],
    engine: EngineName = "torch",
    seconds: float = SECONDS,
) -> Trust | None:
    """Compare ways of predicting with the reference, on at most `MOST_CASES` cases and for about `seconds` seconds.

    Args:
        cases: Validation cases.
        predict: Predicts data in a way.
        settings: The windows of the reference, and the threshold.
        ways: As `ways_to_judge`.
        engine: What `predict` computes with.
        seconds: No further case is begun when it would presumably end after so many seconds.

    Returns:
        The figures; None where there is nothing to compare, or too little foreground to tell.
    """
    reference = Way(reference_window(settings), "fp32")
    trial = _Trial(predict, settings.threshold, reference, ways)
    names: list[str] = []
    begun = time.perf_counter()
    for case in cases if ways else ():
        trial.add(case)
        names.append(case.name)
        spent = time.perf_counter() - begun
        if len(names) == MOST_CASES or spent * (1 + 1 / len(names)) > seconds:
            break
    if not names or trial.tallies[reference].mask < LEAST_VOXELS:
        if names:
            _LOG.info("no way of predicting was judged: %d cases have too little foreground for it", len(names))
        return None
    base = trial.tallies[reference]
    return Trust(
        reference=reference.window,
        threshold=settings.threshold,
        cases=tuple(names),
        voxels=base.mask,
        truth_dsc=round(base.truth_dsc, 6),
        ways=tuple(_figures(way, trial.tallies[way], engine) for way in ways),
    )


def _figures(way: Way, tally: _Tally, engine: EngineName) -> WayFigures:
    # Rounded down: what did not pass must not be rounded into passing.
    agreement = int(tally.dsc * 1e6) / 1e6
    return WayFigures(
        window=way.window,
        precision=way.precision,
        engine=engine,
        dsc=agreement,
        truth_dsc=round(tally.truth_dsc, 6),
    )


def chosen_precision(settings: InferenceConfig, trusted: Trust | None, engine: str, fast: Arithmetic) -> Arithmetic:
    """What the precision `auto` is for a model.

    Without figures it is what the device computes fast, as it always was: models from before keep their results. With
    figures a reduced precision has to have passed, in a window that is going to be used.

    Args:
        settings: The model's.
        trusted: The model's figures, or None.
        engine: What is going to compute; its own figures count before those of others in the same precision.
        fast: The reduced precision that the device computes fast, or "fp32".
    """
    if trusted is None or fast == "fp32":
        return fast
    windows: list[Window] = ["fit", "patch"] if settings.window == "auto" else [settings.window]
    for window in windows:
        for precision in (fast, "fp32"):
            way = Way(window, precision)
            if way == Way(trusted.reference, "fp32") or _passed(trusted, way, engine):
                return precision
    return "fp32"


def chosen_window(settings: InferenceConfig, trusted: Trust | None, engine: str, precision: Arithmetic) -> Window:
    """What `inference.window` is for a model in a precision: `auto` becomes `fit` where that passed, else `patch`."""
    if settings.window != "auto":
        return settings.window
    return "fit" if trusted is not None and _passed(trusted, Way("fit", precision), engine) else "patch"


def _passed(trusted: Trust, way: Way, engine: str) -> bool:
    figures = [of for of in trusted.ways if (of.window, of.precision) == way]
    own = [of for of in figures if of.engine == engine]
    return bool(figures) and all(of.passed for of in own or figures)


def describe_trust(trusted: Trust | None) -> str:
    """The figures in one line, for those who had them measured."""
    if trusted is None:
        return "windows and arithmetic: nothing was measured, or there was too little foreground to tell"
    ways = ", ".join(
        f"{of.window} {of.precision} {of.dsc:.4f}{'' if of.passed else ' (not trusted)'}" for of in trusted.ways
    )
    cases = f"{len(trusted.cases)} case{'' if len(trusted.cases) == 1 else 's'}"
    return f"windows and arithmetic: DSC with {trusted.reference} fp32 over {cases}: {ways}"
