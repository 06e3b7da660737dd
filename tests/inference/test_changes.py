"""What a user asks a model to do differently."""

import pytest

from msseg.config.inference import InferenceConfig
from msseg.config.network import SFNetworkConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.inference.changes import Changes
from msseg.model import ModelSettings

SETTINGS = ModelSettings(
    network=SFNetworkConfig(),
    channels=("EM",),
    preprocessing=PreprocessingConfig(context=1),
    patch_size=(64, 64, 1),
    inference=InferenceConfig(mirror=True, rotate=True, segment="watershed", segment_threshold=0.7),
)


def test_nothing_asked_changes_nothing():
    assert Changes().applied(SETTINGS) == SETTINGS


@pytest.mark.parametrize("wanted", [True, False])
def test_orientations_are_switched_on_and_off(wanted):
    inference = Changes(orientations=wanted).applied(SETTINGS).inference
    assert (inference.mirror, inference.rotate) == (wanted, wanted)
    assert inference.segment_threshold == 0.7


def test_segments_and_colours():
    changed = Changes("none", 0.9, colour="grey").applied(SETTINGS)
    assert (changed.inference.segment, changed.inference.segment_threshold) == ("none", 0.9)
    assert changed.preprocessing == PreprocessingConfig(context=1, colour="grey")


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(InputError, match="lies between 0 and 1"):
        Changes(segment_threshold=threshold).applied(SETTINGS)


def test_a_models_input_has_the_neighbouring_slices():
    assert SETTINGS.in_channels == 3
