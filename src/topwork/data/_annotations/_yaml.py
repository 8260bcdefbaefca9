"""Reads what YAML a ``data.yaml`` needs: scalars, and lists and mappings of them. No anchors, no tags, no objects."""

from __future__ import annotations

import itertools
import json
import re

from topwork.errors import DataError

Value = str | list[str] | dict[str, str]

_KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s:#'"\[{-][^:#]*?)\s*:(?:\s+(.*))?""")
_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\[\]{}:]+(?::(?=\S)[^,\[\]{}:]*)*|[,:\[\]{}])""")


def flat_yaml(text: str) -> dict[str, Value]:
    """The top of a YAML document; what is nested deeper than one level is passed over.

    Raises:
        DataError: It is not of this kind. Does not name the file.

    >>> flat_yaml("train: a/b  # where\\nnames: ['cat', dog]\\nmore:\\n  0: x\\n")
    {'train': 'a/b', 'names': ['cat', 'dog'], 'more': {'0': 'x'}}
    """
    lines = [_without_comment(line) for line in text.splitlines()]
    lines = [line for line in lines if line.strip() and line.strip() not in ("---", "...")]
    found: dict[str, Value] = {}
    place = 0
    while place < len(lines):
        match = _KEY.fullmatch(lines[place].rstrip())
        if match is None:
            raise DataError(f"not a line of YAML that is read: '{lines[place].strip()[:60]}'")
        key, value = _scalar(match[1]), (match[2] or "").strip()
        place += 1
        if not value:
            block = list(itertools.takewhile(lambda line: line[0] in " \t-", lines[place:]))
            place += len(block)
            found[key] = _block(block)
            continue
        while value[0] in "[{" and not _is_closed(value):
            if place == len(lines):
                raise DataError(f"'{key}' has a bracket that is not closed")
            value += " " + lines[place].strip()
            place += 1
        found[key] = _flow(value) if value[0] in "[{" else _scalar(value)
    return found


def _without_comment(line: str) -> str:
    quote = ""
    for place, letter in enumerate(line):
        before = line[place - 1] if place else " "
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and not before.isalnum():
            quote = letter
        elif letter == "#" and before.isspace():
            return line[:place]
    return line


def _block(lines: list[str]) -> Value:
    """A list or a mapping of the lines with the least indentation."""
    if not lines:
        return ""
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    level = [line.strip() for line in lines if len(line) - len(line.lstrip()) == indent]
    if level[0].startswith("-"):
        return [_scalar(line[1:]) for line in level if line.startswith("-")]
    pairs = [match for line in level if (match := _KEY.fullmatch(line))]
    return {_scalar(match[1]): _scalar(match[2] or "") for match in pairs}


def _is_closed(value: str) -> bool:
    tokens = _TOKEN.findall(value)
    return sum(token in "[{" for token in tokens) == sum(token in "]}" for token in tokens)


def _flow(value: str) -> Value:
    tokens = [token.strip() for token in _TOKEN.findall(value)][1:]
    depth, kept = 1, list[str]()
    for token in tokens:  # what is nested is passed over
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        if depth == 1 and token not in ("]", "}"):
            kept.append(token)
    if value[0] == "[":
        return [_scalar(token) for token in kept if token not in (",", ":")]
    keys = (place for place, token in enumerate(kept) if token == ":" and 0 < place < len(kept) - 1)
    return {_scalar(kept[place - 1]): _scalar(kept[place + 1]) for place in keys}


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
