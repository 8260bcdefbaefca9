"""The three things that every peer's script can do, by the name that stands first on its command line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def main(
    train: Callable[..., None],
    evaluate: Callable[[str, list[str]], list[str]],
    predict: Callable[[str, str], str],
) -> None:
    """``train DATA OUT [SETTING ...]``, ``evaluate OUT TEST`` or ``predict OUT IMAGE``.

    ``evaluate`` is given the test images and answers with their classes' names; one JSON object tells how many are
    right, of how many, and the seconds that the answers took, loading the model included.
    """
    mode, *arguments = sys.argv[1:]
    if mode == "train":
        train(*arguments)
    elif mode == "evaluate":
        out, test = arguments
        images = list(files(Path(test)))
        start = time.perf_counter()
        answers = evaluate(out, [str(image) for image in images])
        right = sum(answer == image.parent.name for answer, image in zip(answers, images, strict=True))
        print(json.dumps({"right": right, "total": len(images), "seconds": time.perf_counter() - start}))
    else:
        print(predict(*arguments))


def files(folder: Path) -> Iterator[Path]:
    """The images in a folder of class folders, in order."""
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            yield path
