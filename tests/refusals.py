"""What the source may say when it refuses: the texts of its errors, hints and notes, found in its syntax trees.

What a text is put together of at run time stands in it as ``MARK``, unless the tree tells all that it may be: both
sides of a condition, a constant, what is assigned before, and what a function of the module is called with.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from topwork import errors
from topwork._texts import Texts

MARK = "§"
"""Stands for what is known at run time alone."""

TEXTS_OF = {name: 1 for name, kind in vars(errors).items() if isinstance(kind, type)} | {
    "BadParameter": 1,
    "UsageError": 1,
    "RefusedError": 3,
    "unusable": 2,
    "bad": 2,
    "warn": 1,
}
"""Who is given texts for people, and how many of the arguments they end at; ``hint`` may be one by its name."""

CONSOLE = {"fail": 2, "failure": 1, "note": 1}
"""The same of what the command line calls its console with."""

NEEDS = ("optional", "require_torch")
"""Who is told what needs a package, and says that it is not installed."""

_MOST = 200  # texts of one expression
_DEEPEST = 10  # names behind names

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Marked(Texts):
    """Texts in which ``MARK`` may stand for anything."""

    def _found(self, kind: str, text: str, *, whole: bool = True) -> str | None:
        found = super()._found(kind, text, whole=whole)
        weak = found == text and MARK in text and not text.startswith("pip install")  # such as "{script}", of anything
        return None if weak else found

    def _field(self, name: str, value: str, whole: bool) -> str | None:
        anything = MARK in value and not any(map(str.isalpha, value))
        return value if anything else super()._field(name, value, whole)

    def lacks(self, text: str) -> bool:
        """Whether a text has words and stays English."""
        text = text.removeprefix("note: ")
        if text.endswith(f": {MARK}") and " " not in text.removesuffix(f": {MARK}"):  # a name, and what another says
            return False
        return any(map(str.isalpha, text)) and self._said(text) is None


class Module:
    """One file of the source."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text("utf-8"))

    def said(self) -> Iterator[tuple[int, str, str]]:
        """Line, who is given it, and text, of all that may be said."""
        for node in self._nodes:
            name = _called(node)
            if name in NEEDS and isinstance(node, ast.Call):
                needs = next((each.value for each in node.keywords if each.arg == "what"), node.args[0])
                missing = f"needs {MARK}, which is not installed"
                yield from ((node.lineno, name, f"{text} {missing}") for text in sorted(self._texts(needs)))
                continue
            console = isinstance(node, ast.Call) and _called_on(node) == "console"
            most = CONSOLE.get(name) if console else TEXTS_OF.get(name)
            if most is None or not isinstance(node, ast.Call):
                continue
            given = node.args[1:most] if name == "RefusedError" else node.args[:most]
            given = [*given, *(each.value for each in node.keywords if each.arg in ("message", "error", "hint"))]
            yield from ((node.lineno, name, text) for each in given for text in sorted(self._texts(each)))

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def _functions(self) -> dict[str, Function]:
        return {each.name: each for each in self._nodes if isinstance(each, Function)}

    @cached_property
    def _values(self) -> dict[tuple[ast.AST | None, str], list[ast.expr]]:
        """What is assigned to a name in a function, or in the module."""
        found: dict[tuple[ast.AST | None, str], list[ast.expr]] = {}
        for node in self._nodes:
            if isinstance(node, ast.Assign):
                pairs = [pair for target in node.targets for pair in _pairs(target, node.value)]
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                pairs = _pairs(node.target, node.value)
            else:
                continue
            for name, value in pairs:
                found.setdefault((self._function(node), name), []).append(value)
        return found

    def _function(self, node: ast.AST | None) -> Function | None:
        while node is not None and not isinstance(node, Function):
            node = self._parents.get(node)
        return node

    def _texts(self, node: ast.expr, depth: int = 0) -> set[str]:
        """All that an expression may be."""
        if depth > _DEEPEST:
            return {MARK}
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.Constant(value=None):
                return set()
            case ast.Constant(value=int(number)):
                return {str(number)}
            case ast.JoinedStr(values=values):
                parts = [self._texts(each, depth) for each in values]
                return {"".join(each) for each in itertools.islice(itertools.product(*parts), _MOST)}
            case ast.FormattedValue(format_spec=ast.JoinedStr()):
                return {MARK}
            case ast.FormattedValue(value=value, conversion=conversion):
                found = self._texts(value, depth)
                found = {MARK} if found == {MARK, ""} else found
                return {repr(each) if conversion == ord("r") else each for each in found}
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join")):
                return {MARK + between + MARK}
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return {one + other for one in self._texts(left, depth) for other in self._texts(right, depth)}
            case ast.IfExp(body=body, orelse=orelse):
                return self._texts(body, depth) | self._texts(orelse, depth)
            case ast.BoolOp(op=ast.And(), values=values):
                return self._texts(values[-1], depth) | {""}
            case ast.BoolOp(values=values):
                return set().union(*(self._texts(each, depth) for each in values))
            case ast.Attribute(attr="thing", value=ast.Name(id="finder" | "seen")):
                return {"face"}
            case ast.Name(id="thing" | "things" as word) | ast.Attribute(attr="thing" | "things" as word):
                return {word.replace("thing", "image")}  # what names texts is found where the same of images is
            case ast.Call(func=ast.Name(id="article")):
                return {"an image"}
            case ast.Attribute(attr="what"):
                return {"image"}
            case ast.Attribute(attr="kind", value=ast.Name(id="served")):
                return {"image", "text"}
            case ast.Name(id=name):
                return self._named(node, name, depth + 1)
            case (
                ast.Subscript(value=ast.Name(id=name))
                | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"))
            ):
                return self._of_table(name, depth + 1)
        return {MARK}

    def _named(self, node: ast.expr, name: str, depth: int) -> set[str]:
        function = self._function(node)
        values = self._values.get((function, name), [])
        arguments = (
            [] if function is None else [each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)]
        )
        if name in arguments:
            assert function is not None
            values = [*values, *self._given(function, name)]
        elif not values:
            values = self._values.get((None, name), [])
        found = set().union(*(self._texts(each, depth) for each in values))
        return found - {""} or {MARK}  # what is empty at first is filled before it is said

    def _given(self, function: Function, name: str) -> list[ast.expr]:
        """What a function is called with in this module, where all calls tell it plainly."""
        places = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        found: list[ast.expr] = []
        for call in (each for each in self._nodes if isinstance(each, ast.Call) and _called(each) == function.name):
            named = [each.value for each in call.keywords if each.arg == name]
            place = places.index(name) - (places[0] in ("self", "cls")) if name in places else len(call.args)
            starred = any(isinstance(each, ast.Starred) for each in call.args)
            found += named or ([] if starred else call.args[place : place + 1])
        return found

    def _of_table(self, name: str, depth: int) -> set[str]:
        """The values of a dictionary of the module."""
        tables = [each for each in self._values.get((None, name), []) if isinstance(each, ast.Dict)]
        return set().union(*(self._texts(value, depth) for each in tables for value in each.values)) or {MARK}


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.IfExp):
        return [*_pairs(target, value.body), *_pairs(target, value.orelse)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [pair for each in zip(target.elts, value.elts, strict=False) for pair in _pairs(*each)]
    return []


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _called_on(node: ast.Call) -> str:
    """The name whose method is called, without underscores before it."""
    value = node.func.value if isinstance(node.func, ast.Attribute) else None
    name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    return name.lstrip("_")
