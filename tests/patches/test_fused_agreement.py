"""The fused engine against TorchIO: both are given the same drawn parameters, and make the same patch of them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
import torchio as tio
from scipy.ndimage import gaussian_filter

from msseg.config.patches import (
    PAPER_ORDER,
    Affine,
    Augmentation,
    BiasField,
    Blur,
    Contrast,
    Elastic,
    Flip,
    Gamma,
    Motion,
    Noise,
    PatchesConfig,
    Rotate90,
)
from msseg.metrics.overlap import count_overlap
from msseg.patches.draw import draw
from msseg.patches.drawn import (
    Change,
    Drawn,
    DrawnAffine,
    DrawnBiasField,
    DrawnBlur,
    DrawnContrast,
    DrawnElastic,
    DrawnFlip,
    DrawnGamma,
    DrawnMotion,
    DrawnNoise,
    DrawnTurn,
    Move,
)
from msseg.patches.frame import Frame, Shape, Spacing
from msseg.patches.fused import FusedPatches
from msseg.patches.intensity import SliceMotion

VOLUME: Shape = (36, 36, 30)
SIZE: Shape = (24, 24, 18)
MARGIN = 6
START: Shape = (MARGIN, MARGIN, MARGIN)
"""The patch with its margin is the volume: TorchIO, moving the whole volume, spreads control points as we do."""
SPACINGS: tuple[Spacing, ...] = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.5))
WITHIN = 0.02
"""Largest root mean square difference, in standard deviations of the image, for which interpolation may stand."""


def texture(*shape: int, vanishing: bool = False) -> np.ndarray:
    """Two smooth random images (2, *shape) with standard deviation 1; where vanishing, above 0 and 0 at the sides."""
    noise = np.random.default_rng(0).normal(size=(2, *shape))
    smooth = gaussian_filter(noise, [0, *(2.5 if length > 1 else 0 for length in shape)])
    smooth /= smooth.std()
    if vanishing:
        for axis, length in enumerate(shape, start=1):
            if length > 1:
                window = np.clip(np.sin(np.linspace(-0.4, np.pi + 0.4, length)), 0, None)
                smooth = (smooth - smooth.min()) * window.reshape([-1 if of == axis else 1 for of in range(4)])
    return smooth.astype(np.float32)


def as_torchio(drawn: Move | Change) -> tio.Transform:
    """TorchIO's transform with these parameters."""
    match drawn:
        case DrawnFlip():
            return tio.Flip(drawn.axes)
        case DrawnTurn():
            return tio.Lambda(partial(turned, drawn))
        case DrawnAffine():
            return tio.Affine(drawn.scales, drawn.degrees, drawn.translation, default_pad_value=0)
        case DrawnElastic():
            points = drawn.points[::-1, ::-1] * (-1, -1, 1)  # ITK's axes point left and back, so its displacements do
            return tio.ElasticDeformation(points.copy(), (0.01, 0.01, 0.01))  # the latter only serves a warning
        case DrawnMotion():
            return tio.Motion(drawn.degrees, drawn.translation, drawn.times, "linear")
        case DrawnBiasField():
            return tio.BiasField(list(drawn.coefficients), drawn.order)
        case DrawnNoise():
            return tio.Noise(drawn.mean, drawn.std, drawn.seed)
        case DrawnBlur():
            return tio.Blur(drawn.std)
        case DrawnGamma():
            return tio.Lambda(partial(to_power, drawn), [tio.INTENSITY])
        case DrawnContrast():
            return tio.Lambda(partial(scaled, drawn), [tio.INTENSITY])


def turned(drawn: DrawnTurn, data: torch.Tensor) -> torch.Tensor:
    plain = torch.rot90(data, drawn.turns, (1, 2))
    return (plain.flip(1) if drawn.mirrored else plain).contiguous()


def to_power(drawn: DrawnGamma, data: torch.Tensor) -> torch.Tensor:
    low, high = data.amin((1, 2, 3), True), data.amax((1, 2, 3), True)
    return ((data - low) / (high - low)) ** per_channel(drawn.log_gamma).exp() * (high - low) + low


def scaled(drawn: DrawnContrast, data: torch.Tensor) -> torch.Tensor:
    return torch.where(data == 0, data, data * per_channel(drawn.scale) + per_channel(drawn.shift))


