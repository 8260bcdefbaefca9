import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from tests.train.samples import PLAIN, layers_of, network, part
from topwork.train import CheckpointError, CrossEntropy, TrainConfig, TrainError, measure, train
from topwork.train._loss import Targets, class_weights, mixed, mixed_loss


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
    ours = mixed_loss(CrossEntropy(5, smoothing, weights), logits, Targets(classes, other, 0.3)) / 6
    torch.testing.assert_close(ours, expected)


def test_the_loss_of_bf16_logits_is_taken_in_float32():
    _, classes, logits = batch()
    assert mixed_loss(CrossEntropy(5), logits.bfloat16(), Targets(classes, classes, 1.0)).dtype == torch.float32


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


class Boxes:
    """Where a digit's ink begins and ends, (n, 4): samples whose labels are no classes."""

    def __init__(self, start, stop):
        self._samples = part(start, stop)
        self.fingerprint = self._samples.fingerprint
        self.labels = [f"box {row}" for row in range(start, stop)]

    def batches(self, epoch, rows):
        for images, _ in self._samples.batches(epoch, rows):
            ink = [(image[0] > 0.3).nonzero() for image in images]
            boxes = [torch.cat([each.min(dim=0).values, each.max(dim=0).values + 1]) / 8 for each in ink]
            yield images, torch.stack(boxes) if boxes else torch.zeros(0, 4)


class BoxLoss:
    """Absolute error of boxes that a model answers with beside something else."""

    def __init__(self, fingerprint="boxes"):
        self.fingerprint = fingerprint

    def __call__(self, outputs, targets):
        return functional.l1_loss(outputs["boxes"].float(), targets, reduction="sum")

    def measured(self, outputs, targets):
        errors = (outputs["boxes"].float() - targets).abs()
        return errors.sum(dim=1), (errors < 0.125).float().mean(dim=1)


class BoxNetwork(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, inputs):
        return {"boxes": self.inner(inputs)[:, :4], "rest": None}


def boxes_learnt(loss=None, **options):
    model, config = BoxNetwork(), PLAIN.model_copy(update={"accumulate": 2, "mixup": 0.1})
    layers = layers_of(model.inner)
    return model, train(model, Boxes(0, 200), Boxes(200, 301), config, layers=layers, loss=loss, **options)


def test_a_task_trains_on_a_loss_of_its_own():
    model, result = boxes_learnt(BoxLoss())
    assert result.best.loss < result.start.loss / 2
    assert result.best.accuracy > result.start.accuracy
    again = measure(model, Boxes(200, 301), PLAIN, loss=BoxLoss())
    assert (again.accuracy, again.samples) == (result.best.accuracy, 101)
    assert again.loss == pytest.approx(result.best.loss)


def test_the_default_loss_passed_is_the_one_that_is_taken():
    def trained(loss):
        model = network()
        return train(model, part(0, 60), part(60, 90), PLAIN, layers=layers_of(model), loss=loss).best

    assert trained(CrossEntropy(10)) == trained(None)


def test_samples_without_classes_need_a_loss():
    with pytest.raises(TrainError, match="the training split has no classes") as caught:
        boxes_learnt()
    assert "pass a loss" in caught.value.hint


def test_a_checkpoint_of_another_loss_is_refused(tmp_path):
    boxes_learnt(BoxLoss(), checkpoint=tmp_path)
    boxes_learnt(BoxLoss(), checkpoint=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="loss was boxes, is others"):
        boxes_learnt(BoxLoss("others"), checkpoint=tmp_path, resume=True)
    balanced = CrossEntropy(3, 0.1, torch.ones(3)).fingerprint
    assert len({balanced, CrossEntropy(3, 0.1).fingerprint, CrossEntropy(3).fingerprint}) == 3


def test_logits_of_another_shape_are_refused():
    with pytest.raises(TrainError, match=r"answers 6 inputs with \(6, 5\), not 4 logits each"):
        CrossEntropy(4)(batch()[2], batch()[1])
