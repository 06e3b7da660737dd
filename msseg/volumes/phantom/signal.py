"""From tissue to signal: relaxation times at 3 T and the equations of the four sequences.

Relaxation times of white and grey matter from Stanisz et al. 2005 (Magn Reson Med 54:507), T1 of fluid from
Rooney et al. 2007 (Magn Reson Med 57:308). Lesions range up to times that give, on the average, the
contrasts measured in two patients of Lesjak et al. 2018 (Neuroinformatics 16:51; 3 T): lesion to white
matter 1.4 in FLAIR, 0.7 to 0.8 in MPRAGE, 1.6 to 2.0 in T2W; lesion to grey matter 1.2, 1.0 to 1.2 and 1.1
to 1.4.

Sequences: a double spin echo (PDW and T2W) with the times of the ISBI 2015 data (Carass et al. 2017,
NeuroImage 148:77); FLAIR and MPRAGE with usual times at 3 T, of which FLAIR's all but null fluid.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating] | float


@dataclass(frozen=True)
class Tissue:
    """Relaxation times in milliseconds and proton density (water = 1): numbers, or arrays of one shape."""

    t1_ms: Values
    t2_ms: Values
    density: Values

    def towards(self, other: "Tissue", share: Values) -> "Tissue":
        """The tissue that lies the given share (0..1) of the way to another one."""
        return Tissue(
            self.t1_ms + share * (other.t1_ms - self.t1_ms),
            self.t2_ms + share * (other.t2_ms - self.t2_ms),
            self.density + share * (other.density - self.density),
        )

    def scaled(self, t1: Values = 1.0, t2: Values = 1.0) -> "Tissue":
        """The tissue with relaxation times multiplied by the given factors."""
        return Tissue(self.t1_ms * t1, self.t2_ms * t2, self.density)


WHITE = Tissue(1084, 69, 0.70)
GREY = Tissue(1820, 99, 0.82)
FLUID = Tissue(4300, 1800, 1.0)
# The far end of the range, a "black hole"; lesions lie between white matter and this.
SEVERE_LESION = Tissue(2100, 145, 0.84)
CHOROID_PLEXUS = Tissue(1800, 130, 0.85)


def lesion_tissue(water: Values, destruction: Values) -> Tissue:
    """A lesion: water prolongs T2, destruction T1. Not all that shines in FLAIR is dark in MPRAGE."""
    return replace(WHITE.towards(SEVERE_LESION, water), t1_ms=WHITE.towards(SEVERE_LESION, destruction).t1_ms)


@dataclass(frozen=True)
class SpinEcho:
    """90-180 degree spin echo; with an inversion time it is an inversion recovery (FLAIR)."""

    repetition_ms: float
    echo_ms: float
    inversion_ms: float | None = None

    def signal(self, tissue: Tissue, inverted: Values = 1.0) -> Values:
        """Magnitude of the signal; `inverted` is the share of spins that met the inversion."""
        free_ms = self.repetition_ms - (self.inversion_ms or 0)
        recovered = 1 - np.exp(-free_ms / tissue.t1_ms)
        if self.inversion_ms is not None:
            # Free recovery after the last excitation, turned over, recovering again for the inversion time.
            recovered = 1 - (1 + recovered * (2 * inverted - 1)) * np.exp(-self.inversion_ms / tissue.t1_ms)
        return np.abs(tissue.density * recovered) * np.exp(-self.echo_ms / tissue.t2_ms)


@dataclass(frozen=True)
class Mprage:
    """Inversion-prepared gradient echo train in its steady state (Wang et al. 2014, PLoS One 9:e96899)."""

    repetition_ms: float
    inversion_ms: float
    echo_spacing_ms: float
    echoes: int
    flip_degrees: float

    def signal(self, tissue: Tissue, inverted: Values = 1.0) -> Values:
        """Magnitude of the signal at the train's middle echo, which sets the contrast; T2* is neglected."""
        del inverted  # flow does not show here: the fluid is dark anyway
        cosine = np.cos(np.deg2rad(self.flip_degrees))
        train_ms = self.echoes * self.echo_spacing_ms
        before_ms = self.inversion_ms - train_ms / 2
        after_ms = self.repetition_ms - before_ms - train_ms
        per_echo = np.exp(-self.echo_spacing_ms / tissue.t1_ms)
        driven = (1 - per_echo) / (1 - cosine * per_echo)
        train = (cosine * per_echo) ** self.echoes
        before, after = np.exp(-before_ms / tissue.t1_ms), np.exp(-after_ms / tissue.t1_ms)
        # z: longitudinal magnetisation just before the inversion; one cycle leads back to it, linear in z.
        constant = 1 - after + after * (driven * (1 - train) + train * (1 - before))
        z = constant / (1 + after * train * before)
        start = 1 - (1 + z) * before
        middle = driven + (start - driven) * (cosine * per_echo) ** (self.echoes / 2)
        return np.abs(tissue.density * middle) * np.sin(np.deg2rad(self.flip_degrees))


PulseSequence = SpinEcho | Mprage

SEQUENCES: dict[str, PulseSequence] = {
    "FLAIR": SpinEcho(repetition_ms=11000, echo_ms=90, inversion_ms=2800),
    "MPRAGE": Mprage(repetition_ms=2300, inversion_ms=900, echo_spacing_ms=7, echoes=160, flip_degrees=9),
    "T2W": SpinEcho(repetition_ms=4177, echo_ms=80),
    "PDW": SpinEcho(repetition_ms=4177, echo_ms=12.31),
}
CHANNELS: tuple[str, ...] = tuple(SEQUENCES)


def vary_times(sequence: PulseSequence, rng: np.random.Generator) -> PulseSequence:
    """The sequence as another scanner runs it: each of its times differs by about 2 %."""
    times = {field.name: getattr(sequence, field.name) for field in fields(sequence) if field.name.endswith("_ms")}
    return replace(
        sequence,
        **{name: ms * (1 + 0.02 * rng.standard_normal()) for name, ms in times.items() if ms is not None},
    )
