"""Words as a detector's classes: OWLv2's own text tower, run once when a model is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from topwork._arrays import Float32Array
from topwork._system import optional, quiet
from topwork.backbones import _hub
from topwork.backbones._backbone import Backbone
from topwork.backbones._detector import DetectorNetwork
from topwork.backbones._detector_module import whole_network
from topwork.backbones._text_files import CONFIG, TOKENIZER
from topwork.errors import BackboneError

_VOCABULARY = ("vocab.json", "merges.txt")
_SETTINGS = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def word_classes(backbone: DetectorNetwork, words: Sequence[Sequence[str]]) -> tuple[Float32Array, Float32Array]:
    """The layer that tells classes from what is said of them: weight float32 (d, C) and bias (C,).

    Raises:
        BackboneError: The network has classes of its own, or there is no tokenizer beside its weights.
        MissingExtraError: A package is missing.
    """
    if backbone.classes or backbone.library != "transformers":
        raise BackboneError(
            f"{backbone.name} has classes of its own, and words tell it nothing",
            hint="take --strategy as-is, or --backbone owlv2 for zero-shot",
        )
    transformers = optional("transformers", extra="detectors", what="a class told in words")
    folder = with_tokenizer(backbone)
    network = whole_network(backbone)
    with quiet(transformers):
        tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    means = [_embedded(network, tokenizer, list(texts)) for texts in words]
    weight = np.concatenate([np.stack(means, axis=1), np.ones((1, len(means)), np.float32)])
    return weight.astype(np.float32), np.zeros(len(means), np.float32)


def _embedded(network: Any, tokenizer: Any, texts: list[str]) -> Float32Array:
    """What a class is to the network: the mean of its texts, of length one."""
    longest = network.config.text_config.max_position_embeddings
    tokens = tokenizer(texts, padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
    with torch.no_grad():
        told = network.owlv2.text_model(tokens["input_ids"], attention_mask=tokens["attention_mask"])
        found = network.owlv2.text_projection(told.pooler_output)
        mean = torch.nn.functional.normalize(torch.nn.functional.normalize(found, dim=-1).mean(0), dim=-1)
    array: Float32Array = mean.numpy()
    return array


def with_tokenizer(backbone: Backbone) -> Path:
    """The folder that holds the tokenizer's files, fetched now where they are the hub's."""
    weights = backbone.weights
    if weights.source != "hub":
        folder = Path(weights.location).parent
        if not any((folder / each).is_file() for each in (TOKENIZER, _VOCABULARY[0])):
            raise BackboneError(
                f"{folder}: has no tokenizer, so its network cannot be told words",
                hint=f"it is {TOKENIZER}, or {' and '.join(_VOCABULARY)}, as transformers saves it",
            )
        return folder
    for name in (*_VOCABULARY, *_SETTINGS):
        _hub.fetch_if_there(weights.location, name, revision=weights.revision)
    return _hub.fetch(weights.location, CONFIG, revision=weights.revision).path.parent
