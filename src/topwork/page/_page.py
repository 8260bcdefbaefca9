"""The page's HTML, in both languages at once, and the files that it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Literal, get_args

from topwork._texts import Language, Texts, catalogue
from topwork._version import __version__

Answers = Literal["server", "web"]
"""Who answers: the server that gave the page, or the browser itself."""

LANGUAGES: Mapping[str, str] = {"en": "English", "ko": "한국어"}

_PACKAGE = "topwork.page"
_OWN = "default-src 'none'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
_FORMS = "form-action 'none'"

POLICY = f"{_OWN}script-src 'self'; {_FORMS}; frame-ancestors 'none'"
"""The ``Content-Security-Policy`` under which a server gives the page: nothing inline, nothing from elsewhere."""

WEB_POLICY = f"{_OWN}script-src 'self' 'wasm-unsafe-eval'; {_FORMS}"
"""That of a page that answers by itself, which stands in it: no host need send it. It may compile WebAssembly."""

_ONLY_OF = {"server": {"server.js"}, "web": {"web.js", "decide.js", "pixels.js"}}
"""Modules that only one kind of page asks for."""


def page_html(models: Sequence[Mapping[str, Any]], *, answers: Answers, language: Language = "en") -> str:
    """The page on which models are tried.

    It is one file for both languages: the browser's, or what its address asks for (``?lang=ko``), goes before
    ``language``. It asks for ``static/NAME`` (`static_files`) beside it, so it works below any path.

    Args:
        models: Facts of the models, as far as they may be told to whoever opens the page: their names stand in its
            title. All else the page asks for itself.
        answers: Who answers.
        language: What it comes in where the browser prefers none of its languages.

    Raises:
        ReportError: There is no such language.
    """
    t, name = Texts(language, (_PACKAGE,)), models[0]["name"] if models else ""
    template = _environment().get_template("page.html")
    html: str = template.render(
        answers=answers,
        language=language,
        languages=LANGUAGES,
        policy=WEB_POLICY if answers == "web" else "",
        texts={each: catalogue(_PACKAGE, each)["texts"] for each in get_args(Language)},
        name=name,
        title=t("title", name=name) if name else "topwork",
        version=__version__,
    )
    return html


def static_files(answers: Answers) -> dict[str, bytes]:
    """What the page asks for below ``static/``: style and modules, by their names."""
    others = set().union(*(names for kind, names in _ONLY_OF.items() if kind != answers))
    found = [resources.files("topwork.drawing") / "colours.css", *(resources.files(_PACKAGE) / "static").iterdir()]
    return {each.name: each.read_bytes() for each in found if each.name not in others}


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(_PACKAGE)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
