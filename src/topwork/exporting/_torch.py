"""A model as a folder for plain timm: its weights, and a module of its own where timm alone cannot say the head."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import require_torch
from topwork.backbones import EMBEDDING, Backbone, is_timms
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs
from topwork.exporting._targets import Target
from topwork.exporting._templates import rendered
from topwork.heads import LinearHead, MLPHead
from topwork.model import Model

WEIGHTS, MODULE = "model.safetensors", "network.py"

_ANSWER = """pixels = (torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float() - MEAN) / STD
probabilities = torch.inference_mode()(NETWORK)(pixels).softmax(1).numpy()
return {"probabilities": probabilities, "label": LABEL}"""


class TorchTarget(Target):
    """Weights that ``timm.create_model`` loads, where the head is linear on the last features, else a module beside."""

    runtime = "timm"
    packages = ("timm", "safetensors")

    @classmethod
    def require(cls, model: Model, answers: Answers) -> None:
        """Refuse a head, or a network, that timm has not."""
        backbone, head = model.backbone, answers.head(model)
        if not isinstance(backbone, Backbone) or not isinstance(head, LinearHead | MLPHead):
            kind = getattr(head, "kind", "none")
            raise TopworkError(
                f"timm has no network for a model of {model.thing}s with a head of the kind {kind}: linear and mlp "
                "heads of images alone can be exported so",
                hint="`topwork export --to onnx` takes every head",
            )
        if not is_timms(backbone):
            raise TopworkError(
                f"timm has no network {backbone.name}, which is not its own",
                hint="`topwork export --to onnx` takes every network",
            )

    def __init__(self, model: Model, inputs: Inputs, answers: Answers) -> None:
        require_torch("an export for timm")
        backbone, head = inputs.backbone, answers.head(model)
        self.inputs = inputs.outside()
        network = backbone.module()
        plain = _classifier(network, backbone, model.record.outputs, head)
        tensors = _head_tensors(head)
        if plain is not None:
            self._tensors, self._module = plain, ""
        else:
            trunk = _without_classifier(network)
            self._tensors = {**{f"trunk.{name}": each for name, each in trunk.items()}, **tensors}
            self._module = _module(network, backbone, model.record.outputs, head, tensors)
        self.files = {WEIGHTS: "weights, for timm" if plain is not None else "weights, for `network.py`"}
        self.files |= {} if plain is not None else {MODULE: "timm's network, with what the head reads of it"}
        self.script = _script(backbone, answers, model, plain=plain is not None)

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """Weights with what they tell, and the module where one is needed."""
        from safetensors.numpy import save_file

        save_file(
            {name: np.ascontiguousarray(each) for name, each in self._tensors.items()}, folder / WEIGHTS, dict(metadata)
        )
        (folder / WEIGHTS).chmod(0o644)
        if self._module:
            (folder / MODULE).write_text(self._module, "utf-8")


def _script(backbone: Backbone, answers: Answers, model: Model, *, plain: bool) -> Mapping[str, str]:
    """What ``predict.py`` is filled with."""
    values, sized = backbone.preprocessing, _sized(backbone)
    classes = answers.head(model).n_classes
    made = (
        f'timm.create_model("{backbone.name}", num_classes={classes}, checkpoint_path=str(HERE / "{WEIGHTS}"){sized})'
    )
    network = f"NETWORK = {made if plain else 'network.load()'}.eval()"
    numbers = (f"torch.tensor({list(each)}).view(3, 1, 1) * 255" for each in (values.mean, values.std))
    return {
        "imports": f"import {'timm' if plain else 'network'}\nimport torch",
        "network": f"{network}\nMEAN, STD = {', '.join(numbers)}",
        "answer": _ANSWER.replace("LABEL", answers.label_code(model)),
    }


def _sized(backbone: Backbone) -> str:
    return f", img_size={backbone.preprocessing.size}" if backbone.fixed_size else ""


def _head_tensors(head: LinearHead | MLPHead) -> dict[str, Float32Array]:
    """What a head multiplies with and adds; the temperature is in the last of it."""
    found: dict[str, Any]
    if isinstance(head, MLPHead):
        inner = head.hidden_weight.astype(np.float64) / head.scale[:, None]
        bias = head.hidden_bias - head.mean.astype(np.float64) @ inner
        found = {"hidden_weight": inner, "hidden_bias": bias, "weight": head.weight, "bias": head.bias}
    else:
        weight = head.weight.astype(np.float64) / head.scale[:, None]
        found = {"weight": weight, "bias": head.bias - head.mean.astype(np.float64) @ weight}
    for name in ("weight", "bias"):
        found[name] = found[name].astype(np.float64) / head.temperature
    return {name: each.astype(np.float32) for name, each in found.items()}


def _classifier(network: Any, backbone: Backbone, outputs: tuple[str, ...], head: Any) -> dict[str, Any] | None:
    """The whole network's tensors with the head as timm's classifier; None where that is not the same."""
    import torch

    if outputs != (EMBEDDING,) or not isinstance(head, LinearHead) or head.normalised:
        return None
    network.reset_classifier(head.n_classes)
    last = network.get_classifier()
    if not isinstance(last, torch.nn.Linear) or last.in_features != backbone.embedding:
        return None
    tensors = _head_tensors(head)
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(np.ascontiguousarray(tensors["weight"].T)))
        last.bias.copy_(torch.from_numpy(tensors["bias"]))
    return {name: each.numpy() for name, each in network.state_dict().items()}


def _without_classifier(network: Any) -> dict[str, Any]:
    network.reset_classifier(0)
    return {name: each.numpy() for name, each in network.state_dict().items()}


def _module(
    network: Any, backbone: Backbone, outputs: tuple[str, ...], head: Any, tensors: Mapping[str, Float32Array]
) -> str:
    """The text of a module that needs timm alone."""
    import torch

    from topwork.backbones.layers import embed, hooked

    stages = list(dict.fromkeys(name.rpartition("/")[0] for name in outputs if name != EMBEDDING))
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, module: Any, inputs: Any, output: Any) -> None:
        shapes[name] = tuple(output.shape)

    size = backbone.preprocessing.size
    with hooked([(network.get_submodule(name), functools.partial(note, name)) for name in stages]), torch.no_grad():
        embed(network, torch.zeros(1, 3, size, size))
    widths = {stage.name: stage.channels for stage in backbone.stages}
    return rendered(
        "network.py.jinja",
        name=backbone.name,
        sized=_sized(backbone),
        weights=WEIGHTS,
        layouts={name: _layout(shape, widths[name]) for name, shape in shapes.items()},
        prefix=int(getattr(network, "num_prefix_tokens", 0)),
        outputs=outputs,
        embedding=EMBEDDING,
        head=head,
        shapes={name: each.shape for name, each in tensors.items()},
    )


def _layout(shape: tuple[int, ...], channels: int) -> str:
    """Where a stage's output holds its channels."""
    if len(shape) == 3:
        return "tokens"
    return "last" if shape[1] != channels and shape[-1] == channels else "first"
