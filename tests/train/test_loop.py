import copy
import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.train.samples import BUSY, PLAIN, TensorSamples, Wrapped, digest, digits, layers_of, network, part, timeless
from topwork.train import EpochRecord, TrainConfig, TrainError, measure, train
from topwork.train._loop import _above_start
from topwork.train._samples import epoch_batches
from topwork.train._state import Pace, Score, State

TRAINING, VALIDATION = part(0, 120), part(120, 200)


def run(config, model=None, *, frozen=0, data=TRAINING, validation=VALIDATION, **options):
    model = network() if model is None else model
    result = train(model, data, validation, config, layers=layers_of(model, frozen=frozen), **options)
    return model, result


def test_it_learns_real_digits():
    config = PLAIN.model_copy(update={"epochs": 6})
    model, result = run(config, data=part(0, 1000), validation=part(1200, 1797))
    assert result.best.accuracy > 0.9
    assert result.start.accuracy < 0.3
    assert (result.steps, result.stopped, len(result.history)) == (6 * 50, "epochs", 6)
    assert measure(model, part(1200, 1797), config) == result.best


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_it_is_the_loop_written_by_hand(optimizer):
    """Plain torch, with torch's own scheduler, on the same batches."""
    config = PLAIN.model_copy(
        update={"optimizer": optimizer, "schedule": "cosine", "warmup": 0.0, "weight_decay": 0.1, "clip": 1.0}
    )
    ours, result = run(config, network(norm=False))
    model, (images, labels) = network(norm=False).train(), digits()
    plain = [value for value in model.parameters() if value.ndim == 1]
    decayed = [value for value in model.parameters() if value.ndim > 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    kinds = {"adamw": torch.optim.AdamW(groups, lr=1e-2), "sgd": torch.optim.SGD(groups, lr=1e-2, momentum=0.9)}
    stepper = kinds[optimizer]
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(stepper, T_max=12)
    for epoch in range(2):
        for rows in epoch_batches(0, epoch, 120, 20):
            stepper.zero_grad()
            functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            stepper.step()
            scheduler.step()
    assert result.best_epoch == 2
    for mine, theirs in zip(ours.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


def test_pieces_of_a_batch_give_the_gradient_of_the_whole():
    whole, _ = run(PLAIN, network(norm=False))
    pieces, _ = run(PLAIN.model_copy(update={"accumulate": 3}), network(norm=False))
    for one, other in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_equal_seeds_give_equal_bytes_and_leave_the_callers_randomness_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, one = run(BUSY)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    second, two = run(BUSY)
    assert digest(first) == digest(second)
    assert timeless(one) == timeless(two)
    assert digest(run(BUSY.model_copy(update={"seed": 4}))[0]) != digest(first)


@pytest.mark.parametrize("frozen", [1, 2])
def test_what_is_frozen_stays_to_the_byte_with_its_statistics(frozen):  # FAULTS 45
    model = network()
    model.train()
    before = [digest(child) for child in model]
    run(BUSY.model_copy(update={"weight_decay": 0.5}), model, frozen=frozen)
    after = [digest(child) for child in model]
    assert after[:frozen] == before[:frozen]
    assert after[3] != before[3]
    assert int(model[0][1].num_batches_tracked) == 0


def test_the_best_weights_are_kept_not_the_last():
    config = PLAIN.model_copy(update={"epochs": 6, "learning_rate": 0.3, "schedule": "constant", "optimizer": "sgd"})
    model, result = run(config)
    accuracies = [result.start.accuracy, *(record.accuracy for record in result.history)]
    assert result.best.accuracy == max(accuracies)
    assert accuracies[result.best_epoch] == max(accuracies)
    assert measure(model, VALIDATION, config) == result.best


def test_where_nothing_beats_the_start_the_start_is_kept():
    model, _ = run(PLAIN.model_copy(update={"epochs": 6}))
    before = digest(model)
    _, result = run(PLAIN.model_copy(update={"learning_rate": 100.0, "optimizer": "sgd"}), model)
    assert result.best_epoch == 0
    assert result.best == result.start
    assert digest(model) == before


def test_it_stops_when_patience_ends():
    model, _ = run(PLAIN.model_copy(update={"epochs": 6}))
    config = PLAIN.model_copy(update={"epochs": 9, "learning_rate": 100.0, "optimizer": "sgd", "patience": 2})
    _, result = run(config, model)
    assert (result.stopped, len(result.history)) == ("patience", result.best_epoch + 2)


def test_averaged_weights_are_those_measured_and_kept():
    config = BUSY.model_copy(update={"ema_decay": 0.95})
    model, result = run(config)
    assert measure(model, VALIDATION, config) == result.best
    assert digest(model) != digest(run(config.model_copy(update={"ema_decay": None}))[0])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1e-12] * 4 + [3e-13] * 3 + [9e-14]),
        ({"plateau_factor": 0.2, "plateau_patience": 5}, [1e-12] * 7 + [2e-13]),
    ],
)
def test_plateau_lowers_the_rate_where_the_loss_stands_still(changes, expected):
    still = {"epochs": 8, "schedule": "plateau", "optimizer": "sgd", "learning_rate": 1e-12, "warmup": 0.0}
    config = PLAIN.model_copy(update={**still, **changes})
    _, result = run(config, network(norm=False))
    rates = [record.learning_rate for record in result.history]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_it_and_the_best_stays(value):  # FAULTS 36
    def spoil(index, inputs, targets):
        return (inputs * value if index == 15 else inputs), targets

    data = Wrapped(TRAINING, spoil)
    model, result = run(PLAIN.model_copy(update={"epochs": 5}), data=data)
    assert result.stopped == "not finite"
    assert "step 16 (epoch 3)" in result.notes[0]
    assert result.notes[0].endswith("; try a lower learning rate: --set learning_rate=0.001")
    assert len(result.history) == 2
    assert measure(model, VALIDATION, PLAIN) == result.best
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert data.closed == 3


