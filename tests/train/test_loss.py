import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from topwork.train import TrainConfig
from topwork.train._loss import Targets, class_weights, mixed, summed_loss


def batch(n=6, shape=(3, 8, 10)):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand((n, *shape), generator=generator)
    return inputs, torch.randint(5, (n,), generator=generator), torch.randn((n, 5), generator=generator)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0, 1.0, 3.0])])
def test_the_loss_is_torchs_with_soft_targets(smoothing, weights):
    _, classes, logits = batch()
    other = classes.flip(0)
    soft = 0.3 * functional.one_hot(classes, 5).float() + 0.7 * functional.one_hot(other, 5).float()
    expected = functional.cross_entropy(logits, soft, weights, label_smoothing=smoothing)
    ours = summed_loss(logits, Targets(classes, other, 0.3), smoothing, weights) / 6
    torch.testing.assert_close(ours, expected)


def test_the_loss_of_bf16_logits_is_taken_in_float32():
    _, classes, logits = batch()
    assert summed_loss(logits.bfloat16(), Targets(classes, classes, 1.0), 0.0, None).dtype == torch.float32


def test_balanced_weights_are_scikit_learns():
    labels = np.array([0] * 7 + [1] * 2 + [3])
    weights = class_weights(labels, 5, TrainConfig(class_weights="balanced"))
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    np.testing.assert_allclose(weights[[0, 1, 3]], expected, rtol=1e-6)
    assert weights[[2, 4]].tolist() == [0, 0]
    assert class_weights(labels, 5, TrainConfig()) is None


def mix(inputs, targets, seed=0, **settings):
    return mixed(inputs, targets, TrainConfig(**settings), np.random.default_rng(seed))


def test_nothing_is_mixed_where_nothing_is_asked_for():
    inputs, classes, _ = batch()
    same, targets = mix(inputs, classes)
    assert same is inputs
    assert targets.share == 1


def test_mixup_blends_inputs_and_targets_alike():
    inputs, _, _ = batch()
    blend, targets = mix(inputs, torch.arange(6), mixup=1.0)
    torch.testing.assert_close(blend, targets.share * inputs + (1 - targets.share) * inputs[targets.second])
    assert targets.first.tolist() == list(range(6))


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_puts_in_one_rectangle_and_counts_its_area(seed):
    inputs, _, _ = batch()
    patched, targets = mix(inputs, torch.arange(6), seed=seed, cutmix=1.0)
    theirs = (patched == inputs[targets.second]).all(dim=1) & (inputs != inputs[targets.second]).all(dim=1)
    ours = (patched == inputs).all(dim=1)
    assert (ours | theirs).all()
    others = [i for i in range(6) if targets.second[i] != i]
    assert all(theirs[i].float().mean().item() == pytest.approx(1 - targets.share) for i in others)
    for i in others:
        if theirs[i].any():
            rows, columns = theirs[i].any(dim=1), theirs[i].any(dim=0)
            assert theirs[i][rows][:, columns].all()
            assert theirs[i].sum() == rows.sum() * columns.sum()


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"cutmix": 0.4}])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float32])
def test_any_dtype_is_mixed_within_its_range(settings, dtype):
    inputs = (batch()[0] * 255).to(dtype)
    result, _ = mix(inputs, torch.arange(6), **settings)
    assert result.shape == inputs.shape
    assert result.dtype == (torch.float32 if dtype == torch.uint8 and "mixup" in settings else dtype)
    assert result.min() >= inputs.min()
    assert result.max() <= inputs.max()


def test_both_ways_take_turns_and_chance_decides_alone():
    inputs, classes, _ = batch()

    def cut(seed):
        """Whether each value is one of the batch's own, as CutMix leaves them."""
        result = mix(inputs, classes, seed=seed, mixup=1.0, cutmix=1.0)[0]
        return bool((result.unsqueeze(1) == inputs).any(dim=1).all())

    kinds = [cut(seed) for seed in range(40)]
    assert 8 < sum(kinds) < 32
    assert kinds == [cut(seed) for seed in range(40)]
