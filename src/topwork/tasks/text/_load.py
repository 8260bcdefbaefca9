"""A backbone of texts by its name, with the options that the command line has for any backbone."""

from __future__ import annotations

from pathlib import Path

from topwork.backbones import TextBackbone, load_text
from topwork.errors import BackboneError


def load(
    name: str,
    *,
    weights: str | Path = "pretrained",
    size: int | None = None,
    offline: bool = False,
    allow_pickle: bool = False,
    preprocessing: str = "topwork",
) -> TextBackbone:
    """Find a backbone of texts by name; see ``backbones.load_text``.

    Args:
        name: Of the catalogue of text networks, or a repository of the hub.
        weights: ``pretrained``, or a folder as transformers saves it.
        size: Tokens that are read of a text at most; the network's own when None.
        offline: Whether to use no network.
        allow_pickle: Text networks are never read from a pickle.
        preprocessing: Images have other ways; texts have one.

    Raises:
        BackboneError: The name is unknown, the weights are not available, or an option is of images.
    """
    if preprocessing != "topwork":
        raise BackboneError("--preprocessing is for images", hint="leave it out")
    if allow_pickle:
        raise BackboneError(
            "weights of text networks are read from .safetensors files alone, because a pickle may run code",
            hint="leave out --allow-pickle",
        )
    found = load_text(name, weights=weights, offline=offline)
    if size is None:
        return found
    if found.family != "transformer" or not 8 <= size <= found.reading.longest:
        raise BackboneError(
            f"{found.name} reads up to {found.reading.longest} tokens of a text, not {size}", hint="leave out --size"
        )
    return found.replace(longest=size)
