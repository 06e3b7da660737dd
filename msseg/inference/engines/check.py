"""Engines from exports, and whether they answer what PyTorch does: asked once of each engine and version."""

from pathlib import Path

from msseg.inference.engines.base import Precision
from msseg.inference.engines.exported import ExportedEngine
from msseg.inference.engines.installed import EngineError
from msseg.inference.engines.store import Export, write_checked
from msseg.model import GRAPH_FILE

TOLERANCE = 1e-3
"""How far float32 logits may lie from PyTorch's, as a share of the largest (at least 1): another order of sums gives
1e-6 to 1e-5, a wrong operator far more than this."""


def checked_engine(
    folder: Path, export: Export, name: str, precision: Precision = "fp32", threads: int | None = None
) -> ExportedEngine:
    """An engine with an export that it computes as PyTorch does.

    Args:
        folder: The model folder, for messages and to note that the export was checked.
        export: Its export.
        name: "openvino" or "onnxruntime", installed.
        precision: "fp32", or with OpenVINO "bf16".
        threads: CPU threads; None: the engine's choice.

    Raises:
        EngineError: The engine cannot read the export, or answers something else than PyTorch.
    """
    engine_version = f"{name} {_version(name)}"
    try:
        if engine_version not in export.about.checked:
            _require_equal(folder, export, _engine(name, export, "fp32", threads), engine_version)
            write_checked(folder, export, engine_version)
        return _engine(name, export, precision, threads)
    except EngineError:
        raise
    except Exception as error:  # each engine has errors of its own for graphs that it cannot read or compute
        first = str(error).strip().splitlines()[-1]
        raise EngineError(
            f"{engine_version} cannot compute {folder / GRAPH_FILE} ({first}): remove the file, which is made anew, or"
            " give --engine torch"
        ) from error


def _require_equal(folder: Path, export: Export, engine: ExportedEngine, engine_version: str) -> None:
    error = engine.error(export)
    if error > TOLERANCE:
        raise EngineError(
            f"{engine_version} does not compute the model {folder} as PyTorch does: its answers to the stored windows"
            f" differ by {error:.1e} of the largest, more than {TOLERANCE:g}; give --engine torch"
        )


def _engine(name: str, export: Export, precision: Precision, threads: int | None) -> ExportedEngine:
    if name == "openvino":
        from msseg.inference.engines.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(export, precision, threads)
    from msseg.inference.engines.onnxruntime_engine import ONNXRuntimeEngine

    return ONNXRuntimeEngine(export, precision, threads)


def fast_precision(name: str) -> Precision:
    """The arithmetic that an engine computes fast on this CPU, "bf16" or "fp32"."""
    if name != "openvino":
        return "fp32"
    from msseg.inference.engines.openvino_engine import computes_bf16_fast

    return "bf16" if computes_bf16_fast() else "fp32"


def _version(name: str) -> str:
    if name == "openvino":
        import openvino

        return str(openvino.__version__)
    import onnxruntime

    return str(onnxruntime.__version__)
