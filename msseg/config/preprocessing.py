"""What happens to a volume between file and network."""

from typing import Annotated, Literal

from pydantic import Field

from msseg.config.section import Section

Edge = Annotated[int, Field(ge=16)]


class PreprocessingConfig(Section):
    """What happens to a volume between file and network; stored with the model and repeated at prediction."""

    orientation: Literal["RAS", "keep"] = "RAS"
    """Axes are flipped and swapped to this orientation; `keep` leaves them as the file has them."""
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
