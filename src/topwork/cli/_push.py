"""The command ``push``: a model to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topwork.cli._console import Console
from topwork.cli._text import printable

Repository = Annotated[str, typer.Argument(metavar="REPO", help="Repository on the hub: OWNER/NAME.")]
Private = Annotated[bool, typer.Option("--private", help="Make the repository private if it is made now.")]
Revision = Annotated[
    str | None, typer.Option(help="Branch to write to; the default one if not given.", show_default=False)
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="HF_TOKEN", help="Token that may write there; that of `hf auth login` if not given.", show_default=False
    ),
]


def push(
    console: Console,
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    repository: Repository,
    private: Private = False,
    revision: Revision = None,
    token: Token = None,
) -> None:
    """Upload MODEL to the hub, with its card and its page, as one commit."""
    from topwork import model as models
    from topwork.tasks import load

    load(model)  # what is damaged is not published
    console.step("uploading the model")
    found = models.push(model, repository, private=private, revision=revision, token=token)
    if found.showing:
        console.note(f"note: these files show some of your data: {', '.join(map(printable, found.showing))}")
    fields = {"repository": found.repository, "address": found.address, "commit": found.commit}
    lines = [f"Pushed: {found.address}", f"Next:   topwork predict hf:{found.repository} IMAGE..."]
    console.result({**fields, "files": list(found.files), "showing": list(found.showing)}, lines)
