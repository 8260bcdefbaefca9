"""SAM's mask decoder learns a data set's objects, on embeddings that its frozen encoder made once for each image."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Int64Array, IntpArray
from topwork._options import SEED, Option
from topwork.backbones import IMAGE
from topwork.data import MaskDataset
from topwork.errors import DataError
from topwork.features import FeatureTable, extract
from topwork.tasks._classes._finetuned import halves_of, notes_of, shown
from topwork.tasks._task import Announce
from topwork.tasks.segmentation.network import Grid, nearest, on_grid
from topwork.tasks.segmentation.promptable._promptable import Promptable
from topwork.train import Batch, TrainConfig, TrainResult, sample_seed

_PROMPT = 5  # numbers of a prompt beside the embedding: a box, or a point and zeros; and which
_UNTOLD = -1  # in a target: nothing is known of the place
_LOOSE = 0.1  # share of a box's sides by which a drawn one is off, as users' boxes are
_LEAST = 2  # places of the grid that an object must cover


@dataclass(frozen=True)
class TuneOptions:
    """How a mask decoder is trained."""

    epochs: Annotated[int, Option("Number of passes over the training images.", None, ge=1)] = 10
    learning_rate: Annotated[float, Option("Peak learning rate.", None, gt=0)] = 1e-4
    batch_size: Annotated[int, Option("Objects per optimizer step.", None, ge=1)] = 8
    objects: Annotated[int, Option("Objects of each image that an epoch asks for.", None, ge=1)] = 4
    validation: Annotated[
        float, Option("Least share of the training images used for validation.", None, gt=0, lt=1)
    ] = 0.15
    seed: Annotated[int, SEED] = 0


class Tuned(NamedTuple):
    """A mask decoder that was trained.

    Attributes:
        promptable: The network with it; with the decoder as it was where no epoch was better on the validation images.
        result: What each epoch gave; accuracy is the mean IoU of a mask with its object.
        notes: What the user should know.
    """

    promptable: Promptable
    result: TrainResult
    notes: tuple[str, ...]


def tuned(
    promptable: Promptable,
    dataset: MaskDataset,
    options: TuneOptions | None = None,
    *,
    announce: Announce | None = None,
) -> Tuned:
    """Train the mask decoder on the split ``train``, prompted by points and boxes that are drawn from the masks.

    The image encoder and the prompt encoder stay as they are: each image's embedding is computed once, or taken from
    the cache, whatever the number of epochs.

    Args:
        promptable: The network to begin with; one that was tuned before goes on from there.
        dataset: Images with masks. Where objects are told apart each is one, else what an image shows of a class is.
        options: Settings.
        announce: Gives a progress callback for a step's name.

    Raises:
        DataError: Too few images show anything but background.
        TrainError: The training cannot be made.
    """
    from topwork.train import train

    options, say = options or TuneOptions(), announce or (lambda text: None)
    dataset = _with_objects(dataset)
    how: Any = {"engine": promptable.engine, "cache": promptable.cache, "progress": say("embeddings of images")}
    table = extract(dataset, promptable.backbone, outputs=(IMAGE,), **how)
    halves = halves_of(table.dataset, options.validation, options.seed)
    network, grid = _Network.of(promptable), _grid_of(promptable)
    config = TrainConfig(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        channels_last=False,
        seed=options.seed,
    )
    progress = say("training the mask decoder")
    result = train(
        network.module,
        PromptSamples(table, halves.learn, grid, options.objects, options.seed, drawn=True),
        PromptSamples(table, halves.check, grid, options.objects, options.seed, drawn=False),
        config,
        layers=[("decoder", network.trained)],
        loss=_loss(),
        progress=shown(progress, config, "objects", "IoU") if progress else None,
    )
    if result.best_epoch == 0:
        why = f"no epoch was better on {len(halves.check)} validation images, so the decoder is as it was"
        return Tuned(promptable, result, (*notes_of(result, resumable=False), why))
    changed = {name: value.detach().cpu().numpy() for name, value in network.trained.state_dict().items()}
    found = Promptable(promptable.backbone, changed=changed, engine=promptable.engine, cache=promptable.cache)
    return Tuned(found, result, notes_of(result, resumable=False))


def _with_objects(dataset: MaskDataset) -> MaskDataset:
    """Images that show something; all of them train where the data set has no splits."""
    shows = dataset.pixels[:, list(dataset.foreground)].sum(axis=1) > 0
    dataset = dataset.select(np.flatnonzero(shows))
    splits = np.asarray(dataset.splits)
    if len(splits) and not (splits == "train").any() and (splits == "").all():
        dataset = dataclasses.replace(dataset, splits=np.full(len(splits), "train"))
    if int((np.asarray(dataset.splits) == "train").sum()) < 2:
        raise DataError("fewer than two training images show an object", hint="add masks, or name another folder")
    return dataset


def _grid_of(promptable: Promptable) -> Grid:
    """The decoder's: four times as fine as the coarsest map of the embedding."""
    side = 4 * promptable.backbone.shapes[-1][1]
    return Grid(side, promptable.backbone.preprocessing.size // side)


class _Network(NamedTuple):
    """What the loop is given: rows of ``PromptSamples`` to logits and scores; and what of it is trained."""

    module: Any
    trained: Any

    @classmethod
    def of(cls, promptable: Promptable) -> _Network:
        import copy

        from topwork.tasks.segmentation.promptable._module import PromptedDecoder

        module = PromptedDecoder(copy.deepcopy(promptable.decoder))
        return cls(module, module.decoder.network.mask_decoder)


def _loss() -> Any:
    from topwork.tasks.segmentation.promptable._module import MaskLoss

    return MaskLoss()


@dataclass(frozen=True, eq=False)
class PromptSamples:
    """Objects of images, each with a point or a box that tells it; see ``train.Samples``.

    Attributes:
        table: Embeddings.
        rows: Which of its rows.
        grid: Of the decoder.
        per_image: Objects that are asked for in each image.
        seed: Of what is drawn.
        drawn: Whether objects, points and boxes are drawn anew in each epoch; else they are the same, and exact.
    """

    table: FeatureTable
    rows: IntpArray
    grid: Grid
    per_image: int
    seed: int
    drawn: bool

    @property
    def labels(self) -> range:
        """One for each image and object."""
        return range(len(self.rows) * self.per_image)

    @property
    def fingerprint(self) -> str:
        """Of the images, their masks and how they are drawn."""
        facts = [self.table.dataset.digests[self.rows].tobytes(), self.rows.tobytes()]
        told = f"{self.grid} {self.per_image} {self.seed} {self.drawn}".encode()
        return hashlib.sha256(b"".join([*facts, told])).hexdigest()

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """Embeddings with prompts (n, width + 5), and masks (n, side, side): 1 inside, 0 outside, -1 unknown."""
        import torch

        for batch in rows:
            given = [self._sample(epoch, int(each)) for each in batch]
            width, side = self.table.values.shape[1], self.grid.side
            inputs = np.zeros((len(given), width + _PROMPT), np.float32)
            targets = np.zeros((len(given), side, side), np.int8)
            for place, (row, prompt, target) in enumerate(given):
                inputs[place, :width], inputs[place, width:], targets[place] = self.table.values[row], prompt, target
            yield torch.from_numpy(inputs), torch.from_numpy(targets)

    def _sample(self, epoch: int, index: int) -> tuple[int, AnyArray, AnyArray]:
        row = int(self.rows[index // self.per_image])
        rng = np.random.default_rng(sample_seed(self.seed, epoch if self.drawn else 0, index))
        inside, known = self._object(row, rng)
        target = np.where(known, inside, _UNTOLD).astype(np.int8)
        return row, self._prompt(inside, rng, as_box=index % 2 == 1), target

    def _object(self, row: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
        """Where one of the image's objects is on the grid, and where anything is known."""
        mask, data = self.table.dataset.mask(row), self.table.dataset
        places = nearest(self.grid, self.table.backbone.preprocessing, *mask.labels.shape)
        labels = on_grid(mask.labels, *places, _UNTOLD)
        numbers = labels if mask.objects is None else on_grid(mask.objects, *places, 0)
        told, counts = np.unique(numbers[labels >= data.foreground.start], return_counts=True)
        there = told[(counts >= _LEAST) & (told > 0 if mask.objects is not None else told >= 0)]
        if not len(there):
            return np.zeros(labels.shape, np.bool_), np.zeros(labels.shape, np.bool_)
        return (numbers == rng.choice(there)) & (labels >= data.foreground.start), labels >= 0

    def _prompt(self, inside: AnyArray, rng: np.random.Generator, *, as_box: bool) -> AnyArray:
        """A point of the object or a box around it, in pixels of the square."""
        rows, columns = np.nonzero(inside)
        if not len(rows):
            return np.array([0, 0, 1, 1, 1], np.float32)
        if as_box:
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
            sides = np.tile(box[2:] - box[:2], 2)
            loose = rng.uniform(-_LOOSE, _LOOSE, 4) * sides if self.drawn else 0
            box = np.clip(box + loose, 0, self.grid.side) * self.grid.stride
            return np.array([*box, 1], np.float32)
        middle = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
        at = int(rng.integers(len(rows))) if self.drawn else int(middle)
        across, down = (np.array([columns[at], rows[at]]) + 0.5) * self.grid.stride
        return np.array([across, down, 0, 0, 0], np.float32)
