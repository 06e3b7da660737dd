"""What the rest of the programme may ask of any network."""

import torch
from torch import Tensor, nn

HEAD_STD = 0.01
"""Spread of the output layers' first weights: small, so that the first probabilities follow the bias."""


class SegmentationNetwork(nn.Module):
    """Base of all networks: images (B, C, X, Y, Z) in, logits (B, out, X, Y, Z) out.

    Attributes:
        heads: The output layers; each has a bias.
        multiple: The network computes sizes in steps of this many voxels, and pads others.
        margin: Voxels of true surroundings that a logit needs on each side of the plane of the first two axes. Where
            it is not 0, the network answers in training mode for the patch's centre alone (the size less twice the
            margin), and in evaluation mode mirrors the image's border to answer everywhere.
        smallest: The smallest size along an axis that is computed without padding; `smallest + n * multiple` are the
            others.
    """

    heads: nn.ModuleList
    multiple: int
    margin: int = 0

    @property
    def multiples(self) -> tuple[int, int, int]:
        """`multiple` along each axis of a volume."""
        return self.multiple, self.multiple, self.multiple

    @property
    def smallest(self) -> int:
        """As the class says."""
        return self.multiple

    def fitting(self, length: int) -> int:
        """The least size from `length` on that is computed without padding."""
        steps = -(-(length - self.smallest) // self.multiple)
        return self.smallest + max(steps, 0) * self.multiple

    def centre(self, x: Tensor) -> Tensor:
        """Logits of all that has `margin` voxels of surroundings in x: (B, C, X, Y, Z) to (B, out, X', Y', Z)."""
        raise NotImplementedError

    def set_output_bias(self, logit: float) -> None:
        """Make `logit` what the output layers answer where their weights say nothing."""
        with torch.no_grad():
            for head in self.heads:
                assert isinstance(head, nn.Conv2d | nn.Conv3d)
                assert head.bias is not None
                head.bias.fill_(logit)


def initialise(network: SegmentationNetwork, negative_slope: float) -> None:
    """He initialisation for (leaky) ReLU: normal weights that keep the variance through the layers; biases 0.

    Source: He et al. 2015, "Delving Deep into Rectifiers", equation 15.
    """
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
            # Stride = kernel size: each output voxel sees one voxel of every input map.
            nn.init.normal_(module.weight, std=(2 / module.in_channels) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, a=negative_slope, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for head in network.heads:
        assert isinstance(head, nn.Conv2d | nn.Conv3d)
        nn.init.normal_(head.weight, std=HEAD_STD)
