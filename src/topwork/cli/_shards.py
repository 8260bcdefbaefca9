"""A folder that is filled in shards: by ``embed -o OUT/`` and ``predict --shards OUT/``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli._console import Console
from topwork.cli._text import printable

if TYPE_CHECKING:
    from topwork.sharding import Done, Plan, Recipe, Shard

Source = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Images or texts: a folder, with one folder per class where there are classes, or a table (CSV, TSV, "
        "JSONL, Parquet). For shards also tar, Parquet or Arrow files that hold the images, and addresses such as "
        "s3://bucket/photos.",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Do only every Nth shard of the folder, from the Kth on: one job of N, such as 3/16.",
        show_default=False,
    ),
]
ShardSize = Annotated[
    int | None,
    typer.Option(
        "--shard-size",
        help="Images per shard of the folder; 4096 if not given. A multiple of 16 fills every call of the network.",
        min=1,
        show_default=False,
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="local|ray|ray://HOST:PORT",
        help="Where shards are computed: here, or by workers of Ray, in this machine's cluster or at an address.",
    ),
]


def is_folder(out: str) -> bool:
    """Whether a name is that of a folder rather than a file: it ends in a slash, has no suffix, or is a folder."""
    return out.endswith("/") or not Path(out).suffix or Path(out).is_dir()


def require_shards(in_shards: bool, given: Mapping[str, Any], on: str = "local") -> None:
    """Refuse options of shards where a file is written."""
    if on not in ("local", "ray") and not on.startswith("ray://"):
        raise typer.BadParameter(f"--on takes local, ray or ray://HOST:PORT, not {on}")
    given = {**given, "--on": None if on == "local" else on}
    wrong = next((name for name, value in given.items() if value is not None), None)
    if wrong is not None and not in_shards:
        raise typer.BadParameter(f"{wrong} is for a folder: end the name with a slash")


def require_plain(columns: str | None, follow_links: bool) -> None:
    """Refuse what a folder of shards cannot have."""
    wrong = "--columns" if columns is not None else "--follow-links" if follow_links else ""
    if wrong:
        raise typer.BadParameter(f"{wrong} cannot be used with a folder of shards")


def worker_of(given: str | None) -> tuple[int, int] | None:
    """Which worker of how many."""
    if given is None:
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", given)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise typer.BadParameter(f"--shard takes K/N, such as 3/16, with K from 1 to N, not {given}")
    return int(match[1]), int(match[2])


def fill(
    console: Console,
    data: str,
    out: str,
    recipe: Callable[..., Recipe] | Recipe,
    *,
    shard: str | None,
    size: int | None,
    on: str,
    thing: str = "image",
) -> None:
    """Plan, do what is missing, and say what became of it."""
    from topwork.sharding import SIZE, plan, work_on

    worker = worker_of(shard)
    with console.progress():
        console.step("planning the shards")
        planned = plan(data, out, recipe, size=size or SIZE, again=worker is None, texts=thing == "text")
        missing = {each.name for each in planned.missing()}
        ours = planned.shards if worker is None else planned.of_worker(*worker)
        step = console.step(f"{thing}s")
        todo = [each for each in ours if each.name in missing]
        done = list(work_on(on, planned, todo, step)) if todo else []
    if size is not None and planned.kind in ("archives", "texts"):
        console.note("note: each file is a shard of its own, so --shard-size changes nothing")
    elif size is not None and planned.size != size:
        console.note(
            f"note: the plan that is there has {planned.size:,} images a shard, so --shard-size {size} changes nothing"
        )
    if planned.dropped:
        console.note(
            f"note: the data have changed: {planned.dropped:,} shards of the plan before are not in it any more"
        )
    _tell(console, planned, ours, done, f"{thing}s")


def _tell(console: Console, planned: Plan, ours: tuple[Shard, ...], done: list[Done], things: str) -> None:
    failed = [each for each in done if each.failure is not None]
    for each in failed:
        console.failure(f"shard {each.shard.name}: {each.failure.message if each.failure else ''}")
    made, images = len(done) - len(failed), sum(each.rows for each in done if each.failure is None)
    errors = sum(each.errors for each in done if each.failure is None)
    fields = {
        "folder": planned.out,
        "shards": len(ours),
        "done": made,
        "already_done": len(ours) - len(done),
        "failed": len(failed),
        things: images,
        "errors": errors,
        planned.recipe.column: planned.recipe.width,
    }
    there = len(ours) - len(done)
    text = [f"{made:,} of {len(ours):,} shards computed, {there:,} were there: {printable(planned.out)}"]
    if errors:
        text.append(f"{errors:,} of {images:,} {things} cannot be used; the column error says why")
    console.result(fields, text)
    if failed:
        hint = (failed[0].failure.hint if failed[0].failure else "") or "run the command again: it does what is missing"
        console.fail(f"{len(failed):,} of {len(ours):,} shards failed", hint)
