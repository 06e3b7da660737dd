"""What one training step eats: patches and their augmentation."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from msseg.config.section import AxisSize, ByName, Section


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"runs from {limits[0]} to {limits[1]}: give the smaller value first")
    return limits


def _distinct(axes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(axes)) < len(axes):
        raise ValueError(f"names an axis twice: {list(axes)}")
    return axes


Probability = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
FromZero = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
Axis = Annotated[int, Field(ge=0, le=2)]
Beyond = Literal["zero", "mirror"]


class PatchesConfig(Section):
    """Random patches drawn from the training volumes."""

    size: tuple[AxisSize, AxisSize, AxisSize] = (144, 144, 144)
    """Voxels along each axis; volumes smaller than this are padded. A 2D network has 1 on the last axis."""
    per_volume: int = Field(default=10, ge=1)
    """Patches drawn from each training volume in an epoch, each augmented anew."""
    lesion_share: Probability = 1.0
    """Share of patches that are made to contain lesion; the others are drawn uniformly over the volume."""
    batch_size: int = Field(default=1, ge=1)
    """Patches in one training step."""
    margin: int = Field(default=0, ge=0)
    """Voxels drawn around the patch for affine and elastic to move into it, and cut off afterwards; none along an axis
    on which the patch has one voxel or nothing moves."""
    beyond: Beyond = "zero"
    """What lies beyond the volume's edge: zeros, or the volume mirrored (NumPy's `reflect`). Affine and elastic find
    the same beyond the patch and its margin; moving in 3D, they find zeros (or the minimum) there in any case. The
    engine `fused` reads the volume itself there."""
    engine: Literal["torchio", "fused"] = "torchio"
    """What carries the augmentation out: `torchio` step by step on the patch and its margin, or `fused`, many times
    faster: all movements are one resampling of the whole volume, and the changes of intensity follow them."""
    augment_device: Literal["cpu", "training"] = "cpu"
    """Where the engine `fused` works: on the `cpu`, in the workers, or where the `training` runs, a batch at a time."""

    @model_validator(mode="after")
    def _engine_can(self) -> Self:
        if self.augment_device == "training" and self.engine != "fused":
            raise ValueError(
                f"augment_device training needs engine fused, not {self.engine}; give engine: fused or"
                " augment_device: cpu"
            )
        return self


class _Augmentation(Section):
    probability: Probability = 0.5
    """Chance that a patch gets this augmentation."""


class Motion(_Augmentation):
    """Artefacts of head movement: the k-space of several rigidly moved images is mixed.

    In a patch with one voxel along an axis they are moved within its plane.
    """

    name: Literal["motion"] = "motion"
    degrees: Range = (-10, 10)
    """Rotation angles (degrees)."""
    translation: Range = (-10, 10)
    """Shifts (mm)."""
    movements: int = Field(default=2, ge=1)
    """Number of movements during the scan."""


class BiasField(_Augmentation):
    """Smooth multiplicative intensity inhomogeneity: the exponential of a polynomial."""

    name: Literal["bias_field"] = "bias_field"
    coefficients: Range = (-0.5, 0.5)
    """Range of the polynomial's coefficients."""
    order: int = Field(default=3, ge=0)
    """Order of the polynomial."""


class Noise(_Augmentation):
    """Additive Gaussian noise."""

    name: Literal["noise"] = "noise"
    mean: Range = (0, 0)
    """Range of the mean, in units of the normalised image."""
    std: Annotated[tuple[FromZero, FromZero], AfterValidator(_ordered)] = (0, 0.25)
    """Range of the standard deviation, in units of the normalised image."""


class Gamma(_Augmentation):
    """Contrast change: intensities, scaled to 0..1, to the power of exp(log_gamma)."""

    name: Literal["gamma"] = "gamma"
    log_gamma: Range = (-0.3, 0.3)
    """Range of the exponent's logarithm; 0 changes nothing."""


class Contrast(_Augmentation):
    """Linear change of brightness and contrast of the normalised image: image * scale + shift."""

    name: Literal["contrast"] = "contrast"
    scale: Range = (0.75, 1.25)
    """Range of the factor."""
    shift: Range = (-0.25, 0.25)
    """Range of the offset, in units of the normalised image."""


class Blur(_Augmentation):
    """Gaussian blur; not along an axis on which the patch has one voxel."""

    name: Literal["blur"] = "blur"
    std: Annotated[tuple[FromZero, FromZero], AfterValidator(_ordered)] = (0, 1)
    """Range of the kernel's standard deviation (mm)."""
    in_plane: bool = False
    """Blur each slice by itself, along axes 0 and 1 alone."""


class Flip(_Augmentation):
    """Mirror along axes, each with its own chance."""

    name: Literal["flip"] = "flip"
    axes: Annotated[tuple[Axis, ...], Field(min_length=1), AfterValidator(_distinct)] = (0, 1, 2)
    """Axes that may be mirrored; in RAS orientation 0 is left-right."""
    per_axis: Probability = 0.5
    """Chance that one of these axes is mirrored."""


class Rotate90(_Augmentation):
    """One of the eight rotations and mirrors of the plane of axes 0 and 1, all equally likely.

    Patches that are not square there get one of the four that keep their shape: mirrors and the half turn.
    """

    name: Literal["rotate90"] = "rotate90"
    probability: Probability = 1.0
    """Chance that one of the eight is drawn, the patch as it is being one of them."""


class Affine(_Augmentation):
    """Random scaling, rotation and translation; an axis on which the patch has one voxel is left alone."""

    name: Literal["affine"] = "affine"
    scales: Annotated[tuple[AboveZero, AboveZero], AfterValidator(_ordered)] = (0.9, 1.1)
    """Range of the scaling factor of each axis."""
    degrees: Range = (-10, 10)
    """Range of the rotation about each axis (degrees)."""
    translation: Range = (0, 0)
    """Range of the shift along each axis (mm)."""
    in_plane: bool = False
    """Move within the plane of axes 0 and 1 alone, every slice alike."""


class Elastic(_Augmentation):
    """Smooth random deformation: cubic B-splines on a coarse grid of control points.

    An axis on which the patch has one voxel is left alone.
    """

    name: Literal["elastic"] = "elastic"
    control_points: int = Field(default=7, ge=5)
    """Control points along each axis."""
    max_displacement: float = Field(default=7.5, ge=0)
    """Largest displacement of a control point (mm), and never half the distance of two control points."""
    locked_borders: Literal[0, 1, 2] = 2
    """How many outer layers of control points stay fixed."""
    in_plane: bool = False
    """Move within the plane of axes 0 and 1 alone, every slice alike."""


Augmentation = Annotated[
    Motion | BiasField | Noise | Gamma | Contrast | Blur | Flip | Rotate90 | Affine | Elastic,
    Field(discriminator="name"),
    ByName(),
]

PAPER_ORDER: tuple[Augmentation, ...] = (
    Motion(probability=0.2),
    BiasField(probability=0.2),
    Noise(probability=0.2),
    Flip(),
    Affine(),
    Elastic(probability=0.2),
)
"""Intensity first, then space (Choi et al. 2021, section 3.5 and figure 1)."""
