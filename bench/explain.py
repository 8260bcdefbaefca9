"""Speed of `topwork explain` with EfficientNet-Lite0, and what its methods are worth on real pictures.

    python bench/explain.py speed     Grad-CAM, occlusion, an ideal image, a targeted attack; the plain way beside it
    python bench/explain.py maps      deletion and insertion of each method, against a random map
    python bench/explain.py attacks   success of FGSM and PGD beside foolbox's, on the same images and sizes
    python bench/explain.py ideal     ideal images of three classes: still called that after a shift and a JPEG?

The pictures are the 20 of ImageNet that foolbox ships.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from _faithful import faithfulness, likeness_without_head, random_map
from _report import header, spread, table
from topwork.backbones import load
from topwork.explain import (
    AttackOptions,
    Evidence,
    Norm,
    TorchClassifier,
    attack,
    fool,
    grad_cam,
    ideal_image,
    integrated_gradients,
    occlusion,
)

Pixels = npt.NDArray[np.uint8]

RUNS = 3
SIZES: tuple[tuple[Norm, float], ...] = (("linf", 0.25 / 255), ("linf", 1 / 255), ("l2", 0.125), ("l2", 0.5))
CLASSES = ("zebra", "tabby cat", "pizza")


def photos() -> list[Path]:
    spec = importlib.util.find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    return sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, and of the processor: on a shared machine the latter say more."""

    clock: tuple[float, ...]
    processor: tuple[float, ...]

    def row(self, what: str, images: int = 0) -> tuple[str, ...]:
        """Images a second, or seconds where there is one image."""
        told = [[images / each for each in values] if images else values for values in (self.clock, self.processor)]
        return what, "images/s" if images else "s", *(spread(values, 1) for values in told)


def seconds(work: Callable[[], object], runs: int = RUNS) -> Took:
    """Of each of some runs, after one that is not counted where there are several."""
    if runs > 1:
        work()
    clock, processor = [], []
    for _ in range(runs):
        start, spent = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - spent)
    return Took(tuple(clock), tuple(processor))


def plain_grad_cam(network: torch.nn.Module, images: torch.Tensor) -> None:
    """As most tutorials have it: one image at a time, gradients of everything, hooks on the last map."""
    network.requires_grad_(True)
    for image in images:
        kept: list[torch.Tensor] = []
        handle = network.get_submodule("bn2").register_forward_hook(lambda *given, kept=kept: kept.append(given[2]))
        logits = network(image[None])
        kept[0].retain_grad()
        logits[0, logits.argmax()].backward()
        assert kept[0].grad is not None
        (kept[0].grad.mean((2, 3), keepdim=True) * kept[0]).sum(1).relu()
        handle.remove()
        network.zero_grad()


def speed(classifier: TorchClassifier, images: Pixels) -> None:
    network = load("lite0").module()
    normalised = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    plain = seconds(lambda: plain_grad_cam(network, normalised))
    rows = [
        plain.row("Grad-CAM, the plain way, one at a time", len(images)),
        seconds(lambda: [grad_cam(classifier, image[None]) for image in images]).row(
            "Grad-CAM, one at a time", len(images)
        ),
        seconds(lambda: grad_cam(classifier, images)).row("Grad-CAM, 20 images", len(images)),
        seconds(lambda: occlusion(classifier, images[:1]), 1).row("occlusion of one image"),
        seconds(lambda: fool(classifier, images[0], "tabby")).row("targeted attack on one image, linf"),
        seconds(lambda: fool(classifier, images[0], "tabby", norm="l2")).row("targeted attack on one image, l2"),
        seconds(lambda: ideal_image(classifier, "zebra"), 1).row("ideal image, the plain one included"),
    ]
    print(f"torch with {torch.get_num_threads()} threads. Median of {RUNS} runs, lowest and highest in brackets.\n")
    print(table(("what", "unit", "by the clock", "by the processor, all cores together"), rows))


