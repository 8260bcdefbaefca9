"""Attacks against foolbox's, on the same images and sizes; and what they must never do."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import pytest
import torch
from bench._faithful import with_head

from tests.explain.conftest import SIDE, neighbours, random_classifier
from topwork.errors import ExplainError
from topwork.explain import AttackOptions, Norm, TorchClassifier, attack, fool

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def images(small_squares: Pixels) -> Pixels:
    """60 real ones: each photograph, its mirror image, and that turned on its head."""
    return np.concatenate([small_squares, small_squares[:, :, ::-1], small_squares[:, ::-1]])


@pytest.fixture(scope="module")
def labels(truths: list[int]) -> npt.NDArray[np.intp]:
    return np.array(truths * 3)


def lengths(changed: npt.NDArray[np.float32], images: Pixels, norm: Norm) -> npt.NDArray[np.float64]:
    change = (changed.astype(np.float64) - images / 255).reshape(len(images), -1)
    return np.abs(change).max(axis=1) if norm == "linf" else np.linalg.norm(change, axis=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")  # foolbox's own import
@pytest.mark.parametrize(
    ("name", "norm", "size"),
    [
        ("fgsm", "linf", 2 / 255),
        ("pgd", "linf", 0.5 / 255),
        ("pgd", "l2", 0.25),
    ],
)
def test_success_is_as_frequent_as_foolboxs(
    small: TorchClassifier, images: Pixels, labels: npt.NDArray[np.intp], name: str, norm: Norm, size: float
) -> None:
    import foolbox

    images, labels = images[:40], labels[:40]
    found = attack(small, images, labels, size, AttackOptions(name, norm, steps=4, stride=0.4))  # type: ignore[arg-type]
    ours = (small.probabilities(found).argmax(axis=1) != labels).mean()
    theirs_by_name = {
        ("fgsm", "linf"): foolbox.attacks.LinfFastGradientAttack(),
        ("pgd", "linf"): foolbox.attacks.LinfPGD(rel_stepsize=0.4, steps=4),
        ("pgd", "l2"): foolbox.attacks.L2PGD(rel_stepsize=0.4, steps=4),
    }
    torch.manual_seed(0)
    model = foolbox.PyTorchModel(small.module, bounds=(0, 1), device="cpu")
    _, _, success = theirs_by_name[name, norm](model, small.tensor(images), torch.from_numpy(labels), epsilons=size)
    assert ours == pytest.approx(success.float().mean().item(), abs=0.03)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", ["fgsm", "pgd", "noise"])
def test_a_change_is_no_larger_than_was_asked_for(
    small: TorchClassifier, images: Pixels, labels: npt.NDArray[np.intp], name: str, norm: Norm
) -> None:
    options = AttackOptions(name, norm, steps=2)  # type: ignore[arg-type]
    found = attack(small, images[:3], labels[:3], 0.02, options)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    sizes = lengths(found, images[:3], norm)
    assert (sizes <= 0.02 + 1e-5).all()
    assert (sizes > 0.005).all()


def test_a_gradient_does_more_than_noise(small: TorchClassifier, images: Pixels, labels: npt.NDArray[np.intp]) -> None:
    right = {}
    for name in ("noise", "fgsm", "pgd"):
        found = attack(small, images[:20], labels[:20], 1 / 255, AttackOptions(name, steps=3, stride=0.5))  # type: ignore[arg-type]
        right[name] = (small.probabilities(found).argmax(axis=1) == labels[:20]).sum()
    assert right["noise"] > right["fgsm"] + 3
    assert right["fgsm"] >= right["pgd"]


@pytest.mark.parametrize("k", [1, 3])
def test_certainty_is_not_taken_for_robustness(small: TorchClassifier, images: Pixels, k: int) -> None:
    """Where all neighbours are of one class the probability is 1 and has no gradient at all."""
    bank = images[[0, 20, 40, 3, 23, 43]]  # three views each of two photographs
    classifier = with_head(small, neighbours(small, bank, [0, 0, 0, 1, 1, 1], k))
    shown = np.roll(images[[0, 3]], 4, axis=2)
    np.testing.assert_array_equal(classifier.probabilities(shown)[[0, 1], [0, 1]], 1)
    for name in ("fgsm", "pgd"):
        found = attack(classifier, shown, np.array([0, 1]), 8 / 255, AttackOptions(name, steps=8, stride=0.25))  # type: ignore[arg-type]
        assert (lengths(found, shown, "linf") > 7.9 / 255).all()
    smallest = fool(classifier, shown[0], norm="linf", steps=15)
    assert smallest.success
    assert smallest.size <= 8 / 255
    assert (classifier.probabilities(found).argmax(axis=1) != [0, 1]).all()  # what fool can do, so can PGD


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_head_may_be_as_certain(small: TorchClassifier, images: Pixels, norm: Norm) -> None:
    head = copy.deepcopy(small.module.head)
    head.temperature /= 200
    classifier = copy.copy(small)
    classifier.module = copy.copy(small.module)
    classifier.module._modules = {**small.module._modules, "head": head}
    answers = classifier.probabilities(images[:2]).argmax(axis=1)
    options = AttackOptions("fgsm", norm)
    size = {"linf": 2 / 255, "l2": 1.0}[norm]
    certain, plain = (attack(each, images[:2], answers, size, options) for each in (classifier, small))
    fooled = [(small.probabilities(each).argmax(axis=1) != answers).sum() for each in (certain, plain)]
    assert lengths(certain, images[:2], norm).min() > 0.5 * size
    assert fooled[0] >= fooled[1]


@pytest.mark.parametrize("label", [1000, -1, -100])  # torch passes over -100
def test_a_label_that_is_no_class_is_refused(small: TorchClassifier, images: Pixels, label: int) -> None:
    with pytest.raises(ExplainError, match=f"no class has the number {label}"):
        attack(small, images[:2], np.array([0, label]), 0.01)


def test_a_seed_repeats_an_attack(small: TorchClassifier, images: Pixels, labels: npt.NDArray[np.intp]) -> None:
    one, same, other = (
        attack(small, images[:1], labels[:1], 0.01, AttackOptions(steps=2, seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_size_of_zero_changes_nothing(small: TorchClassifier, images: Pixels, labels: npt.NDArray[np.intp]) -> None:
    for norm in ("linf", "l2"):
        found = attack(small, images[:1], labels[:1], 0, AttackOptions(norm=norm, steps=1))  # type: ignore[arg-type]
        np.testing.assert_allclose(found, images[:1] / np.float32(255), atol=1e-6)


@pytest.mark.parametrize("size", [-1.0, float("nan"), float("inf")])
def test_a_size_that_is_none_is_refused(small: TorchClassifier, images: Pixels, size: float) -> None:
    with pytest.raises(ExplainError, match="the size of a change must be 0 or more"):
        attack(small, images[:1], np.zeros(1, np.intp), size)


def test_options_that_mean_nothing_are_refused(small: TorchClassifier, images: Pixels) -> None:
    with pytest.raises(ExplainError, match="no attack is called 'fgms'") as refused:
        AttackOptions("fgms")  # type: ignore[arg-type]
    assert "fgsm" in refused.value.hint
    with pytest.raises(ExplainError, match="no norm is called 'l1'"):
        AttackOptions(norm="l1")  # type: ignore[arg-type]
    for wrong in ({"steps": 0}, {"stride": 0.0}, {"stride": 2.0}):
        with pytest.raises(ExplainError, match="an attack takes a step or more"):
            AttackOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ExplainError, match="1 images and 2 labels"):
        attack(small, images[:1], np.zeros(2, np.intp), 0.1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_dog_becomes_a_cat_in_a_picture_file(small: TorchClassifier, images: Pixels, norm: Norm) -> None:
    seen: list[tuple[int, int]] = []
    found = fool(small, images[0], "tabby", norm=norm, progress=lambda *step: seen.append(step))
    assert (found.success, found.target, found.new_answer) == (True, "tabby", "tabby")
    assert small.classes[small.probabilities(found.changed[None]).argmax()] == "tabby"
    assert found.size == pytest.approx(lengths(found.changed[None] / np.float32(255), images[:1], norm)[0], rel=1e-3)
    assert found.size < {"linf": 6 / 255, "l2": 2}[norm]
    assert seen[-1] == (40, 40)
    assert found.picture().shape[1] > 3 * 288
    assert set(found.to_dict()) >= {"size", "target", "new_answer"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")  # foolbox's own import
def test_a_change_is_as_small_as_foolboxs(small: TorchClassifier, images: Pixels) -> None:
    """Its DDN, with as many steps; it need not end in whole numbers as ours does, which costs half as much again."""
    import foolbox

    answers = torch.from_numpy(small.probabilities(images[:3]).argmax(axis=1))
    model = foolbox.PyTorchModel(small.module, bounds=(0, 1), device="cpu")
    run = foolbox.attacks.DDNAttack(init_epsilon=0.2, steps=40)
    _, changed, success = run(model, small.tensor(images[:3]), answers, epsilons=None)
    theirs = (changed - small.tensor(images[:3])).flatten(1).norm(dim=1)
    ours = [fool(small, image, norm="l2", steps=40) for image in images[:3]]
    assert all(each.success for each in ours)
    assert success.all()
    assert np.mean([each.size for each in ours]) < 1.8 * theirs.mean().item()


def test_any_other_class_is_nearer_than_a_certain_one(small: TorchClassifier, images: Pixels) -> None:
    wanted, other = (fool(small, images[0], target, norm="l2", steps=25) for target in ("zebra", None))
    assert other.success
    assert other.new_answer != other.answer
    assert other.size < wanted.size


def test_what_cannot_be_fooled_is_said(images: Pixels) -> None:
    """A head that answers the same whatever it is shown."""
    classifier = random_classifier("resnet18", size=SIDE)
    head = classifier.module.head
    head.weight.mul_(1e-6)
    head.bias.copy_(torch.tensor([5.0, 0, 0]))
    found = fool(classifier, images[0], "b", steps=2)
    assert not found.success
    np.testing.assert_array_equal(found.changed, images[0])
    assert found.headline == "still a: no change was found that makes it b"
    assert found.picture().ndim == 3


def test_a_target_that_is_none_is_refused(small: TorchClassifier, images: Pixels) -> None:
    answer = small.classes[small.probabilities(images[:1]).argmax()]
    with pytest.raises(ExplainError, match=f"already predicted as '{answer}'"):
        fool(small, images[0], answer)
    with pytest.raises(ExplainError, match="no class is called 'zebrra'"):
        fool(small, images[0], "zebrra")
    with pytest.raises(ExplainError, match="the norm is linf or l2"):
        fool(small, images[0], norm="l1")  # type: ignore[arg-type]
    with pytest.raises(ExplainError, match="must be uint8, not float32"):
        fool(small, images[0] / np.float32(255))  # type: ignore[arg-type]
