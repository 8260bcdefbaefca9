"""Advice on disk, so that ``fit`` goes on from where ``advise`` has ended, and a killed run from where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from topwork._system import cache_dir, delete_folder, has_torch, make_room, use, written_whole
from topwork._version import __version__
from topwork.advising import Advice, OutOfFold, Trial
from topwork.backbones import EMBEDDING, Backbone
from topwork.errors import TopworkError
from topwork.features import extract
from topwork.heads import LinearHead, read_tensors, write_tensors
from topwork.tasks.classification.ladder._training_features import TrainingFeatures
from topwork.tasks.classification.strategies import Finetuned

_FORMAT = 3
_FILE = "advice.json"
_TUNED = "tuned.safetensors"


class AdviceCache:
    """The place of one climb in the cache, named by everything that the climb depends on but the budget."""

    def __init__(self, features: TrainingFeatures) -> None:
        self.features = features
        options = features.options
        groups = "\0".join(features.train.dataset.groups).encode("utf-8", "surrogatepass")
        named = {
            "format": _FORMAT,
            "version": __version__,
            "backbone": features.backbone.to_dict(),
            "choice": asdict(features.train.choice),
            "finetune": {
                name: str(getattr(options.finetune, name)) for name in ("unfreeze", "augment", "orient", "validation")
            },
            "training": options.finetune.config.model_dump(exclude={"budget_seconds"}),
            "probe": str(options.probe),
            "data": features.dataset.fingerprint(),
            "groups": hashlib.sha256(groups).hexdigest(),
        }
        if not has_torch():  # where it is installed later, fine-tuning is to be thought of again
            named["without"] = "torch"
        digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(features.train.values).data)  # the images, as the network sees them
        self.folder = cache_dir() / "advice" / digest.hexdigest()[:32]

    def training(self, name: str) -> Path:
        """Folder for the checkpoints of one training; those of a killed one lie there."""
        return self.folder.with_name(f"{self.folder.name}.{name}")

    def read(self) -> tuple[Advice, Finetuned | None] | None:
        """Advice, and what was fine-tuned for it; None where nothing is kept, or the tuned network is gone."""
        try:
            fields = json.loads((self.folder / _FILE).read_text("utf-8"))
            advice = Advice.from_dict(fields["advice"])
            tuned = self._read_tuned(fields["tuned"]) if fields["tuned"] else None
        except (OSError, ValueError, KeyError, TypeError, TopworkError):
            return None  # it is made anew
        use(self.folder / _FILE)
        return advice, tuned

    def write(self, advice: Advice, tuned: Finetuned | None) -> None:
        """Keep a climb; where the cache cannot be written, nothing is kept."""
        with contextlib.suppress(OSError):
            with written_whole(self.folder, replace=True) as draft:
                if tuned is not None:
                    _write_tuned(draft / _TUNED, tuned)
                fields = {"advice": advice.to_dict(), "tuned": _fields(tuned) if tuned else None}
                (draft / _FILE).write_text(json.dumps(fields, allow_nan=False), "utf-8")
            make_room(self.folder.parent, f"*/{_FILE}", lambda mark: delete_folder(mark.parent))

    def _read_tuned(self, fields: dict[str, Any]) -> Finetuned:
        from topwork.train import EpochRecord

        backbone = Backbone.from_dict(fields["backbone"])
        if not use(Path(backbone.weights.location)):
            raise FileNotFoundError(backbone.weights.location)
        tensors = read_tensors(self.folder / _TUNED)
        probe = self.features.options.probe
        table = extract(self.features.dataset, backbone, outputs=(EMBEDDING,), engine=probe.engine, cache=probe.cache)
        out_of_fold = OutOfFold("validation", tensors.pop("rows").astype(np.intp), tensors.pop("probabilities"))
        return Finetuned(
            head=LinearHead.from_tensors(tensors),
            table=table,
            trials=tuple(Trial(**trial) for trial in fields["trials"]),
            history=tuple(EpochRecord(**epoch) for epoch in fields["history"]),
            notes=tuple(fields["notes"]),
            out_of_fold=out_of_fold,
        )


def _fields(tuned: Finetuned) -> dict[str, Any]:
    return {
        "backbone": tuned.table.backbone.to_dict(),
        "trials": [asdict(trial) for trial in tuned.trials],
        "history": [epoch.model_dump() for epoch in tuned.history],
        "notes": list(tuned.notes),
    }


def _write_tuned(file: Path, tuned: Finetuned) -> None:
    assert tuned.out_of_fold is not None
    rows, probabilities = tuned.out_of_fold.rows.astype(np.int64), tuned.out_of_fold.probabilities
    write_tensors({**tuned.head.to_tensors(), "rows": rows, "probabilities": probabilities}, file)
