"""Texts to tokens by the ``tokenizer.json`` beside a model: what transformers would do, without transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._system import optional
from topwork.errors import BackboneError

if TYPE_CHECKING:
    import torch

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"


class FileTokenizer:
    """A tokenizer of the hub's, for texts of one length.

    Args:
        folder: Holds ``tokenizer.json`` and ``tokenizer_config.json``.
        length: Tokens a text; longer ones are cut, shorter ones filled up.
        clean: Applied to each text first.

    Raises:
        MissingExtraError: The package ``tokenizers`` is not installed.
        BackboneError: The files are missing or damaged.
    """

    def __init__(self, folder: Path, length: int, clean: Callable[[str], str]) -> None:
        tokenizers = optional("tokenizers", extra="clip", what="this model's vocabulary")
        self._clean = clean
        try:
            told = json.loads((folder / SETTINGS).read_text("utf-8"))
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / FILE))
        except Exception as error:  # the package's errors are plain exceptions
            raise BackboneError(f"{folder / FILE}: the vocabulary cannot be read: {error}") from error
        filler = _text(told.get("pad_token")) or "<pad>"
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(
            direction=told.get("padding_side", "right"),
            length=length,
            pad_token=filler,
            pad_id=self._tokenizer.token_to_id(filler) or 0,
        )

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Tokens of texts: int64 (N, length)."""
        import torch

        found = self._tokenizer.encode_batch([self._clean(text) for text in texts])
        return torch.tensor([each.ids for each in found], dtype=torch.int64)


def _text(token: Any) -> str | None:
    """A special token is told by its text, or by a mapping that holds it."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None
