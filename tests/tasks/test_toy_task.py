"""A task of another kind, from data to a saved model and its page, without a change outside this file.

The toy task tells how bright an image is, a number from 0 to 1: no classes, a data set and a model of its own.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from topwork._options import Option
from topwork.advising import Trial
from topwork.backbones import EMBEDDING, Backbone
from topwork.checking import Examined, Finding, check_copies, check_files, vet
from topwork.data import Dataset, split
from topwork.errors import DataError, ModelError
from topwork.features import FeatureTable, Source, extract, extract_few
from topwork.fitting import advise, fit, held_out_again
from topwork.model import Classifier, Model, ModelRecord, Parts, TaskRecord
from topwork.report import Section, model_page, sections
from topwork.tasks import RecordOf, Run, Strategy, Task, Words, load, register, task


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
    penalty: Annotated[float, Option("How much large weights cost.", ge=0)] = 1e-3
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

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


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

    def evaluate(self, data: Any, **how: Any) -> float:
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
    read=read,
    split=hold_out,
    checks=lambda: (check_files, check_copies, check_dark, check_black),
    quick_checks=lambda: (check_files, check_copies, check_dark, check_black),
    blocking=("black",),
    strategies=lambda: (Strategy("ridge", "Ridge regression on frozen features.", RidgeOptions, fit_ridge),),
    model=BrightnessModel,
    model_of=model_of,
    sections=lambda: (
        Section("brightness", lambda page: page.model.metrics, "tests.tasks.toy"),
        Section("data", sections.data),
        Section("findings", sections.findings, of_images=True),
        Section("repeat", sections.repeat),
    ),
    words=Words(
        fitted=lambda model: [f"off by {model.metrics:.3f}"],
        predicted=lambda guess: f"{guess.source}\t{guess.value:.3f}",
        evaluated=lambda error: [f"off by {error:.3f}"],
        fields=lambda error: {"error": error},
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


def test_it_comes_back_from_a_folder_by_the_tasks_name(
    fitted: Model, shades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fitted.save(tmp_path / "model")
    with pytest.raises(ModelError, match="there is no task called 'brightness'"):
        load(folder)
    monkeypatch.setattr("topwork.tasks._REGISTERED", {})
    register(TOY)
    again = load(folder)
    pictures = [shades / "012-shade.png", shades / "240-shade.png", tmp_path / "none.png"]
    dark, bright, gone = again.predict(pictures)
    assert dark.value < 0.3 < 0.7 < bright.value
    assert gone.error
    assert [guess.value for guess in fitted.predict(pictures)] == [dark.value, bright.value, gone.value]
    assert again.evaluate(shades) < 0.1
    with pytest.raises(ModelError, match="this command cannot use a model of the task brightness"):
        load(folder, Classifier)
    held_out = held_out_again(again, read(shades))
    assert held_out is not None
    assert len(held_out) == again.record.data.held_out


def test_its_own_finding_stops_a_fit_and_can_be_allowed(shades: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shades, tmp_path / "shades")
    Image.new("RGB", (64, 64)).save(folder / "000-shade.png")
    with pytest.raises(DataError, match="would be misleading: 1 images are black") as refused:
        fit(folder, task=TOY, strategy="ridge")
    assert "--allow black trains anyway" in refused.value.hint
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
    page = model_page(fitted, "shades", TOY.sections())
    assert "How bright it is" in page
    assert f"{fitted.metrics:.3f}" in page
    assert "To repeat it" in page or "repeat" in page


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.tasks._REGISTERED", {TOY.name: TOY})


def test_the_command_line_fits_and_uses_it(
    registered: None, run: Callable[..., Any], shades: Path, tmp_path: Path
) -> None:
    folder, dark, bright = tmp_path / "model", shades / "012-shade.png", shades / "240-shade.png"
    done = run("fit", shades, "-o", folder, "--task", "brightness", "--penalty", "0.01")
    assert (done.code, done.out.splitlines()[0][:9]) == (0, "off by 0."), done
    assert "note: dark: 2 images are all but black.\n" in done.err
    assert load(folder).record.options["penalty"] == 0.01
    assert "How bright it is" in (folder / "report.html").read_text("utf-8")

    done = run("predict", folder, dark, bright)
    (first, low), (second, high) = (line.split("\t") for line in done.out.splitlines())
    assert (first, second) == (str(dark), str(bright))
    assert float(low) < 0.3 < 0.7 < float(high)
    assert run("predict", folder, dark, "--json").json["value"] == pytest.approx(float(low), abs=1e-3)
    gone = run("predict", folder, tmp_path / "none.png")
    assert (gone.code, gone.out) == (1, "")

    assert run("evaluate", folder, shades).out.startswith("off by 0.0")
    assert set(run("evaluate", folder, shades, "--json").json) == {"model", "data", "error"}
    page = ("-o", tmp_path / "page.html")
    pictures = ("-o", tmp_path / "pictures")
    assert run("explain", folder, bright, "--what", "features", *pictures).code == 0
    assert run("explain", folder, "--what", "filters", *pictures).code == 0
    done = run("report", folder, "--data", shades, "--check", *page)
    assert done.code == 0, done
    html = (tmp_path / "page.html").read_text("utf-8")
    assert "How bright it is" in html
    assert "all but black" in html
    assert "shows images" in run("report", folder, *page).failed()[0]


def test_the_command_line_checks_its_data_with_its_checks(
    registered: None, run: Callable[..., Any], shades: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(shades, tmp_path / "shades")
    shutil.copy(folder / "060-shade.png", folder / "061-shade.png")
    done = run("check", folder, "--task=brightness", "--report", tmp_path / "page.html")
    assert done.out.splitlines()[0] == "42 of 42 images can be used"
    assert "!  dark: 2 images are all but black." in done.out
    found = run("check", folder, "--task", "brightness", "--json").json
    assert "classes" not in found
    assert {each["name"] for each in found["findings"]} == {"dark", "exact-duplicates"}
    assert "all but black" in (tmp_path / "page.html").read_text("utf-8")
    assert run("check", folder, "--task", "brightness", "--write", tmp_path / "clean.csv").code == 2
    clean = vet(read(folder), checks=TOY.quick_checks()).clean()
    assert isinstance(clean, Brightnesses)
    assert len(clean) == 41


def test_what_the_command_line_cannot_do_with_it_is_said_plainly(
    registered: None, run: Callable[..., Any], fitted: Model, shades: Path, tmp_path: Path
) -> None:
    folder = fitted.save(tmp_path / "model")
    picture = shades / "012-shade.png"
    for given in (
        ("predict", folder, picture, "--coverage", "0.9"),
        ("explain", folder, picture),
        ("explain", folder, "--what", "space", "--data", shades),
        ("evaluate", folder, folder, shades),
    ):
        error, _ = run(*given).failed()
        assert "this command cannot use a model of the task brightness" in error
    assert "does not compare strategies" in run("advise", shades, "--task", "brightness").failed()[0]
    done = run("fit", shades, "-o", tmp_path / "m", "--task", "brightness", "--epochs", "3")
    assert (done.code, done.out) == (2, "")
    done = run("fit", "-o", tmp_path / "m", "--task", "brightness")
    assert (done.code, "DATA is missing" in done.err) == (2, True)
    done = run("check", shades, "--task", "brightnes")
    assert (done.code, "'brightnes' is not one of 'brightness', 'classification'" in done.err) == (2, True)


def test_the_help_names_the_task_where_there_are_several(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = ("fit", "check", "advise")
    assert all(
        "--task <classification|detection|recognition|segmentation|text>" in run(command, "--help").out
        for command in commands
    )
    monkeypatch.setattr("topwork.tasks._REGISTERED", {TOY.name: TOY})
    assert all(
        "--task <brightness|classification|detection|recognition|segmentation|text>" in run(command, "--help").out
        for command in commands
    )
    told = run("fit", "--task", "brightness", "--help").out
    assert "--penalty" in told
    assert "--epochs" not in told


def test_what_it_lacks_is_said_plainly(shades: Path) -> None:
    with pytest.raises(DataError, match=r"strategy must be one of ridge, not 'auto'"):
        fit(shades, task=TOY)
    with pytest.raises(DataError, match="the task brightness does not compare strategies"):
        advise(shades, task=TOY)
    with pytest.raises(DataError, match="strategy ridge takes RidgeOptions, not str"):
        fit(shades, task=TOY, strategy="ridge", options="strong")
    with pytest.raises(ModelError, match="no task called 'nothing'"):
        task("nothing")


def test_a_task_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TOY.name = "other"  # type: ignore[misc]
