"""The torch side of a network of torch.hub: it is run once to see what it gives; imports torch, and code of others."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from topwork._system import cache_dir, cached
from topwork._web import is_offline
from topwork.backbones._catalogue import Stage
from topwork.backbones._preprocessing import Preprocessing
from topwork.backbones._torchhub import HubName, parsed, require_trusted
from topwork.backbones._weights import Weights, from_path
from topwork.errors import BackboneError

_SIZE = 224  # pixels, where nothing is said
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, on which most of them were trained
_FILE = "model.safetensors"
_RUN: set[Path] = set()  # folders whose code has run in this process


class HubNetwork(nn.Module):
    """A network of others as ours are: its features, and behind them its last linear layer, where it has one.

    Args:
        network: Takes (N, 3, size, size), gives (N, numbers).
        last: The name of the linear layer whose output is the network's own; empty where there is none.
    """

    def __init__(self, network: nn.Module, last: str) -> None:
        super().__init__()
        self.head: nn.Module = nn.Identity()
        if last:
            self.head = network.get_submodule(last)
            owner, _, own = last.rpartition(".")
            setattr(network.get_submodule(owner), own, nn.Identity())
        self.network = network
        self._last = last
        self.pretrained_cfg: dict[str, Any] = {"classifier": "head"}

    def adopted(self, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Tensors by the names of the network itself as this one calls them; those that are called so already stay."""
        if all(name.startswith(("network.", "head.")) for name in state):
            return state
        head = f"{self._last}."
        return {
            f"head.{name.removeprefix(head)}" if self._last and name.startswith(head) else f"network.{name}": value
            for name, value in state.items()
        }

    def get_classifier(self) -> nn.Module:
        """The last layer, as timm's networks give it."""
        return self.head

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Features, (N, numbers)."""
        found: torch.Tensor = self.network(images)
        return found.flatten(1)

    def forward_head(self, features: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """What the network itself says of its features."""
        found: torch.Tensor = features if pre_logits else self.head(features)
        return found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(images))


def describe(name: str, size: int | None) -> dict[str, Any]:
    """What is seen of a network when it is run once, as the keyword arguments of ``Backbone``.

    Raises:
        BackboneError: Its code is not trusted, or it gives no numbers for an image.
    """
    found, side = parsed(name), size or _SIZE
    network = create(name, side)
    maps: dict[str, torch.Size] = {}

    def keep(child: str) -> Callable[[nn.Module, Any, Any], None]:
        def kept(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim == 4:
                maps[child] = output.shape

        return kept

    with contextlib.ExitStack() as stack, torch.inference_mode():
        for child, module in network.network.named_children():
            stack.callback(module.register_forward_hook(keep(child)).remove)
        features = network.forward_features(torch.zeros(1, 3, side, side))
    return {
        "name": found.name,
        "stages": _stages(maps, side),
        "embedding": features.shape[1],
        "preprocessing": Preprocessing(side, mean=_MEAN, std=_STD, interpolation="bilinear"),
    }


def _stages(maps: dict[str, torch.Size], side: int) -> tuple[Stage, ...]:
    """The last of the network's parts at each resolution, as far as the maps get smaller."""
    found: dict[int, Stage] = {}
    for child, shape in maps.items():
        stride = 2 ** round(torch.tensor(side / shape[2]).log2().item())
        if stride >= max(found, default=1) and shape[2] == shape[3] > 1:
            found[stride] = Stage(f"network.{child}", shape[1], stride)
    return tuple(found.values())


def create(name: str, size: int = _SIZE) -> HubNetwork:
    """A network without trained weights.

    Raises:
        BackboneError: Its code is not trusted, cannot be run, or gives no numbers for an image.
    """
    return _wrapped(parsed(name), _called(name, pretrained=False)[0], size)


def pretrained(name: str) -> Weights:
    """The weights with which a network's code fills it, kept as ``.safetensors`` in the cache.

    A function that cannot be asked for trained weights may give others each time; such are of no use.

    Raises:
        BackboneError: Its code is not trusted, cannot be run, cannot get its weights, or draws them at random.
    """
    found = parsed(name)
    key = hashlib.sha256(found.name.encode()).hexdigest()[:32]

    def filled(seed: int) -> tuple[HubNetwork, bool]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network, asked = _called(name, pretrained=True)
            return _wrapped(found, network, _SIZE), asked

    def make() -> Callable[[Path], object]:
        from safetensors.torch import save

        network, asked = filled(0)
        if not asked:
            _require_trained(found, network, filled(1)[0])
        state = {each: value.detach().clone().contiguous() for each, value in network.state_dict().items()}
        content = save(state)
        return lambda file: file.write_bytes(content)

    return from_path(cached(cache_dir() / "weights" / key, _FILE, make), found.name)


