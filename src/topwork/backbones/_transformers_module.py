"""The torch side of a network of images that transformers builds: its weights, its features and its stages."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from topwork._system import optional, quiet
from topwork.backbones import _weights
from topwork.backbones._catalogue import Stage
from topwork.backbones._network import fill
from topwork.backbones._torchhub_module import HubNetwork
from topwork.backbones._transformers import TransformersBackbone
from topwork.backbones._transformers_files import MISFIT, loaded, parsed_config
from topwork.errors import BackboneError

_OURS = ("network.", "head.")  # how names begin in a file that a model of topwork holds
_SPARE = 2**26  # numbers of layers behind the network, which a file may leave out: 21,841 classes of 2,048 features
_ALIEN = ("timm_wrapper", "timm_backbone")  # which build timm's networks


class _Logits(nn.Module):
    """A classifier of transformers that takes and gives tensors.

    Args:
        model: The classifier.
        size: Side of its images in pixels, which a ViT's positions are resampled to.
        distilled: Whether it answers by a second layer, too, which is left out here.
    """

    def __init__(self, model: Any, size: int, distilled: bool) -> None:
        super().__init__()
        self.distilled = distilled
        pooler = getattr(model.base_model, "pooler", None)
        if isinstance(pooler, nn.AvgPool2d):  # EfficientNet's, of a window larger than the map, which is not converted
            model.base_model.pooler = nn.AdaptiveAvgPool2d(1)
        self.model = model
        resamples = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
        other = size != getattr(model.config, "image_size", size)
        self._how: dict[str, Any] = {"interpolate_pos_encoding": True} if resamples and other else {}

    def forward(self, images: Tensor) -> Tensor:
        """(n, classes), of normalised images (n, 3, size, size)."""
        logits: Tensor = self.model(pixel_values=images, **self._how).logits
        return logits


class _Network(HubNetwork):
    """Such a classifier as our networks are."""

    def adopted(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Tensors by transformers' names as this network calls them."""
        ours = all(name.startswith(_OURS) for name in state)
        return state if ours else super().adopted({f"model.{name}": value for name, value in state.items()})


def build(backbone: TransformersBackbone) -> nn.Module:
    """The network with its weights, in evaluation mode on the CPU, float32.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network, or transformers calls its modules
            otherwise than the version with which it was described.
        MissingExtraError: transformers is not installed.
    """
    network: nn.Module = _built(backbone)[0]
    known = {name for name, _ in network.named_modules()}
    if gone := [each.name for each in backbone.stages if each.name not in known]:
        version = optional("transformers", extra="detectors", what=f"the network {backbone.name}").__version__
        raise BackboneError(
            f"{backbone.name}: transformers {version} has no {gone[0]} in this network",
            hint="install the version of transformers with which the model was made",
        )
    return network


def seen(backbone: TransformersBackbone) -> dict[str, Any]:
    """What is seen of a network when it runs once, as fields of a backbone.

    Raises:
        BackboneError: The weights do not fit the network, or it has no last linear layer.
        MissingExtraError: transformers is not installed.
    """
    network, shapes = _built(backbone)
    size = backbone.preprocessing.size
    with torch.inference_mode():
        features = network.forward_features(torch.zeros(1, 3, size, size))
    stages = _stages(shapes, size, network.num_prefix_tokens)
    tokens = any(len(shape) == 3 for shape in shapes.values())
    return {"stages": stages, "embedding": features.shape[1], "fixed_size": tokens}


def _built(backbone: TransformersBackbone) -> tuple[Any, dict[str, torch.Size]]:
    """The network, and the shape of what each of its parts that stand in a row gives."""
    random = backbone.weights.source == "random"
    state = {} if random else _weights.read_state(backbone.weights)
    ours = bool(state) and all(name.startswith(_OURS) for name in state)
    network = _created(backbone, state, filled=not ours)
    last, shapes = _run(network, backbone)
    wrapped: Any = _Network(network, last)
    if network.distilled:
        wrapped.head = nn.Identity()  # it alone is not what the network answers
    if ours:
        fill(wrapped, state, by_order=False)
    tokens = next((shape[1] for shape in shapes.values() if len(shape) == 3), 0)
    wrapped.num_prefix_tokens = tokens - math.isqrt(tokens) ** 2  # a class token, and registers
    return wrapped.eval().requires_grad_(False), shapes


