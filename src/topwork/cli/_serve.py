"""The command ``serve``: models over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topwork.cli._console import Console

Models = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="MODEL", help="Model folder; several are served side by side, each by its name.", show_default=False
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 for any that is free.", min=0, max=65535)]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="TOPWORK_TOKEN", help="Answer only to clients that send this bearer token.", show_default=False
    ),
]
Queue = Annotated[int, typer.Option(help="Images or texts in progress at most; more are refused with 503.", min=1)]
Deadline = Annotated[float, typer.Option(help="Seconds until a request is given up with 504.", min=0.01)]
MaxBytes = Annotated[int, typer.Option(help="Largest request in bytes; more is refused with 413.", min=1)]
Collect = Annotated[
    Path | None,
    typer.Option(help="Save corrected images or texts in this folder, for the next fit.", show_default=False),
]
Prompts = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Also tell the masks of points and boxes on an image, by this network, such as sam-vit-b (POST /segment).",
        show_default=False,
    ),
]
Weights = Annotated[
    str, typer.Option(help="Weights of that network: pretrained, or a folder (see `topwork segment --weights`).")
]
AllowEnrolling = Annotated[
    bool,
    typer.Option("--allow-enrolling", help="Let clients enrol people in a recogniser's gallery, list and forget them."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="A name by which clients reach this server. Can be given several times.", show_default=False),
]
Public = Annotated[bool, typer.Option("--public", help="Allow other machines to use the server without a token.")]


def serve(
    console: Console,
    models: Models = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    queue: Queue = 128,
    deadline: Deadline = 10.0,
    max_bytes: MaxBytes = 32 * 2**20,
    collect: Collect = None,
    prompts: Prompts = None,
    weights: Weights = "pretrained",
    allow_enrolling: AllowEnrolling = False,
    allow_host: AllowHost = None,
    public: Public = False,
) -> None:
    """Serve models over HTTP, with a page to try them. Needs the extra `serve`."""
    if not models and not prompts:
        raise typer.BadParameter("name a model, or with --prompts a network that takes prompts")
    if weights != "pretrained" and not prompts:
        raise typer.BadParameter("--weights are those of the network of --prompts")
    from topwork.server import Settings, run

    console.be_still()  # it writes lines of its own
    settings = Settings(
        models=tuple(models or ()),
        host=host,
        port=port,
        token=token,
        queue=queue,
        deadline=deadline,
        max_bytes=max_bytes,
        held_bytes=max(Settings.held_bytes, max_bytes),
        collect=collect,
        prompts=prompts or "",
        prompts_weights=weights,
        allow_enrolling=allow_enrolling,
        allow_hosts=tuple(allow_host or ()),
        public=public,
        language=console.language,
    )
    run(settings, tell=lambda address: console.note(f"The page and the API are at {address}. Ctrl-C ends it."))
