"""The plan: which shards there are, each named by its content and the recipe; the same however many work on it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from topwork.data import printable
from topwork.errors import DataError, TopworkError
from topwork.sharding._places import Place, place_of
from topwork.sharding._recipe import Recipe
from topwork.sharding._source_of import kind_of, source_of
from topwork.sharding._sources import Images, Piece
from topwork.sharding._store import is_remote

FILE = "plan.json"
SIZE = 4096
"""Images a shard, where nothing else is asked for: ten seconds of a CPU's work, and ten megabytes of features."""

_FORMAT = 1
_NAME = 16  # letters of a shard's name


@dataclass(frozen=True)
class Shard:
    """One unit of work and of restart.

    Attributes:
        name: 16 hexadecimal letters, from its content and the recipe.
        piece: The images of it.
    """

    name: str
    piece: Piece

    @property
    def file(self) -> str:
        """The name of its part."""
        return f"part-{self.name}.parquet"


@dataclass(frozen=True)
class Plan:
    """Shards of a source, what is computed of them, and where it goes.

    Attributes:
        source: What is read.
        kind: Which kind of source it is.
        out: Where plan and parts lie.
        recipe: What is computed.
        shards: In the order of the source.
        is_new: Whether this call has made it.
        dropped: Shards of the plan before that are in this one no more, as the source has changed.
        size: Images a shard, where it is no file that holds them; of the plan before, where there was one.
    """

    source: str
    kind: str
    out: str
    recipe: Recipe
    shards: tuple[Shard, ...]
    is_new: bool = False
    dropped: int = 0
    size: int = SIZE

    @property
    def place(self) -> Place:
        """Where the parts lie."""
        return place_of(self.out)

    @property
    def images(self) -> Images:
        """What is read."""
        return source_of(self.source, self.kind)

    @property
    def rows(self) -> int | None:
        """Images in all; None where that is known only when they are read."""
        return rows_in(self.shards)

    def missing(self) -> tuple[Shard, ...]:
        """Shards whose part is not there."""
        there = self.place.names()
        return tuple(shard for shard in self.shards if shard.file not in there)

    def of_worker(self, k: int, n: int) -> tuple[Shard, ...]:
        """What worker k of n has to do: shards k, k + n, …, from 1 on.

        Raises:
            TopworkError: There is no such worker.
        """
        if not 1 <= k <= n:
            raise TopworkError(f"there is no shard {k} of {n}", hint="--shard takes k/n with k from 1 to n")
        return self.shards[k - 1 :: n]


def rows_in(shards: Sequence[Shard]) -> int | None:
    """Images in shards; None where that is known only when they are read."""
    rows = [shard.piece.rows for shard in shards]
    return sum(each or 0 for each in rows) if None not in rows else None


def plan(
    source: str,
    out: str,
    recipe: Callable[[Images, dict[str, Any]], Recipe] | Recipe,
    *,
    size: int = SIZE,
    again: bool = True,
    texts: bool = False,
) -> Plan:
    """Cut a source into shards, or find the plan that is there.

    A source that has changed is planned anew; a shard whose images are the same keeps its name, and so its part.

    Args:
        source: Images: a folder, files that hold them, or an address; or tables of texts.
        out: A folder for the plan and its parts; it need not exist.
        recipe: What is computed; or what gives it for the source and the recipe of the plan that is there, as far as
            there is one.
        size: Images a shard; of a plan that is there its own.
        texts: Whether the network reads texts; a file is a shard then.
        again: Whether the source is listed although there is a plan; one of many workers does without.

    Raises:
        TopworkError: The folder holds a plan of another recipe or source.
        DataError: The source cannot be listed, or has no images.
    """
    source = source.rstrip("/") if is_remote(source) else os.path.abspath(source)  # wherever the next worker stands
    place = place_of(out)
    found = _found(place, out)
    place.tidy()
    kind = found["kind"] if found and not again else kind_of(source, texts=texts)
    images = source_of(source, kind)
    made = recipe if not callable(recipe) else recipe(images, found.get("recipe", {}))
    fields = json.loads(json.dumps(made.fields))
    if found:
        _require_same(found, fields, source, out)
        size = found["size"]
        if not again:
            return Plan(source, kind, out, made, tuple(_shard(each) for each in found["shards"]), size=size)
    shards = tuple(Shard(_name(fields, piece), piece) for piece in images.pieces(size))
    if not shards:
        raise DataError(
            f"{printable(source)}: there is no {'table' if texts else 'image'} in it",
            hint="give a folder, a file or an address such as s3://…",
        )
    listed = [{"name": each.name, **each.piece._asdict()} for each in shards]
    is_new = not found or found["shards"] != json.loads(json.dumps(listed))
    if is_new:
        whole = {"format": _FORMAT, "what": "a plan of topwork", "source": source, "kind": kind, "size": size}
        place.write(FILE, _written({**whole, "recipe": fields, "shards": listed}))
    names = {each.name for each in shards}
    dropped = sum(each["name"] not in names for each in found.get("shards", ()))
    return Plan(source, kind, out, made, shards, is_new, dropped, size)


def names_in(out: str) -> tuple[dict[str, Any], list[str]]:
    """The recipe of a folder and the names of its shards.

    Raises:
        TopworkError: There is no plan in it.
    """
    found = _found(place_of(out), out)
    if not found:
        raise TopworkError(
            f"{printable(out)} holds no plan.json", hint="topwork embed DATA -o OUT/ makes such a folder"
        )
    return found["recipe"], [each["name"] for each in found["shards"]]


def _found(place: Place, out: str) -> dict[str, Any]:
    """The plan that is there; empty where there is none."""
    content = place.read(FILE)
    if content is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(content)
        if found["format"] > _FORMAT:
            raise TopworkError(f"{printable(out)}: plan.json is of a newer topwork", hint="upgrade topwork")
        for each in found["shards"]:
            _shard(each)
        return {name: found[name] for name in ("source", "kind", "size", "recipe", "shards")}
    except (ValueError, KeyError, TypeError) as error:
        raise TopworkError(
            f"{printable(out)}: plan.json is not a plan of topwork", hint="name another folder"
        ) from error


def _written(fields: dict[str, Any]) -> bytes:
    """JSON with one shard a line, for people and for diffs."""
    head = json.dumps({name: value for name, value in fields.items() if name != "shards"}, indent=1)
    lines = [head.removesuffix("\n}"), ',\n "shards": [\n', ",\n".join(map(json.dumps, fields["shards"])), "\n]}\n"]
    return "".join(lines).encode()


def _shard(fields: dict[str, Any]) -> Shard:
    return Shard(fields["name"], Piece(fields["content"], fields["where"], fields["rows"]))


def _name(recipe: dict[str, Any], piece: Piece) -> str:
    text = json.dumps([recipe, piece.content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_NAME]


def _require_same(found: dict[str, Any], fields: dict[str, Any], source: str, out: str) -> None:
    other = sorted(name for name in {*fields, *found["recipe"]} if fields.get(name) != found["recipe"].get(name))
    if other:
        name = other[0]
        raise TopworkError(
            f"{printable(out)} holds shards of another {name}: {found['recipe'].get(name)!r}, not {fields.get(name)!r}",
            hint="name another folder, or use what the first run used",
        )
    if found["source"] != source:
        raise TopworkError(
            f"{printable(out)} holds shards of {printable(found['source'])}, not of {printable(source)}",
            hint="name another folder",
        )
