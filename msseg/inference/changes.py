"""What a user asks a model to do differently from how it says."""

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
    """

    segment: Literal["none", "watershed"] | None = None
    segment_threshold: float | None = None
    orientations: bool | None = None
    colour: Literal["refuse", "grey"] | None = None

    def applied(self, settings: ModelSettings) -> ModelSettings:
        """A model's settings with these changes.

        Raises:
            InputError: The threshold is impossible.
        """
        if self.segment_threshold is not None and not 0 <= self.segment_threshold <= 1:
            raise InputError(
                f"the segment threshold is a probability and lies between 0 and 1, but is {self.segment_threshold:g}"
            )
        given = {"segment": self.segment, "segment_threshold": self.segment_threshold}
        changed: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        if self.orientations is not None:
            changed |= {"mirror": self.orientations, "rotate": self.orientations}
        preprocessing = {} if self.colour is None else {"colour": self.colour}
        return settings.model_copy(
            update={
                "inference": settings.inference.model_copy(update=changed),
                "preprocessing": settings.preprocessing.model_copy(update=preprocessing),
            }
        )
