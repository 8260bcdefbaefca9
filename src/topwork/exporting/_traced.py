"""A text network that topwork does not know block by block, as ONNX nodes: traced by torch."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from topwork.backbones import TextBackbone
from topwork.engines import text_module
from topwork.errors import TopworkError
from topwork.exporting._nodes import OPSET, Nodes, Value, onnx

if TYPE_CHECKING:
    from torch import Tensor, nn


def traced(nodes: Nodes, backbone: TextBackbone, ids: Value, mask: Value, wanted: set[int]) -> dict[int, Value]:
    """The tokens of some layers, float32 (N, T, width) each; imports torch and transformers.

    Args:
        nodes: The graph.
        backbone: A transformer.
        ids: int64 (N, T).
        mask: int64 (N, T): 1 where there is a token, 0 where the row is filled up.
        wanted: Layers, 0 being the embeddings; the last one is what the network gives out, after its last norm.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        TopworkError: torch cannot write the network as ONNX.
    """
    import torch

    network, _ = text_module(backbone, attention="eager")
    order = sorted(wanted)
    example = torch.arange(14).view(2, 7) % int(backbone.config["vocab_size"]), torch.ones(2, 7, dtype=torch.long)
    example[1][1, 5:] = 0
    file = io.BytesIO()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's notes on what is constant here, and on its age
            torch.onnx.export(
                _layers(network, order),
                example,
                file,  # type: ignore[arg-type]  # only the newer exporter needs a path
                input_names=["ids", "mask"],
                output_names=[f"layers.{index}" for index in order],
                dynamic_axes={name: {0: "batch", 1: "tokens"} for name in ("ids", "mask")},
                opset_version=OPSET,
                dynamo=False,  # ten times faster, and the way that its conversion for OpenVINO goes too
            )
    except Exception as error:  # torch's and transformers', of many kinds
        reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
        hint = "fit another network with --backbone, or answer with `topwork serve`"
        raise TopworkError(f"torch cannot write {backbone.name} as ONNX: {reason}", hint=hint) from error
    found = nodes.absorb(onnx().load_from_string(file.getvalue()), {"ids": ids, "mask": mask})
    return dict(zip(order, found, strict=True))


def _layers(network: nn.Module, order: list[int]) -> nn.Module:
    from torch import nn

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
            found: Any = self.network(input_ids=ids, attention_mask=mask, output_hidden_states=True)
            layers = (*found.hidden_states[:-1], found.last_hidden_state)
            return tuple(layers[index] for index in order)

    return Layers().eval()
