"""What a user asks a model to do differently from how it says."""

import math
from dataclasses import dataclass
from typing import Literal

from msseg.errors import InputError
from msseg.model import ModelSettings


@dataclass(frozen=True)
class Changes:
    """What is done differently from how a model says; None: as it says.

    Attributes:
        segment: Whether objects are numbered.
        segment_threshold: Probability above which they begin.
        orientations: Average over mirrored and turned copies, on a slice the eight orientations; or do not.
        colour: What becomes of RGB images.
        align: What becomes of channels that do not lie on the first one's grid.
        smallest_lesion_mm3: Volume below which lesions are taken out of masks.
    """

    segment: Literal["none", "watershed"] | None = None
    segment_threshold: float | None = None
    orientations: bool | None = None
    colour: Literal["refuse", "grey"] | None = None
    smallest_lesion_mm3: float | None = None
    align: Literal["refuse", "resample"] | None = None

    def applied(self, settings: ModelSettings) -> ModelSettings:
        """A model's settings with these changes.

        Raises:
            InputError: The threshold or the volume is impossible, or the model is not one of lesions.
        """
        if self.segment_threshold is not None and not 0 <= self.segment_threshold <= 1:
            raise InputError(
                f"the segment threshold is a probability and lies between 0 and 1, but is {self.segment_threshold:g}"
            )
        if self.smallest_lesion_mm3 is not None:
            _require_lesions(settings, self.smallest_lesion_mm3)
        given = {
            "segment": self.segment,
            "segment_threshold": self.segment_threshold,
            "smallest_lesion_mm3": self.smallest_lesion_mm3,
        }
        changed: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        if self.orientations is not None:
            changed |= {"mirror": self.orientations, "rotate": self.orientations}
        asked = {"colour": self.colour, "align": self.align}
        preprocessing = {name: value for name, value in asked.items() if value is not None}
        return settings.model_copy(
            update={
                "inference": settings.inference.model_copy(update=changed),
                "preprocessing": settings.preprocessing.model_copy(update=preprocessing),
            }
        )


def _require_lesions(settings: ModelSettings, smallest_mm3: float) -> None:
    task = settings.provenance.get("task", "lesions")
    if task != "lesions":
        raise InputError(f"the smallest lesion is a setting for models of lesions, and this is one of {task}")
    if not 0 <= smallest_mm3 < math.inf:
        raise InputError(f"the volume of the smallest lesion is 0 mm3 or more, but is {smallest_mm3:g}")
