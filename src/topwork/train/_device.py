"""Where and in what precision a model computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import nn

from topwork._system import uses_bf16 as allows_bf16
from topwork.train._config import TrainConfig

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


def compiled(
    model: nn.Module, config: TrainConfig, device: torch.device, steps: int
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The model to call: compiled where that pays, with the same tensors; else the model itself."""
    if config.compile == "off" or device.type != "cuda" or steps < _REPAID:
        return model
    faster: Callable[[torch.Tensor], torch.Tensor] = torch.compile(model)
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
