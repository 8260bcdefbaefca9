"""What images and the model make of each other, on its page: features, robustness, ideal images, what else was kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from topwork.errors import ExplainError
from topwork.explain import Explanation, space_of
from topwork.report._charts import curve_chart
from topwork.report._explained import seen, space_map
from topwork.report._model import Missing, PageContext
from topwork.report._page import brief, isolated, percent

MOST_POINTS = 300  # of each map; the images behind them take 1 MB at most
MOST_RESULTS = 40  # of a kind
_MOST_STEPS = 50  # of a curve
_WITH_A_SECTION = ("corruptions", "robustness", "ideal")

Share = Annotated[float, Field(ge=0, le=1)]
Numbers = TypeVar("Numbers", bound=BaseModel)


class _Corruptions(BaseModel):
    """The numbers of ``explain.CorruptionAccuracy``."""

    images: int
    clean: Share
    mean: Share
    accuracy: dict[str, Annotated[list[Share], Field(min_length=2, max_length=_MOST_STEPS)]] = Field(max_length=20)


class _Attacks(BaseModel):
    """The numbers of ``explain.RobustAccuracy``."""

    images: int
    norm: Literal["linf", "l2"]
    sizes: list[Annotated[float, Field(ge=0, le=1_000)]] = Field(min_length=2, max_length=_MOST_STEPS)
    accuracy: dict[str, list[Share]] = Field(max_length=20)

    @model_validator(mode="after")
    def _fits(self) -> _Attacks:
        if any(len(values) != len(self.sizes) for values in self.accuracy.values()):
            raise ValueError("every curve must have as many numbers as there are sizes")
        return self


class _Ideal(BaseModel):
    """The numbers of ``explain.IdealImage``."""

    label: str
    probability: Share
    probability_after_shift_and_jpeg: Share


def space(page: PageContext) -> dict[str, Any] | Missing | None:
    """Where the images that measured the model lie to each other, as its head reads them, and how many there are."""
    found = page.evaluated
    if found is None:
        return page.without_images
    if found.features is None:
        return None
    try:
        places = space_of(found.features, seed=page.record.seed)
    except ExplainError:  # too few images for a map
        return None
    dataset, said = found.dataset, found.answers
    wrong = (said != dataset.labels).nonzero()[0]
    mistakes = {dataset.paths[row]: dataset.classes[said[row]] for row in wrong}
    return {"map": space_map(places, dataset, mistakes=mistakes, most=MOST_POINTS), "images": len(dataset)}


def robustness(page: PageContext) -> list[dict[str, Any]] | Missing:
    """Accuracy on corrupted and on attacked images."""
    shown = [_corrupted(page, each) for each in _kept(page, "corruptions")]
    shown += [_attacked(page, each) for each in _kept(page, "robustness")]
    found = [each for each in shown if each is not None]
    return found or Missing(page.command("topwork explain {model} --what corruptions --data {data} --keep"))


def _corrupted(page: PageContext, found: Explanation) -> dict[str, Any] | None:
    numbers = _parsed(_Corruptions, found.numbers)
    if numbers is None:
        return None
    t = page.t
    charts = [
        curve_chart(t.named("corruption", name), [numbers.clean, *values], list(map(str, range(len(values) + 1))))
        for name, values in numbers.accuracy.items()
    ]
    shares = {"clean": percent(numbers.clean), "mean": percent(numbers.mean)}
    sentence = t("robustness_corrupted", images=f"{numbers.images:,}", **shares)
    uri = page.sheets.sheet(found.path)
    return _curves(found, sentence, charts, t("robustness_strength"), uri)


def _attacked(page: PageContext, found: Explanation) -> dict[str, Any] | None:
    numbers = _parsed(_Attacks, found.numbers)
    if numbers is None:
        return None
    t, whole = page.t, numbers.norm == "linf"
    sizes = [f"{size * 255:g}" if whole else f"{size:g}" for size in numbers.sizes]
    charts = [curve_chart(t.of(f"attack_{name}", name), values, sizes) for name, values in numbers.accuracy.items()]
    across = t("robustness_linf" if whole else "robustness_l2")
    return _curves(found, t("robustness_attacked", images=f"{numbers.images:,}"), charts, across)


def _curves(found: Explanation, sentence: str, charts: Sequence[Any], across: str, uri: str = "") -> dict[str, Any]:
    """Accuracy over how bad images are: what was found, a curve for each way to be bad, what their lower axes are."""
    return {"sentence": sentence, "charts": charts, "across": across, "uri": uri, "headline": found.headline}


def ideal(page: PageContext) -> list[dict[str, Any]] | Missing:
    """What the model would like best to see as each of its classes."""
    found = []
    for each in _kept(page, "ideal"):
        numbers = _parsed(_Ideal, each.numbers)
        if numbers is not None:
            shares = {"share": percent(numbers.probability), "after": percent(numbers.probability_after_shift_and_jpeg)}
            sentence = page.t("ideal_found", label=isolated(numbers.label, 80), **shares)
            found.append(seen(sentence, "", each.numbers, page.sheets.sheet(each.path)))
    return found or Missing(page.command("topwork explain {model} --what ideal --keep"))


def explained(page: PageContext) -> list[dict[str, Any]] | None:
    """Everything else that was kept: evidence, features, attacks, channels."""
    others = [each for each in page.explained if each.what not in _WITH_A_SECTION][:MOST_RESULTS]
    return [seen(brief(x.headline), x.source, x.numbers, page.sheets.sheet(x.path)) for x in others] or None


def _kept(page: PageContext, what: str) -> list[Explanation]:
    return [each for each in page.explained if each.what == what][:MOST_RESULTS]


def _parsed(kind: type[Numbers], numbers: dict[str, Any]) -> Numbers | None:
    """Numbers of a file, which may hold any; None where they are not of the kind."""
    try:
        return kind.model_validate(numbers)
    except ValidationError:
        return None
