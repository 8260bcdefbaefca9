"""Help and errors of a command line that cannot be read, in another language than English."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from topwork._text import width
from topwork.cli._console import print_error
from topwork.cli._language import help_texts

if TYPE_CHECKING:
    from topwork._texts import Language, Texts

_EXTRA = re.compile(r"(.*?)(?:  )?(?:\[([^\[\]]*(?:\[[^\]]*\])?[^\[\]]*)\])?", re.DOTALL)  # a help, and what follows it

_INVALID = "Invalid value: "
_PYDANTIC = "Value error, "  # what checks a value puts before what we say of it


def speak(ctx: Any, language: Language) -> None:
    """Make a context's help speak a language."""
    if language != "en":
        ctx.formatter_class = _formatter(ctx.formatter_class, help_texts(language))


@contextlib.contextmanager
def spoken_usage(language: Language) -> Iterator[None]:
    """Say in a language why a command line cannot be read; in English as typer does, but for pydantic's own words."""
    try:
        yield
    except typer.TyperException as error:
        error.message = error.message.removeprefix(_PYDANTIC)
        context = getattr(error, "ctx", None)
        if language == "en" or context is None or type(error).__name__ == "NoArgsIsHelpError":
            raise
        texts = help_texts(language)
        print_error(context.get_usage())
        print_error(f"{texts('usage_try', command=context.command_path)}\n")
        print_error(f"{texts('usage_error')}: {_said_usage(error.format_message(), texts)}")
        raise typer.Exit(error.exit_code) from None


def _said_usage(message: str, texts: Texts) -> str:
    """Why a command line cannot be read; what stands behind click's own words is looked up by itself.

    A text that begins with an option's name would take those words for a part of the name.
    """
    if not message.startswith(_INVALID):
        return texts.said(message)
    why = message.removeprefix(_INVALID)
    said = texts.said(why)
    return message if said == why else texts("usage_value", why=said)


def _formatter(kind: type[Any], texts: Texts) -> type[Any]:
    """A formatter of help that says all it is given, and breaks lines where a terminal does."""

    class Spoken(kind):  # type: ignore[misc]
        """In the place of the plain one."""

        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(prog, args, prefix or f"{texts('usage')}: ")

        def write_heading(self, heading: str) -> None:
            super().write_heading(texts.of(f"heading_{heading.lower()}", heading))

        def write_text(self, text: str) -> None:
            indent = " " * self.current_indent
            for line in _wrapped(texts.said(" ".join(text.split())), self.width - self.current_indent):
                self.write(f"{indent}{line}\n")

        def write_dl(self, rows: Sequence[tuple[str, str]], *_: Any, **__: Any) -> None:
            first = min(max(width(name) for name, _ in rows), 30) + 2
            for name, help in rows:
                told = texts.of(f"command_{name}", _said_help(help, texts))
                head, *lines = _wrapped(told, max(self.width - self.current_indent - first, 20))
                indent, gap = " " * self.current_indent, first - width(name)
                start = f"{name}{' ' * gap}{head}" if gap > 1 else f"{name}\n{indent}{' ' * first}{head}"
                self.write("".join(f"{indent}{line}\n" for line in (start, *(" " * first + line for line in lines))))

    return Spoken


def _said_help(text: str, texts: Texts) -> str:
    """An option's help, and behind it in brackets its default, its limits, or that it is required."""
    help, extra = _EXTRA.fullmatch(text).groups()  # type: ignore[union-attr]
    return "  ".join(filter(None, (texts.said(help), f"[{texts.named('extra', extra)}]" if extra else "")))


def _wrapped(text: str, most: int) -> list[str]:
    """Lines of words, none wider than so many columns unless a word is."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and width(longer) > most:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line.rstrip() for line in lines]
