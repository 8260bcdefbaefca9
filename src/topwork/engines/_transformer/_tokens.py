"""Texts to tokens by the ``tokenizer.json`` beside a network, by the library ``tokenizers`` alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, Int64Array, IntegerArray, IntpArray
from topwork._system import optional
from topwork.errors import BackboneError

CHARACTERS = 64  # that are read for each token that the network takes; a word's token has about four
_OVERLAP = 4  # a window shares one part of so many with the one before
_PROBE = "a"

Span = tuple[int, int] | None
"""Where a token begins and ends in its text; None of a special one."""


@dataclass(frozen=True, eq=False)
class Tokenized:
    """Texts as the network takes them: each as one window, or as several where it is long.

    Attributes:
        ids: Tokens of each window, int32 (T,); the windows of a text follow each other.
        starts: The first window of each text, int (N,).
        cut: Tokens of each text that are in no window, int64 (N,); an estimate for a text of which only the beginning
            was tokenized.
    """

    ids: list[IntegerArray]
    starts: IntpArray
    cut: Int64Array

    def pooled(self, features: Float32Array, outputs: Sequence[str], widths: Sequence[int]) -> Float32Array:
        """Features of texts out of those of their windows: the greatest of a ``…/max``, of others the mean by tokens.

        Args:
            features: float32 (windows, D).
            outputs: What stands side by side in them.
            widths: Of how many columns each is.

        Returns:
            float32 (N, D).
        """
        if len(self.starts) == len(self.ids):
            return features
        tokens = np.array([max(1, len(each)) for each in self.ids], np.float32)[:, None]
        ends = np.cumsum(widths)[:-1]
        total = np.add.reduceat(tokens, self.starts)
        parts = [
            np.maximum.reduceat(part, self.starts)
            if name.endswith("/max")
            else np.add.reduceat(part * tokens, self.starts) / total
            for name, part in zip(outputs, np.split(features, ends, axis=1), strict=True)
        ]
        return np.concatenate(parts, axis=1)


class Tokens:
    """Texts to tokens. Nothing is filled up, and what is too long is cut, or read through several windows.

    Special tokens stand around each window as the tokenizer's own post-processor puts them around a text.

    Args:
        content: Of the ``tokenizer.json``.
        longest: Tokens that the network takes at most, special ones included.
        vocabulary: Tokens that the network knows.
        windows: Windows that a long text may have; each shares a quarter with the one before.

    Raises:
        MissingExtraError: The package ``tokenizers`` is not installed.
        BackboneError: It is damaged, or is not of this network.
    """

    def __init__(self, content: bytes, longest: int, vocabulary: int, *, windows: int = 1) -> None:
        self._tokenizer = opened(content)
        require_fit(self._tokenizer, vocabulary)
        self._before, self._after = _specials(self._tokenizer)
        self._room = longest - len(self._before) - len(self._after)
        if self._room < 1:
            raise BackboneError(f"{longest} tokens leave no room for a text beside the special ones")
        self._windows = windows
        self._read = CHARACTERS * self._room * windows

    @property
    def recipe(self) -> dict[str, Any]:
        """What another program needs beside the tokenizer's file to make the same tokens, JSON-ready.

        ``before`` and ``after`` stand around each of up to ``windows`` windows of ``room`` tokens, which ``overlap`` by
        so many; of a text the first ``characters`` are read.
        """
        return {
            "before": self._before.tolist(),
            "after": self._after.tolist(),
            "room": self._room,
            "overlap": self._room // _OVERLAP,
            "windows": self._windows,
            "characters": self._read,
        }

    def __call__(self, texts: Sequence[str]) -> Tokenized:
        """The texts' tokens. Any text is taken: empty ones, control characters, halves of surrogate pairs.

        A text of many megabytes costs no more than its first ``64 x longest`` characters.
        """
        found = self._tokenizer.encode_batch_fast(
            [clean(text[: self._read]) for text in texts], add_special_tokens=False
        )
        windows: list[list[IntegerArray]] = []
        cut = np.zeros(len(texts), np.int64)
        for index, (text, each) in enumerate(zip(texts, found, strict=True)):
            ids = np.array(each.ids, np.int32)
            spans = list(self._spans(len(ids)))
            windows.append([np.concatenate([self._before, ids[a:b], self._after]) for a, b in spans])
            whole = len(ids) * max(1.0, len(text) / self._read)
            cut[index] = round(whole) - spans[-1][1]
        counts = [0, *(len(each) for each in windows)]
        starts = np.cumsum(counts)[:-1].astype(np.intp)
        return Tokenized([each for some in windows for each in some], starts, cut)

    def placed(self, text: str) -> tuple[list[IntegerArray], list[list[Span]]]:
        """The windows of one text as a call gives them, and of each token where it stands in the text.

        Returns:
            Tokens, int32 (T,), and places, both of each window; of a special token the place is None.
        """
        (found,) = self._tokenizer.encode_batch([clean(text[: self._read])], add_special_tokens=False)
        before, after = ([None] * len(each) for each in (self._before, self._after))
        spans = [[*before, *found.offsets[a:b], *after] for a, b in self._spans(len(found.ids))]
        return self([text]).ids, spans

    def _spans(self, length: int) -> Iterator[tuple[int, int]]:
        """Where the windows begin and end; the last one that ends with the text is as long as the others."""
        step = self._room - (self._room // _OVERLAP)
        for number in range(self._windows):
            end = min(number * step + self._room, length)
            yield max(0, end - self._room), end
            if end == length:
                return


def opened(content: bytes) -> Any:
    """The tokenizer of a ``tokenizer.json``, which cuts nothing and fills nothing up."""
    tokenizers = optional("tokenizers", extra="text", what="this network's vocabulary")
    try:
        found = tokenizers.Tokenizer.from_buffer(content)
    except Exception as error:  # the package's errors are plain exceptions
        raise BackboneError(f"the tokenizer cannot be read: {error}") from error
    found.no_truncation()
    found.no_padding()
    return found


def require_fit(tokenizer: Any, vocabulary: int) -> None:
    """Refuse, by a BackboneError, a tokenizer with more tokens than the network knows."""
    count = 1 + max(tokenizer.get_vocab().values(), default=-1)
    if count > vocabulary:
        raise BackboneError(
            f"the tokenizer does not fit the weights: it has {count} tokens, the network {vocabulary}",
            hint="use the tokenizer.json that came with the weights",
        )


def _specials(tokenizer: Any) -> tuple[IntegerArray, IntegerArray]:
    """The tokens that stand before and after every text."""
    plain, whole = (tokenizer.encode(_PROBE, add_special_tokens=special).ids for special in (False, True))
    start = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
    return np.array(whole[:start], np.int32), np.array(whole[start + len(plain) :], np.int32)


def clean(text: str) -> str:
    """The text without halves of surrogate pairs, which no encoding can hold; two that belong together are joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
