"""The command ``ui``: the whole job in the browser."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from topwork.cli._console import Console


def ui(
    console: Console,
    data: Annotated[
        Path | None,
        typer.Argument(help="Labelled images or texts, which are checked at once; the page asks for them otherwise."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.", min=0, max=65535)] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the page, but print its address.")
    ] = False,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for uploaded data and what is made of them.")] = Path(
        "topwork-ui"
    ),
) -> None:
    """Do everything in the browser: check DATA, mend them, train, read the report, try the model and export it."""
    from topwork.ui import run

    def tell(address: str) -> None:
        console.result({"address": address}, address)
        sys.stdout.flush()  # whoever started us may be waiting for it

    console.note("The page is at this address, which opens it once. Ctrl-C ends it.")
    console.quiet = True  # what is being done is told on the page
    run(data, work=out, port=port, browser=not no_browser, language=console.language, tell=tell)