def test_a_validation_loss_that_is_no_number_stops_it_too():
    calls = itertools.count()
    spoilt = Wrapped(
        VALIDATION, lambda index, inputs, targets: (inputs * float("nan") if next(calls) == 9 else inputs, targets)
    )
    _, result = run(PLAIN.model_copy(update={"epochs": 5}), validation=spoilt)
    assert result.stopped == "not finite"
    assert "validation loss" in result.notes[0]


@pytest.fixture(scope="module")
def trained():
    """A network from which too high a rate leads away."""
    return run(PLAIN.model_copy(update={"epochs": 15}))[0]


STEEP = PLAIN.model_copy(update={"epochs": 8, "learning_rate": 1.0, "schedule": "constant"})


def test_a_training_that_diverges_stops_and_names_a_lower_rate(trained):
    before = digest(trained)
    # false labels lead away step by step, on every processor
    misled = Wrapped(TRAINING, lambda index, inputs, targets: (inputs, (targets + 1) % 10))
    model, result = run(STEEP.model_copy(update={"learning_rate": 0.01}), copy.deepcopy(trained), data=misled)
    assert result.stopped == "diverged"
    assert 2 <= len(result.history) < 8
    assert all(epoch.validation_loss > 2 * result.start.loss for epoch in result.history[-2:])
    assert (result.best_epoch, digest(model)) == (0, before)
    losses = f"from {result.start.loss:.2f} to {result.history[-1].validation_loss:.2f}"
    assert result.notes == (
        f"the validation loss rose {losses} after epoch {len(result.history)}: stopped, the best weights kept; "
        "try a lower learning rate: --set learning_rate=0.001",
    )


def test_a_falling_rate_may_mend_the_first_half(trained):
    _, result = run(STEEP.model_copy(update={"schedule": "one-cycle", "learning_rate": 0.3}), copy.deepcopy(trained))
    assert len(result.history) >= 4


