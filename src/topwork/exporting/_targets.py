"""Where a model may be exported to. Each target writes its files and says how its script runs them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs, inputs_of
from topwork.model import Model

_TARGETS = {
    "onnx": "topwork.exporting._onnx:OnnxTarget",
    "openvino": "topwork.exporting._openvino:OpenVINOTarget",
    "torch": "topwork.exporting._torch:TorchTarget",
    "web": "topwork.exporting._web:WebTarget",
}
"""Name -> the class; imported when it is asked for."""

_OF_TEXTS = {"torch": "topwork.exporting._transformers:TransformersTarget"}
"""The same of models of texts, where that is another."""


class Target(ABC):
    """One way to export a model.

    Attributes:
        runtime: The package that runs it.
        script: What the template of ``predict.py`` is filled with: ``imports``, ``network``, which loads it from
            ``HERE``, and ``answer``, which gives its outputs by name of what ``read`` gave, several at once.
        files: What it writes, and what that is.
        packages: What pip has to install for the script, beside ``Inputs.packages``.
        inputs: What it takes, where that is not all that was given.
        options: What it takes beside the model: names of keyword arguments.
        told: How it is used where that is not by the script, for the README.
    """

    inputs: Inputs

    runtime: ClassVar[str]
    script: Mapping[str, str]
    files: Mapping[str, str]
    packages: ClassVar[tuple[str, ...]]
    options: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[str] = ""

    @classmethod  # noqa: B027 - most take every model
    def require(cls, model: Model, answers: Answers) -> None:
        """Refuse, before any work, a model that cannot be exported so.

        Raises:
            TopworkError: With the reason.
        """

    @abstractmethod
    def __init__(self, model: Model, inputs: Inputs, answers: Answers) -> None:
        """Make the network.

        Raises:
            MissingExtraError: A package that it needs is not installed.
            TopworkError: The model cannot be exported so.
        """

    @abstractmethod
    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """Write the model into a folder; called again once the parity is among the metadata."""

    @property
    def version(self) -> str:
        """What ran it, for the record."""
        return f"{self.runtime} {importlib.metadata.version(self.runtime)}"


def require(model: Model, answers: Answers, to: str) -> type[Target]:
    """The target of that name, which takes the model as far as is known before any work.

    Raises:
        TopworkError: There is none, or it does not.
    """
    kind = target_called(to, inputs_of(model.backbone).thing)
    answers.require(model, to)
    kind.require(model, answers)
    return kind


def possible(model: Model, answers: Answers) -> tuple[str, ...]:
    """The names of those that take a model, as far as is known before any work."""

    def takes(name: str) -> bool:
        with contextlib.suppress(TopworkError):
            require(model, answers, name)
            return True
        return False

    return tuple(filter(takes, _TARGETS))


def target_called(name: str, thing: str = "image") -> type[Target]:
    """The target of that name, for a model of images or texts.

    Raises:
        TopworkError: There is none.
    """
    known = _TARGETS | (_OF_TEXTS if thing == "text" else {})
    if name not in known:
        raise TopworkError(f"a model cannot be exported to {name[:40]!r}", hint=f"it can to {', '.join(known)}")
    module, _, attribute = known[name].partition(":")
    found: type[Target] = getattr(importlib.import_module(module), attribute)
    return found
