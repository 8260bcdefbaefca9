"""A trained network as transformers and the hub keep it: what all kinds of them read alike of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topwork._system import optional, quiet
from topwork.errors import BackboneError

RESAMPLING = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as a processor's file has them, and what topwork calls them."""

WIDE = 4 / 3
"""An image's usual aspect ratio: a square of the longer side shows it at the scale that a network was trained at."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of the channels that most networks were trained with."""

MISFIT = "are weights and config.json of one network, and the classes as many as it says?"
"""What to look at where weights do not fit a network."""

_MOST_LABELS = 2**20  # each of which transformers names; keeps a hostile configuration out of memory
_SPDX = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}


def parsed_config(kind: str, config: dict[str, Any], place: Path | str, what: str) -> Any:
    """What transformers makes of a ``config.json`` by its own classes alone; no weights of a part are fetched.

    Args:
        kind: The design, as transformers calls it.
        config: The file's fields.
        place: Where it lies, for errors.
        what: What needs transformers, for errors.

    Raises:
        BackboneError: It is none that transformers understands.
        MissingExtraError: transformers is not installed.
    """
    transformers = optional("transformers", extra="detectors", what=what)
    if kind not in transformers.CONFIG_MAPPING:
        raise BackboneError(
            f"{place}: this version of transformers does not have {kind}", hint="pip install --upgrade transformers"
        )
    try:
        with quiet(transformers):
            return transformers.CONFIG_MAPPING[kind].from_dict(_alone(config))
    except Exception as error:  # what reads a hostile configuration may raise anything
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(f"{place}: transformers cannot use it: {reason}") from error


def _alone(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration by which no weights of a part are fetched: all are in the one file."""
    told = {name: _alone(value) if isinstance(value, dict) else value for name, value in config.items()}
    labels = told.get("num_labels")
    if isinstance(labels, int) and labels > _MOST_LABELS:
        raise ValueError(f"num_labels is {labels}")
    return {**told, **({"use_pretrained_backbone": False} if "use_pretrained_backbone" in told else {})}


def loaded(design: Any, config: Any, state: Mapping[str, Any], *, within: str = "") -> Any:
    """A network of transformers with its weights, in evaluation mode on the CPU, float32; imports torch.

    Args:
        design: transformers' class.
        config: Its configuration.
        state: Tensors by name; names of older versions are known.
        within: How the names begin of what must be there; whatever is behind it may be missing.

    Raises:
        BackboneError: Tensors are missing or misshapen.
        MissingExtraError: transformers is not installed.
    """
    import torch

    with quiet(optional("transformers", extra="detectors", what="a network of transformers")):
        network, told = design.from_pretrained(
            None,
            config=config,
            state_dict=state,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
        )
    missing = sorted(name for name in told["missing_keys"] if name.startswith(within))
    unequal = sorted(each for each in told["mismatched_keys"] if each[0].startswith(within))
    if missing or unequal:
        lines = [f"network has {name}, file has none" for name in missing[:3]]
        lines += [f"{name}: network {tuple(own)}, file {tuple(given)}" for name, given, own in unequal[:3]]
        raise BackboneError(
            f"the weights do not fit the network ({len(missing) + len(unequal)} tensors differ): {'; '.join(lines)}",
            hint=MISFIT,
        )
    return network.eval().requires_grad_(False)


def licence_of(readme: Path | None) -> str:
    """The licence that the head of a repository's README names; empty where none does."""
    if readme is None or not readme.is_file():
        return ""
    with readme.open(encoding="utf-8", errors="replace") as lines:
        head = lines.read(65_536)
    front = re.match(r"---\r?\n(.*?)\r?\n---", head, re.S)
    found = re.search(r"^license:\s*[\"']?([\w.+-]+)", front[1], re.M) if front else None
    return _SPDX.get(found[1].lower(), found[1]) if found else ""


def class_name(name: str) -> str:
    """A class's name, or nothing for a place of the layer that has no class."""
    return "" if name in ("N/A", "__background__") or re.fullmatch(r"LABEL_\d+", name) else name
