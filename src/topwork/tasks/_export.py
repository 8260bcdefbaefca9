"""``topwork.export``: the room that exports, given what the model's task knows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.data import Dataset, image_files
from topwork.errors import MissingExtraError, TopworkError
from topwork.model import Model

if TYPE_CHECKING:
    from topwork.exporting import Exported
    from topwork.tasks._task import Announce, Task


def export(
    model: Model,
    to: str = "onnx",
    path: str | os.PathLike[str] = "exported",
    *,
    images: str | os.PathLike[str] | Dataset | Iterable[Any] | None = None,
    int8: bool = False,
    data: Any = None,
    announce: Announce | None = None,
    **options: Any,
) -> Exported:
    """Write a model as a folder that answers as ``predict`` does and needs no topwork.

    Args:
        model: What ``fit`` made or ``load`` read.
        to: ``onnx`` is one file for ONNX Runtime, ``openvino`` an IR, ``torch`` a folder for plain timm. Each has a
            script beside it that needs that runtime, Pillow and NumPy alone. ``web`` is a folder for any static host:
            a page that answers in the browser.
        path: The folder; an earlier export there is replaced.
        images: Real images (or texts) on which both are compared before anything is kept: a folder, a data set, or
            sources as ``predict`` takes them. The sample's when None.
        int8: Whether the network is to compute in int8, for ``onnx`` and ``openvino`` of images. It is written only
            where it is measured faster here, gives at least 99.5 % of the answers of float32 and loses at most half a
            point of accuracy; its temperature and thresholds are set again.
        data: For that, labelled images as ``read`` takes them: those that the model was fitted on, and at least 64 that
            it was not.
        announce: Called with each step's name; may give a progress callback for it.
        options: Of ``web`` alone: ``name``, what the page calls the model; ``language``, ``en`` or ``ko``;
            ``runtime``, a file of npm's package ``onnxruntime-web`` where npm cannot fetch it.

    Raises:
        TopworkError: The model cannot be exported so, the export's probabilities lie farther than 0.001 (boxes
            half a pixel) from ``predict``'s, or something that is no export stands at that place.
        MissingExtraError: A package that it needs is not installed: ``pip install 'topwork[export]'``.

    Example:
        >>> topwork.export(topwork.load("model/"), "onnx", "shipped/", images="photos/")  # doctest: +SKIP
    """
    from topwork.exporting import export as write
    from topwork.tasks import task

    room = task(model.record.task.name)
    if room.exported is None:
        raise TopworkError(
            f"models of the task {room.name} cannot be exported", hint="`topwork predict` answers with them"
        )
    if int8 != (data is not None):
        raise TopworkError(
            "int8 and data go together", hint="--int8 needs --data, all the data that the model was fitted on"
        )
    given = room.read_for(model, data) if int8 else None
    trials = trials_of(room, given if images is None else images)
    return write(model, room.exported(), to, path, trials=trials, int8=given, announce=announce, **options)


def trials_of(room: Task, given: Any) -> Sequence[Any]:
    """The rows that were given to compare on, or the sample's."""
    if given is None:
        return _of_sample(room).sources()  # type: ignore[no-any-return]
    if isinstance(given, Dataset):
        return given.sources()
    if not isinstance(given, str | os.PathLike):
        return list(given)
    if room.written is not None:
        return [text for _, text in room.written.rows(str(given), None)]
    folder = Path(given)
    if folder.is_dir():
        return [Path(file) for file in image_files(str(folder))]
    return room.read(folder).sources()  # type: ignore[no-any-return]


def _of_sample(room: Task) -> Any:
    hint = "name some with --images, such as those that the model was fitted on"
    if room.sample is None:
        raise TopworkError("there is nothing to compare the export with predict on", hint=hint)
    try:
        return room.sample().dataset
    except MissingExtraError as error:
        raise TopworkError(
            f"there is nothing to compare the export with predict on: {error.message}", hint=hint
        ) from error
