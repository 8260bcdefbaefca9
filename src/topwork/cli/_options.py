"""The library's options as the command line's: flags and ``--set``, made from the classes where the options stand."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from topwork._options import CACHE, SEED, Option
from topwork.cli._console import Console

if TYPE_CHECKING:
    from topwork.tasks import Strategy

CacheOption = Annotated[bool, typer.Option(help=CACHE.help)]
SeedOption = Annotated[int, typer.Option(help=SEED.help, min=0)]

Columns = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN=NAME,…",
        help="What a table calls its columns, such as path=filename,label=class or text=body; the usual names are "
        "found alone.",
        show_default=False,
    ),
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Follow links to folders, and links that lead out of DATA.")
]

_BOUNDS = {"ge": "{:g} or more", "gt": "more than {:g}", "le": "at most {:g}", "lt": "less than {:g}"}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", tuple: "words separated by commas"}
_LITERAL: Any = Literal  # mypy would have its words at once
_HEAD, _WIDTH = 44, 100  # columns of the list of settings: up to the values, and in all


def reading(columns: str | None, follow_links: bool) -> dict[str, Any]:
    """How data are read, as far as the user says so.

    Raises:
        typer.BadParameter: The columns are no pairs.
    """
    how: dict[str, Any] = {"follow_links": True} if follow_links else {}
    if columns is not None:
        pairs = [pair.partition("=") for pair in columns.split(",")]
        if not all(name.strip() and equals and value.strip() for name, equals, value in pairs):
            raise typer.BadParameter(f"--columns takes pairs such as path=filename,label=class, not {columns!r}")
        how["columns"] = {name.strip(): value.strip() for name, _, value in pairs}
    return how


def strategies(name: str | None = None) -> tuple[Strategy, ...]:
    """All strategies of a task; the default one's where none is named."""
    from topwork.tasks import DEFAULT, task

    return task(name or DEFAULT).strategies()


@dataclass(frozen=True)
class Setting:
    """One field of an options class, or of one that is nested in it: ``path`` names the fields on the way to it.

    ``option`` has the bounds that pydantic knows too; its help, where ``help`` is another, is of the flag.
    """

    path: tuple[str, ...]
    kind: Any
    default: Any
    option: Option
    help: str

    @property
    def flags(self) -> tuple[str, ...]:
        """Its names on the command line, the old ones first; none where only ``--set`` gives it."""
        flag = f"--{self.path[-1].replace('_', '-')}" if self.option.flag == "" else self.option.flag
        return (*self.option.old, flag) if flag else ()

    @property
    def choices(self) -> tuple[str, ...]:
        """All its values, where they are words; None goes by the name of auto."""
        if any(get_origin(each) is not Literal and each is not NoneType for each in _members(self.kind)):
            return ()
        return ("auto", *self._words) if NoneType in _members(self.kind) else self._words

    @property
    def takes(self) -> str:
        """Its values in words."""
        if self.option.takes:
            return self.option.takes
        others = [each for each in _members(self.kind) if get_origin(each) is not Literal and each is not NoneType]
        kinds = dict.fromkeys(_KINDS.get(get_origin(each) or each, "a text") for each in others)
        *most, last = [*(self.choices or self._words), *kinds]
        bounds = " and ".join(_BOUNDS[name].format(limit) for name, limit in self._limits.items())
        none = "or none" if NoneType in _members(self.kind) and not self.choices else ""
        return ", ".join(filter(None, [f"{', '.join(most)} or {last}" if most else last, bounds, none]))

    @property
    def shown(self) -> Any:
        """Its default as one would give it; None where that is a long story."""
        if self.default is None and self.choices:
            return "auto"
        return self.default if isinstance(self.default, str | int | float) and not self.option.parse else None

    @property
    def names(self) -> tuple[str, ...]:
        """The path as ``--set`` has it: where an option has a name of its own, that stands for the field's."""
        return (*self.path[:-1], *self.option.name.split(".")) if self.option.name else self.path

    def is_called(self, name: str) -> bool:
        """Whether a name, perhaps with dots, is the end of its path."""
        return f".{'.'.join(self.names)}".endswith(f".{name}")

    def read(self, given: Any, name: str) -> Any:
        """The value that a text stands for (``typer.BadParameter`` if none); what typer has read is one already."""
        from pydantic import ConfigDict, Field, TypeAdapter

        if not isinstance(given, str | list) or given in self._words:
            return given
        kinds = _members(self.kind)
        try:
            if self.option.parse:
                return self.option.parse(given)
            if isinstance(given, str) and any(get_origin(each) is tuple for each in kinds):
                return tuple(map(str.strip, given.split(",")))
            if NoneType in kinds and given in ("none", "null", *self.choices[:1]):
                return None
            kind: Any = Annotated[self.kind, Field(**self._limits)]
            return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_strings(given)
        except ValueError:
            told = given[0] if isinstance(given, list) and len(given) == 1 else given
            raise typer.BadParameter(f"{name} takes {self.takes}, not {told!r}") from None

    def parameter(self, flag: str, help: str, default: Any) -> inspect.Parameter:
        """The flag as typer takes it."""
        plain = self.kind in (bool, int, float) and not self.option.parse
        text: Any = list[str] if self.option.many else str
        kind = self.kind if plain else _LITERAL[self.choices] if self.choices else text | None
        names = f"{flag}/--no-{flag.removeprefix('--')}" if self.default is True else flag
        bounds: Any = {"min": self.option.ge, "max": self.option.le} if plain else {}
        told: Any = typer.Option(
            names, help=help, metavar=self.option.metavar, hidden=flag in self.option.old, **bounds
        )
        return parameter(_name(flag), Annotated[kind, told], default)

    @property
    def _words(self) -> tuple[str, ...]:
        literals = [each for each in _members(self.kind) if get_origin(each) is Literal]
        return tuple(word for each in literals for word in get_args(each))

    @property
    def _limits(self) -> dict[str, Any]:
        return {name: limit for name in _BOUNDS if (limit := getattr(self.option, name)) is not None}


