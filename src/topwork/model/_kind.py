"""What a model answers to, as its card, its methods and its page speak of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of row.

    Attributes:
        thing: How one is called.
        example: One, as Python is given it.
        argument: One, as the command line is given it.
        dataset: What the hub calls data of this kind.
        stages: What their networks are made of.
        elsewhere: What may change a model's figures, beside other rows of the same kind.
        pipeline: What the hub calls what the model does.
    """

    thing: str
    example: str
    argument: str
    dataset: str
    stages: str
    elsewhere: str
    pipeline: str

    @property
    def things(self) -> str:
        """How several are called."""
        return f"{self.thing}s"


IMAGES = Kind(
    "image",
    "photo.jpg",
    "photo.jpg",
    "imagefolder",
    "stages",
    "Another camera, light or place may change them.",
    "image-classification",
)
TEXTS = Kind(
    "text",
    "a text to classify",
    '--text "a text to classify"',
    "text",
    "layers",
    "Another topic, source, style or language may change them.",
    "text-classification",
)
