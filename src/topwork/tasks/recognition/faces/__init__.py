"""Faces: found, judged and aligned. In: pictures. Out: ``Find``, whose crops a network of faces embeds.

``faces`` aligns as dlib's network was trained, ``faces-arcface`` as ArcFace's kind; both find with dlib, which the
extra ``faces`` brings.
"""

from topwork.tasks.recognition.faces._dlib import open_dlib

__all__ = ["open_dlib"]
