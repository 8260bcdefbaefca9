"""A task of another kind, from data to a saved model and its page, without a change outside this file.

The toy task tells how bright an image is, a number from 0 to 1: no classes, a data set and a model of its own.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from topwork.advising import Trial
from topwork.backbones import EMBEDDING, Backbone
from topwork.checking import Examined, Finding, check_copies, check_files
from topwork.data import Dataset, split
from topwork.errors import DataError, ModelError
from topwork.features import FeatureTable, Source, extract, extract_few
from topwork.fitting import advise, fit, held_out_again
from topwork.model import Classifier, Model, ModelRecord, Parts, TaskRecord
from topwork.report import Section, model_page, sections
from topwork.tasks import RecordOf, Run, Strategy, Task, load, register, task


@dataclass(frozen=True, eq=False)
class Brightnesses(Dataset):
    """Images with a number each."""

    targets: npt.NDArray[np.float64] = field(kw_only=True)

    def _targets_at(self, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
        return {"targets": self.targets[rows]}

    def _target_bytes(self) -> Iterable[bytes]:
        return (value.tobytes() for value in self.targets)


def read(data: Any) -> Brightnesses:
    if isinstance(data, Brightnesses):
        return data
    paths = sorted(path.name for path in Path(data).glob("*.png"))
    targets = np.array([float(name.split("-")[0]) / 255 for name in paths])
    return Brightnesses(Path(data), tuple(paths), np.array([""] * len(paths), "<U5"), targets=targets)


@dataclass(frozen=True)
class RidgeOptions:
    penalty: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Ridge:
    """What the strategy gives: ``Fitted``'s protocol, and the weights."""

    table: FeatureTable
    weights: npt.NDArray[np.float32]
    strategy: str = "ridge"
    head_kind: str = "ridge"
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ("the toy was trained",)
    advice: None = None

    @property
    def cross_validation(self) -> dict[str, float]:
        return {}


