"""Which images of a model's own data did not train it, when they are given again."""

from __future__ import annotations

import hashlib

from topwork.checking import Checkup, vet
from topwork.data import ImageDataset, grouped, split
from topwork.errors import DataError
from topwork.model import Model


def held_out_again(model: Model, dataset: ImageDataset) -> ImageDataset | None:
    """The images that ``fit`` set aside of this very data set, by doing the same split again.

    Args:
        model: Perhaps made from this data.
        dataset: Without splits, or with: then it says itself which images are held out.

    Returns:
        The held-out images; None where the model is not from this data, none were set aside, their files are not the
        same, or an older topwork made the model, which did not write down what they were.
    """
    record = model.record.data
    if not record.held_out_contents or dataset.held_out_split or dataset.fingerprint() != record.fingerprint:
        return None
    checkup = vet(dataset)
    try:
        parted = split(grouped(dataset, checkup.clusters), test=record.held_out_share, seed=model.record.seed)
    except DataError:
        return None
    found = parted.split("test")
    same = found.fingerprint() == record.held_out_fingerprint
    return found if same and contents(checkup, found) == record.held_out_contents else None


def contents(checkup: Checkup, split: ImageDataset) -> str:
    """SHA-256 over the files of some images, in the order of their names.

    Args:
        checkup: Of the whole data set.
        split: Images of it.
    """
    keys = dict(zip(checkup.dataset.paths, checkup.keys.astype("<u8"), strict=True))
    digest = hashlib.sha256()
    for path in sorted(split.paths):
        digest.update(keys[path].tobytes())
    return digest.hexdigest()
