"""What happens to a volume between file and network."""

from typing import Literal

from msseg.config.section import Section


class PreprocessingConfig(Section):
    """What happens to a volume between file and network; stored with the model and repeated at prediction."""

    orientation: Literal["RAS", "keep"] = "RAS"
    """Axes are flipped and swapped to this orientation; `keep` leaves them as the file has them."""
    crop: Literal["nonzero", "none"] = "nonzero"
    """Crop to the bounding box of the non-zero voxels (of any channel)."""
    normalise: Literal["z_score_nonzero", "z_score", "none"] = "z_score_nonzero"
    """Mean 0 and standard deviation 1 per volume and channel, over the non-zero voxels or over all."""
