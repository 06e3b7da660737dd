"""What happens to a volume between file and network."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from msseg.config.section import OrWord, Section

Edge = Annotated[int, Field(ge=16)]
Millimetres = Annotated[float, Field(ge=0.05, le=50)]
Spacing = Annotated[tuple[Millimetres, Millimetres, Millimetres] | Literal["median"], OrWord()]


class PreprocessingConfig(Section):
    """What happens to a volume between file and network; stored with the model and repeated at prediction."""

    orientation: Literal["RAS", "keep"] = "RAS"
    """Axes are flipped and swapped to this orientation; `keep` leaves them as the file has them."""
    align: Literal["refuse", "resample"] = "refuse"
    """What happens to channels and labels that do not lie on the grid of the first channel: the case is refused, or
    they are resampled onto it (images linearly; 0 where they do not reach)."""
    label_interpolation: Literal["nearest", "signed_distance"] = "nearest"
    """How labels are resampled by `align` and `spacing`: the nearest voxel's value, or inside where the linearly
    interpolated distance to the label's border is negative, which keeps surfaces smooth."""
    spacing: Spacing | None = None
    """Voxel edge lengths (mm) that the network sees, along its axes; `median`: of the training cases. Volumes are
    resampled to them, and the probability back to the input's grid. null: voxels stay as they are."""
    crop: Literal["nonzero", "none"] = "nonzero"
    """Crop to the bounding box of the non-zero voxels (of any channel)."""
    normalise: Literal["z_score_nonzero", "z_score", "z_score_slice", "none"] = "z_score_nonzero"
    """Mean 0 and standard deviation 1 per channel: over the non-zero voxels of a volume, over all of its voxels, or
    over each slice by itself (stacks, whose sections differ in brightness)."""
    resize: tuple[Edge, Edge] | None = None
    """Rows and columns that every slice is resized to for the network; its prediction is resized back."""
    context: int = Field(default=0, ge=0)
    """Neighbouring slices on each side that the network sees as further channels (2.5D)."""
    colour: Literal["refuse", "grey"] = "refuse"
    """RGB images (TIFF, PNG): refused, or turned into brightness."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.spacing is not None and self.resize is not None:
            raise ValueError("spacing and resize both set the size of what the network sees; give one of them")
        return self
