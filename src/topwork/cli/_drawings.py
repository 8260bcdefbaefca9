"""Where the pictures of ``predict --draw`` go, the masks of ``--masks``, and the outlines of ``--geojson``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.cli._shelf import PictureNames

if TYPE_CHECKING:
    from topwork.tasks import Task


class Drawings:
    """A folder of pictures, one for each image, with what was found drawn upon it: ``NAME.png``.

    Attributes:
        count: How many were written.
    """

    def __init__(self, folder: Path, room: Task) -> None:
        self.count = 0
        self._folder, self._room, self._names = folder, room, PictureNames()

    def add(self, prediction: Any, source: Any) -> None:
        """Draw what is said of a source.

        Raises:
            ExplainError: The folder cannot be written, or something else of the user's has the picture's name.
        """
        from topwork.explain import write_picture

        assert self._room.drawn is not None
        picture = self._room.drawn(prediction, source)
        write_picture(picture, self._folder / self._names.take(Path(prediction.source).stem))
        self.count += 1


class Masks:
    """A folder of masks, one file or more for each image, under its name: what ``fit`` reads beside ``images/``.

    Attributes:
        count: Images of which one was written.
    """

    def __init__(self, folder: Path, room: Task) -> None:
        self.count = 0
        self._folder, self._room, self._names = folder, room, PictureNames()

    def add(self, prediction: Any) -> None:
        """Write what is said of a source: PNG, or TIFF where numbers are too large for that.

        Raises:
            ExplainError: The folder cannot be written, or a mask of the user's has the name.
        """
        from topwork.explain import write_numbers, write_picture

        assert self._room.masks is not None
        for behind, numbers in self._room.masks(prediction).items():
            file = self._folder / self._names.take(f"{Path(prediction.source).stem}{behind}")
            if numbers.itemsize < 4:
                write_picture(numbers, file)
            else:
                write_numbers(numbers, file.with_suffix(".tif"))
        self.count += 1


class OutlineFiles:
    """A folder of outlines, one GeoJSON file for each image: ``NAME.geojson``.

    Attributes:
        count: How many were written.
    """

    def __init__(self, folder: Path, room: Task) -> None:
        self.count = 0
        self._folder, self._room, self._names = folder, room, PictureNames()

    def add(self, prediction: Any) -> None:
        """Write what is said of a source.

        Raises:
            ExplainError: The folder cannot be written, or a file of the user's has the name.
        """
        assert self._room.write_outlines is not None
        file = self._folder / self._names.take(Path(prediction.source).stem)
        self._room.write_outlines(prediction, file.with_suffix(".geojson"))
        self.count += 1
