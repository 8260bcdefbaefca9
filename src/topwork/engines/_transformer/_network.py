"""A text network, compiled once for texts of any length, that takes many at a time with little filling up."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, Int64Array, IntegerArray, IntpArray
from topwork._system import Executor, available_cores
from topwork.engines._engine import Precision, last_line, openvino_core
from topwork.errors import BackboneError

TOKENS = 512  # of a batch; more are no faster on a CPU, be the texts short or long, and hold more memory


class TextNetwork:
    """Runs a network of texts on all cores, one stream a core with its own batch; may be called from several threads.

    Texts go in by their length, so that a batch holds texts as long as each other.

    Args:
        graph: An ``openvino.Model`` from ``ids`` and ``mask``, int32 (N, T), perhaps also ``types``, to outputs
            (N, width).
        precision: What it computes in; features are float32.

    Raises:
        BackboneError: OpenVINO cannot run it.
    """

    def __init__(self, graph: Any, precision: Precision) -> None:
        self.precision: Precision = precision
        cores = available_cores()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "ENABLE_CPU_PINNING": False,  # what reads and tokenizes the texts shares these cores
        }
        try:
            network = openvino_core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise BackboneError(f"OpenVINO cannot run the network: {last_line(error)}") from error
        self.widths = tuple(output.get_partial_shape()[1].get_length() for output in network.outputs)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._streams = cores
        self._typed = any("types" in each.get_names() for each in network.inputs)
        for _ in range(cores):
            self._idle.put(network.create_infer_request())

    def __call__(self, ids: Sequence[IntegerArray], types: Sequence[IntegerArray] = ()) -> Float32Array:
        """Features of texts, given as their tokens: float32 (N, D), the outputs side by side, in the texts' order.

        A text without a token has zeros. ``types`` are of each token, for a graph that takes them.
        """
        features = np.zeros((len(ids), sum(self.widths)), np.float32)
        lengths = np.array([len(each) for each in ids], np.int64)
        batches = list(batches_by_length(lengths, TOKENS))
        most = int(lengths.max(initial=0))

        def run(rows: IntpArray) -> None:
            given = [ids] if not self._typed else [ids, types]
            features[rows] = self._run([[each[row] for row in rows] for each in given], lengths[rows], most)

        with Executor("texts", min(self._streams, max(1, len(batches)))) as executor:
            for _ in executor.map_ordered(run, batches, in_flight=2 * self._streams):
                pass
        return features

    def _run(self, given: list[list[IntegerArray]], lengths: Int64Array, most: int) -> Float32Array:
        texts = len(lengths)
        count, length = batch_shape(texts, int(lengths.max()), TOKENS, most)
        there = np.zeros((count, length), np.bool_)
        there[:texts] = np.arange(length) < lengths[:, None]
        inputs = {"mask": there}
        for name, rows in zip(("ids", "types"), given, strict=False):
            inputs[name] = np.zeros((count, length), np.int32)
            inputs[name][there] = np.concatenate(rows)
        for each in inputs.values():
            each[texts:] = each[texts - 1]  # a row of nothing would divide by zero
        request = self._idle.get()
        try:
            request.infer({name: each.astype(np.int32) for name, each in inputs.items()}, share_inputs=True)
            found = [request.get_output_tensor(place).data[:texts] for place in range(len(self.widths))]
            return np.concatenate(found, axis=1)
        except RuntimeError as error:
            raise BackboneError(
                f"OpenVINO cannot run the network on texts of {lengths.max()} tokens: {last_line(error)}"
            ) from error
        finally:
            self._idle.put(request)


def batches_by_length(lengths: Int64Array, tokens: int) -> Iterator[IntpArray]:
    """Rows of texts that go together, the longest first, so that little is filled up; those of no length are left out.

    Args:
        lengths: Tokens of each text, int (N,).
        tokens: That a batch may have, filled up; a single text may have more.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        count = max(1, tokens // _rounded(int(lengths[order[start]])))
        yield order[start : start + count]
        start += count


def batch_shape(count: int, longest: int, tokens: int, most: int) -> tuple[int, int]:
    """Rows and tokens a row that a batch is filled up to: few shapes, since OpenVINO keeps what it makes for each.

    Args:
        count: Texts in the batch.
        longest: Tokens of its longest text.
        tokens: That a batch may have.
        most: Tokens that a row may have; a network has no position for more.
    """
    length = min(_rounded(longest), most)
    full = max(1, tokens // length)
    return min(full, 1 << (count - 1).bit_length()), length


def _rounded(length: int) -> int:
    """A text's length, from 32 tokens up with no more than five binary digits that count: 6 % more at most."""
    step = 1 << max(0, length.bit_length() - 5)
    return -(-length // step) * step
