"""Whether an export answers as ``predict`` does: measured on real rows before anything is kept."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topwork.engines import EngineChoice
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers, Outputs
from topwork.features import Extraction, extract_few
from topwork.model import Model

_REPORT = "please report it with the network's name; `topwork serve MODEL` answers as predict does"
BATCHES = (1, 3, 17)  # rows a call that are tried


@dataclass(frozen=True)
class Agreement:
    """How far an export lies from ``predict`` in one precision.

    Attributes:
        precision: What ``predict`` computed in.
        farthest: For each output the largest difference of a number.
        same_label: Share of the rows with the same answer; None where answers are no labels.
    """

    precision: str
    farthest: Mapping[str, float]
    same_label: float | None


@dataclass(frozen=True)
class Parity:
    """What was measured.

    Attributes:
        runtime: What ran the export, with its version.
        rows: Compared.
        unread: Rows that ``predict`` reads and the export's script does not.
        exact: Against ``predict`` in float32.
        own: Against ``predict`` as it is, where that computes in another precision.
    """

    runtime: str
    rows: int
    unread: int
    exact: Agreement
    own: Agreement | None = None

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """Both."""
        return (self.exact,) if self.own is None else (self.exact, self.own)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)


class Expected:
    """What ``predict`` says of some rows, in float32 and in the model's own precision.

    Args:
        model: The model.
        answers: Of its task.
        trials: The rows.
    """

    def __init__(self, model: Model, answers: Answers, trials: Sequence[Any]) -> None:
        own = model.engine_choice
        self.model, self.answers = model, answers
        self.trials = trials
        self.exact, self.kept = _said(model, answers, trials, dataclasses.replace(own, precision="f32"))
        self.own = None if own.precision == "f32" else _said(model, answers, trials, own)[0]
        self.precision = own.precision

    def compared(self, script: Any, runtime: str, progress: Callable[[int, int], None] | None = None) -> Parity:
        """Run an export's script on the rows.

        Args:
            script: ``predict.py`` as a module (``loaded``).
            runtime: What it runs on, for the record.
            progress: Called with (rows done, rows in all).

        Raises:
            TopworkError: It cannot read the rows, it answers otherwise, or several at once otherwise than one.
        """
        found: list[Outputs] = []
        kept, refusal = [], ""
        for place, index in enumerate(self.kept.tolist()):
            try:
                row = script.read(self.trials[index])
            except (OSError, ValueError) as error:
                refusal = str(error)
                continue
            found.append(script.answer([row]))
            kept.append(place)
            if progress is not None:
                progress(place + 1, len(self.kept))
        if 2 * len(found) < len(self.kept):  # what is left would say little of the rest
            told = f"the exported script reads only {len(found)} of {len(self.kept)} rows: {refusal}"
            raise TopworkError(told, hint=_REPORT)
        _require_batches(script, script.read(self.trials[self.kept[kept[0]]]), found[0], self.answers)
        joined = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
        rows = [self.trials[self.kept[place]] for place in kept]
        self._require_choice(script, rows, kept)
        agreements = [
            self._agreement(precision, {name: array[kept] for name, array in expected.items()}, joined, script, rows)
            for precision, expected in (("float32", self.exact), (self.precision, self.own))
            if expected is not None
        ]
        parity = Parity(runtime, len(kept), len(self.kept) - len(kept), *agreements)
        self._require(parity, joined, rows, kept)
        return parity

    def _agreement(
        self, precision: str, expected: Outputs, found: Outputs, script: Any, rows: Sequence[Any]
    ) -> Agreement:
        numbers = [name for name in expected if name != self.answers.label and name in found]
        farthest = {name: float(np.abs(expected[name] - found[name]).max()) for name in numbers}
        label, alike = self.answers.label, self.answers.same
        same = float((expected[label] == found[label]).mean()) if label else None
        if alike is not None:
            pairs = ((row, _row(expected, place), _row(found, place)) for place, row in enumerate(rows))
            same = float(np.mean([alike(self.model, script, *each) for each in pairs]))
        return Agreement(precision, farthest, same)

    def _require_choice(self, script: Any, rows: Sequence[Any], kept: Sequence[int]) -> None:
        """Refuse a script that answers otherwise where it is given the very numbers of ``predict``."""
        if self.answers.same is None:
            return
        for row, place in zip(rows, kept, strict=True):
            expected = _row(self.exact, place)
            if not self.answers.same(self.model, script, row, expected, expected):
                raise TopworkError(
                    f"the exported predict.py does not answer as predict does on {_shown(row, place)}; nothing was "
                    "written",
                    hint=_REPORT,
                )

    def _require(self, parity: Parity, found: Outputs, rows: Sequence[Any], kept: Sequence[int]) -> None:
        if (parity.exact.same_label or 0.0) < self.answers.least_same:
            raise TopworkError(
                f"the export in {parity.runtime} answers {parity.exact.same_label:.1%} of {len(rows)} rows as predict "
                f"does, and at least {self.answers.least_same:.1%} are needed; nothing was written",
                hint=_REPORT,
            )
        for name, most in self.answers.tolerances.items():
            apart = np.abs(self.exact[name][kept] - found[name]).reshape(len(kept), -1).max(axis=1)
            worst = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
            if not apart[worst] <= most:
                shown = _shown(rows[worst], worst)
                raise TopworkError(
                    f"the export in {parity.runtime} does not agree with predict: {name} differ by "
                    f"{apart[worst]:.2g} on {shown}, and at most {most:g} is allowed; nothing was written",
                    hint=_REPORT,
                )


def _row(outputs: Outputs, place: int) -> Outputs:
    return {name: array[place] for name, array in outputs.items()}


def _shown(row: Any, place: int) -> str:
    return row.name if isinstance(row, Path) else f"row {place}"


def _said(
    model: Model, answers: Answers, trials: Sequence[Any], choice: EngineChoice
) -> tuple[Outputs, np.ndarray[Any, np.dtype[np.intp]]]:
    """Outputs of the rows that can be used, and their places."""
    found: Extraction = extract_few(trials, model.backbone, model.record.outputs, choice=choice)
    return {**answers.expected(model, found.values), "features": found.values}, found.kept


def _require_batches(script: Any, row: Any, alone: Outputs, answers: Answers) -> None:
    """Refuse an export that answers several rows otherwise than one."""
    for count in BATCHES:
        together = script.answer([row] * count)
        for name, most in answers.tolerances.items():
            apart = float(np.abs(together[name] - alone[name]).max())
            if together[name].shape[0] != count or not apart <= most:
                raise TopworkError(
                    f"the export answers {count} rows at once otherwise than one: {name} differ by {apart:.2g}",
                    hint=_REPORT,
                )


def loaded(file: Path) -> Any:
    """A script as a module of its own, which may import what lies beside it, as when it is run."""
    spec = importlib.util.spec_from_file_location("exported", file)
    if spec is None or spec.loader is None:
        raise TopworkError(f"{file} cannot be run")
    module = importlib.util.module_from_spec(spec)
    beside, before = str(file.parent), set(sys.modules)
    sys.path.insert(0, beside)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(beside)
        sys.dont_write_bytecode = writes
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(beside):
                del sys.modules[name]  # another export has one of the same name
    return module
