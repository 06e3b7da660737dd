"""From probability to numbered neurites and cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from msseg.inference.segments import connected_regions, watershed_segments


def two_rooms(door: float) -> np.ndarray:
    """Two rooms of P(inside) = 0.99 with a wall of 0.1 between them, and a door in it."""
    probability = np.full((20, 41, 1), 0.99, np.float32)
    probability[:, 20] = 0.1
    probability[9:11, 20] = door
    return probability


def test_regions_are_numbered_from_1_in_every_slice():
    mask = np.zeros((5, 7, 2), bool)
    mask[0, 0], mask[2, 2, 1], mask[4, 4, 1], mask[3, 3, 1] = True, True, True, True
    numbers = connected_regions(mask)
    assert numbers[..., 0].max() == 1
    assert sorted(np.unique(numbers[..., 1])) == [0, 1, 2, 3, 4]  # corners do not connect
    assert ((numbers > 0) == mask).all()


@given(arrays(bool, (8, 9, 2)))
def test_regions_are_those_of_each_slice_alone(mask):
    numbers = connected_regions(mask)
    for z in range(2):
        assert numbers[..., z].max() == ndimage.label(mask[..., z])[1]


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 1), (0.9, 2)])
def test_a_higher_threshold_closes_the_door(threshold, count):
    segments = watershed_segments(two_rooms(door=0.8), threshold, 0.5, smallest=16)
    assert len(np.unique(segments)) == count + 1
    assert (segments[9:11, 20] > 0).all()  # the door belongs to one of the rooms
    assert (segments[0, 20] == 0).all()  # the wall to none


def test_what_begins_nowhere_is_a_segment_of_its_own_where_it_is_large():
    probability = np.zeros((20, 20, 1), np.float32)
    probability[:8, :8] = 0.7  # never above 0.9
    probability[12:, 12:] = 0.99
    probability[0, 19] = 0.7  # a speck
    segments = watershed_segments(probability, 0.9, 0.5, smallest=16)
    assert len(np.unique(segments)) == 3
    assert segments[0, 19, 0] == 0


@given(
    arrays(np.float32, (10, 11, 2), elements=st.floats(0, 1, width=32)),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 5),
)
def test_segments_lie_in_the_mask_and_cover_its_large_regions(probability, threshold, mask_threshold, smallest):
    segments = watershed_segments(probability, threshold, mask_threshold, smallest)
    mask = probability > min(threshold, mask_threshold)
    assert segments.dtype == np.int32
    assert not segments[~mask].any()
    regions = connected_regions(mask)
    for z in range(2):
        sizes = np.bincount(regions[..., z].ravel())
        for region in range(1, len(sizes)):
            if sizes[region] >= smallest:
                assert segments[..., z][regions[..., z] == region].all()
