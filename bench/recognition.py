"""What a learnt projection brings to identities that no model has seen, over several divisions of the identities.

    python bench/recognition.py FOLDER [--splits 5] [--parts N] [--backbone lite0] [--faces NAME]

FOLDER has a folder for each identity; half of them train, half judge, by each seed. Beside the model stand the
network's own features, compared by their cosine on the same images. With ``--parts N`` FOLDER holds photographs, and
the first N of them are identities: each is cut into its four quarters, and the question is which belong together.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from _report import header, table
from topwork.data import image_files
from topwork.fitting import fit
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._options import RecognitionOptions


def quarters(photographs: Path, count: int, folder: Path) -> Path:
    """Each photograph as an identity of four images."""
    for number, path in enumerate(sorted(image_files(photographs))[:count]):
        try:
            picture = Image.open(path).convert("RGB")
        except OSError:
            continue
        (folder / f"{number:04}").mkdir(parents=True)
        width, height = (side // 2 for side in picture.size)
        for place, (left, top) in enumerate(((0, 0), (width, 0), (0, height), (width, height))):
            part = picture.crop((left, top, left + width, top + height))
            part.save(folder / f"{number:04}" / f"{place}.png")
    return folder


def row(folder: Path, seed: int, asked: argparse.Namespace) -> list[float]:
    """Figures of one division."""
    options = RecognitionOptions(seed=seed, finder=asked.faces)
    how = {"task": "recognition", "strategy": "probe", "backbone": asked.backbone}
    model = fit(folder, test=0.5, options=options, **how)
    assert isinstance(model, Recognizer)
    found = model.metrics
    assert found is not None
    assert found.untrained is not None
    assert found.verification.promised is not None
    plain = RecognitionOptions(
        seed=seed, finder=asked.faces, stages="last", projection="cosine",
        crop_mode=model.backbone.preprocessing.crop_mode,
    )  # fmt: skip
    before = fit(folder, test=0.5, options=plain, **how).metrics
    return [
        found.untrained.eer.value,
        found.verification.eer.value,
        1 - found.untrained.rank_1.value,
        1 - found.identification.rank_1.value,
        before.identification.mean_average_precision.value,
        found.identification.mean_average_precision.value,
        found.verification.promised.false_accept.value,
        found.verification.promised.true_accept.value,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--parts", type=int, default=0)
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--faces")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = quarters(asked.folder, asked.parts, Path(place)) if asked.parts else asked.folder
        rows = [row(folder, seed, asked) for seed in range(asked.splits)]
    names = ("EER", "EER, fitted", "rank-1 errors", "fitted", "mAP", "mAP, fitted", "false accepts", "true accepts")
    shown = [[str(seed), *(f"{100 * each:.1f} %" for each in found)] for seed, found in enumerate(rows)]
    means = np.mean(rows, axis=0)
    shown.append(["mean", *(f"{100 * each:.1f} %" for each in means)])
    print(header(f"Identities never seen: {asked.folder.name}, half of them train"))
    print(table(("seed", *names), shown))
    gone = [1 - means[1] / means[0], 1 - means[3] / means[2]]
    print(f"\nErrors gone: {gone[0]:.0%} of the EER, {gone[1]:.0%} of the rank-1 errors.")


if __name__ == "__main__":
    main()
