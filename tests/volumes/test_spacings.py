"""What an experiment leaves to its training cases, in numbers."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.cases.case import Case
from msseg.config.experiment import ExperimentConfig
from msseg.config.network import ResidualUNet3dConfig, UNet2dConfig, UNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.spacings import resolved, strides_for

# ------------------------------------------------------------------------------------------------------ strides


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ((1, 1, 1), [(2, 2, 2)] * 4),
        ((0.5, 0.5, 4), [(2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2)]),
        ((1, 1, 3), [(2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)]),
        ((0.977, 0.977, 1.5), [(2, 2, 2)] * 4),
        ((1.2, 0.49, 0.49), [(1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)]),
        ((1, 2, 4), [(2, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2)]),
        ((1, 0.49999, 0.99999), [(1, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)]),
    ],
    ids=str,
)
def test_thick_voxels_are_not_halved_until_the_others_caught_up(
    spacing: tuple[float, float, float], expected: list[tuple[int, int, int]]
) -> None:
    assert list(strides_for(spacing, 4)) == expected


@given(st.tuples(*[st.floats(0.2, 10)] * 3), st.sampled_from([3, 4]))
def test_every_level_halves_something_and_voxels_become_no_less_alike(
    spacing: tuple[float, float, float], levels: int
) -> None:
    strides = strides_for(spacing, levels)
    assert len(strides) == levels
    current = np.array(spacing)
    for steps in strides:
        assert 2 in steps
        before = current.max() / current.min()
        current = current * steps
        assert current.max() / current.min() <= max(before, 2 * (1 + 1e-9))


# --------------------------------------------------------------------------------------------------- experiments


def cases(folder: Path, *spacings: tuple[float, float, float], codes: str = "RAS") -> list[Case]:
    found = []
    for number, spacing in enumerate(spacings):
        image = nib.Nifti1Image(np.zeros((4, 5, 6), np.float32), np.diag([*spacing, 1]))
        turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes))
        path = folder / f"{number}.nii"
        nib.save(image.as_reoriented(turn), path)
        found.append(Case(str(number), str(number), str(number), {"FLAIR": path}))
    return found


def test_an_experiment_without_open_questions_reads_nothing() -> None:
    config = ExperimentConfig()
    missing = [Case("a", "a", "a", {"FLAIR": Path("nowhere.nii")})]
    assert resolved(config, missing, ("FLAIR",)) is config


@pytest.mark.parametrize("codes", ["RAS", "SPL"])
def test_the_median_is_taken_along_the_network_s_axes(tmp_path: Path, codes: str) -> None:
    found = cases(tmp_path, (0.5, 0.6, 4), (0.5, 0.5, 3), (0.7, 0.5, 5), codes=codes)
    config = ExperimentConfig(
        preprocessing=PreprocessingConfig(spacing="median"), network=ResidualUNet3dConfig(strides="auto")
    )
    numbers = resolved(config, found, ("T1", "FLAIR"))
    assert numbers.preprocessing.spacing == (0.5, 0.5, 4)
    assert numbers.network == ResidualUNet3dConfig(strides=((2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2)))
    assert numbers.model_copy(update={"preprocessing": config.preprocessing, "network": config.network}) == config


def test_strides_follow_the_spacing_that_is_asked_for_without_reading() -> None:
    config = ExperimentConfig(
        preprocessing=PreprocessingConfig(spacing=(1, 1, 2.5)), network=UNet3dConfig(strides="auto")
    )
    network = resolved(config, [], ("FLAIR",)).network
    assert isinstance(network, UNet3dConfig)
    assert network.strides == ((2, 2, 1), (2, 2, 2), (2, 2, 2))


def test_networks_of_slices_have_no_strides(tmp_path: Path) -> None:
    config = ExperimentConfig(preprocessing=PreprocessingConfig(spacing="median"), network=UNet2dConfig())
    numbers = resolved(config, cases(tmp_path, (1, 1, 3)), ("FLAIR",))
    assert numbers.network == config.network
    assert numbers.preprocessing.spacing == (1, 1, 3)


def test_stacks_are_refused() -> None:
    config = ExperimentConfig(network=ResidualUNet3dConfig(strides="auto"))
    with pytest.raises(InputError, match=r"stack\.tif does not say how large its voxels are: give numbers"):
        resolved(config, [Case("a", "a", "a", {"EM": Path("stack.tif")})], ("EM",))