def maps(classifier: TorchClassifier, images: Pixels) -> None:
    images = images[:8]
    named = grad_cam(classifier, images)
    methods: dict[str, Callable[[TorchClassifier, Pixels, str | int | None], list[Evidence]]] = {
        "Grad-CAM": grad_cam,
        "occlusion": occlusion,
        "integrated gradients": integrated_gradients,
    }
    rows = []
    for name, method in methods.items():
        found = method(classifier, images, None)
        likeness = likeness_without_head(classifier, images[:2], 243, method)
        rows.append((name, *areas(classifier, found), f"{likeness:.2f}"))
    chance = [dataclasses.replace(each, map=random_map(classifier.size, seed=seed)) for seed, each in enumerate(named)]
    rows.append(("random map", *areas(classifier, chance), ""))
    print("Areas under the curves, mean of 8 images. Likeness: rank correlation with the maps of a random head.\n")
    print(table(("method", "deletion (small is good)", "insertion (large is good)", "likeness"), rows))


def areas(classifier: TorchClassifier, found: list[Evidence]) -> tuple[str, str]:
    curves = [faithfulness(classifier, each, steps=10) for each in found]
    deletion = statistics.mean(each.deletion_area for each in curves)
    insertion = statistics.mean(each.insertion_area for each in curves)
    return f"{deletion:.3f}", f"{insertion:.3f}"


def attacks(classifier: TorchClassifier, images: Pixels) -> None:
    import foolbox

    truths = np.array([int(photo.stem.rpartition("_")[2]) for photo in photos()])
    images, truths = np.concatenate([images, images[:, :, ::-1], images[:, ::-1]]), np.concatenate([truths] * 3)
    model = foolbox.PyTorchModel(classifier.module, bounds=(0, 1), device="cpu")
    rows = []
    for norm, size in SIZES:
        theirs = {
            "fgsm": foolbox.attacks.LinfFastGradientAttack()
            if norm == "linf"
            else foolbox.attacks.L2FastGradientAttack(),
            "pgd": (foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD)(rel_stepsize=0.2, steps=5),
        }
        for name, other in theirs.items():
            start = time.perf_counter()
            changed = attack(classifier, images, truths, size, AttackOptions(name, norm, steps=5, stride=0.2))  # type: ignore[arg-type]
            took = time.perf_counter() - start
            ours = (classifier.probabilities(changed).argmax(axis=1) != truths).mean()
            start = time.perf_counter()
            success = other(model, classifier.tensor(images), torch.from_numpy(truths), epsilons=size)[2]
            them = time.perf_counter() - start
            told = f"{size * 255:g} / 255" if norm == "linf" else f"{size:g}"
            share = 100 * success.float().mean().item()
            rows.append((f"{name}, {norm}", told, f"{100 * ours:.1f}", f"{share:.1f}", f"{took:.1f}", f"{them:.1f}"))
    print("60 images: 20 photographs, their mirror images, and those turned on their heads. PGD with 5 steps.\n")
    print(table(("attack", "size", "success %, ours", "foolbox", "seconds, ours", "foolbox"), rows))


def ideal(classifier: TorchClassifier) -> None:
    rows = []
    for label in CLASSES:
        found = ideal_image(classifier, label)
        values = (found.ideal.probability, found.ideal.after, found.plain.probability, found.plain.after)
        rows.append((label, *(f"{100 * each:.1f}" for each in values)))
    print("Probability in percent. After: the lowest of four shifts by up to 8 pixels, each through a JPEG.\n")
    print(table(("class", "ideal", "after", "plain ascent", "after"), rows))


def main() -> None:
    asked = sys.argv[1]
    classifier = TorchClassifier.of_backbone(load("lite0"), device="cpu")
    images = classifier.squares(photos())
    print(header(f"What the network sees: {asked}, EfficientNet-Lite0 at {classifier.size} pixels"))
    if asked == "ideal":
        ideal(classifier)
    else:
        {"speed": speed, "maps": maps, "attacks": attacks}[asked](classifier, images)


if __name__ == "__main__":
    main()
