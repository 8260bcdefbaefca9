"""The methods of a classifier: its classes, its head, what was chosen and how, and its figures."""

from __future__ import annotations

from topwork.metrics import Estimate, Evaluation
from topwork.model._card import as_text
from topwork.model._classes_record import ClassifierRecord
from topwork.model._decision import CostsRecord
from topwork.model._kind import IMAGES, Kind
from topwork.model._methods import Methods, cited, methods

_NAMED = 10
_QUESTIONS = {
    "backbone": "the network",
    "crop_mode": "how an image is made square",
    "stages": "the features that the head reads",
    "method": "how the head is fitted",
    "blend": "text, probe or both",
    "orient": "flips and rotations",
    "layers": "the layers that the head reads",
    "counts": "the network, n-grams or both",
}
_WAYS = {
    "given": "by a map that was given",
    "names": "by their names",
    "learnt": "by a map learnt from training images",
}
_BLEND = (
    "The head is the mean of the logits of a multinomial logistic regression with an L2 penalty{chosen} and of a "
    "linear discriminant analysis with shrinkage{cited}, each at its own temperature, on "
)
_LINEAR = {
    "logistic": "The head is a multinomial logistic regression on standardised features with an L2 penalty{chosen}",
    "lda": "The head is a linear discriminant analysis with shrinkage{cited} on standardised features",
    "blend": _BLEND + "standardised features",
    "normalised": _BLEND + "features that are divided by their length and standardised",
    "power": _BLEND + "square roots of features that are divided by their length{rooted} and standardised",
}
_SOURCES = {
    "cross-validation": "out-of-fold predictions for",
    "validation": "predictions for",
    "training": "predictions for",
}


def classifier_methods(record: ClassifierRecord, epochs: int = 0, kind: Kind = IMAGES) -> Methods:
    """The methods of a classifier.

    Args:
        record: What is written down of it.
        epochs: Of its training; 0 where nothing was trained by epochs.
        kind: What it answers to.
    """
    thing = kind.thing
    names = ", ".join(map(as_text, record.task.classes[:_NAMED])) + (", …" if len(record.task.classes) > _NAMED else "")
    version = as_text(record.versions.get("topwork", ""))
    made = f"A classifier of {thing}s in {len(record.task.classes)} classes ({names}) was made with topwork {version}."
    after = [
        *_head(record, thing),
        *_trained(record, epochs, kind),
        *_chosen(record, thing),
        *_decision(record, thing),
        *_measured(record, thing),
        *_folds(record, thing),
        *_thresholds(record, thing),
    ]
    return methods(record, task=[made], after=after, kind=kind)


def _head(record: ClassifierRecord, thing: str) -> list[str]:
    task = record.task
    chosen = f", its strength chosen by cross-validation on the training {thing}s" if record.cross_validation else ""
    leep = cited("nguyen2020leep") if task.mapping is not None and task.mapping.way == "learnt" else ""
    way = f" {_WAYS[task.mapping.way]}" if task.mapping is not None else ""
    tower = f" by the text tower {as_text(task.words.source)}" if task.words is not None else ""
    tried = () if record.strategy in ("finetune", "scratch") else record.trials  # of a tuned network's probe
    method = next((each.answer for each in tried if each.question == "method" and each.chosen), "logistic")
    said = {
        "linear": _LINEAR[method].format(
            chosen=chosen, cited=cited("friedman1989rda"), rooted=cited("perronnin2010fisher")
        ),
        "knn": f"The head votes among the nearest training {thing}s{cited('wu2018instance')}",
        "mlp": "The head is a network with one hidden layer and dropout on standardised features, trained by "
        f"Adam{cited('kingma2015adam')} for as many epochs as gave the lowest cross-validated log loss on the training "
        f"{thing}s",
        "mapped": f"The network's own ImageNet classes answer; they were matched to these{way}{leep}",
        "text": f"{thing.capitalize()}s are compared with texts for the classes, embedded{tower}",
        "blend": f"The head mixes a comparison with texts for the classes, embedded{tower}, and a logistic regression",
    }[record.head]
    if record.strategy in ("finetune", "scratch"):
        said = "The head is linear"
    scaled = [f"Probabilities were calibrated by a temperature{cited('guo2017calibration')}."]
    return [f"{said}.", *(scaled if "temperature" in task.calibration else [])]


