"""BibTeX of what a model rests on: ``references.bib`` beside this file, an entry for each paper and program."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import resources

from topwork.backbones import row

_OF_TEXTS = {
    "minilm": ("wang2020minilm",),
    "all-minilm": ("reimers2019sbert",),
    "glove": ("pennington2014glove",),
}
"""What is cited of a backbone of texts, by what its name holds."""


@functools.cache
def entries() -> dict[str, str]:
    """Every entry by its key, in the file's order."""
    text = (resources.files("topwork.model") / "references.bib").read_text("utf-8")
    found = re.findall(r"^@\w+\{([^,]+),\n.*?^\}$", text, re.MULTILINE | re.DOTALL)
    whole = re.findall(r"^@\w+\{[^,]+,\n.*?^\}$", text, re.MULTILINE | re.DOTALL)
    return dict(zip(found, whole, strict=True))


def bibliography(keys: Iterable[str]) -> str:
    """The entries of these keys, each once, as a ``.bib`` file."""
    return "\n\n".join(entries()[key] for key in dict.fromkeys(keys)) + "\n"


def of_network(name: str, pretrained_on: str) -> list[str]:
    """Keys of a backbone's papers, of its weights' and of the data that pretrained it; none that is not known.

    The catalogue names papers by their arXiv numbers, which the entries have too.
    """
    keys = [key for part, named in _OF_TEXTS.items() if part in name.lower() for key in named]
    if keys:
        return keys
    known = row(name)
    numbers = re.findall(r"arXiv (\d+\.\d+)", known.family.paper) if known is not None else []
    keys = [key for number in numbers for key, entry in entries().items() if f"{{{number}}}" in entry]
    if known is not None and "Lite:" in known.family.paper:
        keys.append("liu2020efficientnetlite")
    tag = name.partition(".")[2]
    if tag in ("a1_in1k", "a1h_in1k"):
        keys.append("wightman2021resnet")
    if tag.startswith("ns_jft"):
        keys.append("xie2020noisystudent")
    if "ImageNet-1k" in pretrained_on:
        keys.append("russakovsky2015imagenet")
    return keys
