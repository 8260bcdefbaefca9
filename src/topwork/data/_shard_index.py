"""The index of one WebDataset shard: which members are images, of which class, and where; built once and cached."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._system import cache_dir, write_whole
from topwork.data._listing import is_system, label_fault
from topwork.data._manifest_rows import inner_path
from topwork.data._names import printable
from topwork.data._source import MAX_FILE_BYTES, content_key, opened, stamp
from topwork.data._tar import Member, TarError, members
from topwork.data.formats import IMAGE_SUFFIXES
from topwork.errors import DataError

_FORMAT = 1  # raise when the same shard would give another index
_MAX_LABEL = 2**16  # bytes of a member that holds a label
_MAX_MEMBERS = 4_000_000  # about 1.5 GB of names; shards of the field hold ten thousand
_LABEL_SUFFIXES = (".cls", ".json", ".txt")
"""What may hold a sample's label, the surest first."""


class ShardIndex(NamedTuple):
    """The N images of one shard that have a label, in the shard's order, and what is not used."""

    names: list[str]  # of members
    labels: list[str]
    groups: list[str]  # "" is none
    offsets: npt.NDArray[np.int64]  # (N,), where an image begins, in bytes
    sizes: npt.NDArray[np.int64]  # (N,), in bytes
    left_out: list[tuple[str, str]]  # members and reasons; the name "" stands for the shard
    ignored: int  # hidden and system members


def index_of(path: str) -> tuple[tuple[int, int], ShardIndex]:
    """Give a shard's stamp and index, from the cache where the shard has not changed.

    Raises:
        ImageError: The file cannot be read.
    """
    with opened(path) as (file, info):
        mark = stamp(info)
        named = f"{_FORMAT}\0{os.path.realpath(path)}\0{mark[0]}\0{mark[1]}".encode("utf-8", "surrogatepass")
        cached = cache_dir() / "shards" / f"{content_key(named).hex()}.json"
        index = _load(cached)
        if index is None:
            index = built(file, info.st_size)
            _save(index, cached)
    return mark, index


def built(file: BinaryIO, size: int, *, unlabelled: bool = False) -> ShardIndex:
    """The index of an open file of so many bytes; of images without a label too where those are wanted."""
    builder = _Builder(file, unlabelled)
    try:
        for count, member in enumerate(members(file, size)):
            if count == _MAX_MEMBERS:
                raise TarError(f"more than {_MAX_MEMBERS:,} members")
            builder.add(member)
    except TarError as damage:
        builder.left_out.append(("", f"{damage}; the rest is not read"))
    return builder.finished()


@dataclass(slots=True)
class _Sample:
    """The members that share a name up to its first dot."""

    images: list[Member] = field(default_factory=list)
    labels: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # suffix: label, group, why it is none
    others: list[str] = field(default_factory=list)