def _trained(record: ClassifierRecord, epochs: int, kind: Kind) -> list[str]:
    length = f" in {epochs} epoch{'s' * (epochs > 1)}" if epochs else ""
    if record.strategy == "scratch":
        return [
            f"All of the network and the head were trained together{length} from random weights, in "
            f"PyTorch{cited('paszke2019pytorch')}; validation {kind.things} told which epoch to keep."
        ]
    if record.strategy != "finetune":
        return []
    trial = next((each for each in record.trials if each.question == "strategy" and each.chosen), None)
    what = f" ({as_text(trial.answer)})" if trial is not None else ""
    return [
        f"The head and the last {kind.stages} of the network{what} were trained together{length} from a logistic "
        f"regression on the frozen features{cited('kumar2022lpft')}, in PyTorch{cited('paszke2019pytorch')}; "
        f"validation {kind.things} told which epoch to keep and that it beats the frozen features."
    ]


def _chosen(record: ClassifierRecord, thing: str) -> list[str]:
    found = []
    for question, words in _QUESTIONS.items():
        trials = [trial for trial in record.trials if trial.question == question]
        kept = [trial.answer for trial in trials if trial.chosen]
        if kept and len(trials) > 1:
            found.append(f"{words} ({as_text(kept[0])}, of {', '.join(as_text(trial.answer) for trial in trials)})")
    lines = [f"Chosen by cross-validation on training {thing}s alone: {'; '.join(found)}."] if found else []
    if record.advice is not None:
        lines.append(
            "How much of the network is trained was chosen among strategies of rising cost by their measured and "
            f"expected accuracy on training {thing}s, corrected for the choice by a "
            f"bootstrap{cited('tsamardinos2018bbccv')}."
        )
    return lines


def _decision(record: ClassifierRecord, thing: str) -> list[str]:
    """How probabilities become the answers that the figures are of."""
    rule = record.task.decision
    if rule is None:
        return []
    if isinstance(rule, CostsRecord):
        source = cited("elkan2001foundations")
    else:
        source = cited("vovk2012conditional") if rule.metric == "recall" else ""
    said, *found = rule.sentences(as_text, thing)
    return [f"{said.removesuffix('.')}{source}.", *found]


def _measured(record: ClassifierRecord, thing: str) -> list[str]:
    if record.task.metrics is None:
        return [f"No {thing}s measured the finished model."]
    found = Evaluation.from_dict(record.task.metrics)
    over = f" over the {found.measured} classes with test {thing}s" if found.measured < len(found.classes) else ""
    boot = f"95 % bootstrap intervals{cited('efron1993bootstrap')}"
    return [
        f"On the {found.n} test {thing}s, which had no part in any choice, its accuracy is {_percent(found.accuracy)}, "
        f"with the 95 % Wilson interval{cited('wilson1927probable')} in brackets; its macro-F1{over} is "
        f"{_percent(found.macro_f1)}, its log loss {_number(found.log_loss)} and its expected calibration error "
        f"{_percent(found.ece)}, with {boot}."
    ]


def _folds(record: ClassifierRecord, thing: str) -> list[str]:
    found = record.task.folds
    if found is None:
        return []
    of = f"all {thing}s" if found.split == "all" else f"the training {thing}s"
    return [
        f"In a stratified {len(found.folds)}-fold cross-validation on {of}, in which each fold repeated the whole "
        f"procedure with all its choices, the mean accuracy was {_percent(found.accuracy)} and the mean macro-F1 "
        f"{_percent(found.macro_f1)}; in brackets is the wider of the corrected resampled t "
        f"interval{cited('nadeau2003inference')} and that of the pooled answers."
    ]


def _thresholds(record: ClassifierRecord, thing: str) -> list[str]:
    selective = record.task.selective
    if selective is None:
        return []
    seen = "validation" if selective.source == "validation" else "training"
    return [
        f"Thresholds of prediction sets{cited('sadinle2019least')} and of abstention{cited('geifman2017selective')} "
        f"were set on {_SOURCES[selective.source]} {selective.images} {seen} {thing}s."
    ]


def _percent(found: Estimate) -> str:
    return found.as_percent().replace("%", " %")


def _number(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
