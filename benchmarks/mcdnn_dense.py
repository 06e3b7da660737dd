"""How much faster an MCDNN column predicts a whole image than window by window.

    python benchmarks/mcdnn_dense.py --size 256 --threads 1

Both compute the same probabilities; windows go through the network in batches of 256. They take turns (A B A B), and
window by window a strip of `--rows` rows is timed and scaled to the image. Prints the medians and their ratio as JSON.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from msseg.config.network import MCDNNColumnConfig
from msseg.networks.mcdnn_column import WINDOWS_AT_ONCE, MCDNNColumn
from msseg.networks.slice_network import mirrored


def window_by_window(column: MCDNNColumn, image: Tensor) -> Tensor:
    """One vector for each window of (1, C, H, W), as `column.features` gives it."""
    rows, columns = (length - column.field + 1 for length in image.shape[2:])
    views = image.unfold(2, column.field, 1).unfold(3, column.field, 1)[0].movedim(0, 2).flatten(0, 1)
    answers = torch.cat([column.classify(windows) for windows in views.split(WINDOWS_AT_ONCE)])
    return answers.view(rows, columns, -1).movedim(2, 0)[None]


def seconds(compute: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    compute()
    return time.perf_counter() - start


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--window", type=int, default=95)
    parser.add_argument("--size", type=int, default=512, help="of the image, in pixels along a side")
    parser.add_argument("--rows", type=int, default=1, help="rows of the image that are computed window by window")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args(argv)


@torch.inference_mode()
def main() -> None:
    """Measure, and print."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    column = MCDNNColumn(1, maps=48, neurons=200, config=MCDNNColumnConfig(window=arguments.window)).eval()
    margin, size = arguments.window // 2, arguments.size
    image = mirrored(torch.randn(1, 1, size, size), margin, [size + 2 * margin] * 2)
    strip = image[:, :, : arguments.rows + 2 * margin]
    difference = (column.features(strip) - window_by_window(column, strip)).abs().max().item()
    dense, windows = [], []
    for _ in range(arguments.repeats):
        dense.append(seconds(lambda: column.features(image)))
        windows.append(seconds(lambda: window_by_window(column, strip)) * size / arguments.rows)
    figures = {
        "image": f"{size} x {size}",
        "window": arguments.window,
        "threads": arguments.threads,
        "largest_difference": difference,
        "dense_s": statistics.median(dense),
        "window_by_window_s": statistics.median(windows),
        "factor": statistics.median(windows) / statistics.median(dense),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
