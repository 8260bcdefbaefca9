import pytest
import torch
from torch import nn

from tests.train.samples import layers_of, network
from topwork.train import TrainConfig, TrainError
from topwork.train._parts import parameter_groups, parts_of, put_for_now, set_training, training_of, updated_mean


def test_groups_have_the_rates_and_decays_written_out():
    model = network()
    config = TrainConfig(learning_rate=0.1, layer_decay=0.5, weight_decay=0.2)
    groups = parameter_groups(parts_of(model, layers_of(model)), config)
    found = {id(p): (g["lr"], g["scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    expected = {
        "0.0.weight": (0.025, 0.25, 0.2),
        "0.0.bias": (0.025, 0.25, 0.0),
        "0.1.weight": (0.025, 0.25, 0.0),
        "0.1.bias": (0.025, 0.25, 0.0),
        "1.0.weight": (0.05, 0.5, 0.2),
        "1.0.bias": (0.05, 0.5, 0.0),
        "1.1.weight": (0.05, 0.5, 0.0),
        "1.1.bias": (0.05, 0.5, 0.0),
        "3.weight": (0.1, 1.0, 0.2),
        "3.bias": (0.1, 1.0, 0.0),
    }
    assert {name: found[id(p)] for name, p in model.named_parameters()} == expected


def test_a_norm_over_maps_has_no_decay():
    model = nn.Sequential(nn.LayerNorm((4, 3, 3)), nn.Flatten(), nn.Linear(36, 2))
    assert parts_of(model, [("all", model)]).plain == {"0.weight", "0.bias", "2.bias"}


def test_state_is_what_the_layers_hold_and_frozen_is_the_rest():
    model = network()
    parts = parts_of(model, layers_of(model, frozen=1))
    assert set(parts.state) | set(parts.frozen) == set(model.state_dict())
    assert all(name.startswith("0.") for name in parts.frozen)
    assert {"1.1.running_mean", "1.1.num_batches_tracked"} <= set(parts.state)
    assert len(parts.buffers) == 3
    parts.state["3.bias"].fill_(5.0)
    assert (model[3].bias == 5).all()


def test_loose_parameters_are_a_layer_too():
    model = nn.Module()
    model.token, model.head = nn.Parameter(torch.zeros(1, 1, 4)), nn.Linear(4, 2)
    parts = parts_of(model, [("stem", nn.ParameterList([model.token])), ("head", model.head)])
    assert parts.distances == {"token": 1, "head.weight": 0, "head.bias": 0}


def test_tied_weights_are_trained_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    parts = parts_of(model, [("both", model)])
    assert set(parts.parameters) == {"0.weight", "0.bias", "1.bias"}
    assert set(parts.state) == set(parts.parameters)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda model: [], "nothing to train"),
        (lambda model: [("pool", model[2])], "nothing to train"),
        (lambda model: [("head", nn.Linear(2, 2))], "2 parameters of the layers are not the model's"),
        (lambda model: [("all", model), ("head", model[3])], "'all' shares a parameter"),
    ],
)
def test_layers_that_cannot_train_are_refused(layers, message):
    model = network()
    with pytest.raises(TrainError, match=message):
        parts_of(model, layers(model))


def test_only_the_layers_train_and_all_is_put_back_even_after_an_error():
    model = network().requires_grad_(False)
    model[0].requires_grad_(True)

    def body():
        with training_of(model, layers_of(model, frozen=1), 0.5):
            set_training(model, layers_of(model, frozen=1))
            assert [any(p.requires_grad for p in part.parameters()) for part in model] == [False, True, False, True]
            assert [part.training for part in model] == [False, True, False, True]
            assert not model[0][1].training
            raise KeyError

    with pytest.raises(KeyError):
        body()
    assert [any(p.requires_grad for p in part.parameters()) for part in model] == [True, False, False, False]
    assert not any(module.training for module in model.modules())
    assert not model[3]._forward_pre_hooks


def test_dropout_falls_on_the_heads_inputs_in_training_alone():
    model = network().eval()
    seen = []
    with training_of(model, layers_of(model), 0.5):
        model[3].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        model(torch.ones(4, 1, 8, 8))
        set_training(model, [("head", model[3])])
        model(torch.ones(4, 1, 8, 8))
    calm, dropped = seen
    assert (calm != 0).float().mean() > (dropped != 0).float().mean()
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * calm[kept])


def test_weights_put_in_for_now_go_out_again():
    tensors = {"a": torch.zeros(2)}

    def body():
        with put_for_now({"a": torch.ones(2)}, tensors):
            assert tensors["a"].tolist() == [1, 1]
            raise KeyError

    with pytest.raises(KeyError):
        body()
    assert tensors["a"].tolist() == [0, 0]


def test_the_moving_average_is_torchs_but_for_its_first_steps():
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model = network()
    oracle = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    oracle.update_parameters(model)  # takes over the first weights
    mean = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(1000, 1010):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        model[0][1].num_batches_tracked += 1
        oracle.update_parameters(model)
        updated_mean(mean, model.state_dict(), 0.9, step)
    expected = dict(oracle.module.named_parameters())
    for name, value in expected.items():
        torch.testing.assert_close(mean[name], value.detach())
    assert mean["0.1.num_batches_tracked"] == 10
    updated_mean(mean, model.state_dict(), 0.999, 0)
    torch.testing.assert_close(mean["3.bias"], expected["3.bias"] * 0.1 + model[3].bias.detach() * 0.9)