def per_channel(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def with_torchio(image: np.ndarray, drawn: Drawn, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """The whole volume moved, so that nothing is missing at a patch's sides; then cut; then its intensities changed."""
    moved = apply(drawn.moves, image, (image[:1] > 1).astype(np.float32), spacing)
    inner = (slice(None), *(slice(first, first + length) for first, length in zip(START, SIZE, strict=True)))
    return apply(drawn.changes, moved[0][inner], moved[1][inner], spacing)


def apply(
    steps: Sequence[Move | Change], image: np.ndarray, label: np.ndarray, spacing: Spacing
) -> tuple[np.ndarray, np.ndarray]:
    affine = np.diag([*spacing, 1.0])
    subject = tio.Subject(
        image=tio.ScalarImage(tensor=torch.from_numpy(image), affine=affine),
        label=tio.LabelMap(tensor=torch.from_numpy(label), affine=affine),
    )
    result = tio.Compose([as_torchio(step) for step in steps])(subject)
    return result.image.numpy(), result.label.numpy()


def with_fused(case_with_maps, image: np.ndarray, drawn: Drawn, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    case = case_with_maps("case", image, image[0] > 1, {})
    engine = FusedPatches(PatchesConfig(size=SIZE, margin=MARGIN, engine="fused"), [Affine()], spacing)
    made, label = engine.recipe_of(case, START, drawn).make()
    return made.numpy(), label.numpy()


def drawn_for(entries: Sequence[Augmentation], spacing: Spacing, seed: int) -> Drawn:
    """Drawn for the patch with its margin, which is where movements happen."""
    certain = [entry.model_copy(update={"probability": 1.0}) for entry in entries]
    return draw(certain, Frame(VOLUME, spacing), 2, np.random.default_rng(seed))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square, in the one's standard deviations."""
    return float(np.sqrt(np.mean((one - other) ** 2)) / one.std())


MOVES = (
    Flip(per_axis=0.7),
    Rotate90(),
    Affine(scales=(1.05, 1.2), degrees=(-9, 9), translation=(-1, 1)),
    Elastic(max_displacement=3),
)
CHANGES = (BiasField(), Noise(), Blur(std=(0.7, 1.3)), Gamma(), Contrast(), Motion())


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("entry", MOVES, ids=lambda entry: entry.name)
def test_movements_are_torchios(entry: Augmentation, spacing: Spacing, case_with_maps) -> None:
    image = texture(*VOLUME)
    for seed in range(2):
        drawn = drawn_for([entry], spacing, seed)
        (expected, expected_label), (moved, label) = (
            with_torchio(image, drawn, spacing),
            with_fused(case_with_maps, image, drawn, spacing),
        )
        # Affine and flips agree to rounding; ITK's control grid is a little larger than the image.
        assert difference(expected, moved) < (WITHIN if isinstance(entry, Elastic) else 1e-5)
        assert count_overlap(expected_label > 0.5, label > 0.5).dsc > 0.985
        assert difference(expected, image[:, 6:-6, 6:-6, 6:-6]) > 5 * WITHIN  # they do move


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("entry", CHANGES, ids=lambda entry: entry.name)
def test_changes_are_torchios(entry: Augmentation, spacing: Spacing, case_with_maps) -> None:
    """The object of the motion ends within the patch: at its edge, ITK goes to the minimum by a step, we by a slope."""
    image = np.zeros((2, *VOLUME), dtype=np.float32)
    image[:, 6:-6, 6:-6, 6:-6] = texture(*SIZE, vanishing=isinstance(entry, Motion))
    for seed in range(3):
        drawn = drawn_for([entry], spacing, seed)
        expected, _ = with_torchio(image, drawn, spacing)
        changed, label = with_fused(case_with_maps, image, drawn, spacing)
        np.testing.assert_allclose(changed, expected, atol=2e-4, rtol=1e-4)
        assert difference(expected, image[:, 6:-6, 6:-6, 6:-6]) > 0.01  # they do change
        np.testing.assert_array_equal(label[0], image[0, 6:-6, 6:-6, 6:-6] > 1)


@pytest.mark.parametrize("seed", range(2))
def test_the_papers_list_is_torchios_with_the_movements_first(seed: int, case_with_maps) -> None:
    """Once interpolated here, twice there: the smoother the image, the less that matters."""
    image = texture(*VOLUME, vanishing=True)
    entries = [Elastic(max_displacement=2) if entry.name == "elastic" else entry for entry in PAPER_ORDER]
    entries = [Affine(scales=(1.05, 1.2)) if entry.name == "affine" else entry for entry in entries]
    drawn = drawn_for([entry for entry in entries if not isinstance(entry, Motion)], (1.0, 1.0, 1.0), seed)
    expected, expected_label = with_torchio(image, drawn, (1.0, 1.0, 1.0))
    made, label = with_fused(case_with_maps, image, drawn, (1.0, 1.0, 1.0))
    assert len(drawn.moves) == 3
    assert len(drawn.changes) == 2
    assert difference(expected, made) < 0.05
    assert count_overlap(expected_label > 0.5, label > 0.5).dsc > 0.97


@pytest.mark.parametrize("normal", range(3))
def test_motion_of_a_slice_is_the_other_engines(normal: int) -> None:
    size = tuple(1 if axis == normal else length for axis, length in enumerate((32, 28, 30)))
    image, spacing = torch.from_numpy(texture(*size, vanishing=True)), (1.0, 1.5, 1.25)
    entry = Motion(probability=1)
    drawn = draw([entry], Frame(size, spacing), 2, np.random.default_rng(1))
    (motion,) = drawn.changes
    assert isinstance(motion, DrawnMotion)
    order = [normal, *(axis for axis in range(3) if axis != normal)]
    reference = SliceMotion(entry, normal, spacing)
    reference.motion = tio.Motion(motion.degrees[:, order], motion.translation[:, order], motion.times, "linear")
    expected = reference(image.clone())
    engine = FusedPatches(PatchesConfig(size=size, engine="fused"), [entry], spacing)
    recipe = engine.recipe_of(InMemory(image.numpy()), (0, 0, 0), drawn)
    torch.testing.assert_close(recipe.make()[0], expected, atol=2e-4, rtol=1e-4)
    assert (expected - image).abs().max() > 0.1


class InMemory:
    """A case of one image."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def data(self) -> np.ndarray:
        return self.image

    def label(self) -> np.ndarray:
        return self.image[0] > 1
