"""Files beside what ``predict`` prints: pictures, masks, outlines and maps of certainty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.cli._shelf import PictureNames
from topwork.cli._text import printable

if TYPE_CHECKING:
    from topwork.tasks import Task


class _Folder:
    """A folder with a file for each image, under its name.

    Attributes:
        count: Images of which one was written.
    """

    said = ""
    """What the files are, in the note at the end."""

    def __init__(self, folder: Path, room: Task) -> None:
        self.count = 0
        self._folder, self._room, self._names = folder, room, PictureNames()

    def add(self, prediction: Any, source: Any) -> None:
        """Write what is said of a source.

        Raises:
            ExplainError: The folder cannot be written, or something else of the user's has the file's name.
        """
        self._write(prediction, source, Path(prediction.source).stem)
        self.count += 1

    def _write(self, prediction: Any, source: Any, stem: str) -> None:
        raise NotImplementedError

    def _file(self, stem: str) -> Path:
        return self._folder / self._names.take(stem)

    @property
    def note(self) -> str:
        """What lies there now."""
        return f"note: {self.said}: {self.count:,}, in {printable(str(self._folder))}"


class _Drawings(_Folder):
    """With what was found drawn upon it: ``NAME.png``."""

    said = "pictures with objects drawn"

    def _write(self, prediction: Any, source: Any, stem: str) -> None:
        from topwork.explain import write_picture

        assert self._room.drawn is not None
        write_picture(self._room.drawn(prediction, source), self._file(stem))


class _Masks(_Folder):
    """One file or more for each: what ``fit`` reads beside ``images/``; TIFF where numbers are too large for a PNG."""

    said = "masks written"

    def _write(self, prediction: Any, source: Any, stem: str) -> None:
        from topwork.explain import write_numbers, write_picture

        assert self._room.masks is not None
        for behind, numbers in self._room.masks(prediction).items():
            file = self._file(f"{stem}{behind}")
            if numbers.itemsize < 4:
                write_picture(numbers, file)
            else:
                write_numbers(numbers, file.with_suffix(".tif"))


class _Outlines(_Folder):
    """One GeoJSON file for each: ``NAME.geojson``."""

    said = "outlines written"

    def _write(self, prediction: Any, source: Any, stem: str) -> None:
        assert self._room.write_outlines is not None
        self._room.write_outlines(prediction, self._file(stem).with_suffix(".geojson"))


class _Certainties(_Folder):
    """One grey PNG for each, 255 where the model is sure: ``NAME.png``."""

    said = "maps of certainty written"

    def _write(self, prediction: Any, source: Any, stem: str) -> None:
        from topwork.explain import write_picture

        write_picture(prediction.certainty, self._file(stem))


_KINDS = {"draw": _Drawings, "masks": _Masks, "geojson": _Outlines, "certainty": _Certainties}


class Folders:
    """All folders that are wanted of one run."""

    def __init__(self, room: Task, wanted: dict[str, Path | None]) -> None:
        """Nothing is written yet.

        Args:
            room: The model's task.
            wanted: Folders by the names of their options; None where one is not wanted.
        """
        self._each = [_KINDS[name](folder, room) for name, folder in wanted.items() if folder is not None]

    def add(self, prediction: Any, source: Any) -> None:
        """Write what is said of a source that could be used, into each folder."""
        if not prediction.error:
            for each in self._each:
                each.add(prediction, source)

    @property
    def notes(self) -> Iterator[str]:
        """What lies in each, once all is written."""
        return (each.note for each in self._each)
