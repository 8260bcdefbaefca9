"""From texts to the columns that a head of classes reads: counted n-grams, word vectors, or a transformer's layers."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

RUNS = 2048
KNOWN = 100_000
WORDS = re.compile(r"n't|'(?:s|re|ve|ll|d|m)\b|\w+?(?=n't)|\w+|[^\w\s]")


def features(folder: Path, texts: list[str]) -> Any:
    """(N, D), the columns of all ``outputs``."""
    record = json.loads((folder / "model.json").read_text("utf-8"))
    backbone, columns = record["backbone"], list[Any]()
    network = [name for name in record["outputs"] if name != "ngrams"]
    if network == ["entailment"]:
        columns.append(_entailment(folder, backbone, texts))
    elif network and backbone["family"] == "transformer":
        columns.append(_transformer(folder, backbone, network, texts))
    elif network:
        columns.append(_vectors(folder, network, texts))
    if "ngrams" in record["outputs"]:
        own = backbone["family"] == "ngrams"
        columns.append(_ngrams(folder / ("backbone.safetensors" if own else "ngrams.safetensors"), texts))
    return np.concatenate(columns, axis=1)


def _transformer(folder: Path, backbone: Mapping[str, Any], outputs: list[str], texts: list[str]) -> Any:
    """By transformers, window by window, without padding."""
    import torch

    tokenizer, network = _opened(folder, backbone, "AutoModel")
    own = f"layers.{backbone['layers']}/{backbone['pooling']}"
    found = []
    for text in texts:
        windows = list(_windows(tokenizer, text, backbone["reading"]))
        with torch.no_grad():
            layers = [network(torch.tensor([each]), output_hidden_states=True).hidden_states for each in windows]
        lengths, columns = np.array([len(each) for each in windows]), []
        for name in outputs:
            layer, pool = (own if name == "embedding" else name).removeprefix("layers.").split("/")
            of_windows = np.stack([_pooled(each[int(layer)][0].numpy(), pool) for each in layers])
            columns.append(of_windows.max(0) if name.endswith("/max") else lengths @ of_windows / lengths.sum())
        found.append(np.concatenate(columns))
    return np.stack(found)


def _opened(folder: Path, backbone: Mapping[str, Any], kind: str) -> tuple[Any, Any]:
    """The tokenizer, and the network as transformers builds it."""
    import tokenizers
    import transformers
    from safetensors.torch import load_file

    state = load_file(folder / "backbone.safetensors")
    tokenizer = tokenizers.Tokenizer.from_buffer(state.pop("tokenizer.json").numpy().tobytes())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    config = transformers.AutoConfig.for_model(**{k: v for k, v in backbone["config"].items() if v is not None})
    network: Any = getattr(transformers, kind).from_config(config).eval()
    assert not network.load_state_dict(state, strict=False).missing_keys
    return tokenizer, network


def _entailment(folder: Path, backbone: Mapping[str, Any], texts: list[str]) -> Any:
    """The logit that each hypothesis follows from a text."""
    import torch

    tokenizer, network = _opened(folder, backbone, "AutoModelForSequenceClassification")
    tokenizer.enable_truncation(backbone["reading"]["longest"], strategy="only_first")
    labels = backbone["config"]["label2id"]
    place = next(place for name, place in labels.items() if name.lower().startswith("entail"))
    typed = "type_vocab_size" in backbone["config"]
    found = np.empty((len(texts), len(backbone["hypotheses"])))
    for row, text in enumerate(texts):
        for column, hypothesis in enumerate(backbone["hypotheses"]):
            pair = tokenizer.encode(text[: 64 * backbone["reading"]["longest"]], hypothesis)
            types = {"token_type_ids": torch.tensor([pair.type_ids])} if typed else {}
            with torch.no_grad():
                found[row, column] = network(input_ids=torch.tensor([pair.ids]), **types).logits[0, place]
    return found


def _pooled(tokens: Any, pool: str) -> Any:
    return {"mean": tokens.mean(0), "max": tokens.max(0), "cls": tokens[0], "last": tokens[-1]}[pool]


def _windows(tokenizer: Any, text: str, reading: Mapping[str, Any]) -> Iterator[list[int]]:
    plain, whole = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
    start = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
    before, after = whole[:start], whole[start + len(plain) :]
    room = reading["longest"] - len(before) - len(after)
    ids = tokenizer.encode(text[: 64 * room * reading["windows"]], add_special_tokens=False).ids
    for number in range(reading["windows"]):
        end = min(number * (room - room // 4) + room, len(ids))
        yield [*before, *ids[max(0, end - room) : end], *after]
        if end == len(ids):
            return


def _vectors(folder: Path, outputs: list[str], texts: list[str]) -> Any:
    from safetensors.numpy import load_file

    t = load_file(folder / "backbone.safetensors")
    words = t["words"].tobytes().decode("utf-8", "surrogatepass").split("\n")
    places, values = {word: place for place, word in enumerate(words)}, t["values"]
    runs = json.loads(t["subwords"].tobytes())
    known, narrow, rng = values[:KNOWN], values.shape[1], np.random.default_rng(0)
    spread = rng.standard_normal((narrow, RUNS)) / math.sqrt(narrow) / np.maximum(known.std(0), 1e-6)[:, None]
    start = rng.uniform(-1, 1, RUNS) - known.mean(0) @ spread
    found = []
    for text in texts:
        rows, rarity, built = [], [], []
        for word in WORDS.findall(text[:20_000]):
            place = places.get(word, places.get(word.lower()))
            if place is not None:
                rows.append(values[place])
                rarity.append(1e-3 / (1e-3 + 1 / ((place + 1) * math.log(len(words) + 1))))
            elif runs["most"] and (of_runs := _of_runs(word, runs, t["runs"])) is not None:
                built.append(of_runs)
        told = np.array([*rows, *built]).reshape(-1, narrow)
        weights = np.array([*rarity, *[1] * len(built)])
        if not len(told):
            found.append(np.zeros(sum(RUNS if name == "words/relu" else narrow for name in outputs)))
            continue
        pooled = {
            "embedding": told.mean(0),
            "words/mean": told.mean(0),
            "words/max": told.max(0),
            "words/min": told.min(0),
            "words/sif": weights @ told / len(told),
            "words/relu": np.maximum(told @ spread + start, 0).mean(0),
        }
        found.append(np.concatenate([pooled[name] for name in outputs]))
    return np.stack(found)


def _of_runs(word: str, how: Mapping[str, int], table: Any) -> Any:
    """The mean over the runs of letters of a word that is not in the table."""
    whole, rows = f"<{word}>", []
    for length in range(how["least"], how["most"] + 1):
        for start in range(len(whole) - length + 1):
            if length > 1 or start not in (0, len(whole) - 1):
                rows.append(table[_hash(whole[start : start + length]) % len(table)])
    return np.mean(rows, axis=0) if rows else None


def _hash(run: str) -> int:
    value = 2166136261
    for byte in run.encode("utf-8", "surrogatepass"):
        value = ((value ^ (byte if byte < 128 else byte + 0xFFFFFF00)) * 16777619) % 2**32
    return value


def _ngrams(file: Path, texts: list[str]) -> Any:
    from safetensors.numpy import load_file

    t = load_file(file)
    names = t["ngrams"].tobytes().decode("utf-8", "surrogatepass").split("\n")
    places, how = {name: place for place, name in enumerate(names)}, json.loads(t["settings"].tobytes())
    scores = []
    for text in texts:
        total = t["bias"].astype(np.float64)
        for mark, counts in zip("wc", _counted(text, how), strict=True):
            there = [(places[mark + name], n) for name, n in counts.items() if mark + name in places]
            if there:
                at, n = np.array(there).T
                value = (1 + np.log(n)) * t["rarity"][at]
                total = total + value / np.linalg.norm(value) / math.sqrt(2) @ t["weight"][at].astype(np.float64)
        scores.append(total)
    return np.stack(scores)


def _counted(text: str, how: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    lowered = text[:4000].lower()
    tokens = re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFC", lowered))
    signs = " ".join(unicodedata.normalize("NFD", lowered).split())
    words = Counter(
        " ".join(tokens[at : at + n]) for n in range(1, how["words"] + 1) for at in range(len(tokens) - n + 1)
    )
    letters = Counter(signs[at : at + n] for n in range(1, how["letters"] + 1) for at in range(len(signs) - n + 1))
    return words, letters
