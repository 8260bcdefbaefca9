import numpy as np
import pytest
import torch

from tests.train.samples import TensorSamples
from topwork.train import TrainError, sample_seed
from topwork.train._samples import epoch_batches, in_order, mix_generator, step_seed


@pytest.mark.parametrize(("samples", "size"), [(1, 32), (32, 32), (33, 32), (1000, 32), (7, 1)])
def test_each_epoch_has_every_sample_once_in_batches_of_even_size(samples, size):
    batches = epoch_batches(0, 2, samples, size)
    assert sorted(np.concatenate(batches)) == list(range(samples))
    lengths = {len(batch) for batch in batches}
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    np.testing.assert_array_equal(np.concatenate(in_order(samples, size)), np.arange(samples))


def test_order_is_a_function_of_seed_and_epoch():
    orders = {
        (seed, epoch): np.concatenate(epoch_batches(seed, epoch, 50, 8)).tobytes()
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    assert np.concatenate(epoch_batches(1, 1, 50, 8)).tobytes() == orders[1, 1]


def test_the_order_never_changes_between_versions():
    assert np.concatenate(epoch_batches(7, 3, 8, 4)).tolist() == [7, 2, 1, 5, 4, 3, 6, 0]
    assert sample_seed(7, 3, 11) == 4980770201484686097


def test_seeds_of_samples_and_steps_do_not_meet():
    seeds = {sample_seed(seed, epoch, index) for seed in range(3) for epoch in range(5) for index in range(40)}
    seeds |= {step_seed(seed, epoch, batch, 0) for seed in range(3) for epoch in range(5) for batch in range(40)}
    assert len(seeds) == 2 * 3 * 5 * 40
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mix_generator(0, 0, 0, 0).random() != mix_generator(0, 0, 0, 1).random()


def test_samples_are_known_by_their_content():
    images, labels = torch.rand(4, 2), torch.tensor([0, 1, 0, 1])
    first = TensorSamples(images, labels, 2).fingerprint
    assert TensorSamples(images.clone(), labels, 2).fingerprint == first
    assert TensorSamples(images, 1 - labels, 2).fingerprint != first
    assert TensorSamples(images.double(), labels, 2).fingerprint != first
    with pytest.raises(TrainError, match="4 inputs have labels of shape"):
        TensorSamples(images, labels[:3], 2)


def test_samples_of_like_length_stand_in_one_batch_and_differ_from_epoch_to_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    batches = epoch_batches(0, 0, 1000, 16, lengths)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert {len(batch) for batch in batches} == {15, 16}
    filled = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert filled < 1.1 * lengths.sum()
    other = epoch_batches(0, 1, 1000, 16, lengths)
    assert {tuple(sorted(batch)) for batch in batches}.isdisjoint(tuple(sorted(batch)) for batch in other)
    means = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4  # long and short ones alternate
    assert (np.diff(lengths[np.concatenate(in_order(1000, 16, lengths))]) >= 0).all()
