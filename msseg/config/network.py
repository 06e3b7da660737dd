"""The networks' parameters; each class is one network of the registry."""

from typing import Annotated, Literal

from pydantic import Field

from msseg.config.section import ByName, Section

Dropout = Annotated[float, Field(ge=0, lt=1)]


class ResidualUNet3dConfig(Section):
    """Residual 3D U-Net (Choi et al. 2021; Isensee et al. 2017)."""

    name: Literal["residual_unet3d"] = "residual_unet3d"
    base_channels: int = Field(default=16, ge=1)
    """Feature maps of the first level; each level down doubles them."""
    dropout: Dropout = 0.3
    """Share of feature maps that are dropped in training."""
    deep_supervision: bool = False
    """Also train logit maps of the lower decoder levels."""


class UNet3dConfig(Section):
    """3D U-Net (Cicek et al. 2016)."""

    name: Literal["unet3d"] = "unet3d"
    base_channels: int = Field(default=32, ge=1)
    """Feature maps of the first convolution; 32 as published."""
    dropout: Dropout = 0.0
    """Share of feature maps that are dropped in training; 0 as published."""
    deep_supervision: bool = False
    """Also train logit maps of the lower decoder levels."""


NetworkConfig = Annotated[ResidualUNet3dConfig | UNet3dConfig, Field(discriminator="name"), ByName()]
