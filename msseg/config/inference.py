"""How volumes are predicted and how predictions are judged."""

from typing import Annotated, Literal

from pydantic import Field

from msseg.config.section import Section, Seed


class InferenceConfig(Section):
    """Sliding windows over the cropped volume."""

    window: Literal["patch", "auto"] = "patch"
    """`patch`: windows of the training patch's size; `auto`: one pass where the crop is within 15 % of it on every
    axis."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of a window that the next one covers again."""
    blending: Literal["gaussian", "constant"] = "gaussian"
    """Weight of a voxel by its place in the window."""
    mirror: bool = False
    """Average over mirrored copies (8 times slower in 3D)."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """A voxel is lesion where its probability is above this."""


class EvaluationConfig(Section):
    """Scores of the test cases."""

    bootstrap: int = Field(default=2000, ge=0)
    """Bootstrap samples for 95 % confidence intervals; 0: none."""
    seed: Seed = 0
    """Seed of the bootstrap."""