def settings(options: Any, unused: Sequence[str] = (), path: tuple[str, ...] = ()) -> list[Setting]:
    """Every setting of an options value and of those nested in it, in the order of the fields, without the unused."""
    found: list[Setting] = []
    for name, kind, more, description in fields(options):
        here, default = (*path, name), getattr(options, name)
        if dataclasses.is_dataclass(default) or hasattr(default, "model_fields_set"):
            found += settings(default, (), here)
            continue
        option = next((each for each in more if isinstance(each, Option)), Option(flag=None))
        limits = [(name, getattr(each, name, None)) for each in more for name in _BOUNDS]
        bounds: Any = {name: limit for name, limit in limits if limit is not None}
        help = (description or option.help).removesuffix(".") + "."
        found.append(Setting(here, kind, default, dataclasses.replace(option, **bounds), help))
    return [each for each in found if not any(map(each.is_called, unused))]


def fields(options: Any) -> Iterator[tuple[str, Any, Sequence[Any], str]]:
    """Name, type, what else is annotated, and description of each field of a dataclass or pydantic model."""
    if not dataclasses.is_dataclass(options):
        for name, field in type(options).model_fields.items():
            yield name, field.annotation, field.metadata, field.description
        return
    for name, hint in get_type_hints(type(options), include_extras=True).items():
        kind, *more = get_args(hint) if get_origin(hint) is Annotated else [hint]
        yield name, kind, more, ""


def _members(kind: Any) -> list[Any]:
    """The members of a union, however nested; any other type alone."""
    if get_origin(kind) in (Union, UnionType):
        return [member for part in get_args(kind) for member in _members(part)]
    return [kind]


def _named(found: Sequence[Setting], name: str) -> Setting | None:
    """The setting that a name means: the outermost that is called so, of several as far out the first."""
    return min((each for each in found if each.is_called(name)), key=lambda each: len(each.names), default=None)


def _name_in(found: Sequence[Setting], setting: Setting) -> str:
    """The shortest name that means this one."""
    least = setting.option.name.count(".") + 1
    names = (".".join(setting.names[-length:]) for length in range(least, len(setting.names) + 1))
    return next(name for name in names if _named(found, name) is setting)


