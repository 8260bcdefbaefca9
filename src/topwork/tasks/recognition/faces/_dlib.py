"""Faces by dlib: found by its HOG detector, aligned by its landmarks.

Source: King 2009, "Dlib-ml"; Dalal & Triggs 2005 (HOG); Kazemi & Sullivan 2014 (landmarks). The files of landmarks are
those of the package face-recognition-models.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topwork._arrays import Float64Array, UInt8Array
from topwork._system import optional
from topwork.backbones import file_sha256
from topwork.errors import DataError, MissingExtraError
from topwork.tasks.recognition._finder import Find
from topwork.tasks.recognition.faces._align import ARCFACE_POINTS, ARCFACE_SIDE, aligned, resized
from topwork.tasks.recognition.faces._flaws import flaws, turned

_PACKAGE, _EXTRA = "face_recognition_models", "faces"
_RULES = 1  # raise when what is found, or how it is cut out, changes
_DLIB_SIDE, _DLIB_BORDER = 150, 0.25

_SHORTEST = 276  # pixels to which the shorter side of a small picture is enlarged: the detector's faces have 80
_ENLARGED = 3.0  # at most
_LONGEST = 1600  # pixels to which the longer side of a large picture is made smaller, or it would take seconds
_AGAIN = 2.0  # a picture without a face is looked at once more, enlarged by this


class _Points(NamedTuple):
    """What of a face's landmarks is used: five points as ArcFace has them, or eyes and nose."""

    five: Float64Array | None
    eyes: tuple[Float64Array, Float64Array]  # left and right in the picture
    nose: Float64Array


class _Way(NamedTuple):
    """A way to align."""

    file: str
    read: Callable[[Float64Array], _Points]


def _of_five(points: Float64Array) -> _Points:
    """Two corners of the eye on the right of the picture, two of the left one, the nose's base."""
    return _Points(None, (points[2:4].mean(axis=0), points[:2].mean(axis=0)), points[4])


def _of_68(points: Float64Array) -> _Points:
    """Outline, brows, nose, eyes, mouth, each from the left of the picture to the right."""
    left, right, tip = points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[30]
    return _Points(np.stack([left, right, tip, points[48], points[54]]), (left, right), points[33])


_WAYS = {
    "faces": _Way("models/shape_predictor_5_face_landmarks.dat", _of_five),
    "faces-arcface": _Way("models/shape_predictor_68_face_landmarks.dat", _of_68),
}


def open_dlib(facts: Mapping[str, Any]) -> DlibFaces:
    """The finder of these facts, or of a name alone.

    Raises:
        DataError: It was another version's, or its file is another one.
        MissingExtraError: dlib, or the package of its files, is not installed.
    """
    finder = DlibFaces(str(facts["name"]))
    if len(facts) > 1 and dict(facts) != finder.facts():
        raise DataError(
            f"the faces of this model were found by other files or rules than these: {facts['name']}",
            hint="use the version of topwork and the package face-recognition-models that made it, or fit it again",
        )
    return finder


class DlibFaces:
    """Finds faces that look at the camera; each thread has a detector of its own."""

    thing, longest = "face", _LONGEST
    advice = "the face has to look at the camera, and be about 27 pixels wide or more"

    def __init__(self, name: str) -> None:
        self._name, self._way = name, _WAYS[name]
        self._dlib = optional("dlib", extra=_EXTRA, what="finding faces")
        self._file = _package_file(self._way.file)
        self._own = threading.local()

    def __reduce__(self) -> tuple[type[DlibFaces], tuple[str]]:
        """A copy, in this process or another, opens its own."""
        return DlibFaces, (self._name,)

    def facts(self) -> dict[str, Any]:
        """Its name, the version of its rules, and the file of landmarks by its hash."""
        return {"name": self._name, "rules": _RULES, "landmarks": file_sha256(self._file)}

    def find(self, pixels: UInt8Array) -> list[Find]:
        """Faces of uint8 (height, width, 3), upright; the surest first."""
        height, width = pixels.shape[:2]
        scale = _scale(height, width)
        for each in (scale, scale * _AGAIN):
            if each > scale and each * max(height, width) > _LONGEST:
                break
            image = resized(pixels, each)
            rectangles, scores, _ = self._detector.run(image, 0, 0.0)
            if len(rectangles):
                return [self._find(pixels, image, *told) for told in zip(rectangles, scores, strict=True)]
        return []

    @property
    def _detector(self) -> Any:
        if not hasattr(self._own, "detector"):
            self._own.detector = copy.deepcopy(_detector())
        return self._own.detector

    def _find(self, pixels: UInt8Array, image: UInt8Array, rectangle: Any, score: float) -> Find:
        """One face that was found in the image, the picture made larger or smaller."""
        shape = _landmarks(str(self._file))(image, rectangle)
        points = np.array([(point.x, point.y) for point in shape.parts()], np.float64)
        seen = self._way.read(points)
        if seen.five is None:
            crop = self._dlib.get_face_chip(image, shape, _DLIB_SIDE, _DLIB_BORDER)
        else:
            crop = aligned(image, seen.five, ARCFACE_POINTS, ARCFACE_SIDE)
        scale = np.array([pixels.shape[1] / image.shape[1], pixels.shape[0] / image.shape[0]])
        sides = (rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)
        left, top, right, bottom = (np.array(sides, np.float64) * np.tile(scale, 2)).tolist()
        corners = (left, top, right, bottom)
        flaw = flaws(crop, corners, pixels.shape[:2], turned(*seen.eyes, seen.nose))
        shown = (((points if seen.five is None else seen.five) + 0.5) * scale).astype(np.float32)
        return Find(crop, corners, 1 / (1 + math.exp(-2 * score)), shown, flaw)


@functools.cache
def _detector() -> Any:
    """The detector that others are copied from: making one takes seconds, a copy a millisecond."""
    return optional("dlib", extra=_EXTRA, what="finding faces").get_frontal_face_detector()


@functools.lru_cache(maxsize=len(_WAYS))
def _landmarks(file: str) -> Any:
    """What predicts landmarks; reading it takes a moment, and using it changes nothing in it."""
    return optional("dlib", extra=_EXTRA, what="finding faces").shape_predictor(file)


def _package_file(name: str) -> Path:
    """A file of the package, which is not imported: its import needs setuptools."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtraError(
            "the landmarks of faces are not installed", hint=f"pip install 'topwork[{_EXTRA}]' brings them"
        )
    return Path(found.origin).parent / name


def _scale(height: int, width: int) -> float:
    """By which a picture is enlarged before it is looked at, or made smaller."""
    enlarged = min(_ENLARGED, max(1.0, _SHORTEST / min(height, width)))
    return min(enlarged, _LONGEST / max(height, width))
