"""The works: check, fit, export. Each is a value that travels to a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.errors import TopworkError
from topwork.ui._jobs import Voice
from topwork.ui._mending import UNCHANGED, Mending

if TYPE_CHECKING:
    from topwork._texts import Language
    from topwork.checking import Checkup


@dataclass(frozen=True)
class CheckWork:
    """Read a data set, with a person's changes, and look for what would spoil a model."""

    path: Path
    task: str
    mending: Mending

    def run(self, voice: Voice) -> Checkup:
        """The checkup; its features stay in the cache, where ``fit`` finds them."""
        from topwork import checking, tasks

        room = tasks.task(self.task)
        voice.step("reading")
        dataset = room.read(self.path)
        if self.mending:
            dataset = self.mending.applied(dataset)
        kind = room.examination()
        step = voice.step(f"two looks at each {kind.thing}")
        found = checking.check(dataset, checks=room.checks(), examination=kind, progress=step)
        return replace(found, features=None)


@dataclass(frozen=True)
class Made:
    """A model that was fitted: what its task says of it, line by line, and what it can be exported to."""

    lines: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class FitWork:
    """Fit, save the model, and write its page.

    Attributes:
        path: Of the data.
        task: Its task.
        out: The model's folder.
        budget: Seconds, where the task's way to a model takes any.
        allow: Findings in spite of which it goes on.
        decision: How the model is to decide, by the names that its task has for that.
        language: Of the page.
        mending: A person's changes that no file at ``path`` holds.
    """

    path: Path
    task: str
    out: Path
    budget: float
    allow: tuple[str, ...] = ()
    decision: Mapping[str, Any] = field(default_factory=dict)
    language: Language = "en"
    mending: Mending = UNCHANGED

    def run(self, voice: Voice) -> Made:
        """What is known of the model, which lies in its folder."""
        from topwork import exporting, fitting, model, tasks

        room = tasks.task(self.task)
        model.require_free(self.out, room.model.block.files)
        way = room.strategies()[0]
        options = way.options(**({"budget_seconds": self.budget} if way.takes_budget else {}))
        checkups: list[Checkup] = []
        made = fitting.fit(
            self.mending.applied(room.read(self.path)) if self.mending else self.path,
            task=room,
            strategy=way.name,
            options=options,
            allow=self.allow,
            announce=voice.step,
            vetted=checkups.append,
            climbed=voice.say,
            thumbnails=issubclass(room.model, model.Classifier),
            **self.decision,
        )
        voice.step("saving the model and its page")
        made.save(self.out)
        fitting.write_report(made, self.out, data=str(self.path), checkup=checkups[0], language=self.language)
        targets = exporting.possible(made, room.exported()) if room.exported is not None else ()
        return Made(tuple(room.words.fitted(made)), targets)


@dataclass(frozen=True)
class ExportWork:
    """Export a model, compared with ``predict`` on its data, and pack the folder.

    Attributes:
        model: Its folder.
        data: What it was fitted on.
        to: One of the targets.
        out: The folder.
        name: What a page calls the model.
        language: Of that page.
    """

    model: Path
    data: Path
    to: str
    out: Path
    name: str = "model"
    language: Language = "en"

    def run(self, voice: Voice) -> Path:
        """The zip, which lies beside the folder."""
        from topwork import tasks

        packed = self.out.with_name(f"{self.out.name}.zip")
        _require_ours(packed, f"{self.out.name}/export.json")
        model = tasks.load(self.model)
        room = tasks.task(model.record.task.name)
        page: Any = {"name": self.name, "language": self.language} if self.to == "web" else {}
        tasks.export(model, self.to, self.out, images=room.read(self.data), announce=voice.step, **page)
        voice.step("packing")
        draft = shutil.make_archive(str(self.out.with_name(f".{self.out.name}")), "zip", self.out.parent, self.out.name)
        os.replace(draft, packed)
        return packed


def _require_ours(packed: Path, record: str) -> None:
    """Refuse to write over a zip that is not the one of an earlier export."""
    if not os.path.lexists(packed):
        return
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(packed) as archive:
        if record in archive.namelist():
            return
    raise TopworkError(f"{packed}: already exists and is not an export; it was not changed", hint="move it away")
