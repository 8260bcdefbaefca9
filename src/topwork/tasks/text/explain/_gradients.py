"""Integrated gradients: what each word adds on the way from a text whose words say nothing to the text itself.

Source: Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks", arXiv 1703.01365; as there, a word
that says nothing is a vector of zeros. The weights add up to what the log-odds of the class have grown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float64Array
from topwork.backbones import NGRAMS
from topwork.engines import Tokens, has_cuda
from topwork.errors import ExplainError
from topwork.tasks.text.explain._contributions import contributions, counts_of
from topwork.tasks.text.explain._question import Question

if TYPE_CHECKING:
    import torch

_STEPS = 50  # points of the way, as captum has them
_TOKENS = 4096  # that go through the network at once

Told = tuple[tuple[int, int], float]
"""Where a token stands in the text, and what it adds."""


class Gradients:
    """A model of texts with its gradients.

    Args:
        model: A ``TextClassifier`` that reads a transformer.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ExplainError: The model reads no transformer.
    """

    def __init__(self, model: Any) -> None:
        backbone = model.backbone
        if backbone.family != "transformer" or backbone.hypotheses:
            raise ExplainError(
                "integrated gradients are for heads on a transformer's layers alone", hint="use --method occlusion"
            )
        import torch

        from topwork.explain import torch_head
        from topwork.tasks.text._pooled import Pooled

        self._counts = counts_of(model)
        found, content = Pooled.of(backbone, [name for name in model.record.outputs if name != NGRAMS])
        reading = backbone.reading
        self._tokens = Tokens(content, reading.longest, int(backbone.config["vocab_size"]), windows=reading.windows)
        self._device = torch.device("cuda" if has_cuda() else "cpu")
        self._network = found.to(self._device).eval().requires_grad_(False)
        self._head = torch_head(model.head).to(self._device)

    def __call__(self, question: Question) -> Float64Array:
        """What each word adds to the log-odds of the class: float64 (words,).

        N-grams beside the network say the same all along the way; what they add is told word by word.
        """
        own = _by_words(question, self._by_tokens(question))
        beside = None if self._counts is None else contributions(question, self._counts)
        return own if beside is None else own + beside

    def _by_tokens(self, question: Question) -> list[Told]:
        """What each token adds; one in two windows stands there twice."""
        import torch

        windows, spans = self._tokens.placed(question.text)
        ids = torch.from_numpy(np.stack(windows).astype(np.int64)).to(self._device)
        vectors = self._network.vectors(ids)
        said = torch.tensor([[span is not None for span in each] for each in spans], device=self._device)
        way = vectors * said.unsqueeze(2)  # special tokens stand there from the start
        slopes = torch.zeros_like(vectors)
        points = (torch.arange(_STEPS, device=self._device) + 0.5) / _STEPS
        for shares in torch.split(points, max(1, _TOKENS // ids.numel())):
            texts = vectors - way + shares.view(-1, 1, 1, 1) * way
            slopes += self._slopes(question, texts.requires_grad_(True)).sum(dim=0)
        added = (slopes * way).sum(dim=2).double().cpu().numpy() / _STEPS
        return [
            (span, float(value))
            for window, values in zip(spans, added, strict=True)
            for span, value in zip(window, values, strict=True)
            if span is not None
        ]

    def _slopes(self, question: Question, texts: torch.Tensor) -> torch.Tensor:
        """How the log-odds of the class grow with each number of embedded texts (n, windows, T, width)."""
        import torch

        said = np.zeros((1, 0), np.float32) if self._counts is None else self._counts([question.text])
        beside = torch.from_numpy(said).to(self._device).expand(len(texts), -1)
        logits = self._head(torch.cat([self._network.embed(texts), beside], dim=1))
        others = [place for place in range(logits.shape[1]) if place != question.place]
        log_odds = logits[:, question.place] - logits[:, others].logsumexp(dim=1)
        (found,) = torch.autograd.grad(log_odds.sum(), texts)
        return found


def _by_words(question: Question, tokens: Iterable[Told]) -> Float64Array:
    """What words add: a token's part is shared by those of its characters that are in a word."""
    inside = np.zeros(len(question.text), np.bool_)
    for start, stop in question.words:
        inside[start:stop] = True
    signs = np.zeros(len(question.text))
    for (start, stop), value in tokens:
        signs[start:stop] += value * inside[start:stop] / max(1, inside[start:stop].sum())
    return np.array([signs[start:stop].sum() for start, stop in question.words])
