"""Texts as inputs of an exported model: how they become numbers, and those on which it is compared with ``predict``."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork.backbones import TextBackbone, files_of, own_file, word_vectors
from topwork.engines import LONGEST, WORDS, NgramScorer, Tokens
from topwork.errors import TopworkError
from topwork.exporting._nodes import Nodes, Value
from topwork.exporting._text_network import text_features

LEAST = 64  # texts that are compared
READING, TOKENIZER, WORD_LIST, NGRAM_LIST = "reading.json", "tokenizer.json", "words.json", "ngrams.json"

HARD = (
    "a",
    "…",
    "?!?",
    "0",
    " leading and trailing blanks \t\n",
    "line\nbreaks\r\nand\ttabs",
    "한국어 문장입니다. 배송이 너무 늦어요!",
    "한글",  # in letters rather than syllables
    "日本語と中文 mixed with English",
    "العربية من اليمين",
    "😀👩‍👩‍👧‍👦🏳️‍🌈 emoji",
    "\x00\x01\x1b[31m control \u200b\ufeff signs",
    "half a pair \ud83d and \udc00",
    "I'm, they'd, don't; it's $5,000.00 (50 %)",
    "ALL CAPITALS and ÀÉÎÕÜ ß ﬁ İ",
    "w" * 3000,
)
"""Texts that are often read differently elsewhere."""


_NETWORK = "int64 [batch, tokens], filled up with 0; `attention_mask`: the same shape, 1 where there is a token."
_TOLD = {
    "tokens": f"`input_ids`: {_NETWORK} `tokenizer.json` makes them; `reading.json` has what stands around them.",
    "words": f"`input_ids`: {_NETWORK} They are the places of the words in `words.json`.",
    "ngrams": "`ngram_ids`, `ngram_counts`: int64 [texts, n-grams], the places in `ngrams.json` of those in a text "
    "and how often they stand in it, filled up with 0.",
    "windows": "`text`: int64 [batch], which text each row is a piece of, from 0 on: a long text is read in several "
    "pieces.",
}


@dataclass(frozen=True)
class Way:
    """One way in which a text is read.

    Attributes:
        settings: What ``predict.py`` has to know, JSON-ready.
        file: What lies beside the graph.
        content: Of that file; ``what`` it is.
    """

    settings: Mapping[str, Any]
    file: str
    content: bytes
    what: str


@dataclass(frozen=True)
class TextInputs:
    """Tokens, places of words or counts of n-grams, as the network needs them; ``predict.py`` makes them of a text."""

    backbone: TextBackbone
    thing: str = "text"
    template: str = "texts.py.jinja"
    feeds: str = "given"

    @property
    def packages(self) -> tuple[str, ...]:
        """A tokenizer's package, where there is one."""
        return ("tokenizers",) if "tokens" in self.ways else ()

    @property
    def files(self) -> Mapping[str, str]:
        """What makes numbers of a text."""
        return {READING: "how a text is read", **{way.file: way.what for way in self.ways.values()}}

    @property
    def told(self) -> str:
        """What is taken, in words."""
        return "\n".join(_TOLD[name] for name in [*self.ways, *(["windows"] if self._has_windows else [])])

    @property
    def _has_windows(self) -> bool:
        return self.backbone.reading.windows > 1

    @functools.cached_property
    def ways(self) -> Mapping[str, Way]:
        """How a text is read: ``tokens`` or ``words``, and ``ngrams``.

        Raises:
            TopworkError: In a way that ``predict.py`` has not.
            BackboneError: A file of the network is missing or damaged.
        """
        made = {"transformer": ("tokens", _tokens), "vectors": ("words", _words), "ngrams": ("ngrams", _ngrams)}
        name, make = made[self.backbone.family]
        found = {name: make(self.backbone)}
        return found if self.backbone.ngrams is None else {**found, "ngrams": _ngrams(self.backbone)}

    def features(self, nodes: Nodes, outputs: tuple[str, ...]) -> Value:
        """Numbers, the network, and what it makes of them."""
        return text_features(nodes, self.backbone, outputs)

    def metadata(self) -> Mapping[str, Any]:
        """How a text is read."""
        return {"reading": {name: way.settings for name, way in self.ways.items()}}

    def settings(self) -> Mapping[str, Any]:
        """Which ways of reading a text the program needs, and whether a text may have several windows."""
        return {**{name: name in self.ways for name in _TOLD}, "windows": self._has_windows}

    def outside(self) -> TextInputs:
        """Itself: texts are read by the script anyway."""
        return self

    def write(self, folder: Path) -> None:
        """The tokenizer, the words or the n-grams, and how they are used."""
        for way in self.ways.values():
            (folder / way.file).write_bytes(way.content)
        settings = {name: way.settings for name, way in self.ways.items()}
        (folder / READING).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")

    def trials(self, given: Sequence[Any], folder: Path) -> list[Any]:
        """At least 64 of the texts, or parts of them; then hard cases, and one longer than is read.

        Raises:
            TopworkError: None of them has a sign in it.
        """
        texts = list(itertools.islice((text for text in given if isinstance(text, str) and text.strip()), LEAST))
        if not texts:
            raise TopworkError("none of the texts to compare on has anything to read in it")
        parts = (text[place % len(text) :] for place, text in enumerate(itertools.cycle(texts), start=1))
        missing = itertools.islice((part for part in parts if part.strip()), LEAST - len(texts))
        return [*texts, *missing, *HARD, " ".join(texts * (100_000 // sum(map(len, texts)) + 1))]


def _tokens(backbone: TextBackbone) -> Way:
    tokenizer, reading = files_of(backbone)[1], backbone.reading
    tokens = Tokens(tokenizer, reading.longest, int(backbone.config["vocab_size"]), windows=reading.windows)
    return Way(tokens.recipe, TOKENIZER, tokenizer, "the tokenizer, for the package tokenizers")


def _words(backbone: TextBackbone) -> Way:
    vectors = word_vectors(backbone)
    if vectors.most:
        raise TopworkError(
            f"{backbone.name} makes the vectors of unknown words from parts of words, which an exported model cannot",
            hint="fit the model on the table of whole words, --weights NAME.vec",
        )
    return Way(
        {"pattern": WORDS.pattern, "characters": LONGEST},
        WORD_LIST,
        _listed(vectors.words),
        "the words that have a vector",
    )


def _ngrams(backbone: TextBackbone) -> Way:
    scorer = NgramScorer.from_file(own_file(backbone.ngrams or backbone.weights))
    grams = scorer.grams
    counted = {"words": grams.words, "letters": grams.letters}
    settings = {**counted, "characters": grams.longest, "pattern": grams.token.pattern}
    return Way(settings, NGRAM_LIST, _listed(scorer.names), "the n-grams that are counted")


def _listed(names: Sequence[str]) -> bytes:
    return json.dumps(names).encode()
