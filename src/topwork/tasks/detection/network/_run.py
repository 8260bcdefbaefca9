"""A head's graph, compiled for one number of rows a call, that several threads may call at once."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import available_cores
from topwork.engines import Precision
from topwork.engines._engine import last_line, openvino_core
from topwork.errors import ModelError
from topwork.tasks.detection.network._graph import Arrays, head_graph
from topwork.tasks.detection.network._raw import Raw
from topwork.tasks.detection.network._spec import HeadSpec

BATCH = 4  # rows a call; more are no faster, and a row of Lite0's maps at 320 pixels is half a megabyte


class HeadNetwork:
    """A head in OpenVINO, one stream a core with its own batch; or, ``alone``, all cores at work on one image.

    Raises:
        ModelError: OpenVINO cannot run it.
    """

    def __init__(self, spec: HeadSpec, arrays: Arrays, precision: Precision, *, alone: bool) -> None:
        self.callers = 1 if alone else available_cores()
        self._batch = 1 if alone else BATCH
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": self.callers,
            "INFERENCE_NUM_THREADS": available_cores(),
            "ENABLE_CPU_PINNING": False,  # decoders share these cores
        }
        try:
            network = openvino_core().compile_model(head_graph(spec, arrays, self._batch), "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot run the detector's head: {last_line(error)}") from error
        self._spec = spec
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.callers):
            self._idle.put(network.create_infer_request())

    def batches(self, features: Float32Array) -> Iterator[Float32Array]:
        """Rows that go through in one call."""
        yield from (features[start : start + self._batch] for start in range(0, len(features), self._batch))

    def __call__(self, rows: Float32Array) -> Raw:
        """What it says of a batch of ``batches``."""
        filler = np.zeros((self._batch - len(rows), self._spec.n_features), np.float32)
        full = np.ascontiguousarray(np.concatenate([rows, filler]) if len(filler) else rows, np.float32)
        request = self._idle.get()
        try:
            request.start_async({0: full}, share_inputs=True)
            request.wait()
            found = [request.get_output_tensor(place).data[: len(rows)].copy() for place in range(self._outputs)]
        finally:
            self._idle.put(request)
        return Raw(found[0], found[1], found[2][..., 0] if self._spec.centreness else None)

    @property
    def _outputs(self) -> int:
        return 3 if self._spec.centreness else 2
