"""How volumes are predicted and how predictions are judged."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from msseg.config.section import Section, Seed

Probability = Annotated[float, Field(ge=0, le=1)]
Window = Literal["patch", "auto", "fit", "whole"]


class InferenceConfig(Section):
    """Sliding windows over the cropped volume."""

    window: Window = "patch"
    """`patch`: windows of the training patch's size; `fit`: the fewest windows that cover the crop, one where memory
    allows; `whole`: one pass over the whole slice or volume; `auto`: `fit` where the model's validation cases showed
    that it predicts the same as `patch`, else `patch`."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of a window that the next one covers again."""
    blending: Literal["gaussian", "constant"] = "gaussian"
    """Weight of a voxel by its place in the window."""
    mirror: bool = False
    """Average over mirrored copies (8 times slower in 3D)."""
    rotate: bool = False
    """Average over quarter turns in the plane of the first two axes; with `mirror`, a slice is seen in its eight
    orientations."""
    threshold: Probability = 0.5
    """A voxel is foreground (lesion, inside of a neurite or cell) where its probability is above this."""
    smallest_lesion_mm3: float = Field(default=0, ge=0)
    """Lesions (26-connected) with a smaller volume are taken out of the mask; the probability keeps them. 0: none."""
    segment: Literal["none", "watershed"] = "none"
    """`watershed`: number the neurites or cells of each slice; regions above `segment_threshold` grow to the membrane
    between them."""
    segment_threshold: Probability | None = None
    """Probability above which regions begin; null: the one that scores best on the validation cases."""
    smallest_segment: int = Field(default=16, ge=1)
    """Pixels that a region above the threshold needs to begin a segment."""


def _rising(edges: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise((0.0, *edges))):
        raise ValueError(f"is {list(edges)}; list volumes above 0, each larger than the one before")
    return edges


class EvaluationConfig(Section):
    """Scores of the test cases."""

    bootstrap: int = Field(default=2000, ge=0)
    """Bootstrap samples for 95 % confidence intervals; 0: none."""
    seed: Seed = 0
    """Seed of the bootstrap."""
    thresholds: Annotated[tuple[Probability, ...], Field(min_length=1)] = tuple(step / 10 for step in range(10))
    """Thresholds at which membranes are scored; the challenge's are 0.0, 0.1 ... 0.9."""
    connectivity: Literal[6, 18, 26] = 26
    """Neighbours that make one lesion: 6: voxels that share a face; 18: an edge as well; 26: a corner as well."""
    min_lesion_mm3: float = Field(default=0.0, ge=0)
    """Lesions below this volume (mm^3) are left out, in prediction and truth, where lesions are counted and compared;
    scores of voxels know nothing of it."""
    overlap: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of a lesion that the other mask's lesions have to cover for it to be found; 0: one voxel is enough."""
    strata_mm3: Annotated[tuple[float, ...], AfterValidator(_rising)] = (10.0, 50.0, 250.0)
    """Volumes (mm^3) that part the lesions into classes of size, for which LTPR and LFPR are told apart."""
    tolerance_mm: float = Field(default=1.0, ge=0)
    """Distance (mm) up to which surfaces count as the same in the surface DSC."""