class _Builder:
    def __init__(self, file: BinaryIO, unlabelled: bool) -> None:
        self._unlabelled = unlabelled
        self.left_out: list[tuple[str, str]] = []
        self._file = file
        self._samples: dict[str, _Sample] = {}
        self._seen: set[str] = set()
        self._ignored = 0

    def add(self, member: Member) -> None:
        name = posixpath.normpath(member.name)
        inside = _is_inside(member.name)
        if inside and any(map(is_system, name.split("/"))):
            self._ignored += 1
            return
        if fault := self._fault(name, member) if inside else "its name leads out of the archive":
            self.left_out.append((name, fault))
            return
        self._seen.add(name)
        folder, _, base = name.rpartition("/")
        stem, _, extension = base.partition(".")
        sample = self._samples.setdefault(f"{folder}/{stem}", _Sample())
        suffix = posixpath.splitext(base)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            sample.images.append(member._replace(name=name))
            return
        sample.others.append(name)
        if suffix in _LABEL_SUFFIXES and f".{extension}".lower() == suffix:
            sample.labels[suffix] = self._label(member, suffix)

    def _fault(self, name: str, member: Member) -> str:
        if member.fault:
            return member.fault
        if name in self._seen:
            return "stored more than once; the first is used"
        if member.size > MAX_FILE_BYTES and posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES:
            return f"{member.size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed"
        return ""

    def _label(self, member: Member, suffix: str) -> tuple[str, str, str]:
        if member.size > _MAX_LABEL:
            return "", "", f"its {suffix} has {member.size:,} bytes, too many for a label"
        self._file.seek(member.offset)
        try:
            text = self._file.read(member.size).decode("utf-8-sig").strip()
            label, group = _from_json(text) if suffix == ".json" else (text, "")
        except (ValueError, RecursionError):  # not UTF-8, not JSON, a number of thousands of digits
            return "", "", f"its {suffix} cannot be read"
        if label is None:
            return "", "", "its .json has no 'label'"
        return sys.intern(label), sys.intern(group), label_fault(label)

    def finished(self) -> ShardIndex:
        rows = [row for sample in self._samples.values() if (row := self._row(sample))]
        rows.sort(key=lambda row: row[0].offset)
        return ShardIndex(
            [member.name for member, _, _ in rows],
            [label for _, label, _ in rows],
            [group for _, _, group in rows],
            np.array([member.offset for member, _, _ in rows], np.int64),
            np.array([member.size for member, _, _ in rows], np.int64),
            self.left_out,
            self._ignored,
        )

    def _row(self, sample: _Sample) -> tuple[Member, str, str] | None:
        """Give the sample's image with its label and group; what is not used goes on the list."""
        if not sample.images:
            self._leave_out(sample.others, "it belongs to no image")
            return None
        image = _chosen(sample.images)
        names = [each.name for each in sample.images]
        if image is None:
            self._leave_out(names, "several images share the name up to its first dot")
            return None
        names.remove(image.name)
        self._leave_out(names, f"another image of the sample; '{printable(image.name)}' is used")
        label, group, fault = _surest(sample.labels)
        if not fault or self._unlabelled:
            return image, label, group
        self._leave_out([image.name], fault)
        return None

    def _leave_out(self, names: Iterable[str], reason: str) -> None:
        self.left_out += [(name, reason) for name in names]


def _is_inside(name: str) -> bool:
    try:
        inner_path(name, "")
    except DataError:
        return False
    return True


def _chosen(images: list[Member]) -> Member | None:
    """Choose the only image, or the only one whose name has one dot (``1.jpg`` beside ``1.mask.png``)."""
    plain = [image for image in images if posixpath.basename(image.name).count(".") == 1]
    chosen = images if len(images) == 1 else plain
    return chosen[0] if len(chosen) == 1 else None


def _surest(labels: dict[str, tuple[str, str, str]]) -> tuple[str, str, str]:
    """Choose the label of the surest suffix that has one, else the surest one's fault."""
    found = [labels[suffix] for suffix in _LABEL_SUFFIXES if suffix in labels]
    none = ("", "", f"it has no label ({', '.join(_LABEL_SUFFIXES)})")
    return next((label for label in found if not label[2]), found[0] if found else none)


def _from_json(text: str) -> tuple[str | None, str]:
    """Read ``"cat"``, ``3``, or ``{"label": …, "group": …}``."""
    value = json.loads(text)
    group = ""
    if isinstance(value, dict):
        group = _plain(value.get("group")) or ""
        value = value.get("label")
    return _plain(value), group


def _plain(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _load(cached: Path) -> ShardIndex | None:
    """Read an index back; None where there is none, or a damaged one."""
    try:
        checksum, _, body = cached.read_bytes().partition(b"\n")
        if checksum != _checksum(body):
            return None
        names, labels, groups, offsets, sizes, left_out, ignored = json.loads(body)
    except (OSError, ValueError):
        return None
    return ShardIndex(
        names,
        [sys.intern(label) for label in labels],
        [sys.intern(group) for group in groups],
        np.array(offsets, np.int64),
        np.array(sizes, np.int64),
        [(name, reason) for name, reason in left_out],
        ignored,
    )


def _save(index: ShardIndex, cached: Path) -> None:
    """Keep the index; without a cache that can be written, go on without."""
    columns = (index.names, index.labels, index.groups, index.offsets.tolist(), index.sizes.tolist())
    body = json.dumps((*columns, index.left_out, index.ignored)).encode("ascii")
    with contextlib.suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_whole(cached, _checksum(body) + b"\n" + body)


def _checksum(body: bytes) -> bytes:
    return content_key(body).hex().encode("ascii")
