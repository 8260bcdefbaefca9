"""The texts of the demo: ``messages.csv``, which was written for it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from topwork.data import read_texts, split
from topwork.tasks._task import Sample

_SECONDS = 30.0
_TEST = 0.25
_UNSEEN = (
    "My parcel was left in the rain and the box is soaked.",
    "The pedal came off after two rides, can you fix it?",
    "Will you get the purple gloves again before winter?",
)


def sample() -> Sample:
    """Messages to a bicycle shop, in six classes that people would confuse too."""
    file = Path(str(resources.files("topwork.tasks.text") / "messages.csv"))
    dataset = split(read_texts(file), test=_TEST)
    train, test = (len(dataset.split(name)) for name in ("train", "test"))
    return Sample(
        dataset,
        dict(zip(_UNSEEN, _UNSEEN, strict=True)),
        (
            f"The sample data set: messages to a bicycle shop in six classes, in {file}",
            f"{train} texts train the model, and {test} others measure it. This takes less than a minute.",
        ),
        _SECONDS,
        "TEXTS.csv -o MODEL    (TEXTS.csv: a table with the columns text and label)",
    )
