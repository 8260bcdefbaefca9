"""Which images of a model's own data did not train it, when they are given again."""

from __future__ import annotations

from topwork.checking import vet
from topwork.data import ImageDataset, grouped, split
from topwork.errors import DataError
from topwork.model import Model


def held_out_again(model: Model, dataset: ImageDataset) -> ImageDataset | None:
    """The images that ``fit`` set aside of this very data set, by doing the same split again.

    Args:
        model: Perhaps made from this data.
        dataset: Without parts, or with: then it says itself which images are held out.

    Returns:
        The held-out images; None where the model is not from this data, none were set aside, or the split does not come
        out the same, as after a change of an image's contents.
    """
    record = model.record.data
    if not record.held_out_share or dataset.held_out_part or dataset.fingerprint() != record.fingerprint:
        return None
    try:
        parted = split(grouped(dataset, vet(dataset).clusters), test=record.held_out_share, seed=model.record.seed)
    except DataError:
        return None
    found = parted.part("test")
    return found if found.fingerprint() == record.held_out_fingerprint else None
