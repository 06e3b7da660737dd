"""ONNX Runtime: small, and there for every platform."""

import numpy as np
import onnxruntime

from msseg.inference.engines.base import Precision
from msseg.inference.engines.exported import ExportedEngine
from msseg.inference.engines.store import Export


class ONNXRuntimeEngine(ExportedEngine):
    """Computes an exported network with ONNX Runtime on the CPU, in float32: its CPU kernels know no bfloat16."""

    name = "onnxruntime"

    def __init__(self, export: Export, precision: Precision = "fp32", threads: int | None = None) -> None:
        """Take an export; `threads` None: ONNX Runtime's choice."""
        super().__init__(export, precision)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors alone
        if threads is not None:
            options.intra_op_num_threads = threads
        graph = export.graph if isinstance(export.graph, bytes) else str(export.graph)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def compute(self, array: np.ndarray) -> np.ndarray:
        """As `ExportedEngine` says."""
        return self._session.run(None, {self._input: np.ascontiguousarray(array, np.float32)})[0]
