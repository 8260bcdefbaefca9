"""A session in which one image is labelled: masks that prompts gave are kept under classes, and saved for ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray
from topwork._system import write_whole
from topwork.data import printable
from topwork.errors import DataError, ModelError
from topwork.tasks.segmentation._drawn import png
from topwork.tasks.segmentation.promptable._image import PromptableImage
from topwork.tasks.segmentation.promptable._masks import PromptedMask

_LEGEND, _IMAGES, _MASKS, _OBJECTS = "classes.txt", "images", "masks", "instances"
_MOST = 255


class Labelling:
    """What a page, or a notebook, holds while somebody labels an image.

    ``ask`` proposes a mask, ``correct`` changes the proposal by one more prompt, ``keep`` paints it. What is kept later
    lies on top. ``save`` adds the image to a folder that ``read_masks`` and ``topwork fit`` read.

    Args:
        image: What ``Promptable.image`` gave.
        classes: Names of what may be labelled; the background is not one of them.

    Raises:
        DataError: No class, a name twice or empty, or more than 254.
    """

    def __init__(self, image: PromptableImage, classes: Sequence[str]) -> None:
        self.classes = named(classes)
        self.image = image
        self.proposal: PromptedMask | None = None
        self.kept: list[tuple[int, PromptedMask]] = []
        self._points: list[Sequence[float]] = []
        self._box: Sequence[float] | None = None

    def add_class(self, name: str) -> tuple[str, ...]:
        """One more class, behind the others; gives all of them.

        Raises:
            DataError: It is none, or there is one of that name.
        """
        self.classes = named((*self.classes, name))
        return self.classes

    def add_classes(self, classes: Sequence[str]) -> None:
        """Those of them that are not there yet, such as another image's."""
        for name in classes:
            if name not in self.classes:
                self.add_class(name)

    def ask(self, points: Sequence[Sequence[float]] = (), box: Sequence[float] | None = None) -> PromptedMask:
        """Propose the mask of an object; see ``PromptableImage.mask``."""
        self.proposal = self.image.mask(points, box)
        self._points, self._box = list(points), box
        return self.proposal

    def correct(self, point: Sequence[float]) -> PromptedMask:
        """Change the proposal by one more point: (across, down) is part of the object, (across, down, 0) is not.

        Raises:
            DataError: There is no proposal, or the point lies outside of the image.
        """
        if self.proposal is None:
            raise DataError("there is no mask to correct", hint="ask for one first")
        points = [*self._points, point]
        self.proposal = self.image.mask(points, self._box, correct=self.proposal)
        self._points = points
        return self.proposal

    def keep(self, name: str) -> None:
        """Keep the proposal as an object of a class.

        Raises:
            DataError: There is no proposal, it is empty, or there is no such class.
        """
        if self.proposal is None or not self.proposal.area:
            raise DataError("there is no mask to keep", hint="ask for one first")
        if name not in self.classes:
            raise DataError(f"no class is called {printable(name)!r}", hint=f"there are {', '.join(self.classes)}")
        self.kept.append((self.classes.index(name) + 1, self.proposal))
        self.proposal, self._points, self._box = None, [], None

    def undo(self) -> None:
        """Take back what was kept last, if anything."""
        if self.kept:
            self.kept.pop()

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """uint8 (H, W): 0 for the background, then places among the classes from 1."""
        found = np.zeros(self.image.size, np.uint8)
        for label, mask in self.kept:
            found[mask.mask] = label
        return found

    @property
    def objects(self) -> npt.NDArray[np.uint16]:
        """uint16 (H, W): 0 where no object is, then numbers of the objects in the order in which they were kept."""
        found = np.zeros(self.image.size, np.uint16)
        for number, (_, mask) in enumerate(self.kept, start=1):
            found[mask.mask] = number
        return found

    def save(self, folder: str | Path, name: str = "") -> Path:
        """Add the image, its mask and its objects to a folder of labelled images, as PNG, with a legend.

        Args:
            folder: With ``images/``, ``masks/``, ``instances/`` and ``classes.txt``; made where it is not there.
            name: What the files are called, without suffix; the source's own name when empty.

        Returns:
            The mask's path.

        Raises:
            DataError: The folder's legend has other classes, it has another image of that name, or the name is no
                file's.
            ModelError: It cannot be written.
        """
        root, stem = Path(folder), name or Path(self.image.source).stem or "image"
        if stem != Path(stem).name or stem in (".", ".."):
            raise DataError(f"{printable(stem)!r} is no name of a file")
        told = "\n".join(("background", *self.classes)) + "\n"
        known = root / _LEGEND
        try:
            if known.is_file() and not told.startswith(known.read_text("utf-8")):
                raise DataError(f"{printable(str(known))}: these are other classes", hint="choose another folder")
            file = root / _IMAGES / f"{stem}.png"
            if file.is_file() and file.read_bytes() != png(self.image.pixels):
                raise DataError(
                    f"{printable(str(file))}: this is another image",
                    hint="give this one another name: save(folder, name)",
                )
            arrays: dict[str, AnyArray] = {
                _IMAGES: self.image.pixels,
                _OBJECTS: self.objects,
                _MASKS: self.labels,
            }  # the mask last
            for part, array in arrays.items():
                (root / part).mkdir(parents=True, exist_ok=True)
                write_whole(root / part / f"{stem}.png", png(array))
            write_whole(known, told.encode())
        except OSError as error:
            raise ModelError(f"{root}: cannot be written: {error.strerror or error}") from error
        return root / _MASKS / f"{stem}.png"


def named(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes without white space around them.

    Raises:
        DataError: There is none, one twice or empty, more than 254, or one that cannot stand in a legend.
    """
    names = [name.strip() for name in classes]
    if not names or not all(names) or len(set(names)) < len(names) or not len(names) < _MOST:
        raise DataError("classes need names, each once, and there may be 1 to 254")
    if bad := [name for name in names if "\n" in name or "\r" in name or name.casefold() == "background"]:
        raise DataError(f"{printable(bad[0])!r} is no name of a class", hint="what is not labelled is background")
    return tuple(names)


def legend(folder: str | Path) -> tuple[str, ...]:
    """The classes of a folder that ``Labelling.save`` wrote; none where there is no such folder.

    Raises:
        ModelError: It cannot be read.
    """
    known = Path(folder) / _LEGEND
    try:
        return tuple(known.read_text("utf-8").splitlines()[1:]) if known.is_file() else ()
    except (OSError, ValueError) as error:
        raise ModelError(f"{known}: cannot be read: {error}") from error
