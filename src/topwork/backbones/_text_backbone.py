"""A backbone of texts: word vectors or a transformer, its layers, and the outputs that can be taken from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from topwork.backbones._catalogue import EMBEDDING
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

TextFamily = Literal["transformer", "vectors", "ngrams"]
TextPooling = Literal["mean", "max", "cls", "last", "min", "sif", "relu"]
NGRAMS = "ngrams"
"""The output that holds one score a class, of n-grams that were counted on the training texts."""

ENTAILMENT = "entailment"
"""The output of a network of natural language inference that holds a logit of entailment for each hypothesis."""

RELU = "words/relu"
"""The output of word vectors that holds random features of each word, rectified, as a mean over the words."""

_RELU_WIDTH = 2048
_MOST = 2**20  # layers, numbers a token, tokens, or classes; keeps a hostile record out of memory
_LAYERS = 4  # the last ones, which together know more than the last alone (docs/decisions/text.md)

POOLINGS: dict[str, tuple[TextPooling, ...]] = {
    "transformer": ("mean", "max", "cls", "last"),
    "vectors": ("mean", "max", "min", "sif", "relu"),
    "ngrams": (),
}
"""How a family's tokens can become one row of numbers."""


@dataclass(frozen=True)
class Reading:
    """How a text becomes what the network takes.

    Attributes:
        longest: Tokens that the network reads at once, special ones included; 0 where there is no limit.
        windows: How many such pieces of a longer text are read, each sharing a quarter with the one before; the rest
            is cut off.
        tokenizer: SHA-256 of the tokenizer's file; empty where the weights hold what is needed.
    """

    longest: int = 0
    windows: int = 1
    tokenizer: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class TextBackbone:
    """A pretrained network of texts without a classifier. It holds facts; ``topwork.engines`` runs it.

    Attributes:
        name: What the hub or the catalogue calls it.
        weights: Which numbers it holds, and their hash.
        family: A transformer, static word vectors, or n-grams that were counted on the training texts.
        layers: Of a transformer; 0 for others.
        channels: Numbers a token.
        embedding: Width of the network's own pooled features.
        reading: How a text becomes tokens.
        config: What a transformer's ``config.json`` says; empty for others.
        languages: Which it was trained on, such as ``English``.
        pooling: How its own pooled features are made of its tokens.
        ngrams: A table of n-grams beside a transformer or vectors, fitted on the training texts; None where there is
            none. Of the family ``ngrams`` the weights themselves are that table.
        scores: Classes that a table of n-grams scores.
        hypotheses: Sentences of which a network of natural language inference says how surely each follows from a text.
    """

    name: str
    weights: Weights
    family: TextFamily
    layers: int
    channels: int
    embedding: int
    reading: Reading = Reading()
    config: Mapping[str, Any] = field(default_factory=dict)
    languages: str = "unknown"
    pooling: Literal["mean", "max", "cls", "last"] = "mean"
    pretrained_on: str = "unknown"
    licence: str = "unknown"
    ngrams: Weights | None = None
    scores: int = 0
    hypotheses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.family not in get_args(TextFamily):
            raise BackboneError(f"{self.name}: there is no family of text networks called {self.family!r}")
        if self.pooling not in POOLINGS["transformer"]:
            raise BackboneError(f"{self.name}: there is no pooling {self.pooling!r} of a whole text")
        sizes = (self.layers, self.channels, self.embedding, self.scores, self.reading.longest, self.reading.windows)
        if not all(type(size) is int and 0 <= size < _MOST for size in sizes):
            raise BackboneError(f"{self.name}: its sizes are not whole numbers that a network can have: {sizes}")

        if self.hypotheses and self.entailment is None:
            raise BackboneError(f"{self.name} is no network of natural language inference: none of its labels entails")

    @property
    def entailment(self) -> int | None:
        """The place of "entailment" among the labels of its own classifier, which transformers reads; None without."""
        labels = self.config.get("label2id")
        told = labels.items() if isinstance(labels, Mapping) else ()
        found = [place for name, place in told if str(name).lower().startswith("entail")]
        return found[0] if len(found) == 1 and isinstance(found[0], int) else None

    @property
    def preprocessing(self) -> Reading:
        """How a text is read; what a network of images calls it."""
        return self.reading

    @property
    def stages(self) -> tuple[str, ...]:
        """What its outputs are taken from, nearest the text first, without ``embedding``."""
        if self.family == "transformer":
            return tuple(f"layers.{number}" for number in range(self.layers + 1))
        return ("words",) if self.family == "vectors" else ()

    def outputs(
        self, stages: Literal["last", "all"] | Sequence[str] = "last", pooling: str = "mean+max"
    ) -> tuple[str, ...]:
        """Names of the outputs to extract.

        Args:
            stages: ``last`` is the network's own pooled features (``embedding``); ``all`` every layer and that; or
                names of layers, such as ``layers.6``, and ``embedding``.
            pooling: How the tokens of a layer become one row: ``mean``, ``max``, ``cls``, ``last``, of word vectors
                also ``min`` and ``sif``; or several with ``+`` between.

        Raises:
            BackboneError: There is no such layer or pooling.
        """
        if self.hypotheses and stages in ("last", "all"):
            return (ENTAILMENT,)
        if stages == "last":
            return (NGRAMS,) if self.family == "ngrams" else (EMBEDDING,)
        known = [*self.stages, EMBEDDING]
        wanted = known if stages == "all" else [stages] if isinstance(stages, str) else list(stages)
        if strange := [name for name in wanted if name not in known]:
            raise BackboneError(f"{self.name} has no layer {strange[0]!r}", hint=f"there are {', '.join(known)}")
        pools = pooling.split("+")
        if strange := [pool for pool in pools if pool not in POOLINGS[self.family]]:
            possible = ", ".join(POOLINGS[self.family]) or "none"
            raise BackboneError(f"{self.name} has no pooling {strange[0]!r}", hint=f"there are {possible}")
        named = [f"{name}/{pool}" for name in known[:-1] if name in wanted for pool in pools]
        return (*named, EMBEDDING) if EMBEDDING in wanted else tuple(named)

    @property
    def rich(self) -> tuple[str, ...]:
        """Outputs that know more than the pooled features alone: the last four layers, or random features of words."""
        if self.family == "transformer":
            return self.outputs(self.stages[-_LAYERS:])
        return (RELU,) if self.family == "vectors" else ()

    def width(self, output: str) -> int:
        """Numbers per text in one output.

        Raises:
            BackboneError: There is no such output.
        """
        if output == NGRAMS and self.scores:
            return self.scores
        if output == ENTAILMENT and self.hypotheses:
            return len(self.hypotheses)
        if output == EMBEDDING and self.embedding:
            return self.embedding
        stage, _, pool = output.rpartition("/")
        if stage in self.stages and pool in POOLINGS[self.family]:
            return _RELU_WIDTH if output == RELU else self.channels
        raise BackboneError(f"{self.name} has no output {output!r}")

    @property
    def identity(self) -> dict[str, Any]:
        """All that its features depend on, JSON-ready: what is kept of them is known again by it."""
        return {
            "backbone": self.name,
            "weights": self.weights.sha256,
            "reading": self.reading.to_dict(),
            "config": dict(self.config),
            "pooling": self.pooling,
            "ngrams": None if self.ngrams is None else self.ngrams.sha256,
            **({"hypotheses": self.hypotheses} if self.hypotheses else {}),
        }

    def replace(self, **changes: Any) -> TextBackbone:
        """Copy that reads texts differently, e.g. ``replace(longest=128, windows=4)``."""
        return dataclasses.replace(self, reading=dataclasses.replace(self.reading, **changes))

    def with_weights(self, weights: Weights) -> TextBackbone:
        """Copy that takes its numbers from elsewhere."""
        return dataclasses.replace(self, weights=weights)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"reads": "text", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TextBackbone:
        """Inverse of ``to_dict``.

        Raises:
            BackboneError: A field is missing, unknown or of the wrong kind.
        """
        try:
            given = {name: value for name, value in fields.items() if name != "reads"}
            ngrams = fields.get("ngrams")
            parsed = {
                "weights": Weights(**fields["weights"]),
                "reading": Reading(**fields["reading"]),
                "ngrams": None if ngrams is None else Weights(**ngrams),
                "hypotheses": tuple(map(str, fields.get("hypotheses", ()))),
            }
            return cls(**{**given, **parsed})
        except (TypeError, KeyError, ValueError) as error:
            raise BackboneError(f"a backbone's record is not as expected: {error}") from error
