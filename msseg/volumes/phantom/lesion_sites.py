"""Where lesions of multiple sclerosis lie, how many there are and what they look like there.

Places and shapes after Filippi et al. 2019 (Brain 142:1858): ovoid and perpendicular to the ventricles in the
periventricular white matter, touching the cortex, in brain stem and cerebellum, and in the deep white matter.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.fields import FloatArray
from msseg.volumes.phantom.lesions import Lesion

LESIONS_PER_LITRE = 100.0  # of white matter, in the median patient
LOAD_SPREAD = 0.5  # of the logarithm of that number
FROM_THE_START = 3
LATE = 0.2
CONFLUENT = 0.15
MOST_IN_A_GROUP = 8


@dataclass(frozen=True)
class Place:
    """What lesions at one place have in common."""

    share: float
    """Of all lesions."""
    radius_mm: float
    """Median of the short half axes."""
    elongation: tuple[float, float]
    water: tuple[float, float]
    ovoid: bool = False
    """Stretched away from the ventricles, along the veins (Dawson's fingers)."""


PLACES = {
    "periventricular": Place(0.45, 2.8, (1.4, 2.4), (0.55, 1.0), ovoid=True),
    "juxtacortical": Place(0.22, 2.4, (1.0, 1.5), (0.5, 0.9)),
    "infratentorial": Place(0.08, 2.2, (1.0, 1.5), (0.5, 0.9)),
    "deep": Place(0.25, 2.4, (1.0, 1.5), (0.5, 0.9)),
}


def draw_lesions(anatomy: Anatomy, ventricle_mm: FloatArray, rng: np.random.Generator) -> tuple[Lesion, ...]:
    """A patient's lesions of all sessions: mostly small, some that flow together, some that appear later.

    `ventricle_mm` is the distance (X, Y, Z) to the ventricles. There are at least four lesions,
    the first three of them from the first session on.
    """
    sites = _Sites(anatomy, ventricle_mm, rng)
    litres = float(anatomy.white.sum()) * anatomy.spacing_mm**3 / 1e6
    load = float(np.exp(LOAD_SPREAD * np.clip(rng.standard_normal(), -1.5, 1.5)))
    wanted = max(4, round(LESIONS_PER_LITRE * litres * load))
    lesions: list[Lesion] = []
    while len(lesions) < wanted:
        lesions += sites.draw_group()
    return tuple(replace(lesion, onset=0) if i < FROM_THE_START else lesion for i, lesion in enumerate(lesions))


class _Sites:
    """Draws lesions where a patient's anatomy has room for them."""

    def __init__(self, anatomy: Anatomy, ventricle_mm: FloatArray, rng: np.random.Generator) -> None:
        self._rng = rng
        self._spacing_mm = anatomy.spacing_mm
        self._shape = anatomy.shape
        self._reach_mm = 10.0 * anatomy.smallness
        chances = _chances(anatomy, ventricle_mm)
        self._cumulative = {name: np.cumsum(chance, dtype=np.float64) for name, chance in chances.items()}
        possible = np.array([PLACES[name].share * (self._cumulative[name][-1] > 0) for name in PLACES])
        self._shares = possible / possible.sum()
        self._away = np.stack(np.gradient(ndimage.gaussian_filter(ventricle_mm, 1.0)))

    def draw_group(self) -> list[Lesion]:
        """One lesion, or at the ventricles sometimes several large ones that flow together."""
        place = str(self._rng.choice(list(PLACES), p=self._shares))
        voxel = self._draw_voxel(place)
        if not PLACES[place].ovoid or self._rng.uniform() > CONFLUENT:
            return [self._draw_lesion(PLACES[place], voxel, scale=1.0)]
        neighbours = [self._draw_voxel(place) for _ in range(100)]
        near = [at for at in neighbours if np.linalg.norm(at - voxel) * self._spacing_mm < self._reach_mm]
        return [self._draw_lesion(PLACES[place], at, scale=1.5) for at in [voxel, *near][:MOST_IN_A_GROUP]]

    def _draw_voxel(self, place: str) -> NDArray[np.intp]:
        cumulative = self._cumulative[place]
        index = int(np.searchsorted(cumulative, self._rng.uniform(0, cumulative[-1]), side="right"))
        return np.array(np.unravel_index(index, self._shape))

    def _draw_lesion(self, place: Place, voxel: NDArray[np.intp], scale: float) -> Lesion:
        rng = self._rng
        axis = rng.standard_normal(3)
        if place.ovoid:
            away = self._away[(slice(None), *voxel)]
            axis = away / max(float(np.linalg.norm(away)), 1e-6) + 0.2 * axis
        water = rng.uniform(*place.water)
        return Lesion(
            centre_mm=(voxel + rng.uniform(-0.5, 0.5, 3)) * self._spacing_mm,
            axis=axis / np.linalg.norm(axis),
            radius_mm=scale * float(np.clip(place.radius_mm * np.exp(0.35 * rng.standard_normal()), 1.5, 6.0)),
            elongation=rng.uniform(*place.elongation),
            water=water,
            destruction=water * rng.uniform(0.3, 1.0),
            onset=int(rng.integers(1, 5)) if rng.uniform() < LATE else 0,
            growth=0.03 + 0.06 * rng.standard_normal(),
        )


def _chances(anatomy: Anatomy, ventricle_mm: FloatArray) -> dict[str, FloatArray]:
    """For each place, how likely a lesion is centred in each voxel (X, Y, Z), up to a factor."""
    white = np.where(anatomy.white > 0.6, anatomy.white, 0)
    lower = anatomy.infratentorial > 0.5
    upper = np.where(lower, 0, white)
    cortex_mm = anatomy.distance_mm(anatomy.grey > 0.5)
    small = anatomy.smallness
    return {
        "periventricular": upper * (ventricle_mm > 0) * np.exp(-ventricle_mm / 3.0),
        "juxtacortical": upper * (cortex_mm < 3) * (ventricle_mm > 10 * small),
        "infratentorial": white * lower,
        # The last term: wherever there is white matter at all, a lesion finds a place.
        "deep": upper * (cortex_mm > 3 * small) * (ventricle_mm > 6 * small) + 1e-6 * anatomy.white,
    }
