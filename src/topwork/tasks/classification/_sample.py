"""The images of the demo."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from topwork.data import read, split
from topwork.errors import MissingExtraError
from topwork.tasks._task import Sample

_SECONDS = 110.0  # for the ladder, fine-tuning included; with all else it makes three minutes at most
_TRAIN, _TEST = 1000, 500  # pictures of the sample's 2,000


def sample_folder() -> Path:
    """Folder of class folders that the package ``conformal-clip-data`` (MIT, arXiv 2501.12596) holds.

    Raises:
        MissingExtraError: The package is not installed.
    """
    if importlib.util.find_spec("conformal_clip_data") is None:
        raise MissingExtraError(
            "the sample data set is not installed", hint="pip install 'topwork[sample]' brings it (46 MB)"
        )
    import conformal_clip_data

    return Path(conformal_clip_data.textile_simulated_root())


def sample() -> Sample:
    """Woven textile in three classes: some images to train on, others to measure, one of each class to predict."""
    folder = sample_folder()
    halves = split(read(folder), test=0.5)
    unseen = split(halves.split("test"), test=_TEST / _TRAIN).split("test")
    places = {path: row for row, path in enumerate(halves.paths)}
    dataset = halves.select([*(halves.splits == "train").nonzero()[0], *(places[path] for path in unseen.paths)])
    rows = [int((unseen.labels == label).argmax()) for label in range(len(unseen.classes))]
    return Sample(
        dataset,
        {unseen.paths[row]: unseen.full_path(row) for row in rows},
        (
            f"The sample data set: images of woven textile in three classes, in {folder}",
            f"{_TRAIN} images train the model, {_TEST} others measure it, and {_TEST} are left out to save time. "
            f"This takes up to three minutes.",
        ),
        _SECONDS,
        "PHOTOS -o MODEL    (PHOTOS: a folder with one folder per class)",
    )
