"""The torch side of a trained segmenter: its network with its weights, which gives logits for the user's classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from topwork._arrays import Float32Array
from topwork._system import optional, quiet
from topwork.backbones import _weights
from topwork.backbones._detector_words import with_tokenizer
from topwork.backbones._segmenter import MEANINGS, SegmenterNetwork
from topwork.backbones._segmenter_files import segmenter_config
from topwork.backbones._transformers_files import loaded
from topwork.errors import BackboneError

_LEAST = 1e-6  # of a probability whose logarithm is taken


class Telling(nn.Module):
    """A segmenter that gives the logits of the user's classes as one row an image."""

    def __init__(self, network: nn.Module, read: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self._read = read

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """(n, C * side * side) in a tuple, of normalised images (n, 3, size, size)."""
        return (self._read(self.network, images).flatten(1),)


class TellingWords(nn.Module):
    """CLIPSeg that gives a logit for each of some words, and zero for what is left over."""

    def __init__(self, network: nn.Module, meanings: Tensor, places: Sequence[int]) -> None:
        super().__init__()
        self.network: Any = network
        self.register_buffer("meanings", meanings)
        self.places = list(places)  # of each class its meaning's, or -1

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """(n, C * side * side) in a tuple, of normalised images (n, 3, size, size)."""
        seen = self.network.clip.get_image_features(images, output_hidden_states=True, interpolate_pos_encoding=True)
        activations = [seen.hidden_states[place + 1] for place in self.network.extract_layers]
        count = len(images)
        meanings: Any = self.meanings
        found = [
            self.network.decoder(activations, meaning[None].expand(count, -1)).logits.reshape(count, 1, -1)
            for meaning in meanings
        ]
        maps = [torch.zeros_like(found[0]) if place < 0 else found[place] for place in self.places]
        return (torch.cat(maps, dim=1).flatten(1),)


def build(backbone: SegmenterNetwork) -> nn.Module:
    """The network with its weights, in evaluation mode on the CPU, float32.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network; or no words were told.
        MissingExtraError: transformers is not installed.
    """
    network = whole_network(backbone)
    if backbone.by_words:
        if not any(backbone.words):
            raise BackboneError(f"{backbone.name} has to be told words", hint="take --strategy zero-shot")
        places = iter(range(len(backbone.words)))
        of_classes = [next(places) if texts else -1 for texts in backbone.words]
        kept = _weights.read_state(backbone.weights).get(MEANINGS)
        return TellingWords(network, _meant(backbone, network) if kept is None else kept, of_classes).eval()
    groups = [list(each) for each in backbone.groups]
    read = _of_queries if network.config.model_type == "mask2former" else _of_pixels
    return Telling(network, lambda network, images: read(network, images, groups)).eval()


def _of_pixels(network: Any, images: Tensor, groups: list[list[int]]) -> Tensor:
    """Of SegFormer: the logarithm of what each group's probabilities add up to."""
    logits: Tensor = network(pixel_values=images).logits
    logits = logits.log_softmax(dim=1)
    if not groups:
        return logits
    return torch.stack([logits[:, each].logsumexp(dim=1) if each else _never(logits) for each in groups], dim=1)


def _never(logits: Tensor) -> Tensor:
    """Of a class that the network does not have."""
    return torch.full_like(logits[:, 0], -30.0)


def _of_queries(network: Any, images: Tensor, groups: list[list[int]]) -> Tensor:
    """Of Mask2Former: each query speaks for its classes where its mask is; what is said is added up."""
    told = network(pixel_values=images)
    classes = told.class_queries_logits.softmax(dim=-1)[..., :-1]
    inside = told.masks_queries_logits.sigmoid()
    count, queries, rows, columns = inside.shape
    shares = torch.stack([classes[:, :, each].sum(dim=2) for each in groups], dim=2) if groups else classes
    found = shares.transpose(1, 2) @ inside.reshape(count, queries, rows * columns)
    logits: Tensor = found.clamp(min=_LEAST).log().reshape(count, -1, rows, columns)
    return logits


def whole_network(backbone: SegmenterNetwork) -> Any:
    """The whole network in transformers."""
    transformers = optional("transformers", extra="detectors", what=f"the network {backbone.name}")
    config = segmenter_config(dict(backbone.config), backbone.name)
    config._attn_implementation = "eager"
    kinds = {
        "segformer": transformers.SegformerForSemanticSegmentation,
        "mask2former": transformers.Mask2FormerForUniversalSegmentation,
        "clipseg": transformers.CLIPSegForImageSegmentation,
    }
    state = _weights.read_state(backbone.weights)
    kept = {name: value for name, value in state.items() if name != MEANINGS}
    return loaded(kinds[config.model_type], config, kept)


def meanings(backbone: SegmenterNetwork) -> Float32Array:
    """What words mean to a network, float32 (classes of which something is said, d)."""
    kept = _weights.read_state(backbone.weights).get(MEANINGS)
    found: Float32Array = (_meant(backbone, whole_network(backbone)) if kept is None else kept).numpy()
    return found


def _meant(backbone: SegmenterNetwork, network: Any) -> Tensor:
    """What the text tower makes of each class's texts: (classes, d), their mean."""
    transformers = optional("transformers", extra="detectors", what="a class told in words")
    folder = with_tokenizer(backbone)
    with quiet(transformers):
        tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    longest = network.config.text_config.max_position_embeddings
    found = []
    for texts in filter(None, backbone.words):
        tokens = tokenizer(list(texts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
        with torch.no_grad():
            told = network.clip.get_text_features(tokens["input_ids"], attention_mask=tokens["attention_mask"])
        found.append(told.pooler_output.mean(dim=0))
    return torch.stack(found)
