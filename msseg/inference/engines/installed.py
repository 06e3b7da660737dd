"""Which engines are installed, found without importing them; a missing one is named with what installs it."""

from importlib.util import find_spec

from msseg.errors import InputError


class EngineError(InputError):
    """An engine or an export cannot be had; the model itself may be sound, and PyTorch may compute it."""


ENGINES = ("openvino", "onnxruntime")
"""The optional ones, and the packages they are."""
EXTRAS = {"openvino": "cpu", "onnxruntime": "onnx"}
"""Engine -> the extra of msseg that installs it, with what exports need."""


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # something else of that name is half imported
        return False


def require_engine(name: str) -> None:
    """Refuse an engine that is not installed.

    Raises:
        EngineError: It is not.
    """
    if not is_installed(name):
        raise EngineError(f"the engine {name} is not installed: pip install 'msseg[{EXTRAS[name]}]', or --engine torch")


def usable_exporter() -> bool:
    """Whether what PyTorch needs to export a network is installed."""
    return is_installed("onnx")


def require_exporter() -> None:
    """Refuse to export without ONNX.

    Raises:
        EngineError: It is not installed.
    """
    if not usable_exporter():
        raise EngineError(
            "the model has no export yet, and making one needs the package onnx: pip install 'msseg[cpu]', or --engine"
            " torch"
        )
