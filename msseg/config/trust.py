"""Which ways of predicting a model is trusted with: figures in `model.yaml`, measured on its validation cases."""

from typing import Annotated, Literal

from pydantic import Field

from msseg.config.inference import Probability, Window
from msseg.config.section import Section, Text

LEAST_DSC = 0.999
"""Agreement with the reference from which on a way of predicting is trusted."""

Arithmetic = Literal["fp32", "bf16", "fp16"]
Share = Annotated[float, Field(ge=0, le=1)]


class WayFigures(Section):
    """One way of predicting, and how its masks compare with the reference's."""

    window: Window
    """As `inference.window`, but for `auto`."""
    precision: Arithmetic
    """The network's arithmetic."""
    engine: Literal["torch", "openvino", "onnxruntime"] = "torch"
    """What computed the network."""
    dsc: Share
    """DSC of its masks with the reference's, over the voxels of all cases together."""
    truth_dsc: Share
    """DSC of its masks with the truth, over the voxels of all cases together."""

    @property
    def passed(self) -> bool:
        """Whether it is as good as the reference."""
        return self.dsc >= LEAST_DSC


class Trust(Section):
    """How the ways of predicting compare with the reference: windows as in training, in fp32."""

    reference: Window
    """Windows of the reference: `patch`, or what the experiment says where that is not `auto`."""
    threshold: Probability
    """Masks are what is above it."""
    cases: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Validation cases that were predicted."""
    voxels: Annotated[int, Field(ge=0)]
    """Foreground voxels of the reference: the fewer, the less a DSC says."""
    truth_dsc: Share
    """DSC of the reference with the truth."""
    ways: tuple[WayFigures, ...]
    """What was compared."""
