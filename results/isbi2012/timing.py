"""How long a training step and a slice take each network on one thread, however busy the machine is.

Processor time is counted, on one thread, which waiting for a core does not lengthen. Epochs' seconds on a busy machine
say more about the load than about the network.
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1]))

from shared.runs import Finished

from msseg.config.experiment import ExperimentConfig
from msseg.config.load import load_config
from msseg.inference.device import autocast, choose_device, choose_precision, place_network
from msseg.inference.windows import predict_windows
from msseg.losses.registry import build_loss
from msseg.model import load_network
from msseg.runs import CONFIG_FILE, ModelRun
from msseg.training.optimisation import make_optimiser

SLICE = (512, 512, 1)
PASSES = 5


def measured(runs: Mapping[str, Finished]) -> dict[str, dict[str, float]]:
    """Seconds of one training step, and of one pass over one slice, of each network: medians.

    Returns:
        For each run `step` and `slice`, processor seconds on one thread in the arithmetic that the machine trains in.
    """
    torch.set_num_threads(1)
    device = choose_device("cpu")
    dtype = choose_precision("auto", device)
    image = torch.randn(1, *SLICE, generator=torch.Generator().manual_seed(0))
    seconds = {}
    for name, run in runs.items():
        network = place_network(load_network(ModelRun(run.model.folder).model)[0], device)
        one_slice = _median(lambda network=network: predict_windows(network, image, SLICE, device=device, dtype=dtype))
        step = _median(_training_step(network, load_config(run.run.folder / CONFIG_FILE), device, dtype))
        seconds[name] = {"step": step, "slice": one_slice}
    return seconds


def _training_step(
    network: nn.Module, config: ExperimentConfig, device: torch.device, dtype: torch.dtype
) -> Callable[[], object]:
    """One step on a made-up batch of the size of the run's."""
    optimiser, loss = make_optimiser(network.train(), config.optimiser), build_loss(config.loss)
    shape = (config.patches.batch_size, 1, *config.patches.size)
    image, label = torch.randn(shape), (torch.rand(shape) > 0.5).float()

    def step() -> None:
        optimiser.zero_grad()
        with autocast(device, dtype):
            cost = loss(network(image.to(memory_format=torch.channels_last_3d)), label)
        cost.backward()
        optimiser.step()

    return step


def _median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(PASSES + 1):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])  # the first one warms up
