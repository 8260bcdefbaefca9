"""What a model computes: where and how precisely, one step of the optimizer, one validation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import nn

from topwork._system import uses_bf16 as allows_bf16
from topwork.train._config import TrainConfig
from topwork.train._loss import Loss, Targets, default_loss, mixed, mixed_loss
from topwork.train._parts import Parts, parameter_groups
from topwork.train._ranks import Ranks
from topwork.train._samples import Batch, Samples, in_order, lengths_of, mix_generator, reading, step_seed
from topwork.train._state import Score

Forward = Callable[[torch.Tensor], torch.Tensor]

_REPAID = 500  # steps: compiling takes a minute or so


def device_of(model: nn.Module) -> torch.device:
    """Where the model lies: it is the caller who puts it there."""
    return next(model.parameters()).device


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the multiplications are done in bfloat16; ``auto``: where the device does not just emulate it.

    Raises:
        TopworkError: ``auto``, and ``TOPWORK_PRECISION`` asks for what the device does not have.
    """
    if config.precision != "auto":
        return config.precision == "bf16"
    return allows_bf16(_computes_bf16(device), f"torch on {device.type}")


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public name for it in every version
    return device.type == "cpu" and known is not None and bool(known())


def autocast(config: TrainConfig, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The context in which the model is called."""
    if not uses_bf16(config, device):
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def compiled(model: nn.Module, config: TrainConfig, device: torch.device, steps: int) -> Forward:
    """The model to call: compiled where that pays, with the same tensors; else the model itself."""
    if config.compile == "off" or device.type != "cuda" or steps < _REPAID:
        return model
    faster: Forward = torch.compile(model)
    return faster


def ready(inputs: torch.Tensor, config: TrainConfig, device: torch.device) -> torch.Tensor:
    """A batch on the model's device, in its layout; maps kept in bf16 become float32 where it computes in that."""
    inputs = inputs.to(device, non_blocking=True)
    if inputs.dtype == torch.float64 or (inputs.is_floating_point() and not uses_bf16(config, device)):
        inputs = inputs.float()
    if config.channels_last and inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    return inputs


def reseed(seed: int, device: torch.device) -> None:
    """Set what the network draws from (dropout), on its device alone."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):  # it seeds the current one
            torch.cuda.manual_seed(seed)


def own_randomness(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Give the caller's random states back in the end, byte for byte."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def build_optimizer(parts: Parts, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer that the configuration names, over ``parameter_groups``."""
    groups = parameter_groups(parts, config)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.momentum, 0.999))


class Step:
    """Forward, backward, and the optimizer's step; each rank computes its part of every batch."""

    def __init__(
        self, model: nn.Module, parts: Parts, loss: Loss, config: TrainConfig, ranks: Ranks, steps: int
    ) -> None:
        self.optimizer = build_optimizer(parts, config)
        self._parameters = list(parts.parameters.values())
        self._config, self._ranks, self._loss = config, ranks, loss
        self._device = device_of(model)
        self._forward = compiled(model, config, self._device, steps)

    def __call__(self, batch: Batch, rate: float, epoch: int, index: int, size: int) -> torch.Tensor:
        """Change the parameters once, by this rank's part of batch ``index`` (from 0, as epochs) of ``size`` images.

        Returns:
            Sum of the losses over the global batch, a scalar on the model's device that nothing has waited for yet.

        Raises:
            TrainError: The model's answers do not fit the loss, or another rank has ended.
        """
        config, rank = self._config, self._ranks.rank
        reseed(step_seed(config.seed, epoch, index, rank), self._device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.optimizer.zero_grad()
        inputs, targets = ready(batch[0], config, self._device), batch[1].to(self._device, non_blocking=True)
        mixture = mixed(inputs, targets, config, mix_generator(config.seed, epoch, index, rank))
        total = torch.zeros((), device=self._device)
        for piece, part in _pieces(*mixture, config.accumulate):
            with autocast(config, self._device):
                outputs = self._forward(piece)
            loss = mixed_loss(self._loss, outputs, part)
            (loss / size).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self._ranks.sum([total, *self._gradients()])
        if config.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, config.clip)
        self.optimizer.step()
        return total

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
    for piece, first, second in zip(
        *(each.tensor_split(count) for each in (inputs, targets.first, targets.second)), strict=True
    ):
        if len(piece):
            yield piece, Targets(first, second, targets.share)


def measure(
    model: nn.Module, samples: Samples, config: TrainConfig, ranks: Ranks | None = None, *, loss: Loss | None = None
) -> Score:
    """Run the model over all samples in evaluation mode, in which it stays.

    Every rank takes its part of each batch; the sums are put together exactly, whatever the number of ranks.

    Args:
        model: Inputs (n, ...) to what the loss takes.
        samples: N of them, at least one.
        config: Its batch size, precision and layout.
        ranks: Who takes part; this process alone when None.
        loss: What is measured; cross-entropy and accuracy when None.
    """
    ranks, device = ranks or Ranks(), device_of(model)
    loss = loss or default_loss(samples, config, "measured", device)
    rows = [ranks.shard(batch) for batch in in_order(len(samples.labels), config.batch_size, lengths_of(samples))]
    sums = torch.zeros(3, dtype=torch.float64, device=device)  # of losses, right answers, samples
    model.eval()
    with reading(samples, 0, rows) as batches, torch.no_grad():
        for batch in batches:
            if len(batch[1]):
                inputs, targets = ready(batch[0], config, device), batch[1].to(device)
                with autocast(config, device):
                    outputs = model(inputs)
                losses, right = (value.double() for value in loss.measured(outputs, targets))
                sums += torch.stack([losses.sum(), right.sum(), torch.ones_like(right).sum()])
    ranks.sum([sums])
    loss_sum, right_sum, count = sums.tolist()
    return Score(loss=loss_sum / count, accuracy=right_sum / count, samples=int(count))
