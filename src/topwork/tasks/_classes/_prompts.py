"""Prompts: what the text tower is told of each class, from its name, from labels, or from descriptions in a file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from topwork._options import file_option
from topwork.data import printable, quoted
from topwork.errors import DataError

Descriptions = Mapping[str, Sequence[str]]
"""Class -> what its images show, in words that take the place of its name."""

# Several plain ways to say the same, averaged: CLIP's authors found that this gains some points over one prompt
# (Radford et al. 2021, section 3.1.4). The first is the name alone.
TEMPLATES = (
    "{}",
    "a photo of a {}.",
    "a photo of the {}.",
    "a close-up photo of a {}.",
    "a cropped photo of a {}.",
    "a blurry photo of a {}.",
    "a picture of a {}.",
)

_ARTICLE = re.compile(r"^(an?|the)\s+", re.IGNORECASE)
_HINT = "write one `class: description` per line, or a JSON object of lists"


def prompts(
    classes: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    descriptions: Descriptions | None = None,
    templates: Sequence[str] = TEMPLATES,
) -> tuple[tuple[str, ...], ...]:
    """The texts that speak for each class, in the classes' order; ``_`` in a name means a blank.

    Labels take the place of names, one a class, in any order: each says its class's name among other words (``a red
    apple`` for ``apple``). Descriptions take the place of either, for some classes or all. Templates have ``{}`` where
    the words go, without an article.

    Raises:
        DataError: A label or description is empty, is there twice, or is of no class; or a template has no ``{}``.
    """
    if not templates:
        raise DataError("no prompt was given", hint='a prompt is like "a photo of a {}."')
    for template in templates:
        if "{}" not in template:
            raise DataError(f"prompt '{printable(template)}' has no {{}} where the class goes")
    words = [(_words(name),) for name in classes] if labels is None else [(each,) for each in _matched(classes, labels)]
    described = descriptions or {}
    _require_known(classes, described)
    told = [
        tuple(map(_words, described[name])) if name in described else own
        for name, own in zip(classes, words, strict=True)
    ]
    _require_distinct(classes, told)
    return tuple(tuple(dict.fromkeys(t.replace("{}", word) for word in own for t in templates)) for own in told)


def label_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Class names from labels alone, where there is no data set to take them from.

    Raises:
        DataError: A label is empty, two mean the same, or there are fewer than two.
    """
    names = tuple(label.strip() for label in labels)
    _require_distinct(names, [(_words(name),) for name in names])
    if len(names) < 2:
        raise DataError(f"two labels are needed, not {len(names)}", hint='--labels "a cat,a dog"')
    return names


def read_templates(path: Path) -> tuple[str, ...]:
    """Prompts from a file, one a line; empty lines and those that begin with # do not count.

    Raises:
        DataError: The file cannot be read, or holds none.
    """
    found = [line.strip() for line in _text(path).splitlines()]
    templates = tuple(line for line in found if line and not line.startswith("#"))
    if not templates:
        raise DataError(f"{path}: contains no prompt", hint='one per line, such as "a photo of a {}."')
    return templates


def read_descriptions(path: Path) -> dict[str, tuple[str, ...]]:
    """Descriptions from a file: ``class: description`` lines, a class as often as it has descriptions, or JSON.

    Raises:
        DataError: The file cannot be read, or is neither.
    """
    text = _text(path)
    return _from_json(text, path) if text.lstrip().startswith("{") else _from_lines(text, path)


def _from_lines(text: str, path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, words = line.partition(":")
        if not colon or not name.strip() or not words.strip():
            raise DataError(f"{path}, line {number}: no class or no description: '{printable(line)}'", hint=_HINT)
        found[name.strip()] = (*found.get(name.strip(), ()), words.strip())
    return found


def _from_json(text: str, path: Path) -> dict[str, tuple[str, ...]]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}", hint=_HINT) from error
    found = {name: (told,) if isinstance(told, str) else told for name, told in fields.items()}
    for name, told in found.items():
        if not isinstance(told, list | tuple) or not told or not all(isinstance(words, str) for words in told):
            raise DataError(
                f"{path}: the entry of '{printable(name)}' is neither a text nor a list of texts", hint=_HINT
            )
    return {name: tuple(told) for name, told in found.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _words(name: str) -> str:
    """A name as one would say it after an article."""
    return _ARTICLE.sub("", " ".join(name.replace("_", " ").split()))


def _matched(classes: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Each class's label. Going by position would be a silent error where somebody's order is not ours."""
    label_names(labels)
    if len(labels) != len(classes):
        raise DataError(f"{len(labels)} labels for {len(classes)} classes: {quoted(classes[:5])}")
    found = {}
    for label in labels:
        named = [name for name in classes if _says(label, name)]
        longest = [name for name in named if all(_says(name, other) for other in named)]  # `hot dog` says `dog` too
        if len(longest) != 1 or longest[0] in found:
            raise DataError(
                f"label '{printable(label)}' matches no remaining class of the data: {quoted(classes[:5])}",
                hint="to use other words give --descriptions, one `class: description` per line",
            )
        found[longest[0]] = _words(label)
    return [found[name] for name in classes]


def _says(text: str, name: str) -> bool:
    return f" {_words(name).lower()} " in f" {_words(text).lower()} "


def _require_known(classes: Sequence[str], descriptions: Descriptions) -> None:
    for name in descriptions:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=3, cutoff=0.4) or classes[:5]
            raise DataError(
                f"there is a description of '{printable(name)}', which is not a class", hint=f"nearest: {quoted(near)}"
            )


def _require_distinct(classes: Sequence[str], told: Sequence[Sequence[str]]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for name, words in zip(classes, told, strict=True):
        if not words or not all(words):
            raise DataError(f"class '{printable(name)}' has an empty label" if name.strip() else "a label is empty")
        key = tuple(word.lower() for word in words)
        if key in seen:
            raise DataError(f"{quoted([seen[key], name])} have the same text, so they cannot be told apart")
        seen[key] = name


DESCRIPTIONS_FILE = file_option(
    "File with one or more descriptions per class, used instead of names or labels: `class: description` lines, or "
    "JSON.",
    read_descriptions,
)
TEMPLATES_FILE = file_option(
    'File with prompt templates such as "a photo of a {}.", one per line.', read_templates, flag="--prompts"
)
