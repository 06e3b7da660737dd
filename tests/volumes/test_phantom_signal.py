"""The sequences' equations against closed forms and against a pulse-by-pulse simulation."""

import numpy as np
import pytest

from msseg.volumes.phantom.signal import (
    CHANNELS,
    FLUID,
    GREY,
    SEQUENCES,
    WHITE,
    Mprage,
    SpinEcho,
    Tissue,
    lesion_tissue,
    vary_times,
)

LESION = lesion_tissue(0.65, 0.5)


def simulate_mprage(sequence: Mprage, tissue: Tissue) -> float:
    """Longitudinal magnetisation followed pulse by pulse over many cycles."""
    flip = np.deg2rad(sequence.flip_degrees)
    before_ms = sequence.inversion_ms - sequence.echoes * sequence.echo_spacing_ms / 2
    after_ms = sequence.repetition_ms - before_ms - sequence.echoes * sequence.echo_spacing_ms

    def relax(z: float, ms: float) -> float:
        return 1 + (z - 1) * np.exp(-ms / tissue.t1_ms)

    z, middle = 1.0, 0.0
    for _ in range(30):
        z = relax(-z, before_ms)
        for echo in range(sequence.echoes):
            if echo == sequence.echoes // 2:
                middle = z * np.sin(flip)
            z = relax(z * np.cos(flip), sequence.echo_spacing_ms)
        z = relax(z, after_ms)
    return abs(tissue.density * middle)


@pytest.mark.parametrize("tissue", [WHITE, GREY, FLUID, LESION])
def test_mprage_is_the_steady_state_of_its_pulses(tissue: Tissue) -> None:
    sequence = SEQUENCES["MPRAGE"]
    assert isinstance(sequence, Mprage)
    assert sequence.signal(tissue) == pytest.approx(simulate_mprage(sequence, tissue), rel=1e-6)


def test_spin_echo_closed_form() -> None:
    tissue = Tissue(1000.0, 100.0, 0.5)
    expected = 0.5 * (1 - np.exp(-2.0)) * np.exp(-0.5)
    assert SpinEcho(repetition_ms=2000, echo_ms=50).signal(tissue) == pytest.approx(expected)


def test_inversion_at_the_null_time_suppresses_fluid() -> None:
    null_ms = FLUID.t1_ms * np.log(2 - np.exp(-9000 / FLUID.t1_ms))
    sequence = SpinEcho(9000 + null_ms, echo_ms=90, inversion_ms=null_ms)
    assert sequence.signal(FLUID) == pytest.approx(0, abs=1e-12)
    assert sequence.signal(WHITE) > 0.1
    assert SEQUENCES["FLAIR"].signal(FLUID) < 0.3 * SEQUENCES["FLAIR"].signal(WHITE)


def test_fluid_that_misses_the_inversion_shines() -> None:
    flair = SEQUENCES["FLAIR"]
    assert flair.signal(FLUID, inverted=0.8) > 3 * flair.signal(FLUID)
    never_inverted = SpinEcho(repetition_ms=1e9, echo_ms=90, inversion_ms=2660)
    assert never_inverted.signal(FLUID, inverted=0.5) == pytest.approx(
        (1 - np.exp(-2660 / FLUID.t1_ms)) * np.exp(-90 / FLUID.t2_ms)
    )


def test_contrasts_are_those_radiologists_know() -> None:
    signal = {
        channel: {
            name: float(SEQUENCES[channel].signal(tissue))
            for name, tissue in {"white": WHITE, "grey": GREY, "fluid": FLUID, "lesion": LESION}.items()
        }
        for channel in CHANNELS
    }
    flair, mprage, t2, pd = (signal[channel] for channel in ("FLAIR", "MPRAGE", "T2W", "PDW"))
    assert flair["fluid"] < flair["white"] < flair["grey"] < flair["lesion"]
    assert mprage["fluid"] < mprage["grey"] < mprage["lesion"] < mprage["white"]
    assert t2["white"] < t2["grey"] < t2["lesion"] < t2["fluid"]
    assert abs(pd["lesion"] / pd["grey"] - 1) < 0.05


def test_healthy_end_of_the_range_is_white_matter() -> None:
    assert lesion_tissue(0.0, 0.0) == WHITE


def test_varied_times_stay_close_and_keep_what_is_no_time() -> None:
    rng = np.random.default_rng(0)
    for sequence in SEQUENCES.values():
        varied = vary_times(sequence, rng)
        assert varied != sequence
        assert float(varied.signal(WHITE)) == pytest.approx(float(sequence.signal(WHITE)), rel=0.2)
    assert vary_times(SEQUENCES["T2W"], rng).inversion_ms is None
