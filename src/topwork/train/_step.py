"""One step of the optimizer on one global batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from topwork.train._config import TrainConfig
from topwork.train._device import autocast, compiled, device_of, ready, reseed
from topwork.train._errors import TrainError
from topwork.train._loss import class_weights, summed_loss
from topwork.train._mix import Targets, mixed
from topwork.train._parts import Parts, parameter_groups
from topwork.train._ranks import Ranks
from topwork.train._samples import Batch, Samples
from topwork.train._seeds import mix_generator, step_seed


def build_optimizer(parts: Parts, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer that the configuration names, over ``parameter_groups``."""
    groups = parameter_groups(parts, config)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.momentum, 0.999))


class Step:
    """Forward, backward, and the optimizer's step.

    Args:
        model: In training mode where it trains.
        parts: Of the model.
        samples: Their classes give the weights.
        config: Of the training.
        ranks: Each computes its part of every batch.
        steps: Of the whole training.
    """

    def __init__(
        self, model: nn.Module, parts: Parts, samples: Samples, config: TrainConfig, ranks: Ranks, steps: int
    ) -> None:
        self.optimizer = build_optimizer(parts, config)
        self._parameters = list(parts.parameters.values())
        self._config, self._ranks, self._classes = config, ranks, samples.n_classes
        self._device = device_of(model)
        self._forward = compiled(model, config, self._device, steps)
        weights = class_weights(samples.labels, samples.n_classes, config)
        self._weights = None if weights is None else weights.to(self._device)

    def __call__(self, batch: Batch, rate: float, epoch: int, index: int, size: int) -> torch.Tensor:
        """Change the parameters once.

        Args:
            batch: This rank's part: inputs, and targets (n,) int64.
            rate: Learning rate of the layer nearest the output.
            epoch: From 0.
            index: Of the batch in the epoch.
            size: Images of the global batch.

        Returns:
            Sum of the losses over the global batch, a scalar on the model's device that nothing has waited for yet.

        Raises:
            TrainError: The model does not answer with (n, classes), or another rank has ended.
        """
        config, rank = self._config, self._ranks.rank
        reseed(step_seed(config.seed, epoch, index, rank), self._device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.optimizer.zero_grad()
        inputs, targets = ready(batch[0], config, self._device), batch[1].to(self._device, non_blocking=True)
        mixture = mixed(inputs, targets, config, mix_generator(config.seed, epoch, index, rank))
        total = torch.zeros((), device=self._device)
        for piece, classes in _pieces(*mixture, config.accumulate):
            loss = self._loss(piece, classes)
            (loss / size).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self._ranks.sum([total, *self._gradients()])
        if config.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, config.clip)
        self.optimizer.step()
        return total

    def _loss(self, inputs: torch.Tensor, targets: Targets) -> torch.Tensor:
        with autocast(self._config, self._device):
            logits = self._forward(inputs)
        if logits.shape != (len(inputs), self._classes):
            raise TrainError(
                f"the model answers {len(inputs)} inputs with {tuple(logits.shape)}, not {self._classes} logits each"
            )
        return summed_loss(logits, targets, self._config.label_smoothing, self._weights)

    def _gradients(self) -> list[torch.Tensor]:
        """Every rank's in the same order; a rank without images gives zeros."""
        if self._ranks.world == 1:
            return []
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]


def _pieces(inputs: torch.Tensor, targets: Targets, count: int) -> Iterator[tuple[torch.Tensor, Targets]]:
    """A batch in parts that are computed one after the other."""
    parts = zip(
        inputs.tensor_split(count), targets.first.tensor_split(count), targets.second.tensor_split(count), strict=True
    )
    for piece, first, second in parts:
        if len(piece):
            yield piece, Targets(first, second, targets.share)
