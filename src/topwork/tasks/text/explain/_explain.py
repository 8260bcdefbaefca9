"""The one way in: a model, what is asked, and the texts it is asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from topwork._arrays import Float64Array
from topwork.backbones import NGRAMS
from topwork.data import TextDataset
from topwork.errors import ExplainError
from topwork.features import Progress
from topwork.tasks.text.explain._contributions import contributions, counts_of
from topwork.tasks.text.explain._deletion import deletion
from topwork.tasks.text.explain._fewest import fewest
from topwork.tasks.text.explain._found import Words
from topwork.tasks.text.explain._gradients import Gradients
from topwork.tasks.text.explain._neighbours import neighbours
from topwork.tasks.text.explain._occlusion import occlusion
from topwork.tasks.text.explain._question import Question

Method = Literal["occlusion", "contributions", "integrated-gradients"]
Weigh = Callable[[Question], tuple[Method, Float64Array]]


def weighing(model: Any, method: Method | None = None) -> Weigh:
    """How words are weighed: a function that gives, of a question, the method that was used and its weights.

    Args:
        model: A ``TextClassifier``.
        method: Contributions where the model is linear in n-grams and in nothing else, and occlusion elsewhere, when
            None.

    Raises:
        MissingExtraError: Gradients are asked for, and torch or transformers is not installed.
        ExplainError: The method cannot be used for this model.
    """
    if method == "integrated-gradients":
        gradients = Gradients(model)
        return lambda question: ("integrated-gradients", gradients(question))
    counts = counts_of(model) if model.record.outputs == (NGRAMS,) and method != "occlusion" else None

    def weigh(question: Question) -> tuple[Method, Float64Array]:
        exact = None if counts is None else contributions(question, counts)
        if exact is None and method == "contributions":
            raise ExplainError("contributions are told for models of n-grams alone", hint="use --method occlusion")
        return ("occlusion", occlusion(question)) if exact is None else ("contributions", exact)

    return weigh


def explain_words(question: Question, weigh: Weigh, *, seed: int = 0) -> Words:
    """Which words speak for the class, and whether the answer goes with them.

    Args:
        question: The text and the class.
        weigh: As ``weighing`` gives it.
        seed: Of the random orders that the check compares with.

    Raises:
        ExplainError: The method cannot be used for this text.
    """
    method, weights = weigh(question)
    return Words(question, method, weights, deletion(question, weights, seed=seed))


def mistakes(model: Any, dataset: TextDataset, most: int, label: str | None = None) -> Iterator[Question]:
    """The mistakes that the model is surest of, the surest first.

    Args:
        model: A ``TextClassifier``.
        dataset: Texts that did not train it, with its classes.
        most: How many.
        label: The class that is asked about; what the model answers when None.
    """
    truths = [dataset.classes[place] for place in dataset.labels]
    answers = enumerate(model.predict_each(dataset.text(row) for row in range(len(dataset))))
    wrong = [(row, each.probability) for row, each in answers if not each.error and each.label != truths[row]]
    for row, _ in sorted(wrong, key=lambda each: -each[1])[:most]:
        yield Question.of(model, dataset.text(row), label, truth=truths[row], source=dataset.paths[row])


def explain(
    model: Any,
    what: str,
    texts: Sequence[str],
    *,
    held: TextDataset | None,
    learnt: TextDataset | None,
    label: str | None,
    most: int,
    method: Method | None,
    seed: int,
    cache: bool,
    announce: Callable[[str], Progress | None],
) -> Iterator[Any]:
    """Explain what a model says of texts, or of the worst mistakes in held-out ones, one after another."""
    if what == "neighbours" and learnt is None:
        raise ExplainError("the most similar training texts are found in data", hint="give the data with --data")
    announce("explaining texts")
    if held is None:
        asked = [Question.of(model, text, label) for text in texts]
    else:
        asked = [*mistakes(model, held, most, label)]
    if what == "neighbours" and learnt is not None:
        yield from neighbours(asked, learnt, cache=cache, announce=announce) if asked else ()
        return
    weigh = weighing(model, method)
    step = announce("explaining texts")
    for done, question in enumerate(asked, start=1):
        if what == "words":
            yield explain_words(question, weigh, seed=seed)
        else:
            yield fewest(question, occlusion(question))
        if step is not None:
            step(done, len(asked))
