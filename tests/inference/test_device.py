import pytest
import torch

from msseg.errors import InputError
from msseg.inference.device import autocast, choose_device, choose_precision, has_fast_bf16, place_network

CPU = torch.device("cpu")


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def cuda_of(monkeypatch):
    """A machine with one GPU of a given generation, as far as PyTorch says."""

    def pretend(major, minor):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, minor))
        return torch.device("cuda")

    return pretend


def set_cpu_bf16(monkeypatch, avx512, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)


@pytest.mark.usefixtures("no_cuda")
def test_auto_without_a_gpu_is_the_cpu():
    assert choose_device("auto") == CPU


def test_auto_with_a_gpu_is_cuda(cuda_of):
    cuda_of(9, 0)
    assert choose_device("auto").type == "cuda"


@pytest.mark.usefixtures("no_cuda")
def test_cuda_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"'cuda' was asked for, but .*give auto or cpu"):
        choose_device("cuda")


def test_a_gpu_beyond_the_last_is_refused(cuda_of):
    cuda_of(9, 0)
    assert choose_device("cuda:0").index == 0
    with pytest.raises(InputError, match="'cuda:3' does not exist among 1 GPUs"):
        choose_device("cuda:3")


@pytest.mark.parametrize("name", ["gpu", "mps", "", "cuda:x"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(InputError, match="give auto, cpu or cuda"):
        choose_device(name)


@pytest.mark.parametrize(("avx512", "amx", "fast"), [(False, False, False), (True, False, True), (False, True, True)])
def test_auto_precision_on_a_cpu_follows_its_instructions(monkeypatch, avx512, amx, fast):
    set_cpu_bf16(monkeypatch, avx512, amx)
    assert has_fast_bf16(CPU) is fast
    assert choose_precision("auto", CPU) == (torch.bfloat16 if fast else torch.float32)


def test_auto_precision_on_a_torch_that_cannot_tell_is_fp32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert choose_precision("auto", CPU) == torch.float32


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_auto_precision_on_a_gpu_follows_its_generation(cuda_of, capability, expected):
    assert choose_precision("auto", cuda_of(*capability)) == expected


def test_asked_for_precisions(cuda_of):
    assert choose_precision("fp32", CPU) == torch.float32
    assert choose_precision("bf16", CPU) == torch.bfloat16
    assert choose_precision("fp16", cuda_of(7, 0)) == torch.float16
    with pytest.raises(InputError, match="fp16 is not computed on a CPU"):
        choose_precision("fp16", CPU)
    with pytest.raises(InputError, match="'double' is unknown: give auto, fp32, bf16, fp16"):
        choose_precision("double", CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_computes_convolutions_in_the_dtype(dtype):
    with autocast(CPU, dtype):
        assert torch.nn.Conv3d(1, 1, 1)(torch.zeros(1, 1, 2, 2, 2)).dtype == dtype


def test_placing_a_network_changes_its_layout_and_not_its_answer():
    network = torch.nn.Conv3d(3, 4, 3)
    x = torch.randn(1, 3, 8, 8, 8)
    before = network(x)
    placed = place_network(network, CPU)
    assert placed.weight.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(placed(x), before)
