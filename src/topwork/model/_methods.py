"""A model's methods, as a paper tells them: ``methods.md`` and ``references.bib`` in its folder.

Every sentence is made of the record, so it is true of this model and of no other. Citations are in pandoc's Markdown,
``[@key]``, and their keys are those of ``references.bib``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from topwork.backbones import row
from topwork.model._card import as_text
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
}


@dataclass(frozen=True)
class Methods:
    """A paragraph, and what it cites.

    Attributes:
        text: Markdown, with citations as ``[@key]``.
        references: BibTeX of the entries that it cites.
    """

    text: str
    references: str


def methods(record: ModelRecord[Any], *, task: Sequence[str], after: Sequence[str] = ()) -> Methods:
    """The methods of a model.

    Args:
        record: What is written down of it.
        task: Sentences on what it answers, which come first.
        after: Sentences on how it was trained, chosen and measured, which only its task can tell.
    """
    text = " ".join([*task, *_data(record), *_network(record), *after, _software(record)])
    citations = "".join(re.findall(r"(?<!\\)\[(@[^\]]*)\]", text))  # a bracket in a class's name is escaped
    return Methods(text + "\n", bibliography(re.findall(r"@(\w+)", citations)))


def cited(*keys: str) -> str:
    """A citation of some entries, with the space before it; empty where there is none."""
    return f" [{'; '.join(f'@{key}' for key in keys)}]" if keys else ""


def _data(record: ModelRecord[Any]) -> list[str]:
    data = record.data
    if not data.fingerprint:
        return ["No images were used to make it."]
    if not data.held_out:
        tested = "; none were held out for testing"
    elif data.held_out_share:
        tested = (
            f" and {data.held_out} others for testing. The test images are a stratified random part (share "
            f"{data.held_out_share:g}, seed {record.seed}) that was set aside before anything was fitted, with copies "
            "and near copies of one picture on one side"
        )
    else:
        tested = f" and {data.held_out} others for testing, as the data were split (`{as_text(data.held_out_split)}`)"
    lost = [f"{data.left_out} files could not be used."] if data.left_out else []
    return [f"{data.training} images were used for training{tested}.", *lost]


def _network(record: ModelRecord[Any]) -> list[str]:
    network = record.backbone
    weights, preprocessing = network["weights"], network["preprocessing"]
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
    crop = _CROPS.get(preprocessing["crop_mode"], as_text(preprocessing["crop_mode"]))
    place = {
        "hub": f"from the hub's repository {as_text(weights['location'])}"
        + (f" at commit {as_text(weights['revision'])}" if weights.get("revision") else ""),
        "package": "from its Python package",
        "file": "from a file",
        "random": "drawn at random",
    }[weights["source"]]
    place = {"finetune": "as fine-tuned here", "scratch": "as trained here"}.get(record.strategy, place)
    size, rules = preprocessing["size"], ", as timm evaluates it" if preprocessing.get("rules") == "timm" else ""
    return [
        f"The network is `{network['name']}`{cited(*keys)} of timm{cited('wightman2019timm')}, {said}; its "
        f"weights, {place}, have the SHA-256 {as_text(weights['sha256'])}.",
        f"It saw images at {size} × {size} pixels ({crop}{rules}).",
    ]


def _software(record: ModelRecord[Any]) -> str:
    engine = (
        "OpenVINO" + cited("openvino") if record.engine.name == "openvino" else "PyTorch" + cited("paszke2019pytorch")
    )
    precision = {"bf16": "bfloat16", "f32": "float32"}[record.engine.precision]
    versions = ", ".join(f"{as_text(name)} {as_text(found)}" for name, found in sorted(record.versions.items()))
    return f"The network ran in {engine} in {precision}; the random seed was {record.seed}. Versions: {versions}."