def test_a_training_that_gained_nothing_far_above_the_start_names_a_lower_rate_too(trained):
    config = STEEP.model_copy(update={"epochs": 2, "schedule": "one-cycle"})
    _, result = run(config, copy.deepcopy(trained))
    assert (result.stopped, result.best_epoch) == ("epochs", 0)
    assert result.notes[0].endswith(" after epoch 2: try a lower learning rate: --set learning_rate=0.1")


def test_a_training_that_does_not_diverge_is_the_same_to_the_byte(trained, monkeypatch):
    config = STEEP.model_copy(update={"learning_rate": 3e-3})
    model, result = run(config, copy.deepcopy(trained))
    assert (result.stopped, result.notes) == ("epochs", ())
    monkeypatch.setattr("topwork.train._loop._above_start", lambda *given: False)
    unwatched, same = run(config, copy.deepcopy(trained))
    assert digest(model) == digest(unwatched)
    assert timeless(result) == timeless(same)


@pytest.mark.parametrize(
    ("start", "losses", "accuracies", "expected"),
    [
        ((0.4, 0.9), (0.81, 0.9), (0.8, 0.8), True),
        ((0.4, 0.9), (0.81, 0.9), (0.9, 0.9), True),
        ((0.4, 0.9), (0.81, 0.9), (0.8, 0.91), False),  # it names more right
        ((0.4, 0.9), (0.79, 0.9), (0.8, 0.8), False),  # one epoch alone
        ((0.4, 0.9), (0.9,), (0.8,), False),
        ((0.0, 1.0), (0.15, 0.15), (1.0, 1.0), False),  # many times nothing
        ((0.0, 1.0), (0.21, 0.21), (1.0, 1.0), True),
    ],
)
def test_what_is_far_above_the_start(start, losses, accuracies, expected):
    epochs = [
        EpochRecord(
            epoch=1,
            step=1,
            loss=0,
            validation_loss=loss,
            accuracy=right,
            learning_rate=1,
            seconds=1,
            samples_per_second=1,
        )
        for loss, right in zip(losses, accuracies, strict=True)
    ]
    state = State(pace=Pace(total=9), start=Score(loss=start[0], accuracy=start[1], samples=9), history=epochs)
    assert _above_start(SimpleNamespace(state=state), 2.0) is expected


@pytest.mark.parametrize("place", [0, 7, 12])
def test_ctrl_c_keeps_the_best_so_far(place):
    def stop(index, inputs, targets):
        if index == place:
            raise KeyboardInterrupt
        return inputs, targets

    data = Wrapped(TRAINING, stop)
    model, result = run(PLAIN.model_copy(update={"epochs": 5}), data=data)
    assert result.interrupted
    assert len(result.history) == place // 6
    assert measure(model, VALIDATION, PLAIN) == result.best
    assert data.closed == place // 6 + 1


def test_ctrl_c_before_anything_was_measured_is_just_that():
    def stop(index, inputs, targets):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(PLAIN, validation=Wrapped(VALIDATION, stop))


def test_an_error_in_the_data_comes_through_and_readers_are_closed():
    def fail(index, inputs, targets):
        raise OSError("gone")

    data, model = Wrapped(TRAINING, fail), network().requires_grad_(False)
    with pytest.raises(OSError, match="gone"):
        run(PLAIN, model, data=data)
    assert data.closed == 1
    assert not any(value.requires_grad for value in model.parameters())


def test_data_that_end_early_are_an_error():
    class Short(Wrapped):
        def batches(self, epoch, rows):
            return super().batches(epoch, rows[:-1])

    with pytest.raises(TrainError, match="5 of 6 batches in epoch 1"):
        run(PLAIN, data=Short(TRAINING, lambda index, *batch: batch))


