"""Changes of intensity with drawn parameters, in place, on the CPU or a GPU."""

from math import prod

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from msseg.patches.drawn import Change, DrawnBiasField, DrawnBlur, DrawnContrast, DrawnGamma, DrawnMotion, DrawnNoise
from msseg.patches.frame import Spacing
from msseg.patches.kspace import mix_positions


def change(image: Tensor, drawn: Change, spacing: Spacing) -> None:
    """Change an image (C, X, Y, Z), contiguous float32, in place; spacing in mm.

    The same parameters make the same image as TorchIO's transform of that name, up to rounding and, for motion, the
    interpolation at the patch's edge.
    """
    match drawn:
        case DrawnMotion():
            mix_positions(image, drawn, spacing)
        case DrawnBiasField():
            _bias(image, drawn)
        case DrawnNoise():
            _noise(image, drawn)
        case DrawnBlur():
            _blur(image, drawn, spacing)
        case DrawnGamma():
            _gamma(image, drawn)
        case DrawnContrast():
            _contrast(image, drawn)


def _bias(image: Tensor, drawn: DrawnBiasField) -> None:
    """Times the exponential of a polynomial, which is a product of three small matrices and its coefficients."""
    terms = drawn.order + 1
    exponents = [(a, b, c) for a in range(terms) for b in range(terms - a) for c in range(terms - a - b)]
    coefficients = np.zeros((terms, terms, terms))
    coefficients[tuple(np.transpose(exponents))] = drawn.coefficients
    x, y, z = (np.vander(_from_middle(length), terms, increasing=True) for length in image.shape[1:])
    # Summed over a and b in double precision; what is left is one product of (X Y, terms) and (terms, Z).
    of_z = np.einsum("xa,yb,abc->xyc", x, y, coefficients, optimize=True)
    field = _like(of_z, image).flatten(0, 1) @ _like(z, image).T
    image.mul_(field.exp_().view(image.shape[1:]))


def _from_middle(length: int) -> np.ndarray:
    """Positions along an axis, from -1 to 1."""
    return np.linspace(-1, 1, length) if length > 1 else np.zeros(1)


def _noise(image: Tensor, drawn: DrawnNoise) -> None:
    generator = torch.Generator(image.device).manual_seed(drawn.seed)
    noise = torch.randn(image.shape, generator=generator, device=image.device)
    image.add_(noise.mul_(drawn.std).add_(drawn.mean))


def _blur(image: Tensor, drawn: DrawnBlur, spacing: Spacing) -> None:
    """One matrix along each axis: the filter's answers to single voxels, mirrored at the edges as TorchIO's are."""
    for axis, (std, length) in enumerate(zip(drawn.std, spacing, strict=True), start=1):
        if std > 0 and image.shape[axis] > 1:
            matrix = _like(gaussian_filter1d(np.eye(image.shape[axis]), std / length, axis=0), image)
            if axis == 3:
                blurred = image.view(-1, image.shape[3]) @ matrix.T
            else:
                blurred = matrix @ image.view(-1, image.shape[axis], prod(image.shape[axis + 1 :]))
            image.copy_(blurred.view(image.shape))


def _gamma(image: Tensor, drawn: DrawnGamma) -> None:
    for channel, log_gamma in zip(image, drawn.log_gamma, strict=True):
        low, high = torch.aminmax(channel)
        extent = (high - low).clamp_(min=torch.finfo(image.dtype).tiny)  # a constant channel stays as it is
        channel.sub_(low).div_(extent).pow_(float(np.exp(log_gamma))).mul_(extent).add_(low)


def _contrast(image: Tensor, drawn: DrawnContrast) -> None:
    """Exact zeros stay 0: a head's background."""
    for channel, scale, shift in zip(image, drawn.scale, drawn.shift, strict=True):
        background = channel == 0
        channel.mul_(scale).add_(shift).masked_fill_(background, 0)


def _like(values: np.ndarray, image: Tensor) -> Tensor:
    return torch.from_numpy(values).to(image)
