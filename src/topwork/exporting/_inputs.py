"""What an exported model takes: images (``_images``) or texts (``_texts``); chosen by the kind of backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from topwork.backbones import AnyBackbone, TextBackbone
from topwork.errors import TopworkError
from topwork.exporting._nodes import Nodes, Value


class Inputs(Protocol):
    """The part of an export that depends on what a row is.

    Attributes:
        backbone: The network.
        thing: What a row is called.
        template: Name of the template of ``predict.py``; what it makes has ``read(source)``, which gives what
            ``answer`` takes a batch of, and ``answer(batch)``, which gives outputs by name.
        feeds: What ``answer`` gives the network, a Python expression: its inputs by name.
        told: What is taken, in words, for the README.
        packages: What ``predict.py`` needs beside NumPy and its runtime.
        files: What ``write`` writes, and what that is.
    """

    @property
    def backbone(self) -> Any: ...
    @property
    def thing(self) -> str: ...
    @property
    def template(self) -> str: ...
    @property
    def packages(self) -> tuple[str, ...]: ...
    @property
    def feeds(self) -> str: ...
    @property
    def told(self) -> str: ...
    @property
    def files(self) -> Mapping[str, str]: ...

    def features(self, nodes: Nodes, outputs: tuple[str, ...]) -> Value:
        """Declare the inputs, and give the features, float32 (batch, width), that a head reads."""

    def outside(self) -> Inputs:
        """The same, with as much as can be in the script instead of the graph: for a target that lacks operators."""

    def metadata(self) -> Mapping[str, Any]:
        """What the file tells of what it takes, as ``Answers.metadata``."""

    def settings(self) -> Mapping[str, Any]:
        """What the template is filled with."""

    def write(self, folder: Path) -> None:
        """Write ``files`` beside the model, such as a tokenizer."""

    def trials(self, given: Sequence[Any], folder: Path) -> list[Any]:
        """Sources on which the export is compared with ``predict``: those given and hard cases made of them.

        Args:
            given: Real rows, at least one.
            folder: An empty one for files that are made.
        """


def inputs_of(backbone: AnyBackbone) -> Inputs:
    """What a network's exported model takes.

    Raises:
        TopworkError: The network reads each text several times.
    """
    if isinstance(backbone, TextBackbone) and backbone.hypotheses:
        raise TopworkError(
            f"{backbone.name} reads each text once for each class, beside a sentence on it, which no export does yet",
            hint="`topwork serve MODEL` answers with it; a probe or a fine-tuned model can be exported",
        )
    if isinstance(backbone, TextBackbone):
        from topwork.exporting._texts import TextInputs

        return TextInputs(backbone)
    from topwork.exporting._images import ImageInputs

    return ImageInputs(backbone)
