import pytest
import torch

from tests.train.samples import BUSY, PLAIN, Wrapped, digest, layers_of, network, part, timeless
from topwork.train import TrainError, rate_range, train

TRAINING, VALIDATION = part(0, 120), part(120, 160)


def test_it_finds_a_rate_that_trains():
    model = network()
    found = rate_range(model, TRAINING, PLAIN, layers=layers_of(model), highest=100.0, steps=40)
    assert list(found.rates) == sorted(found.rates)
    assert len(found.rates) == len(found.losses) <= 40
    assert 1e-4 < found.suggested < 1
    config = PLAIN.model_copy(update={"learning_rate": found.suggested, "epochs": 5})
    result = train(model, TRAINING, VALIDATION, config, layers=layers_of(model))
    assert result.best.accuracy > result.start.accuracy


def test_it_changes_nothing_to_the_byte():
    model = network()
    model[0].eval()
    model[3].weight.grad = torch.ones_like(model[3].weight)
    before, state = digest(model), torch.get_rng_state()
    modes = [module.training for module in model.modules()]
    data = Wrapped(TRAINING, lambda index, *batch: batch)
    rate_range(model, data, BUSY, layers=layers_of(model), steps=12)
    assert digest(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert (model[3].weight.grad == 1).all()
    assert model[0][0].weight.grad is None
    assert data.closed == 2


def test_the_run_that_follows_is_the_one_without_it():
    def trained(first):
        model = network()
        if first:
            rate_range(model, TRAINING, BUSY, layers=layers_of(model), steps=5)
        return digest(model), timeless(train(model, TRAINING, VALIDATION, BUSY, layers=layers_of(model)))

    assert trained(first=True) == trained(first=False)


def test_it_ends_where_the_loss_bursts():
    model = network(norm=False)
    config = PLAIN.model_copy(update={"optimizer": "sgd"})
    found = rate_range(model, TRAINING, config, layers=layers_of(model), lowest=1e-3, highest=1e6, steps=60)
    assert len(found.rates) < 60


@pytest.mark.parametrize("choices", [{"lowest": 1.0, "highest": 0.1}, {"lowest": 0.0}, {"steps": 1}])
def test_rates_that_cannot_be_tried_are_refused(choices):
    model = network()
    with pytest.raises(TrainError, match="rising rates"):
        rate_range(model, TRAINING, PLAIN, layers=layers_of(model), **choices)


def test_a_loss_that_is_no_number_from_the_start_is_an_error():
    model = network()
    data = Wrapped(TRAINING, lambda index, inputs, targets: (inputs * float("nan"), targets))
    with pytest.raises(TrainError, match="no number"):
        rate_range(model, data, PLAIN, layers=layers_of(model))
