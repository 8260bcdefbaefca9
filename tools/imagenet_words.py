"""Write the words of ImageNet-1k: its classes, everything that WordNet says they are, and the words for each.

    python tools/imagenet_words.py WORDNET > src/topwork/backbones/imagenet-1k.tsv

WORDNET is the folder with WordNet 3.0's ``data.noun`` (Debian's package ``wordnet-base`` has it).
ImageNet's names for its classes are offsets into that very file; their order is timm's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from timm.data import ImageNetInfo

_NOTICE = "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved."


@dataclass(frozen=True)
class Synset:
    """One entry of WordNet: the words for it, what it is a kind of, and what it is."""

    name: str
    parents: tuple[str, ...]
    lemmas: tuple[str, ...]
    definition: str


def read_nouns(path: Path) -> tuple[list[str], dict[str, Synset]]:
    """The file's licence, and its synsets by name (``n02123045``). The format is wndb(5WN)."""
    licence, nouns = [], {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("  "):
            licence.append(line[2:].split(" ", 1)[-1].strip())
            continue
        synset = _parsed(line)
        nouns[synset.name] = synset
    return licence, nouns


def _parsed(line: str) -> Synset:
    facts, _, gloss = line.partition("|")
    fields = facts.split()
    count = int(fields[3], 16)
    lemmas = fields[4 : 4 + 2 * count : 2]
    pointers = fields[5 + 2 * count :]
    parents = [f"n{pointers[at + 1]}" for at in range(0, len(pointers), 4) if pointers[at] in ("@", "@i")]
    definition = gloss.strip().split('; "')[0]  # what follows are examples
    return Synset(f"n{fields[0]}", tuple(parents), tuple(word.replace("_", " ") for word in lemmas), definition)


def above(nouns: dict[str, Synset], leaves: list[str]) -> list[str]:
    """Every synset that a leaf is a kind of, sorted, without the leaves."""
    found: set[str] = set()
    waiting = list(leaves)
    while waiting:
        for parent in nouns[waiting.pop()].parents:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return sorted(found - set(leaves))


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1])
    licence, nouns = read_nouns(folder / "data.noun")
    if _NOTICE not in licence:
        raise SystemExit(f"{folder / 'data.noun'}: not WordNet 3.0")
    leaves = ImageNetInfo("imagenet-1k").label_names()
    for line in (
        "ImageNet-1k in WordNet's words; made by tools/imagenet_words.py, not by hand.",
        "A line each: synset, what it is a kind of, words for it, definition. First the 1,000 classes in order of",
        "their index, then everything above them, without a definition. From WordNet 3.0, under its licence:",
        "",
        *licence,
    ):
        print(f"# {line}".rstrip())
    for name in (*leaves, *above(nouns, leaves)):
        synset = nouns[name]
        definition = synset.definition if name in set(leaves) else ""
        print(name, " ".join(synset.parents), "|".join(synset.lemmas), definition, sep="\t")


if __name__ == "__main__":
    main()
