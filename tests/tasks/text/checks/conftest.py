"""Texts that nothing is wrong with: sentences of two classes, put together of a small vocabulary by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from topwork.checking import Checkup, vet
from topwork.data import TextDataset, TextStore
from topwork.tasks.text.checks import QUICK_CHECKS, TEXTS

_STARTS = (
    "We arrived on,The guide met us that,My sister visited last,Nobody told me about,They closed on,I came back after"
)
_TIMES = "Monday,a rainy Tuesday,the weekend,our third day,the holiday,Friday night,the long drive,an early morning"
_HOTEL = (
    "the room was small and the bed creaked,breakfast came late but the coffee was strong,the lobby smelled of paint,"
    "towels were changed every day,the lift stood still between floors,our window looked over the harbour,"
    "reception had lost the booking,the pool was closed for repair,the pillows were far too soft"
)
_TRAIN = (
    "the carriage was crowded up to the doors,the conductor was patient with everyone,our seats faced backwards,"
    "the connection was missed by two minutes,snow lay on the tracks,the ticket machine took no cards,"
    "the dining car had run out of soup,the platform changed without notice,the timetable hung upside down"
)
_ENDS = (
    "which I did not expect,so we laughed about it,and that was that,although the staff tried their best,"
    "as far as I remember,and nobody complained,which made the evening,so I would go again,but the price was fair,"
    "and the children slept"
)


def sentences(rows: int, seed: int = 0) -> tuple[list[str], list[int]]:
    """Different texts of two or three sentences about a hotel (0) and a train (1), in turns."""
    rng = np.random.default_rng(seed)
    starts, times, ends = (each.split(",") for each in (_STARTS, _TIMES, _ENDS))
    topics = (_HOTEL.split(","), _TRAIN.split(","))
    texts: dict[str, int] = {}
    while len(texts) < rows:
        label = len(texts) % 2
        parts = [
            f"{rng.choice(starts)} {rng.choice(times)}, {rng.choice(topics[label])}, {rng.choice(ends)}"
            for _ in range(rng.integers(2, 4))
        ]
        texts.setdefault(". ".join(parts) + ".", label)
    return list(texts), list(texts.values())


def dataset_of(
    texts: Sequence[str],
    labels: Sequence[int] | None = None,
    splits: Sequence[str] | None = None,
    classes: tuple[str, ...] = ("hotel", "train"),
) -> TextDataset:
    """A data set in memory; labels go in turns where none are given."""
    rows = len(texts)
    return TextDataset(
        Path("nowhere"),
        tuple(f"row {row}" for row in range(rows)),
        np.array(splits or [""] * rows, "<U5"),
        store=TextStore.of(texts),
        keys=np.arange(rows),
        labels=np.array([row % 2 for row in range(rows)] if labels is None else labels, np.int32),
        classes=classes,
    )


def checked(dataset: TextDataset) -> Checkup:
    """What the checks that need no network find."""
    return vet(dataset, checks=QUICK_CHECKS, examination=TEXTS)


def found(dataset: TextDataset) -> dict[str, list[str]]:
    """Names of the findings, and the rows of their cases."""
    return {each.name: [path for case in each.cases for path in case.paths] for each in checked(dataset).findings}
