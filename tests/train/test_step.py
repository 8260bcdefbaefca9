import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss

from tests.train.samples import PLAIN, Wrapped, digits, network, part
from topwork.train import Ranks, Score, measure


@pytest.mark.parametrize("size", [1, 32, 101, 500])
def test_it_is_scikit_learns_figure_whatever_the_batches(size):
    model, (images, labels) = network().eval(), digits()
    score = measure(model, part(200, 301), PLAIN.model_copy(update={"batch_size": size}))
    with torch.no_grad():
        probabilities = model(images[200:301]).softmax(dim=1).double().numpy()
    truth = labels[200:301].numpy()
    assert score.samples == 101
    assert score.accuracy == pytest.approx(accuracy_score(truth, probabilities.argmax(axis=1)))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert score.loss == pytest.approx(log_loss(truth, probabilities, labels=np.arange(10)), rel=1e-5)


def test_it_leaves_no_gradient_and_no_new_statistics():
    model = network().train()
    before = [value.clone() for value in model.state_dict().values()]
    data = Wrapped(part(0, 50), lambda index, *batch: batch)
    measure(model, data, PLAIN)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    assert not model.training
    assert data.closed == 1


def test_the_ranks_parts_add_up_to_the_whole():
    """Each rank measures its own part of each batch; here one after the other, without the sum."""

    class Alone(Ranks):
        def sum(self, tensors):
            pass

    whole = measure(network(), part(0, 101), PLAIN)
    for world in range(2, 9):
        scores = [measure(network(), part(0, 101), PLAIN, Alone(rank, world)) for rank in range(world)]
        assert sum(score.samples for score in scores) == 101
        assert sum(round(score.accuracy * score.samples) for score in scores) == round(whole.accuracy * 101)


def test_the_better_score_is_more_accurate_or_as_accurate_with_less_loss():
    low, high = Score(loss=0.1, accuracy=0.8, samples=5), Score(loss=0.5, accuracy=0.9, samples=5)
    assert high.beats(low)
    assert not low.beats(high)
    assert Score(loss=0.05, accuracy=0.8, samples=5).beats(low)
    assert not low.beats(low)
