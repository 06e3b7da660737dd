"""The MCDNN: dense against window by window, the windows' transforms, columns, calibration."""

import time

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.config.network import MCDNNColumnConfig
from msseg.networks.mcdnn import MCDNN
from msseg.networks.mcdnn_column import MCDNNColumn, last_map
from msseg.networks.registry import parameter_count
from msseg.networks.window_transforms import Foveation, NonuniformSampling, disks, fisheye_grid, radius_shares

TRANSFORMS = ("foveation", "nonuniform", "foveation_nonuniform")


def plain(*windows: int) -> tuple[MCDNNColumnConfig, ...]:
    return tuple(MCDNNColumnConfig(window=window) for window in windows)


def make(*columns: MCDNNColumnConfig, maps: int = 3, neurons: int = 5) -> MCDNN:
    torch.manual_seed(0)
    network = MCDNN(1, base_channels=maps, neurons=neurons, columns=columns)
    for head in network.heads:
        nn.init.normal_(head.weight, std=0.3)
    return network.eval()


def window_by_window(network: MCDNN, image: Tensor) -> Tensor:
    """Foreground probability of every pixel with enough surroundings, as published: one softmax a window."""
    side = 2 * network.margin + 1
    rows, columns = (length - side + 1 for length in image.shape[2:])
    answers = torch.empty(1, 1, rows, columns, dtype=image.dtype)
    for row in range(rows):
        for column in range(columns):
            window = image[:, :, row : row + side, column : column + side]
            answers[0, 0, row, column] = torch.stack(
                [of_column(network, i, window) for i in range(len(network.columns))]
            ).mean()
    return answers


def of_column(network: MCDNN, number: int, window: Tensor) -> Tensor:
    column, head = network.columns[number], network.heads[number]
    assert isinstance(column, MCDNNColumn)
    spare = network.margin - column.field // 2
    x = column.transform(window[:, :, spare : window.shape[2] - spare, spare : window.shape[3] - spare])
    for layer in column.convolutions:
        x = F.relu(F.max_pool2d(F.conv2d(x, layer.weight, layer.bias), 2))
    x = F.relu(F.linear(x.flatten(1), column.connected.weight.flatten(1), column.connected.bias))
    return F.linear(x, head.weight.flatten(1), head.bias).softmax(1)[0, 1]


def test_a_column_has_the_published_layers() -> None:
    """Ciresan et al. 2012, table 1: 95x95, 48 maps 4x4, 5x5, 4x4, 4x4 with pooling, 200 neurons, 2 neurons."""
    network = MCDNN(1, columns=plain(95))
    shapes = [tuple(parameter.shape) for parameter in network.parameters() if parameter.ndim == 4]
    assert shapes == [(48, 1, 4, 4), (48, 48, 5, 5), (48, 48, 4, 4), (48, 48, 4, 4), (200, 48, 3, 3), (2, 200, 1, 1)]
    assert parameter_count(network) == 219_290
    assert (network.margin, network.smallest) == (47, 95)
    assert [last_map(window) for window in (63, 65, 95)] == [1, 1, 3]


@pytest.mark.parametrize("columns", [plain(95), plain(63), plain(65), plain(95, 65)], ids=str)
def test_dense_prediction_is_window_by_window_prediction(columns: tuple[MCDNNColumnConfig, ...]) -> None:
    network = make(*columns).double()
    side = 2 * network.margin + 1
    image = torch.randn(1, 1, side + 17, side + 3, dtype=torch.float64)
    with torch.no_grad():
        dense = network.centre(image).sigmoid()
        torch.testing.assert_close(dense, window_by_window(network, image), rtol=1e-6, atol=1e-6)
    assert dense.std() > 1e-3


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transformed_windows_in_batches_are_single_windows(transform: str) -> None:
    column = MCDNNColumnConfig(window=63, transform=transform, field=65 if "nonuniform" in transform else None)
    network = make(column, *plain(63)).double()
    side = 2 * network.margin + 1
    image = torch.randn(1, 1, side + 3, side + 2, dtype=torch.float64)
    with torch.no_grad():
        together = network.centre(image).sigmoid()
        torch.testing.assert_close(together, window_by_window(network, image), rtol=1e-6, atol=1e-6)
    assert together.std() > 1e-3


def test_batches_and_long_rows_of_windows_come_back_in_order() -> None:
    network = make(MCDNNColumnConfig(window=63, transform="nonuniform", field=65), maps=1, neurons=2)
    images = torch.randn(2, 1, 66, 65 + 260)
    with torch.no_grad():
        both = network.centre(images)
        torch.testing.assert_close(both[1:], network.centre(images[1:]))
        torch.testing.assert_close(both[1:, :, 1:, 250:], network.centre(images[1:, :, 1:, 250:]))


