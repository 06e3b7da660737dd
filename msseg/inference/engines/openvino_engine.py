"""OpenVINO: the fastest on x86 and ARM CPUs, and quick to start."""

from collections.abc import Sequence

import numpy as np
import openvino

from msseg.inference.engines.base import Precision
from msseg.inference.engines.exported import ExportedEngine
from msseg.inference.engines.store import Export

HINTS = {"fp32": "f32", "bf16": "bf16"}
SHAPES = 2
"""Compiled shapes that are kept: turned copies of a window that is no square have two."""


class OpenVINOEngine(ExportedEngine):
    """Computes an exported network with OpenVINO on the CPU.

    The network is compiled for the shape of the windows, a fraction of a second: for free axes it would compute slower
    and with more memory.
    """

    name = "openvino"

    def __init__(self, export: Export, precision: Precision, threads: int | None = None) -> None:
        """Take an export; `threads` None: OpenVINO's choice."""
        super().__init__(export, precision)
        self._core = openvino.Core()
        self._options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = str(threads)
        self._model = self._core.read_model(export.graph)
        self._requests: dict[tuple[int, ...], openvino.InferRequest] = {}

    def compute(self, array: np.ndarray) -> np.ndarray:
        """As `ExportedEngine` says."""
        request = self._requests.get(array.shape) or self._compiled(array.shape)
        request.infer({0: np.ascontiguousarray(array, np.float32)}, share_inputs=True, share_outputs=True)
        return request.get_output_tensor(0).data.copy()  # the next answer comes in the same memory

    def get_ready(self, shape: Sequence[int]) -> None:
        """As `ExportedEngine` says; not for slices, which are computed in batches that hang on the stack."""
        if self.shapes.kind == "volumes":
            self.shapes.everywhere(self._only_compile, np.empty(shape, np.float32))

    def _only_compile(self, array: np.ndarray) -> np.ndarray:
        if array.shape not in self._requests:
            self._compiled(array.shape)
        return np.empty((len(array), 1, *array.shape[2:]), np.float32)

    def _compiled(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        if len(self._requests) == SHAPES:
            del self._requests[next(iter(self._requests))]
        self._model.reshape(list(shape))
        self._requests[shape] = self._core.compile_model(self._model, "CPU", self._options).create_infer_request()
        return self._requests[shape]


def computes_bf16_fast() -> bool:
    """Whether OpenVINO has instructions of this CPU that multiply bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
