"""Any other network for texts: built by transformers, converted from torch once, and from then on run without both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._arrays import AnyArray
from topwork._system import cached, optional, quiet
from topwork.backbones import EMBEDDING
from topwork.engines._engine import last_line, openvino_core
from topwork.engines._openvino import read_network
from topwork.engines._transformer._graph import FAR, POOLS, Pooling, output_names, require_outputs
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

_NETWORK = "openvino/network.xml"  # in a folder of its own, published whole
_UNUSED = ("pooler.",)  # tensors that no output is made of


def converted_graph(
    folder: Path,
    config: Mapping[str, Any],
    arrays: Callable[[], Mapping[str, AnyArray]],
    outputs: tuple[str, ...],
    *,
    pooling: Pooling = "mean",
) -> Any:
    """The ``openvino.Model`` of a network that topwork does not know block by block; as ``transformer_graph`` gives it.

    The first time it is converted, with all its outputs, and kept; only then transformers and torch are imported. The
    last layer's tokens are those that the network gives out, after its last norm.

    Args:
        folder: Of the cache, for this network; named by all that shapes it.
        config: The fields of its ``config.json``. No code that it names is run.
        arrays: Reads its weights, by their names in the file; called when it is converted.
        outputs: Names out of ``output_names``.
        pooling: How the network's own ``embedding`` is made of the last layer's tokens.

    Raises:
        MissingExtraError: transformers is not installed, and the network is not converted yet.
        BackboneError: transformers does not know it, its weights do not fit, OpenVINO cannot read it, or there is no
            such output.
    """
    import openvino

    def make() -> Callable[[Path], object]:
        network = _pooled(loaded(config, arrays()))
        return lambda file: openvino.save_model(network, file, compress_to_fp16=False)

    network = read_network(openvino_core(), cached(folder, _NETWORK, make))
    layers = len(network.outputs) // len(POOLS) - 1
    require_outputs(outputs, output_names(layers))
    return _with_outputs(network, outputs, f"layers.{layers}/{pooling}")


def _with_outputs(network: Any, outputs: tuple[str, ...], own: str) -> Any:
    """The same network with these outputs alone; what they do not need falls away."""
    import openvino
    from openvino import opset13 as operators

    results = []
    for name in outputs:
        source = network.output(own if name == EMBEDDING else name).get_node().input_value(0)
        source.add_names({name})
        results.append(operators.result(source))
    return openvino.Model(results, network.get_parameters())


def loaded(
    config: Mapping[str, Any],
    arrays: Mapping[str, AnyArray],
    *,
    attention: str = "eager",
    kinds: Mapping[Any, Any] | None = None,
) -> nn.Module:
    """The network with its weights; built of transformers' own classes, so nothing that comes with them is run.

    Args:
        config: The fields of its ``config.json``.
        arrays: Its weights, by their names in the file.
        attention: transformers' name for how attention is computed; every network has ``eager``, which can be traced.
        kinds: transformers' classes by their configurations'; those without a classifier when None.

    Raises:
        MissingExtraError: transformers is not installed.
        BackboneError: transformers does not know it, or its weights do not fit.
    """
    transformers = optional("transformers", extra="tune", what="building a text network in torch")
    import torch

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING:
        raise BackboneError(
            f"transformers {transformers.__version__} does not know a {kind!r} network", hint=_why(config)
        )
    if config.get("quantization_config"):  # it would choose a package that reads them, and other numbers
        raise BackboneError(
            "the weights are quantised, which topwork does not read", hint="take the network's own ones"
        )
    fields = {name: value for name, value in config.items() if name != "auto_map"}
    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    with quiet(transformers):
        try:
            settings = transformers.CONFIG_MAPPING[kind].from_dict({**fields, "use_cache": False})
            encoders = transformers.MODEL_FOR_TEXT_ENCODING_MAPPING  # of T5 without its decoder
            classes = kinds or (encoders if type(settings) in encoders else transformers.MODEL_MAPPING)
            network, report = classes[type(settings)].from_pretrained(
                None,
                config=settings,
                state_dict=state,
                dtype=torch.float32,
                attn_implementation=attention,
                output_loading_info=True,
            )
        except Exception as error:  # what reads a hostile configuration may raise anything
            reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
            raise BackboneError(f"transformers cannot build this {kind} network: {reason}") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(_UNUSED))
    if missing:
        raise BackboneError(
            f"the weights do not fit the network: it has {missing[0]}, the file has none ({len(missing)} are missing)",
            hint="is it a checkpoint of another architecture?",
        )
    return network.eval()  # type: ignore[no-any-return]


def _why(config: Mapping[str, Any]) -> str:
    if config.get("auto_map"):
        return "it needs code that comes with its weights, which topwork never runs: such code may do anything"
    return "a newer transformers may know it: pip install --upgrade transformers"


def _pooled(network: nn.Module) -> Any:
    """The network with all its outputs."""
    found = converted(_pooled_module(network), ("ids", "mask"), vocabulary=network.config.vocab_size)  # type: ignore[union-attr,arg-type]
    for output, name in zip(found.outputs, output_names(len(found.outputs) // len(POOLS) - 1), strict=False):
        output.set_names({name})
    return found


def converted(module: nn.Module, names: tuple[str, ...], *, vocabulary: int, end: object = None) -> Any:
    """A module for any number of texts of any length.

    Args:
        module: Takes int32 (N, T) for each of ``ids``, ``mask`` and what else is named.
        names: Of its inputs, in order.
        vocabulary: Tokens that it knows.
        end: The token that stands once in each text, where a network looks for it, as its configuration has it.

    Raises:
        BackboneError: OpenVINO cannot convert it.
    """
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    ids = torch.arange(14, dtype=torch.int32).view(2, 7) % vocabulary
    mask = torch.ones(2, 7, dtype=torch.int32)
    mask[1, 5:] = 0
    if isinstance(end, int) and 0 <= end < vocabulary - 1:
        ids[ids == end] += 1
        ids[:, 4] = end
    given = (ids, mask, torch.zeros_like(ids))[: len(names)]
    frontend = FrontEndManager().load_by_framework("pytorch")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's notes on what is constant here
            traced = torch.jit.trace(module, given, check_trace=False)  # type: ignore[no-untyped-call]
            decoder = TorchScriptPythonDecoder(traced, example_input=given)  # must outlive the conversion
            found = frontend.convert(frontend.load(decoder))
        for parameter, name in zip(found.inputs, names, strict=True):
            parameter.set_names({name})
            parameter.get_node().set_element_type(openvino.Type.i32)
            parameter.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
        found.validate_nodes_and_infer_types()
    except BackboneError:
        raise
    except Exception as error:  # torch's, transformers' and OpenVINO's
        raise BackboneError(f"the network cannot be converted for OpenVINO: {last_line(error)}") from error
    return found


def _pooled_module(network: nn.Module) -> nn.Module:
    """From ids and mask to every layer's tokens, pooled in each way."""
    import torch
    from torch import nn

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
            found = self.network(input_ids=ids.long(), attention_mask=mask.long(), output_hidden_states=True)
            layers = (*found.hidden_states[:-1], found.last_hidden_state)
            there = mask.unsqueeze(-1).to(torch.float32)
            count = there.sum(dim=1)
            last = (mask.long().sum(dim=1) - 1).view(-1, 1, 1)
            pooled = []
            for tokens in layers:
                if tokens.shape[1] != ids.shape[1]:
                    raise BackboneError("the network's layers do not have a row of numbers for each token")
                pooled += [(tokens * there).sum(dim=1) / count, (tokens + (1 - there) * FAR).amax(dim=1), tokens[:, 0]]
                pooled.append(tokens.gather(1, last.expand(-1, 1, tokens.shape[-1])).squeeze(1))
            return tuple(pooled)

    return Pooled().eval()