def test_dense_prediction_is_faster_by_far() -> None:
    network = make(*plain(95), maps=16, neurons=50)
    image = torch.randn(1, 1, 95 + 9, 95 + 9)
    column = network.columns[0]
    assert isinstance(column, MCDNNColumn)
    windows = image.unfold(2, 95, 1).unfold(3, 95, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    with torch.no_grad():
        column.features(image)
        seconds = []
        for compute in (lambda: column.features(image), lambda: column.classify(windows)):
            start = time.process_time()
            compute()
            seconds.append(time.process_time() - start)
    assert seconds[1] > 10 * seconds[0]


def test_only_plain_columns_are_dense() -> None:
    columns = [MCDNNColumnConfig(transform=transform) for transform in ("plain", *TRANSFORMS)]
    assert [column.is_dense for column in make(*columns).columns] == [True, False, False, False]


# ------------------------------------------------------------------------------------------ transforms
def test_foveation_keeps_the_middle_and_the_mean_and_blurs_the_sides() -> None:
    fovea = Foveation(95).double()
    checkerboard = (torch.arange(95)[:, None] + torch.arange(95)).remainder(2).double()[None, None]
    seen = fovea(checkerboard)
    torch.testing.assert_close(seen[:, :, 39:56, 39:56], checkerboard[:, :, 39:56, 39:56])
    contrast = [seen[0, 0, 47, start : start + 8].std().item() for start in (47, 61, 71, 81)]
    assert contrast == sorted(contrast, reverse=True)
    assert contrast[-1] < 0.1 * contrast[0]
    flat = torch.full((2, 3, 95, 95), 0.7, dtype=torch.float64)
    torch.testing.assert_close(fovea(flat), flat)


def test_disks_and_shares_are_averages() -> None:
    assert disks(5).shape == (6, 1, 11, 11)
    torch.testing.assert_close(disks(5).sum((1, 2, 3)), torch.ones(6))
    assert (disks(5)[1, 0] > 0).sum() == 5
    torch.testing.assert_close(radius_shares(65, 5).sum(0), torch.ones(65, 65))


def test_fisheye_sees_the_middle_pixel_by_pixel_and_reaches_the_field_s_corners() -> None:
    ramp = torch.arange(97.0).expand(1, 1, 97, 97)
    seen = NonuniformSampling(97, 65)(torch.cat([ramp, ramp.transpose(2, 3)], dim=1))[0]
    columns, rows = seen[0, 10], seen[1, :, 10]
    torch.testing.assert_close(rows, columns)
    assert columns[[0, 32, 64]].tolist() == pytest.approx([0, 48, 96], abs=1e-4)
    steps = columns.diff()
    assert steps[31:33].tolist() == pytest.approx([1, 1], abs=0.01)
    assert (steps[32:].diff() > 0).all()
    torch.testing.assert_close(steps, steps.flip(0), rtol=1e-3, atol=1e-3)
    assert fisheye_grid(65, 65)[0, 0, :, 0].tolist() == pytest.approx(torch.linspace(-1, 1, 65).tolist(), abs=1e-6)


# ------------------------------------------------------------------------------------------ columns
def test_columns_are_averaged_in_evaluation_and_drawn_in_training() -> None:
    network = make(*plain(63, 65, 79))
    x = torch.randn(6, 1, 82, 80)
    with torch.no_grad():
        each = torch.stack([network.column_logits(x, number) for number in range(3)])
        torch.testing.assert_close(network.centre(x).sigmoid(), each.sigmoid().mean(0))
        network.train()
        drawn = [
            [
                next(i for i in range(3) if torch.allclose(logits, each[i, sample]))
                for sample, logits in enumerate(network(x))
            ]
            for _ in range(5)
        ]
    assert all(sorted(row) == [0, 0, 1, 1, 2, 2] for row in drawn)
    assert len({tuple(row) for row in drawn}) > 1


def test_a_small_batch_takes_any_column() -> None:
    network = make(*plain(63, 65)).train()
    x = torch.randn(1, 1, 66, 66)
    torch.manual_seed(0)
    with torch.no_grad():
        assert len({round(network(x).sum().item(), 6) for _ in range(10)}) == 2


def test_the_prior_is_shared_between_both_classes() -> None:
    network = make(*plain(63, 65))
    network.set_output_bias(-2.0)
    for head in network.heads:
        nn.init.zeros_(head.weight)
        assert head.bias.tolist() == [1.0, -1.0]
    torch.testing.assert_close(network(torch.randn(1, 1, 4, 4)), torch.full((1, 1, 4, 4), -2.0))


# ------------------------------------------------------------------------------------------ calibration
def test_calibration_corrects_evaluation_alone_and_is_saved() -> None:
    network, other = make(*plain(63)), make(*plain(63))
    x = torch.randn(1, 1, 90, 90)
    with torch.no_grad():
        raw, learned = network.centre(x), network.train()(x)
        probability = raw.sigmoid()
        network.eval().fit_calibration(probability, 0.2 + 0.5 * probability)
        torch.testing.assert_close(network.centre(x).sigmoid(), 0.2 + 0.5 * probability, atol=1e-4, rtol=0)
        torch.testing.assert_close(network.train()(x), learned)
        other.load_state_dict(network.state_dict())
        assert torch.equal(other.centre(x), network.eval().centre(x))


def test_calibrated_logits_are_finite() -> None:
    network = make(*plain(63))
    network.coefficients.copy_(torch.tensor([-1.0, 3.0, 0, 0]))
    nn.init.normal_(network.heads[0].weight, std=100)
    logits = network(torch.randn(1, 1, 20, 20)).detach()
    assert logits.abs().max().item() == pytest.approx(13.8, abs=0.1)