def _require_trained(found: HubName, network: HubNetwork, other: HubNetwork) -> None:
    """Refuse a network whose features depend on a seed; code that sets a seed of its own is not seen through."""
    own, again = network.network.state_dict(), other.network.state_dict()
    drawn = [name for name, value in own.items() if name not in again or not torch.equal(value, again[name])]
    if drawn:
        raise BackboneError(
            f"{found.spelled} takes no 'pretrained', and {len(drawn)} of its {len(own)} tensors are random, so it is "
            "not trained",
            hint="name a function of the repository that takes pretrained, or give trained weights: "
            "fit --weights FILE.safetensors",
        )


def _wrapped(found: HubName, network: nn.Module, size: int) -> HubNetwork:
    linear: list[tuple[Any, str]] = []  # outputs are kept: that of another may get the place of one that is gone

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, inputs, output: linear.append((output, name))

    try:
        with contextlib.ExitStack() as stack, torch.inference_mode():
            for name, module in network.named_modules():
                if isinstance(module, nn.Linear) and name:
                    stack.callback(module.register_forward_hook(note(name)).remove)
            given = network(torch.zeros(1, 3, size, size))
    except Exception as error:  # code of others may raise anything
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(f"{found.spelled} cannot be run at {size} pixels: {reason}") from error
    if not isinstance(given, torch.Tensor) or given.shape[:1] != (1,) or given.flatten(1).shape[1] > 2**16:
        kind = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise BackboneError(f"{found.spelled} does not give numbers for each image, but {kind}")
    return HubNetwork(network, next((name for output, name in linear if output is given), "")).eval()


def _called(name: str, *, pretrained: bool) -> tuple[nn.Module, bool]:
    """Run the function of the repository's ``hubconf.py``; one that takes no ``pretrained`` is called without.

    Returns:
        The network, and whether the function was asked.
    """
    found, folder = parsed(name), require_trusted(name)
    loaded: Any = torch.hub.load
    with torch.random.fork_rng(devices=[]), _source_alone(folder), _heeding_offline():
        for given in ({"pretrained": pretrained}, {}):
            try:
                made: Any = loaded(str(folder), found.entry, source="local", verbose=False, **given)
                break
            except TypeError as error:
                if "pretrained" not in str(error) or not given:
                    raise _failed(found, error) from error
            except Exception as error:  # code of others may raise anything
                raise _failed(found, error) from error
    if not isinstance(made, nn.Module):
        raise BackboneError(f"{found.spelled} gives no network but {type(made).__name__}")
    return made.float().eval().requires_grad_(False), bool(given)


@contextlib.contextmanager
def _source_alone(folder: Path) -> Iterator[None]:
    """What runs is the source in the folder: no compiled files beside it, and no other repository's ``utils``."""
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "")
        if not _RUN.isdisjoint(file.parents) and folder not in file.parents:
            del sys.modules[name]
    _RUN.add(folder)
    importlib.invalidate_caches()
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = True, str(folder.with_name("compiled"))  # which is never there
    try:
        yield
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = before


@contextlib.contextmanager
def _heeding_offline() -> Iterator[None]:
    """Where nothing may be downloaded, neither do torch.hub's own functions, which such code gets its weights by."""

    def refused(url: str, *given: Any, **named: Any) -> None:
        raise OSError(f"{url} is not on this machine, and nothing is downloaded with --offline")

    before: Any = torch.hub.download_url_to_file
    setattr(torch.hub, "download_url_to_file", refused if is_offline() else before)  # noqa: B010
    try:
        yield
    finally:
        setattr(torch.hub, "download_url_to_file", before)  # noqa: B010


def _failed(found: HubName, error: Exception) -> BackboneError:
    reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
    return BackboneError(f"{found.spelled} cannot be built: {type(error).__name__}: {reason}")
