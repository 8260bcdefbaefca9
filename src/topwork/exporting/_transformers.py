"""``--to torch`` of a text model: a folder that plain transformers loads, its linear head beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from topwork.backbones import EMBEDDING, NGRAMS, TextBackbone, arrays_of, files_of
from topwork.engines import text_module
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs
from topwork.exporting._targets import Target
from topwork.heads import LinearHead
from topwork.model import Model

_HEAD, _WEIGHTS, _CONFIG, _TOKENIZER = "head.safetensors", "model.safetensors", "config.json", "tokenizer_config.json"
_PARTS = ("weight", "bias")
_POOLED = {  # of tokens (texts, tokens, width), and where there are any (texts, tokens)
    "mean": "(tokens * there[..., None]).sum(1) / there.sum(1, keepdim=True)",
    "max": "tokens.masked_fill(there[..., None] == 0, -1e30).amax(1)",
    "cls": "tokens[:, 0]",
    "last": "tokens[torch.arange(len(tokens)), there.sum(1) - 1]",
}


class TransformersTarget(Target):
    """The network as transformers saves it, and weight and bias of the head, whose temperature is in them."""

    runtime = "transformers"
    packages = ("torch", "transformers", "safetensors")
    files = {  # noqa: RUF012
        _CONFIG: "what the network is made of, for transformers",
        _WEIGHTS: "its weights",
        _TOKENIZER: "how transformers reads the tokenizer",
        _HEAD: "weight (features, classes) and bias (classes) of the head, on features that `predict.py` makes",
    }

    @classmethod
    def require(cls, model: Model, answers: Answers) -> None:
        """Refuse what would not be one linear head on a network that transformers has."""
        _require_linear(answers.head(model), model.backbone, model.record.outputs)

    def __init__(self, model: Model, inputs: Inputs, answers: Answers) -> None:
        head, backbone = answers.head(model), model.backbone
        self.inputs = inputs
        self._backbone: TextBackbone = backbone
        self._head = {
            name: array / np.float32(head.temperature) for name, array in zip(_PARTS, head.folded, strict=True)
        }
        network = type(text_module(backbone)[0]).__name__
        self.script = _script(network, backbone, model.record.outputs, head, answers.label_code(model))

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """The folder."""
        from safetensors.numpy import save_file

        file, tokenizer = files_of(self._backbone)
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays_of(file).items()}
        save_file(arrays, folder / _WEIGHTS, {"format": "pt", **metadata})
        save_file(self._head, folder / _HEAD)
        _write_json(folder / _CONFIG, dict(self._backbone.config))
        _write_json(folder / _TOKENIZER, _tokenizer_config(self._backbone, tokenizer))


def _require_linear(head: Any, backbone: TextBackbone, outputs: tuple[str, ...]) -> None:
    """Refuse what would not be one linear head on a network that transformers has."""
    hint = "`topwork export --to onnx` takes it"
    if backbone.family != "transformer":
        raise TopworkError(f"{backbone.name} is no transformer, so transformers cannot load it", hint=hint)
    if NGRAMS in outputs:
        raise TopworkError(
            "this model counts n-grams beside its network, which transformers does not",
            hint=f"{hint}; `topwork fit --set ngrams=false` makes a model without them",
        )
    if backbone.reading.windows > 1:
        raise TopworkError(
            "this model reads long texts in several windows, which transformers does not",
            hint=f"{hint}; `topwork fit --set windows=1` makes a model without them",
        )
    if not isinstance(head, LinearHead):
        raise TopworkError(f"its head is not linear but of the kind {head.kind}", hint=hint)


def _script(
    network: str, backbone: TextBackbone, outputs: tuple[str, ...], head: LinearHead, label: str
) -> Mapping[str, str]:
    """The parts of ``predict.py``; only what this model needs."""
    own = f"layers.{backbone.layers}/{backbone.pooling}"
    places = [(own if name == EMBEDDING else name).removeprefix("layers.").split("/") for name in outputs]
    pools = dict.fromkeys(pool for _, pool in places)
    pooled = "".join(f'    "{pool}": lambda tokens, there: {_POOLED[pool]},\n' for pool in pools)
    scaled = ["values = values.sign() * values.abs().sqrt()"] * head.rooted
    scaled += ["values = torch.nn.functional.normalize(values)"] * head.normalised
    answer = [
        'ids, there = (torch.from_numpy(given[name]) for name in ("input_ids", "attention_mask"))',
        "with torch.inference_mode():",
        "    found = NETWORK(input_ids=ids, attention_mask=there, output_hidden_states=True)",
        "layers = [*found.hidden_states[:-1], found.last_hidden_state]",
        "features = values = torch.cat([POOLED[pool](layers[layer], there) for layer, pool in OUTPUTS], 1)",
        *scaled,
        'probabilities = (values @ HEAD["weight"] + HEAD["bias"]).softmax(1).numpy()',
        f'return {{"probabilities": probabilities, "label": {label}, "features": features.numpy()}}',
    ]
    named = ", ".join(f'({layer}, "{pool}")' for layer, pool in places)
    return {
        "imports": "import torch\nimport transformers\nfrom safetensors.torch import load_file",
        "network": "transformers.utils.logging.disable_progress_bar()\n"
        f"NETWORK = transformers.{network}.from_pretrained(HERE, dtype=torch.float32).eval()\n"
        f'HEAD = load_file(HERE / "{_HEAD}")\n'
        f"OUTPUTS = [{named}]  # layers, and how their tokens become one row\n"
        f"POOLED = {{\n{pooled}}}",
        "answer": "\n".join(answer),
    }


def _tokenizer_config(backbone: TextBackbone, tokenizer: bytes) -> dict[str, Any]:
    from tokenizers import Tokenizer

    filler = backbone.config.get("pad_token_id")
    token = Tokenizer.from_buffer(tokenizer).id_to_token(filler) if isinstance(filler, int) and filler >= 0 else None
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": backbone.reading.longest}
    return told if token is None else {**told, "pad_token": token}


def _write_json(file: Path, fields: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n", "utf-8")
