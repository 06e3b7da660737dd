"""What the values of labels mean."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from msseg.errors import InputError
from msseg.volumes.labels import read_instances, read_truth, separated


@pytest.fixture
def saved(tmp_path):
    def save(values, kind=np.uint8):
        tifffile.imwrite(tmp_path / "label.tif", np.asarray(values, kind)[None], photometric="minisblack")
        return tmp_path / "label.tif"

    return save


INSIDE = np.array([[1, 1, 0], [1, 0, 1]], bool)


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (1, 2)])
def test_boundary_maps(saved, values):
    path = saved(np.where(INSIDE, values[1], values[0]))
    np.testing.assert_array_equal(read_truth(path, "inside").data[..., 0], INSIDE)
    np.testing.assert_array_equal(read_truth(path, "membrane").data[..., 0], ~INSIDE)


def test_a_bool_map_of_membranes(saved):
    np.testing.assert_array_equal(read_truth(saved(~INSIDE, bool), "membrane").data[..., 0], INSIDE)


def test_a_slice_of_one_value(saved):
    assert read_truth(saved(np.full((3, 3), 255)), "inside").data.all()
    assert not read_truth(saved(np.zeros((3, 3))), "inside").data.any()


@pytest.mark.parametrize("meaning", ["inside", "membrane"])
def test_three_values_are_refused(saved, meaning):
    with pytest.raises(InputError, match=r"3 values \(0, 128, 255\).*label_meaning: instances"):
        read_truth(saved([[0, 128, 255]]), meaning)


def test_masks_of_parts_of_voxels_are_those_above_a_half(saved):
    np.testing.assert_array_equal(read_truth(saved([[0.2, 0.5, 0.6, 3]], np.float32)).data[0, :, 0], [0, 0, 1, 1])


@pytest.mark.parametrize("values", [[0, 1], [0, 255], [7, 7], [0, 0], [0.0, 0.9996, 1.0], [-0.0004, 1.0004]])
def test_masks_of_one_whole_value(saved, values):
    mask = read_truth(saved([values], np.float32)).data[0, :, 0]
    np.testing.assert_array_equal(mask, np.asarray(values) > 0.5)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_masks_of_several_whole_values_are_refused(saved, kind):
    path = saved([[0, 1, 2, 2, 3, 0]], kind)
    with pytest.raises(InputError) as caught:
        read_truth(path)
    assert str(caught.value) == (
        f"the label {path} holds several values besides 0: 1 (1 voxel), 2 (2 voxels), 3 (1 voxel); say with"
        " data.label_values which are foreground, e.g. label_values: [1]"
    )


def test_many_values_are_not_all_listed(saved):
    with pytest.raises(InputError, match=r"6 \(1 voxel\) and 194 more; say with"):
        read_truth(saved([np.arange(201)]))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_values_that_are_foreground(saved, kind):
    path = saved([[0, 1, 2, 2, 3, 0]], kind)
    assert read_truth(path, values=[2]).data[0, :, 0].tolist() == [False, False, True, True, False, False]
    assert read_truth(path, values=(1, 3)).data[0, :, 0].tolist() == [False, True, False, False, True, False]
    assert not read_truth(path, values=[4]).data.any()
    with pytest.raises(InputError, match=r"data.label_values are of masks, but .* is read as label_meaning inside"):
        read_truth(path, "inside", values=[1])


def test_scaled_values(saved):
    values = np.float32([0, 0.9997, 2.0004, 1.5])
    assert read_truth(saved([values], np.float32), values=[1, 2]).data[0, :, 0].tolist() == [False, True, True, False]


def test_numbers_of_objects_are_whole_and_not_negative(saved):
    with pytest.raises(InputError, match="not whole"):
        read_truth(saved([[0.5, 1]], np.float32), "instances")
    with pytest.raises(InputError, match="-1 to 4"):
        read_instances(saved([[-1, 4]], np.int16))
    with pytest.raises(InputError, match="not finite"):
        read_truth(saved([[np.nan, 4]], np.float32), "instances")


def test_instances_keep_large_numbers(saved):
    path = saved([[0, 2**24 + 1, 2**24 + 2]], np.uint32)
    assert read_instances(path).data[0, :, 0].tolist() == [0, 2**24 + 1, 2**24 + 2]


def test_a_boundary_map_has_its_regions_numbered(saved):
    numbers = read_instances(saved(INSIDE * 255), "inside").data[..., 0]
    assert len(np.unique(numbers)) == 3  # two regions: corners do not connect
    assert ((numbers > 0) == INSIDE).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_touching_objects_are_parted_by_so_many_pixels(width):
    instances = np.ones((12, 20, 1), np.int32)
    instances[:, 10:] = 2
    inside = separated(instances, width)
    assert (~inside).sum(axis=1).ravel().tolist() == [width] * 12


def test_objects_that_do_not_touch_keep_their_size():
    instances = np.zeros((12, 20, 2), np.int32)
    instances[2:5, 2:5] = 1
    instances[2:5, 9:12] = 2
    instances[:, :, 1] = 0
    instances[2:5, 5:8, 1] = 3  # beside object 1, but in the next slice
    np.testing.assert_array_equal(separated(instances, 2), instances > 0)


def test_no_line_at_width_0():
    instances = np.array([[1, 1, 2, 2]])[..., None]
    assert separated(instances, 0).all()


@given(arrays(np.int32, (9, 9, 1), elements=st.integers(0, 3)), st.integers(1, 3))
def test_different_objects_never_stay_connected(instances, width):
    inside = separated(instances, width)[..., 0]
    assert not (inside & (instances[..., 0] == 0)).any()
    regions, count = ndimage.label(inside)
    for region in range(1, count + 1):
        assert len(np.unique(instances[..., 0][regions == region])) == 1


@pytest.mark.real
def test_the_isbi_labels(shared_data):
    truth = read_truth(shared_data / "isbi2012" / "train-labels.tif", "inside", pages=[0, 29])
    assert truth.shape == (512, 512, 2)
    assert 0.7 < truth.data.mean() < 0.85


@pytest.mark.real
def test_cells_of_dic_hela(shared_data):
    path = sorted((shared_data / "ctc_dic_hela" / "01_GT" / "SEG").glob("*.tif"))[0]
    numbers = read_instances(path).data
    regions, count = ndimage.label(read_truth(path, "instances", membrane_width=2).data[..., 0])
    sizes = np.bincount(regions.ravel())[1:]
    assert (sizes > 100).sum() >= len(np.unique(numbers)) - 1  # each cell apart from the others
    assert count < 40