def columns(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.hstack([values, np.ones((len(values), 1), np.float32)])


def fit_ridge(dataset: Brightnesses, backbones: Sequence[Backbone], options: RidgeOptions, run: Run) -> Ridge:
    table = extract(dataset, backbones[0], outputs=(EMBEDDING,))
    train = table.split("train")
    inputs, targets = columns(train.values).astype(np.float64), train.dataset.targets  # type: ignore[attr-defined]
    gram = inputs @ inputs.T + options.penalty * np.eye(len(inputs))
    return Ridge(table, (inputs.T @ np.linalg.solve(gram, targets)).astype(np.float32))


class BrightnessRecord(TaskRecord):
    unit: str = "share of white"
    error: float | None = None


@dataclass(frozen=True)
class Guess:
    source: str
    value: float
    error: str = ""


class BrightnessModel(Model):
    block: ClassVar[type[BrightnessRecord]] = BrightnessRecord

    def __init__(self, record: ModelRecord[Any], weights: npt.NDArray[np.float32], backbone: Backbone) -> None:
        super().__init__(record, backbone)
        self.weights = weights

    @classmethod
    def from_parts(cls, parts: Parts, where: str) -> BrightnessModel:
        return cls(parts.record, parts.tensors["head"]["weights"], parts.backbone)

    def tensors(self) -> Mapping[str, Mapping[str, npt.NDArray[Any]]]:
        return {"head": {"weights": self.weights}}

    def card(self, record: ModelRecord[Any], name: str) -> str:
        return f"# {name}\n\nBrightness as a {record.task.unit}.\n"

    @property
    def metrics(self) -> float | None:
        return self.record.task.error

    def predict_each(self, sources: Sequence[Source]) -> Iterator[Guess]:
        found = extract_few(sources, self.backbone, self.record.outputs, choice=self.engine_choice)
        values = dict(zip(found.kept.tolist(), columns(found.values) @ self.weights, strict=True))
        errors = dict(found.refused)
        for place in range(len(sources)):
            yield Guess(str(sources[place]), float(values.get(place, 0)), errors.get(place, ""))

    def evaluate(self, data: Any) -> float:
        dataset = read(data)
        guesses = [guess.value for guess in self.predict([dataset.source(row) for row in range(len(dataset))])]
        return float(np.abs(np.array(guesses) - dataset.targets).mean())


def model_of(fitted: Ridge, record_of: RecordOf, held_out: str, seed: int) -> BrightnessModel:
    error = None
    if held_out:
        table = fitted.table.split(held_out)
        error = float(np.abs(columns(table.values) @ fitted.weights - table.dataset.targets).mean())  # type: ignore[attr-defined]
    record = record_of(BrightnessRecord(name="brightness", error=error))
    return BrightnessModel(record, fitted.weights, fitted.table.backbone)


def check_dark(examined: Examined) -> Iterator[Finding]:
    """A check of the task's own."""
    dark = [row for row, value in enumerate(examined.dataset.targets) if value < 0.05]  # type: ignore[attr-defined]
    if dark:
        yield Finding("dark", "warning", len(dark), f"{len(dark)} images are all but black.", "Take them out.")


def check_black(examined: Examined) -> Iterator[Finding]:
    """A check of the task's own that blocks."""
    black = [row for row, value in enumerate(examined.dataset.targets) if value == 0]  # type: ignore[attr-defined]
    if black:
        yield Finding("black", "blocks", len(black), f"{len(black)} images are black.", "Take them out.")


def hold_out(dataset: Brightnesses, share: float, seed: int) -> Brightnesses:
    return split(dataset, test=share, seed=seed)


TOY = Task(
    name="brightness",
    inputs="image",
    read=read,
    split=hold_out,
    checks=(check_files, check_copies, check_dark, check_black),
    quick_checks=(check_files, check_copies, check_dark, check_black),
    blocking=("black",),
    strategies=(Strategy("ridge", "Ridge regression on frozen features.", RidgeOptions, fit_ridge),),
    ranked_by="error",
    model=BrightnessModel,
    model_of=model_of,
    sections=(
        Section("brightness", lambda page: page.model.metrics, "tests.tasks.toy"),
        Section("repeat", sections.repeat),
    ),
)


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("shades")
    rng = np.random.default_rng(0)
    for level in range(6, 250, 6):
        noise = rng.integers(-5, 6, (64, 64, 3))
        Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(folder / f"{level:03}-shade.png")
    return folder


@pytest.fixture(scope="module")
def fitted(shades: Path) -> Model:
    return fit(shades, task=TOY, strategy="ridge")


def test_it_is_fitted_measured_and_written_down(fitted: Model, shades: Path) -> None:
    assert isinstance(fitted, BrightnessModel)
    assert fitted.metrics is not None
    assert fitted.metrics < 0.1  # chance: 0.24
    record = fitted.record
    assert (record.task.name, record.strategy, record.head) == ("brightness", "ridge", "ridge")
    assert record.data.training + record.data.held_out == len(read(shades))
    assert record.data.held_out > 0
    assert any(note == "dark: 2 images are all but black." for note in record.data.notes)
    assert "the toy was trained" in record.data.notes


def test_it_comes_back_from_a_folder_by_the_tasks_name(fitted: Model, shades: Path, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "model")
    with pytest.raises(ModelError, match="this topwork has no task called 'brightness'"):
        load(folder)
    register(TOY)
    again = load(folder)
    pictures = [shades / "012-shade.png", shades / "240-shade.png", tmp_path / "none.png"]
    dark, bright, gone = again.predict(pictures)
    assert dark.value < 0.3 < 0.7 < bright.value
    assert gone.error
    assert [guess.value for guess in fitted.predict(pictures)] == [dark.value, bright.value, gone.value]
    assert again.evaluate(shades) < 0.1
    with pytest.raises(ModelError, match="a model of the task brightness, which cannot be used here"):
        load(folder, Classifier)
    held_out = held_out_again(again, read(shades))
    assert held_out is not None
    assert len(held_out) == again.record.data.held_out


def test_its_own_finding_stops_a_fit_and_can_be_allowed(shades: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shades, tmp_path / "shades")
    Image.new("RGB", (64, 64)).save(folder / "000-shade.png")
    with pytest.raises(DataError, match="would be untrue: 1 images are black") as refused:
        fit(folder, task=TOY, strategy="ridge")
    assert "--allow black trains all the same" in refused.value.hint
    with pytest.raises(DataError, match="no finding that stops a fit is called 'leakage'") as refused:
        fit(folder, task=TOY, strategy="ridge", allow=["leakage"])
    assert refused.value.hint == "there are black"
    made = fit(folder, task=TOY, strategy="ridge", allow=["black"])
    assert made.record.options["allow"] == ["black"]


def test_a_measured_nothing_is_measured(fitted: Model) -> None:
    section = Section("brightness", lambda page: page.evaluated, "tests.tasks.toy")
    assert "0.000" in model_page(fitted, "shades", (section,), 0.0)
    assert "How bright it is" not in model_page(fitted, "shades", (section,))


def test_its_page_has_its_sections_with_its_own_template_and_texts(fitted: Model) -> None:
    page = model_page(fitted, "shades", TOY.sections)
    assert "How bright it is" in page
    assert f"{fitted.metrics:.3f}" in page
    assert "To repeat it" in page or "repeat" in page


def test_what_it_lacks_is_said_plainly(shades: Path) -> None:
    with pytest.raises(DataError, match=r"strategy must be one of ridge, not 'auto'"):
        fit(shades, task=TOY)
    with pytest.raises(DataError, match="the task brightness compares no strategies"):
        advise(shades, task=TOY)
    with pytest.raises(DataError, match="strategy ridge takes RidgeOptions, not str"):
        fit(shades, task=TOY, strategy="ridge", options="strong")
    with pytest.raises(ModelError, match="no task called 'nothing'"):
        task("nothing")


def test_a_task_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TOY.name = "other"  # type: ignore[misc]
