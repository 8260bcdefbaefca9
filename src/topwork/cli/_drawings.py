"""Where the pictures of ``predict --draw`` go."""

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
