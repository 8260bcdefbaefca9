"""The model card: ``README.md`` in the model folder, with the header that the Hugging Face hub reads.

What every card tells, whatever the task; a task's card puts its own sections between.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting"; the header is the hub's model card metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from topwork._text import lies_in
from topwork.data import printable
from topwork.model._kind import Kind
from topwork.model._record import ModelRecord

_NOTES = 10
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "BSD-3-Clause": "bsd-3-clause", "CC-BY-NC-4.0": "cc-by-nc-4.0"}


def card(
    record: ModelRecord[Any],
    name: str,
    *,
    kind: Kind,
    results: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
) -> str:
    """The card of a model.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.
        kind: What the model answers to.
        results: Lines of YAML for the header: the figures as the hub reads them.
        before: Sections before the one on the data: what the model is.
        after: Sections after it: how good the model is.

    Returns:
        Markdown after a YAML header. Names are made printable and are text whatever they hold.
    """
    header = _header(record, kind.pipeline, results)
    sections = [header, f"# {as_text(name)}\n", *before, _data(record, kind), *after]
    sections += [_licence(record, kind), _again(record)]
    return "\n".join(sections)


def _header(record: ModelRecord[Any], pipeline: str, results: Sequence[str]) -> str:
    """YAML."""
    licence = _LICENCES.get(record.backbone["licence"])
    lines = ["---", f"license: {licence or 'other'}"]
    if licence is None:
        lines.append(f"license_name: {quoted_yaml(record.backbone['licence'] or 'unknown')}")
    lines += ["library_name: topwork", f"pipeline_tag: {pipeline}"]
    lines += ["tags:", f"- {pipeline}", "- transfer-learning", f"- {quoted_yaml(record.strategy)}"]
    weights = record.backbone["weights"]
    if weights["source"] == "hub":
        lines += [f"base_model: {quoted_yaml(weights['location'])}"]
    return "\n".join([*lines, *results, "---", ""])


def _data(record: ModelRecord[Any], kind: Kind) -> str:
    data = record.data
    held_out = f"{data.held_out} others ({data.held_out_split}) tested it" if data.held_out else "none tested it"
    left_out = f"; {data.left_out} {lies_in(kind.thing)}s could not be used" if data.left_out else ""
    notes = [f"- {as_text(note)}" for note in data.notes[:_NOTES]]
    told = ["", "Notes on the data:", "", *notes] if notes else []
    made = f"{data.training} {kind.things} were used to train the model"
    lines = ["## Data", "", f"{made} and {held_out}{left_out}.", *told]
    return "\n".join(lines) + "\n"


def _licence(record: ModelRecord[Any], kind: Kind) -> str:
    network = record.backbone
    if network.get("family") == "ngrams":
        return f"## Licence\n\nAll of this model was made of your {kind.things}, and is yours.\n"
    licence = as_text(network["licence"] or "an unknown licence")
    return (
        f"## Licence\n\nThe backbone's weights (`{network['name']}`{pretrained_on(record)}) "
        f"are under {licence}. What was trained on your {kind.things} "
        "is yours; the licence in the header is the backbone's.\n"
    )


def pretrained_on(record: ModelRecord[Any]) -> str:
    """``, pretrained on …``; empty where all of the network was trained here."""
    return "" if record.strategy == "scratch" else f", pretrained on {as_text(record.backbone['pretrained_on'])}"


def _again(record: ModelRecord[Any]) -> str:
    weights = record.backbone["weights"]
    lines = [
        f"- data: SHA-256 of paths, targets and splits {as_text(record.data.fingerprint or 'none')}",
        f"- weights: SHA-256 {as_text(weights['sha256'])}",
        f"- strategy {as_text(record.strategy)}, seed {record.seed}",
        *([f"- settings: {as_text(record.options_line)}"] if record.options else []),
        f"- engine {record.engine.name} in {record.engine.precision}",
        f"- versions: {as_text(', '.join(f'{name} {version}' for name, version in sorted(record.versions.items())))}",
    ]
    return "## Reproducibility\n\n" + "\n".join(lines) + "\n"


def quoted_yaml(name: str) -> str:
    """A string of YAML's; JSON writes one alike, but for escapes beyond U+FFFF, which are two halves to YAML."""
    return json.dumps(printable(name), ensure_ascii=False)


def as_text(name: str) -> str:
    """A name as text in Markdown, on one line: neither markup nor HTML nor a table's border."""
    shown: Any = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", printable(name))
    return str(shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
