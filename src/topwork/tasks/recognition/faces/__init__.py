"""Faces: found, judged and aligned. In: pictures. Out: ``Find``, whose crops a network of faces embeds.

``faces`` aligns as dlib's network was trained, ``faces-arcface`` as ArcFace's kind; both find with dlib, which the
extra ``faces`` brings. A detector in an ONNX file of the user's finds without it, and aligns as ArcFace's kind.
"""

from topwork.tasks.recognition.faces._dlib import open_dlib
from topwork.tasks.recognition.faces._onnx import open_onnx

__all__ = ["open_dlib", "open_onnx"]
