"""Pairs of texts: their tokens, and the graph of a network with its own classifier that says how they are related."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, IntegerArray
from topwork._system import cached, optional
from topwork.engines._engine import last_line, openvino_core
from topwork.engines._openvino import read_network
from topwork.engines._transformer._converted import converted, loaded
from topwork.engines._transformer._tokens import CHARACTERS, clean, opened, require_fit
from topwork.errors import BackboneError

_NETWORK = "openvino/pairs.xml"


class Pairs:
    """Pairs of texts to tokens; of a pair that is too long the first text is cut.

    Args:
        content: Of the ``tokenizer.json``.
        longest: Tokens that the network takes at most, special ones included.
        vocabulary: Tokens that the network knows.

    Raises:
        MissingExtraError: The package ``tokenizers`` is not installed.
        BackboneError: It is damaged, or is not of this network.
    """

    def __init__(self, content: bytes, longest: int, vocabulary: int) -> None:
        self._tokenizer = opened(content)
        require_fit(self._tokenizer, vocabulary)
        self._tokenizer.enable_truncation(longest, strategy="only_first")
        self._read = CHARACTERS * longest

    def __call__(self, pairs: Iterable[tuple[str, str]]) -> tuple[list[IntegerArray], list[IntegerArray]]:
        """The tokens of each pair, int32 (T,), and of each token which of the two texts it is of, int32 (T,).

        Raises:
            BackboneError: A second text leaves no room for the first.
        """
        given = [(clean(first[: self._read]), clean(second)) for first, second in pairs]
        try:
            found = self._tokenizer.encode_batch(given)
        except Exception as error:  # the package's errors are plain exceptions
            raise BackboneError(
                f"the words for a class leave no room for a text: {last_line(error)}", hint="say it in fewer words"
            ) from error
        return [np.array(each.ids, np.int32) for each in found], [np.array(each.type_ids, np.int32) for each in found]


def pairs_graph(folder: Path, config: Mapping[str, Any], arrays: Callable[[], Mapping[str, AnyArray]]) -> Any:
    """The ``openvino.Model`` of a network with its own classifier, from pairs' tokens to its logits (N, labels).

    It is converted the first time, and kept; only then transformers and torch are imported.

    Args:
        folder: Of the cache, for this network; named by all that shapes it.
        config: The fields of its ``config.json``. No code that it names is run.
        arrays: Reads its weights, by their names in the file; called when it is converted.

    Raises:
        MissingExtraError: transformers is not installed, and the network is not converted yet.
        BackboneError: transformers does not know it, its weights do not fit, or OpenVINO cannot read it.
    """
    import openvino

    def make() -> Callable[[Path], object]:
        transformers = optional("transformers", extra="tune", what="building a text network in torch")
        network = loaded(config, arrays(), kinds=transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING)
        found = converted(*_as_pairs(network), vocabulary=int(config["vocab_size"]), end=config.get("eos_token_id"))
        return lambda file: openvino.save_model(found, file, compress_to_fp16=False)

    return read_network(openvino_core(), cached(folder, _NETWORK, make))


def _as_pairs(network: Any) -> tuple[Any, tuple[str, ...]]:
    """From ids, mask and, where the network tells the two texts apart by them, types to logits; and those names."""
    from torch import nn

    typed = "token_type_ids" in inspect.signature(network.forward).parameters

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: Any, mask: Any, *types: Any) -> Any:
            beside = {"token_type_ids": types[0].long()} if typed else {}
            return self.network(input_ids=ids.long(), attention_mask=mask.long(), **beside).logits

    return Logits().eval(), ("ids", "mask", "types") if typed else ("ids", "mask")
