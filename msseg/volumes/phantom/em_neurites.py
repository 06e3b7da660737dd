"""Neurites cut by thin sections: which process each pixel of each plane belongs to.

A process is a moving ellipse: its centre drifts, its axes and its radius change slowly from plane to plane. A pixel
belongs to the process whose border is nearest (an additively weighted Voronoi diagram, drawn in coordinates that are
warped smoothly), and to the glia between the processes where all borders are far. Some neurites have two processes:
they branch, or have a waist.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.em_fields import PLANES_PER_SECTION, DriftingField, drifting_field
from msseg.volumes.phantom.fields import FloatArray, smooth_field

GLIA = 0
"""Number of the glia; neurites have the numbers from 1."""

MARGIN = 60  # pixels around the image in which processes lie, too
MEDIAN_RADIUS, LARGEST_RADIUS, SMALLEST_RADIUS = 15.0, 56.0, 6.0  # pixels
SPREAD_OF_RADII = 0.72  # standard deviation of the logarithm
FILLING = 0.80  # area of all ellipses as a share of the area
TRIALS = 24  # places tried for each process
SHARE_OF_BRANCHES, SHARE_OF_ENDS = 0.2, 0.25
REACH = 16.0  # pixels from a border to where another process or the glia is nearer
WARPS = ((9.0, 1.2, 0.9), (26.0, 2.5, 4.0), (70.0, 4.0, 9.0))  # scale in pixels, scale in sections, shift in pixels


@dataclass(frozen=True)
class Neurites:
    """Processes in all planes of a stack of size x size pixels."""

    size: int
    centres: NDArray[np.float64]
    """Pixels (planes, processes, 2): row and column."""
    axes: NDArray[np.float64]
    """Symmetric matrices (planes, processes, 2, 2) that make the ellipses circles of radius 1."""
    radii: NDArray[np.float64]
    """Radius (planes, processes) of the circle of the ellipse's area; negative where the process has ended."""
    owner: NDArray[np.int64]
    """Number of the neurite (processes,) that a process belongs to."""
    warp: tuple[tuple[DriftingField, DriftingField, float], ...]
    """Shifts of rows and of columns, and their size in pixels."""
    gap: DriftingField
    """How far from the borders the glia begins."""

    @property
    def count(self) -> int:
        """Number of neurites."""
        return int(self.owner.max())

    def plane(self, number: int, shift: NDArray[np.float64]) -> NDArray[np.int32]:
        """The number of the neurite (rows, columns) at each pixel of a plane, which is moved by `shift` pixels."""
        rows, columns = self.coordinates(number, shift)
        nearest = np.clip(6.0 + 4.0 * self.gap.plane(number), 1.5, REACH)
        neurite = np.full(nearest.shape, GLIA, dtype=np.int32)
        for process in np.flatnonzero(self.radii[number] > -REACH):
            window = self._window(number, int(process))
            if window is None:
                continue
            border = self._border_distance(number, int(process), rows[window], columns[window])
            nearer = border < nearest[window]
            nearest[window][nearer] = border[nearer]
            neurite[window][nearer] = self.owner[process]
        return neurite

    def coordinates(self, number: int, shift: NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        """Warped rows and columns of all pixels of a plane, the coordinates in which processes are ellipses."""
        line = np.arange(self.size, dtype=np.float32)
        rows = np.broadcast_to(line[:, None] - np.float32(shift[0]), (self.size, self.size))
        columns = np.broadcast_to(line[None, :] - np.float32(shift[1]), (self.size, self.size))
        for down, right, pixels in self.warp:
            rows = rows + np.float32(pixels) * down.plane(number)
            columns = columns + np.float32(pixels) * right.plane(number)
        return rows, columns

    def _window(self, number: int, process: int) -> tuple[slice, slice] | None:
        """Where in the image the process can be the nearest; None: nowhere."""
        longest = 1 / np.linalg.eigvalsh(self.axes[number, process])[0]
        reach = longest * (max(self.radii[number, process], 0) + REACH) + 2.5 * sum(pixels for *_, pixels in self.warp)
        low = np.clip(self.centres[number, process] - reach, 0, self.size).astype(int)
        high = np.clip(self.centres[number, process] + reach + 1, 0, self.size).astype(int)
        return (slice(low[0], high[0]), slice(low[1], high[1])) if (high > low).all() else None

    def _border_distance(self, number: int, process: int, rows: FloatArray, columns: FloatArray) -> FloatArray:
        """About the distance in pixels to the border of a process, negative inside."""
        (a, b), (_, c) = self.axes[number, process].astype(np.float32)
        y, x = self.centres[number, process].astype(np.float32)
        down, right = rows - y, columns - x
        return np.sqrt((a * down + b * right) ** 2 + (b * down + c * right) ** 2) - np.float32(
            self.radii[number, process]
        )


def draw_neurites(sections: int, size: int, rng: np.random.Generator) -> Neurites:
    """Neurites from thin axons to thick dendrites that fill a stack of sections of size x size pixels."""
    planes = sections * PLANES_PER_SECTION
    domain = size + 2 * MARGIN
    radii = _draw_radii(domain, min(LARGEST_RADIUS, max(size / 4, MEDIAN_RADIUS)), rng)
    places = _pack(radii, domain, rng)
    owner = _draw_owners(places, radii, rng)
    return Neurites(
        size=size,
        centres=_drift(places, radii, planes, domain, rng) - MARGIN,
        axes=_draw_axes(places, radii, planes, domain, rng),
        radii=_draw_lives(radii, planes, rng),
        owner=owner,
        warp=tuple(
            (drifting_field(planes, size, scale, depth, rng), drifting_field(planes, size, scale, depth, rng), pixels)
            for scale, depth, pixels in WARPS
        ),
        gap=drifting_field(planes, size, 60.0, 5.0, rng),
    )


def _draw_radii(domain: int, largest: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Radii of processes that fill the area, the largest first; none so large that it could fill a small image."""
    most = int(domain**2 / (np.pi * SMALLEST_RADIUS**2)) + 2
    radii = np.exp(rng.normal(np.log(MEDIAN_RADIUS), SPREAD_OF_RADII, most)).clip(SMALLEST_RADIUS, largest)
    taken = np.cumsum(np.pi * radii**2) < FILLING * domain**2
    return np.asarray(np.sort(radii[taken])[::-1])


def _pack(radii: NDArray[np.float64], domain: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Places (processes, 2) at which circles overlap little: each goes where it fits best, of some places tried."""
    places = np.zeros((len(radii), 2))
    for number, radius in enumerate(radii):
        tried = rng.uniform(0, domain, (TRIALS, 2))
        if number:
            apart = np.linalg.norm(tried[:, None] - places[None, :number], axis=2) - radii[None, :number] - radius
            # Best is where it touches another circle, neither overlapping it nor leaving a gap.
            places[number] = tried[np.argmin(np.abs(apart.min(axis=1)))]
        else:
            places[number] = tried[0]
    return places


def _draw_owners(
    places: NDArray[np.float64], radii: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which neurite each process belongs to: some go with their nearest neighbour."""
    owner = np.arange(1, len(radii) + 1)
    for process in np.flatnonzero(rng.uniform(size=len(radii)) < SHARE_OF_BRANCHES):
        apart = np.linalg.norm(places - places[process], axis=1) - radii - radii[process]
        apart[process] = np.inf
        owner[owner == owner[process]] = owner[np.argmin(apart)]
    return np.unique(owner, return_inverse=True)[1] + 1


def _drift(
    places: NDArray[np.float64], radii: NDArray[np.float64], planes: int, domain: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Centres (planes, processes, 2): neighbours drift together, thin processes also on their own, some fast."""
    centres = np.repeat(places[None], planes, axis=0)
    for axis in range(2):
        centres[:, :, axis] += 15.0 * drifting_field(planes, domain, 90.0, 5.0, rng).at(places)
    own = 7.0 * np.exp(0.8 * rng.standard_normal(len(radii))) * np.clip(MEDIAN_RADIUS / radii, 0.3, 1.2)
    for process, pixels in enumerate(own):
        for axis in range(2):
            centres[:, process, axis] += pixels * _course(planes, 5.0, rng)
    return centres


def _draw_axes(
    places: NDArray[np.float64], radii: NDArray[np.float64], planes: int, domain: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Ellipses that turn slowly; neighbours lie in about the same direction, as in a bundle."""
    bundle = drifting_field(1, domain, 120.0, 8.0, rng).at(places)[0]
    angle = np.pi * bundle + 0.5 * rng.standard_normal(len(radii))
    stretch = np.clip(np.abs(0.5 * rng.standard_normal(len(radii))), 0, 1.1) / 2
    axes = np.empty((planes, len(radii), 2, 2))
    for process in range(len(radii)):
        turned = angle[process] + 0.3 * _course(planes, 8.0, rng)
        along = np.exp(-stretch[process] * (1 + 0.3 * _course(planes, 6.0, rng)))
        cosine, sine = np.cos(turned), np.sin(turned)
        axes[:, process, 0, 0] = along * cosine**2 + sine**2 / along
        axes[:, process, 1, 1] = along * sine**2 + cosine**2 / along
        axes[:, process, 0, 1] = axes[:, process, 1, 0] = cosine * sine * (along - 1 / along)
    return axes


def _draw_lives(radii: NDArray[np.float64], planes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Radii (planes, processes) that swell and shrink; some processes begin or end within the stack."""
    lives = np.empty((planes, len(radii)))
    for process, radius in enumerate(radii):
        lives[:, process] = radius * (1 + 0.14 * _course(planes, 4.0, rng))
        if rng.uniform() < SHARE_OF_ENDS and radius < 2.5 * MEDIAN_RADIUS:
            beyond = rng.choice((-1, 1)) * (np.arange(planes) - rng.uniform(0, planes)) / PLANES_PER_SECTION
            # Tips are round: slow to narrow at first, and gone within four sections.
            lives[:, process] -= (radius + 2 * REACH) * (np.clip(beyond, 0, 4) / 4) ** 2
    return lives


def _course(planes: int, scale_sections: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random course over the planes (mean 0, standard deviation 1)."""
    return smooth_field((planes,), 1.0, scale_sections * PLANES_PER_SECTION, rng).astype(np.float64)


def depth_inside(neurite: NDArray[np.int32]) -> FloatArray:
    """Distance of each pixel to the border of its neurite in pixels: 0 for pixels that touch another one."""
    border = np.zeros(neurite.shape, dtype=bool)
    down, right = neurite[1:] != neurite[:-1], neurite[:, 1:] != neurite[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= right
    border[:, :-1] |= right
    if not border.any():
        return np.full(neurite.shape, float(max(neurite.shape)), dtype=np.float32)
    return ndimage.distance_transform_edt(~border).astype(np.float32)
