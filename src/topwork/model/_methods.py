"""A model's methods, as a paper tells them: ``methods.md`` and ``references.bib`` in its folder.

Every sentence is made of the record, so it is true of this model and of no other. Citations are in pandoc's Markdown,
``[@key]``, and their keys are those of ``references.bib``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topwork._text import lies_in
from topwork.backbones import row
from topwork.model._card import as_text
from topwork.model._kind import IMAGES, Kind
from topwork.model._record import ModelRecord
from topwork.model._references import bibliography, of_network

_METHODS = {
    "supervised": "with labels",
    "self-supervised": "without labels",
    "image-text": "on images with texts",
    "segmentation": "for segmentation",
}
_CROPS = {
    "crop": "the centre of the image",
    "squash": "the whole image, its sides made equal",
    "pad": "the whole image, padded to a square",
    "corner": "the whole image, padded to a square",
}


_NGRAMS = (
    "n-grams of words and letters were counted, weighed by TF-IDF [@salton1988term] and scored for each class by a "
    "linear model [@wang2012baselines]"
)


@dataclass(frozen=True)
class Methods:
    """A paragraph, and what it cites.

    Attributes:
        text: Markdown, with citations as ``[@key]``.
        references: BibTeX of the entries that it cites.
    """

    text: str
    references: str


def methods(
    record: ModelRecord[Any], *, task: Sequence[str], after: Sequence[str] = (), kind: Kind = IMAGES
) -> Methods:
    """The methods of a model.

    Args:
        record: What is written down of it.
        task: Sentences on what it answers, which come first.
        after: Sentences on how it was trained, chosen and measured, which only its task can tell.
        kind: What it answers to.
    """
    text = " ".join([*task, *_data(record, kind.thing), *_network(record), *after, _software(record)])
    citations = "".join(re.findall(r"(?<!\\)\[(@[^\]]*)\]", text))  # a bracket in a class's name is escaped
    return Methods(text + "\n", bibliography(re.findall(r"@(\w+)", citations)))


def cited(*keys: str) -> str:
    """A citation of some entries, with the space before it; empty where there is none."""
    return f" [{'; '.join(f'@{key}' for key in keys)}]" if keys else ""


def _data(record: ModelRecord[Any], thing: str) -> list[str]:
    data = record.data
    if not data.fingerprint:
        return [f"No {thing}s were used to make it."]
    if not data.held_out:
        tested = "; none were held out for testing"
    elif data.held_out_share:
        tested = (
            f" and {data.held_out} others for testing. The test {thing}s are a stratified random part (share "
            f"{data.held_out_share:g}, seed {record.seed}) that was set aside before anything was fitted, with copies "
            f"and near copies of one {'picture' if thing == 'image' else thing} on one side"
        )
    else:
        tested = f" and {data.held_out} others for testing, as the data were split (`{as_text(data.held_out_split)}`)"
    lost = [f"{data.left_out} {lies_in(thing)}s could not be used."] if data.left_out else []
    return [f"{data.training} {thing}s were used for training{tested}.", *lost]


def _network(record: ModelRecord[Any]) -> list[str]:
    network = record.backbone
    weights = network["weights"]
    if network.get("family") == "ngrams":
        return [f"Of each text {_NGRAMS}."]
    if weights["source"] == "random":
        said = f"with random weights (seed {as_text(weights['location'])})"
        keys = of_network(network["name"], "")
    elif record.strategy == "scratch":
        said, keys = "not pretrained", of_network(network["name"], "")
    elif network["pretrained_on"] == "unknown":
        said, keys = "pretrained on data that are not known", of_network(network["name"], "")
    else:
        known = row(network["name"])
        how = f" {_METHODS[known.method]}" if known is not None else ""
        said = f"pretrained{how} on {as_text(network['pretrained_on'])}"
        keys = of_network(network["name"], network["pretrained_on"])
    place = {
        "hub": f"from the hub's repository {as_text(weights['location'])}"
        + (f" at commit {as_text(weights['revision'])}" if weights.get("revision") else ""),
        "package": "from its Python package",
        "file": "from a file",
        "random": "drawn at random",
    }[weights["source"]]
    place = {"finetune": "as fine-tuned here", "scratch": "as trained here"}.get(record.strategy, place)
    library = "" if "reading" in network else f" of timm{cited('wightman2019timm')}"
    library = f" of {as_text(network['library'])}" if "library" in network else library  # a trained detector
    return [
        f"The network is `{network['name']}`{cited(*keys)}{library}, {said}; its "
        f"weights, {place}, have the SHA-256 {as_text(weights['sha256'])}.",
        _seen(network),
        *([f"Beside the network, {_NGRAMS}."] if network.get("ngrams") else []),
    ]


def _seen(network: Mapping[str, Any]) -> str:
    """What the network took of an image or a text."""
    if "reading" in network:
        reading = network["reading"]
        windows = f" in up to {reading['windows']} windows" if reading["windows"] > 1 else ""
        return f"It read up to {reading['longest']} tokens of a text{windows}." if reading["longest"] else ""
    made = network["preprocessing"]
    crop = _CROPS.get(made["crop_mode"], as_text(made["crop_mode"]))
    rules = ", as timm evaluates it" if made.get("rules") == "timm" and "library" not in network else ""
    return f"It saw images at {made['size']} × {made['size']} pixels ({crop}{rules})."


def _software(record: ModelRecord[Any]) -> str:
    engines = {"openvino": "OpenVINO" + cited("openvino"), "torch": "PyTorch" + cited("paszke2019pytorch")}
    ran = f"ran in {engines.get(record.engine.name.partition('-')[0], 'NumPy')}"
    what = "It" if record.backbone.get("family") == "ngrams" else "The network"
    precision = {"bf16": "bfloat16", "f32": "float32"}[record.engine.precision]
    versions = ", ".join(f"{as_text(name)} {as_text(found)}" for name, found in sorted(record.versions.items()))
    return f"{what} {ran} in {precision}; the random seed was {record.seed}. Versions: {versions}."
