"""Labelled texts as a training takes them: their tokens lie on disk, and a batch is filled up when it is asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from topwork._arrays import Int64Array, IntegerArray
from topwork.backbones import TextBackbone
from topwork.data import TextDataset
from topwork.engines import Tokens
from topwork.errors import TrainError
from topwork.train import Batch

_FILL = -1  # no token has this number
_CHUNK = 1024  # texts that are tokenized at once


class TextSamples:
    """N labelled texts as tokens: of a long one those of its windows, which are all of one length.

    Args:
        tokens: Of all texts, one after another.
        lengths: How many each text has, (N,).
        windows: Into how many equal parts they fall, (N,).
        labels: Classes, (N,).
        n_classes: That the model answers with.
        name: Of the texts and how they are read.
    """

    def __init__(
        self,
        tokens: IntegerArray,
        lengths: Int64Array,
        windows: Int64Array,
        labels: Int64Array,
        n_classes: int,
        name: str,
    ) -> None:
        self.labels = labels
        self.n_classes = n_classes
        self.fingerprint = name
        self.lengths = lengths
        self._tokens, self._windows, self._ends = tokens, windows, np.cumsum(lengths)

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """Pairs of tokens, int64 (n, windows, T), -1 where nothing stands, and classes (n,)."""
        for batch in rows:
            texts = [self.text(row) for row in batch.tolist()]
            most, longest = (max((each.shape[axis] for each in texts), default=1) for axis in (0, 1))
            tokens = np.full((len(texts), most, max(1, longest)), _FILL, np.int64)
            for place, each in zip(tokens, texts, strict=True):
                place[: each.shape[0], : each.shape[1]] = each
            yield torch.from_numpy(tokens), torch.from_numpy(self.labels[batch])

    def text(self, row: int) -> IntegerArray:
        """The tokens of one text, (windows, T)."""
        end, windows = int(self._ends[row]), int(self._windows[row])
        return self._tokens[end - int(self.lengths[row]) : end].reshape(windows, int(self.lengths[row]) // windows)


def samples_of(dataset: TextDataset, backbone: TextBackbone, tokenizer: bytes) -> TextSamples:
    """The texts of a data set, each in as many windows as the backbone reads of it.

    Memory does not grow with the texts, but for 24 bytes each: they are tokenized in chunks, and what they become lies
    in a file without a name.

    Raises:
        TrainError: The disk is full.
    """
    reading = backbone.reading
    tokens = Tokens(tokenizer, reading.longest, int(backbone.config["vocab_size"]), windows=reading.windows)
    lengths, windows = np.zeros(len(dataset), np.int64), np.ones(len(dataset), np.int64)
    try:
        with tempfile.TemporaryFile(prefix="topwork-") as file:
            for start in range(0, len(dataset), _CHUNK):
                rows = range(start, min(start + _CHUNK, len(dataset)))
                found = tokens([dataset.text(row) for row in rows])
                some = slice(rows.start, rows.stop)
                lengths[some] = np.add.reduceat([len(each) for each in found.ids], found.starts)
                windows[some] = np.diff([*found.starts, len(found.ids)])
                file.write(np.concatenate(found.ids).astype(np.int32).data)
            file.flush()
            count = int(lengths.sum())
            ids = np.memmap(file, np.int32, "r", shape=(count,)) if count else np.zeros(0, np.int32)
    except OSError as error:
        raise TrainError(
            f"the tokens of the texts cannot be kept on disk: {error.strerror or error}",
            hint=f"free some space in {tempfile.gettempdir()}, or set TMPDIR to another folder",
        ) from error
    name = f"{dataset.fingerprint} {reading.tokenizer} {reading.longest} in {reading.windows}"
    return TextSamples(ids, lengths, windows, dataset.labels.astype(np.int64), len(dataset.classes), name)
