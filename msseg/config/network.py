"""The networks' parameters; each class is one network of the registry."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from msseg.config.section import ByName, OrWord, Section

UNET2D_VALID_MARGIN = 92
"""Pixels on each side that a U-Net without padding uses up: two a level, worth 1, 2, 4, 8 and 16 pixels of the image on
the way down and 8, 4, 2 and 1 on the way up."""
UNET2D_VALID_SMALLEST = 2 * UNET2D_VALID_MARGIN + 4
"""The smallest size that a U-Net without padding can halve evenly and has something left of."""

MCDNN_SMALLEST_WINDOW = 63
"""Below, nothing would be left of a window behind four convolutions and poolings."""

Dropout = Annotated[float, Field(ge=0, lt=1)]
Step = Literal[1, 2]
Steps = tuple[Step, Step, Step]
TWICE: Steps = (2, 2, 2)


def _halves_something(strides: tuple[Steps, ...]) -> tuple[Steps, ...]:
    if (1, 1, 1) in strides:
        raise ValueError("has a level with [1, 1, 1]: each level halves at least one axis")
    return strides


ThreeLevels = Annotated[tuple[Steps, Steps, Steps], AfterValidator(_halves_something)]
FourLevels = Annotated[tuple[Steps, Steps, Steps, Steps], AfterValidator(_halves_something)]


class ResidualUNet3dConfig(Section):
    """Residual 3D U-Net (Choi et al. 2021; Isensee et al. 2017)."""

    name: Literal["residual_unet3d"] = "residual_unet3d"
    base_channels: int = Field(default=16, ge=1)
    """Feature maps of the first level; each level down doubles them."""
    dropout: Dropout = 0.3
    """Share of feature maps that are dropped in training."""
    deep_supervision: bool = False
    """Also train logit maps of the lower decoder levels."""
    norm: Literal["instance", "renorm"] = "instance"
    """Mean and spread by which maps are normalised. `instance`: of the patch or window by itself, as published, so
    that the answer hangs on the window's size. `renorm`: running averages, in training (Ioffe 2017, batch
    renormalisation) and at prediction, which are the same in every window."""
    strides: Annotated[FourLevels | Literal["auto"], OrWord()] = (
        TWICE, TWICE, TWICE, TWICE,
    )  # fmt: skip
    """From each level to the next, by how much each axis is divided. An axis of thick voxels gets 1 at first, and
    convolutions do not reach along it until it is halved. `auto`: 1 along axes whose voxels are at least twice as long
    as the shortest at that level; the model folder has the numbers."""


class UNet3dConfig(Section):
    """3D U-Net (Cicek et al. 2016)."""

    name: Literal["unet3d"] = "unet3d"
    base_channels: int = Field(default=32, ge=1)
    """Feature maps of the first convolution; 32 as published."""
    dropout: Dropout = 0.0
    """Share of feature maps that are dropped in training; 0 as published."""
    deep_supervision: bool = False
    """Also train logit maps of the lower decoder levels."""
    norm: Literal["batch", "renorm"] = "batch"
    """Mean and spread by which maps are normalised. `batch`: of the training batch, and running averages of them at
    prediction, as published. `renorm`: running averages in training, too (Ioffe 2017, batch renormalisation), which
    is right at prediction with any `batch_size`."""
    strides: Annotated[ThreeLevels | Literal["auto"], OrWord()] = (
        TWICE, TWICE, TWICE,
    )  # fmt: skip
    """From each level to the next, by how much each axis is divided; as for the residual U-Net, with three levels."""


class _SliceConfig(Section):
    norm: Literal["batch", "instance", "renorm"] = "batch"
    """Mean and spread by which maps are normalised. `batch`: of the training batch, and running averages of them at
    prediction, as published. `instance`: of each image by itself, always; in training with `batch_size: 1` the two are
    the same, and then this one is right at prediction, too. `renorm`: running averages in training, too (Ioffe 2017,
    batch renormalisation)."""


class SFNetworkConfig(_SliceConfig):
    """SF Network for slices (Kim 2019)."""

    name: Literal["sf_network"] = "sf_network"
    base_channels: int = Field(default=64, ge=2)
    """Feature maps inside every block, which hands on half of them; 64 as published."""


class UNet2dConfig(_SliceConfig):
    """U-Net for slices (Ronneberger et al. 2015)."""

    name: Literal["unet2d"] = "unet2d"
    base_channels: int = Field(default=64, ge=1)
    """Feature maps of the first level; each level down doubles them; 64 as published."""
    padding: Literal["same", "valid"] = "same"
    """`same`: every convolution keeps the size; `valid`: none is padded, and a patch teaches its centre alone, smaller
    by 92 pixels on each side."""
    batch_norm: bool = True
    """Normalise after every convolution; the network of 2015 did not."""

    @model_validator(mode="after")
    def _norm_fits(self) -> Self:
        if self.norm == "instance" and self.padding == "valid":
            raise ValueError("norm: instance hangs on a tile's size, which padding: valid is free of; use norm: batch")
        if self.norm != "batch" and not self.batch_norm:
            raise ValueError(f"norm: {self.norm} is not used with batch_norm: false; leave one of them out")
        return self


class FusionNetConfig(_SliceConfig):
    """FusionNet for slices (Quan et al. 2016)."""

    name: Literal["fusionnet"] = "fusionnet"
    base_channels: int = Field(default=64, ge=1)
    """Feature maps of the first level; each level down doubles them; 64 as published."""


class MCDNNColumnConfig(Section):
    """One column of the MCDNN."""

    window: int = Field(default=95, ge=MCDNN_SMALLEST_WINDOW)
    """Side of the input layer in pixels: odd, so that there is a middle; 95 or 65 as published."""
    transform: Literal["plain", "foveation", "nonuniform", "foveation_nonuniform"] = "plain"
    """What a window is turned into: blurred ever more away from its centre (`foveation`), sampled ever more coarsely
    (`nonuniform`, a fisheye), or both. Anything but `plain` has to compute every pixel's window by itself: several
    hundred times slower."""
    field: int | None = None
    """Side of the part of the image that a non-uniform window covers; null: half as much again as the window."""

    @property
    def field_of_view(self) -> int:
        """Side of the part of the image that a window covers, in pixels."""
        if "nonuniform" not in self.transform:
            return self.window
        return self.field or self.window + 2 * (self.window // 4)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.window % 2 == 0 or self.field_of_view % 2 == 0:
            raise ValueError("window and field have to be odd, so that there is a middle")
        if self.field is not None and ("nonuniform" not in self.transform or self.field < self.window):
            raise ValueError("field is for non-uniform sampling alone, and at least as large as the window")
        return self


class MCDNNConfig(Section):
    """Multi-column pixel classifier for slices (Ciresan et al. 2012)."""

    name: Literal["mcdnn"] = "mcdnn"
    base_channels: int = Field(default=48, ge=1)
    """Feature maps of every convolution; 48 as published."""
    neurons: int = Field(default=200, ge=1)
    """Size of the fully connected layer; 200 as published."""
    columns: Annotated[tuple[MCDNNColumnConfig, ...], Field(min_length=1)] = (
        MCDNNColumnConfig(),
        MCDNNColumnConfig(window=65),
    )
    """The columns, whose probabilities are averaged. A patch teaches its centre alone, smaller by half the largest
    window on each side."""


NetworkConfig = Annotated[
    ResidualUNet3dConfig | UNet3dConfig | SFNetworkConfig | UNet2dConfig | FusionNetConfig | MCDNNConfig,
    Field(discriminator="name"),
    ByName(),
]
"""A network by name; the name alone stands for its defaults."""