def _run(network: nn.Module, backbone: TransformersBackbone) -> tuple[str, dict[str, torch.Size]]:
    """The name of the layer whose output is the network's, and shapes."""
    size = backbone.preprocessing.size
    linear: list[tuple[Tensor, str]] = []
    shapes: dict[str, torch.Size] = {}
    try:
        with contextlib.ExitStack() as stack, torch.inference_mode():
            for name, module in network.named_modules():
                if isinstance(module, nn.Linear):
                    stack.callback(module.register_forward_hook(_noting(linear, name)).remove)
                if _stands_in_a_row(network, name):
                    stack.callback(module.register_forward_hook(_measuring(shapes, f"network.{name}")).remove)
            given = network(torch.zeros(1, 3, size, size))
    except Exception as error:  # of a hostile configuration anything may be raised
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(f"{backbone.name} cannot be run at {size} pixels: {reason}") from error
    last = next((name for output, name in linear if output is given), None)
    if last is None:
        raise BackboneError(f"{backbone.name} does not end in a linear layer, whose inputs are features")
    return last, shapes


def _noting(linear: list[tuple[Tensor, str]], name: str) -> Callable[[nn.Module, Any, Any], None]:
    return lambda module, inputs, output: linear.append((output, name))


def _measuring(shapes: dict[str, torch.Size], name: str) -> Callable[[nn.Module, Any, Any], None]:
    def measure(module: nn.Module, inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            shapes[name] = first.shape

    return measure


def _stands_in_a_row(network: nn.Module, name: str) -> bool:
    """Whether a module is one of an outermost list of modules, or of lists in it: a stage, a block or a layer."""
    parts = name.split(".")
    above = [".".join(parts[:depth]) for depth in range(len(parts))]
    inside = any(each.rpartition(".")[2].isdigit() and not _is_list(network, each) for each in above)
    return parts[-1].isdigit() and not inside and _is_list(network, above[-1])


def _is_list(network: nn.Module, name: str) -> bool:
    return isinstance(network.get_submodule(name), nn.ModuleList)


def _stages(shapes: dict[str, torch.Size], size: int, prefix: int) -> tuple[Stage, ...]:
    """Of maps the last part at each width and resolution; of tokens every part, as timm has it."""
    found: dict[Any, Stage] = {}
    for name, shape in shapes.items():
        if len(shape) == 4 and shape[2] == shape[3] > 1:
            found[shape[1:]] = Stage(name, shape[1], 2 ** round(math.log2(size / shape[2])))
        elif len(shape) == 3 and (side := math.isqrt(shape[1] - prefix)) > 1 and side**2 == shape[1] - prefix:
            found[name] = Stage(name, shape[2], round(size / side))
    return tuple(found.values())


def _created(backbone: TransformersBackbone, state: dict[str, Tensor], *, filled: bool) -> _Logits:
    """The classifier of transformers, filled or to be filled; a file may leave out the last layer alone."""
    transformers = optional("transformers", extra="detectors", what=f"the network {backbone.name}")
    kind, size = str(backbone.config.get("model_type")), backbone.preprocessing.size
    config = parsed_config(kind, dict(backbone.config), backbone.name, "a network of transformers")
    designs = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    if kind in _ALIEN or type(config) not in designs:
        raise BackboneError(f"{backbone.name}: {kind!r} is no design that transformers classifies images with")
    config._attn_implementation = "eager"  # which every network has
    design, *others = _several(designs[type(config)])
    distilled = any(each.__name__ in str(config.architectures) for each in others)
    try:
        with quiet(transformers), torch.random.fork_rng(devices=[]):
            if state:
                _require_numbers(backbone.name, design, config, state)
            torch.manual_seed(int(backbone.weights.location) if backbone.weights.source == "random" else 0)
            if not (state and filled):
                return _Logits(design(config).float(), size, distilled).eval()
            within = f"{getattr(design, 'base_model_prefix', '')}."  # the layers behind it may be missing
            return _Logits(loaded(design, config, state, within=within), size, distilled).eval()
    except BackboneError:
        raise
    except Exception as error:  # of a hostile configuration anything may be raised
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(f"{backbone.name}: transformers cannot build it: {reason}") from error


def _several(found: Any) -> list[Any]:
    """The classes of a design; behind the first come those of the distilled, which answer by two layers."""
    return list(found) if isinstance(found, list | tuple) else [found]


def _require_numbers(name: str, design: Any, config: Any, state: Mapping[str, Tensor]) -> None:
    """Refuse, before it takes any memory, a network far larger than the weights that are to fill it."""
    with torch.device("meta"):
        needed = sum(each.numel() for each in design(config).parameters())
    given = sum(each.numel() for each in state.values())
    if needed > given + _SPARE:
        raise BackboneError(
            f"{name}: config.json describes a network of {needed:,} numbers, and the weights hold {given:,}",
            hint=MISFIT,
        )