def _with_values(options: Any, values: Mapping[tuple[str, ...], Any]) -> Any:
    """An options value with other values at some paths, validated again."""
    changes: dict[str, Any] = {}
    for name in dict.fromkeys(path[0] for path in values):
        inner = {path[1:]: value for path, value in values.items() if path[0] == name}
        changes[name] = inner[()] if () in inner else _with_values(getattr(options, name), inner)
    try:
        if dataclasses.is_dataclass(options):
            return dataclasses.replace(options, **changes)  # type: ignore[type-var]
        return type(options).model_validate({**options.model_dump(), **changes})
    except ValueError as error:  # they do not fit each other; each alone was looked at before
        raise typer.BadParameter(str(error).split("Value error, ")[-1].partition(" [type=")[0]) from None


class CommandLine:
    """The options of one strategy, or of several: ``--strategy`` names one, and the first is taken where it does not.

    ``own`` are fields that the command itself fills in (``options``) and no user; ``defaults``, by the names of fields,
    go before those of the classes.
    """

    def __init__(self, strategies: Sequence[Strategy], own: Sequence[str] = (), **defaults: Any) -> None:
        self._strategies = strategies
        self._plain, self._settings = {}, {}
        self._flags: dict[str, dict[str, list[Setting]]] = {}  # what a flag sets of each strategy that reads it
        for each in strategies:
            here = {name: value for name, value in defaults.items() if hasattr(each.options, name)}
            self._plain[each.name] = each.options(**here)
            found = self._settings[each.name] = settings(self._plain[each.name], (*each.unused, *own))
            for flag in dict.fromkeys(flag for setting in found for flag in setting.flags):
                same = [setting for setting in found if flag in setting.flags]
                outermost = min(len(setting.path) for setting in same)
                self._flags.setdefault(flag, {})[each.name] = [x for x in same if len(x.path) == outermost]

    def parameters(self) -> list[inspect.Parameter]:
        """The options: ``--strategy`` where there are several, a flag for whatever has one, and ``--set``."""
        found = []
        if len(self._strategies) > 1:
            told = " ".join(f"{each.name}: {_tail(each.help)}" for each in self._strategies)
            choices: Any = _LITERAL[tuple(self._settings)]
            kind = Annotated[choices, typer.Option(help=f"Strategy. {told}")]
            found.append(parameter("strategy", kind, self._strategies[0].name))
        for flag, readers in sorted(self._flags.items(), key=lambda item: -len(item[1])):
            (one, *_), help = next(iter(readers.values())), self._help(readers)
            defaults = {each.shown for same in readers.values() for each in same}
            default = defaults.pop() if len(defaults) == 1 else None
            found.append(one.parameter(flag, help, default))
        help = "Set any settings by their names. `--set help` lists all settings with their defaults."
        any_setting = typer.Option("--set", metavar="NAME=VALUE …", help=help, callback=self._list_settings)
        return [*found, parameter("settings", Annotated[list[str] | None, any_setting], None)]

    def options(self, console: Console, context: typer.Context, given: Mapping[str, Any], **fixed: Any) -> Any:
        """The chosen strategy's options as the command line asks for them, on top of what is fixed, by fields' names.

        Raises:
            typer.BadParameter: A flag or setting that the strategy does not read, or a wrong value.
        """
        chosen = given.get("strategy", self._strategies[0].name)
        require_heard(context, "--strategy", chosen, {_name(flag): tuple(who) for flag, who in self._flags.items()})
        values: dict[tuple[str, ...], Any] = {}
        values |= {(name,): value for name, value in fixed.items() if hasattr(self._plain[chosen], name)}
        for flag, who in self._flags.items():
            if _is_given(context, _name(flag)):
                values |= {each.path: each.read(given[_name(flag)], flag) for each in who[chosen]}
                *old, new = who[chosen][0].flags
                if flag in old and _is_given(context, _name(new)):
                    raise typer.BadParameter(f"{flag} is the old name of {new}; give only {new}")
                if flag in old:
                    console.note(f"note: {flag} is now called {new}; the next version accepts only the new name")
        return _with_values(self._plain[chosen], values | self._set(chosen, given["settings"] or ()))

    def listing(self) -> list[dict[str, Any]]:
        """Every setting: its name, values, default, what it does, and for which strategies."""
        rows: dict[tuple[Any, ...], list[str]] = {}
        for strategy, found in self._settings.items():
            for each in found:
                default = each.default if each.shown is None else each.shown
                rows.setdefault((_name_in(found, each), each.takes, default, each.help), []).append(strategy)
        heads = ("name", "values", "default", "help")
        return [{**dict(zip(heads, row, strict=True)), "strategies": whose} for row, whose in rows.items()]

    def _list_settings(self, context: typer.Context, given: list[str] | None) -> list[str] | None:
        """Answer ``--set help``, for which nothing else of the command line is needed."""
        if "help" not in (given or ()):
            return given
        lines = []
        for row in self.listing():
            default = json.dumps(row["default"]).strip('"').replace("null", "none")
            if isinstance(row["default"], tuple):
                default = f"{', '.join(row['default'][:2])}, …"
            lines.append(f"{row['name']} = {default}".ljust(_HEAD) + row["values"])
            told = f"{row['help']} For {', '.join(row['strategies'])}."
            lines.append(textwrap.indent(textwrap.fill(told, _WIDTH, break_on_hyphens=False), "    "))
        console = Console(as_json=context.params["as_json"], quiet=True)
        console.result({"settings": self.listing()}, "\n".join(lines))
        raise typer.Exit

    def _set(self, chosen: str, texts: Sequence[str]) -> dict[tuple[str, ...], Any]:
        """What ``--set`` asks for."""
        found, values = self._settings[chosen], {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise typer.BadParameter(f"--set takes NAME=VALUE, or help, not {text!r}")
            setting = _named(found, name)
            if setting is None:
                raise typer.BadParameter(self._unknown(chosen, name))
            values[setting.path] = setting.read(value, f"--set {name}")
        return values

    def _unknown(self, chosen: str, name: str) -> str:
        """What to say of a name that means no setting of the strategy."""
        found = self._settings[chosen]
        if whose := [strategy for strategy, other in self._settings.items() if _named(other, name)]:
            return f"--set {name} is for --strategy {', '.join(whose)}, not for {chosen}"
        near = difflib.get_close_matches(name, [_name_in(found, each) for each in found])
        return f"there is no setting {name!r}; " + (f"did you mean {', '.join(near)}?" if near else "see --set help")

    def _help(self, readers: Mapping[str, Sequence[Setting]]) -> str:
        """What a flag does, and for which strategies where that is not all or not the same."""
        told: dict[str, list[str]] = {}
        for strategy, (first, *_) in readers.items():
            told.setdefault(first.option.help or first.help, []).append(strategy)
        if len(told) == 1 and len(readers) == len(self._settings):
            return next(iter(told))
        return " ".join(f"For {', '.join(whose)}: {_tail(text)}" for text, whose in told.items())


def require_heard(context: typer.Context, option: str, chosen: str, readers: Mapping[str, Sequence[str]]) -> None:
    """Refuse what is given on the command line and would not be read, with whose it is (``typer.BadParameter``).

    ``option``, such as ``--strategy``, is given ``chosen``; ``readers`` says which of its values read an option, by the
    parameter's name: all of them, where it is not there.
    """
    for each in context.command.params:
        heard = readers.get(each.name or "", (chosen,))
        if chosen not in heard and _is_given(context, each.name or ""):
            raise typer.BadParameter(
                f"{each.opts[0]} is for {option} {', '.join(heard)}, not for {chosen}", ctx=context
            )


def require_network(
    model: str | None, backbone: str | None, *, weights: str, allow_pickle: bool, preprocessing: str
) -> None:
    """Refuse a command line without a model or ``--backbone``, or with a network's for a model (``BadParameter``)."""
    if backbone is None and (weights != "pretrained" or allow_pickle):
        given = "--weights" if weights != "pretrained" else "--allow-pickle"
        raise typer.BadParameter(f"{given} is for --backbone; a model has its own weights")
    if backbone is None and preprocessing != "topwork":
        raise typer.BadParameter("--preprocessing is for --backbone; a model has its own preprocessing")
    if backbone is None and model is None:
        raise typer.BadParameter("name a model folder, or a network with --backbone")


def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """An option for typer."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _tail(sentence: str) -> str:
    """A sentence as it goes on after a colon; one that begins with an abbreviation stays."""
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def _name(flag: str) -> str:
    """The parameter of a flag."""
    return flag.removeprefix("--").replace("-", "_")