def test_a_batch_does_not_depend_on_who_reads_it():  # FAULTS 35
    """Read ahead by a pool of threads, the same weights come out."""
    from concurrent.futures import ThreadPoolExecutor

    class Pooled(Wrapped):
        def __init__(self, workers):
            super().__init__(TRAINING, None)
            self.workers = workers

        def batches(self, epoch, rows):
            with ThreadPoolExecutor(self.workers) as pool:
                yield from pool.map(lambda batch: next(TRAINING.batches(epoch, [batch])), rows)

    assert len({digest(run(BUSY, data=Pooled(workers))[0]) for workers in (1, 4)} | {digest(run(BUSY)[0])}) == 1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_inputs_of_any_type_train(dtype, precision):
    class Scaled(nn.Sequential):
        def forward(self, inputs):
            return super().forward(inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs)

    images, labels = digits()
    given = (images * 255).to(torch.uint8) if dtype == torch.uint8 else images.to(dtype)
    data = TensorSamples(given[:120], labels[:120], 10)
    model = Scaled(*network())
    _, result = run(PLAIN.model_copy(update={"precision": precision}), model, data=data, validation=data)
    assert result.best.loss < result.start.loss


def test_progress_tells_steps_and_epochs():
    told = []
    _, result = run(PLAIN, progress=told.append)
    assert [event.step for event in told if event.record is None] == list(range(1, 13))
    assert [event.record for event in told if event.record] == list(result.history)
    assert all(event.steps == 12 and event.epoch <= event.epochs == 2 for event in told)
    assert told[-1].seconds_left == 0
    assert result.history[0].model_dump().keys() == {
        "epoch",
        "step",
        "loss",
        "validation_loss",
        "accuracy",
        "learning_rate",
        "seconds",
        "samples_per_second",
    }


@pytest.mark.parametrize(
    ("data", "validation", "message"),
    [
        (part(0, 0), VALIDATION, "the training split is empty"),
        (TRAINING, part(0, 0), "the validation split is empty"),
        (TensorSamples(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 10]), 10), VALIDATION, "labels from 0 to 10"),
        (TensorSamples(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 2]), 3), VALIDATION, r"\(3, 10\), not 3 logits"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, validation, message):
    with pytest.raises(TrainError, match=message):
        run(PLAIN, data=data, validation=validation)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried"), MemoryError()])
def test_no_memory_is_an_error_with_advice(error):  # FAULTS 37
    def fail(index, inputs, targets):
        raise error

    with pytest.raises(TrainError, match="not enough memory for 20 samples in 1 pieces") as caught:
        run(PLAIN, data=Wrapped(TRAINING, fail))
    assert "accumulate = 2" in caught.value.hint


def test_shuffled_labels_stay_near_chance():  # FAULTS 44
    images, labels = digits()
    shuffled = labels[torch.randperm(600, generator=torch.Generator().manual_seed(0))]
    config = PLAIN.model_copy(update={"epochs": 4})
    data, held_out = TensorSamples(images[:300], shuffled[:300], 10), TensorSamples(images[300:600], shuffled[300:], 10)
    _, result = run(config, data=data, validation=held_out)
    assert result.best.accuracy < 0.2


@pytest.mark.parametrize("seconds", [1e-6, 0.5, 1.5])
def test_a_budget_shortens_the_schedule_and_is_kept(seconds):
    config = PLAIN.model_copy(update={"epochs": 10_000, "budget_seconds": seconds, "schedule": "cosine", "warmup": 0.0})
    told = []
    _, result = run(config, progress=told.append)
    slowest = max([record.seconds for record in result.history])
    assert result.stopped == "budget"
    assert result.seconds <= seconds + slowest + 0.5
    if seconds > 1:
        assert result.seconds > 0.5 * seconds
        assert result.history[-1].learning_rate < 0.2 * config.learning_rate
        rates = [record.learning_rate for record in result.history]
        assert all(later <= earlier for earlier, later in itertools.pairwise(rates))


def test_a_budget_that_suffices_changes_nothing():
    ample, one = run(BUSY.model_copy(update={"budget_seconds": 1e6}))
    free, two = run(BUSY)
    assert digest(ample) == digest(free)
    assert timeless(one) == timeless(two)


def test_defaults_work():
    _, result = run(TrainConfig(epochs=2), channels_last_model())
    assert result.best.loss < result.start.loss


def channels_last_model():
    return network().to(memory_format=torch.channels_last)
