"""Small image-text models in the format of open_clip's hub, and one that is trained on real handwriting.

The image tower is timm's ``test_resnet``; its classifier is the way into the space that images and texts share, as in
timm's CLIP networks. The text tower is open_clip's, with a vocabulary of whole words.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from PIL import Image
from safetensors.torch import save
from sklearn.datasets import load_digits
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from topwork.backbones import Backbone, load
from topwork.tasks.classification.strategies import TEMPLATES

NETWORK, SIZE = "test_resnet", 32
WIDTH = 1000  # of the shared space: as many outputs as timm gives that network when nobody says otherwise
LENGTH = 12  # tokens a text

COLOURS = {
    "red": (230, 60, 50),
    "green": (60, 190, 80),
    "blue": (60, 100, 235),
    "yellow": (235, 215, 60),
    "purple": (165, 60, 200),
    "grey": (170, 170, 170),
}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLASSES = tuple(f"{colour}_{digit}" for colour in COLOURS for digit in DIGITS)
# Two digits of each colour that no training image has; each of their words is known from other classes.
UNSEEN = tuple(
    f"{colour}_{DIGITS[digit]}"
    for place, colour in enumerate(COLOURS)
    for digit in sorted({2 * place % 10, (2 * place + 5) % 10})
)
SEEN = tuple(name for name in CLASSES if name not in UNSEEN)

_TRAINING = 1200  # of the 1,797 digits; the others are only ever tested on
_STEPS = 200

Files = dict[str, bytes]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """A model of open_clip's, and the files that it is published as."""

    model: Any
    files: Files

    def save(self, folder: Path) -> Path:
        """Write the files into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder

    def backbone(self, folder: Path) -> Backbone:
        """The image tower as a backbone, from the folder that ``save`` wrote."""
        return load(NETWORK, weights=folder, size=SIZE)


def random_clip(seed: int = 7, *, own_vocabulary: bool = True, size: int = SIZE) -> Clip:
    """A model that has learnt nothing, with SigLIP's way of finding tokens (a file) or CLIP's (open_clip's own)."""
    settings = _settings(own_vocabulary, size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CustomTextCLIP(**{name: value for name, value in settings.items() if name != "custom_text"})
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as after training: not 0 and 1
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    return _published(model.eval(), settings)


@functools.cache
def digits_clip() -> Clip:
    """A model trained with CLIP's loss on coloured handwritten digits of the classes ``SEEN``, in half a minute."""
    settings = _settings(own_vocabulary=True, size=SIZE)
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CustomTextCLIP(**{name: value for name, value in settings.items() if name != "custom_text"})
        _train(model)
    return _published(model.eval(), settings)


def digit_folder(folder: Path, classes: Sequence[str], count: int, first: int = 0) -> Path:
    """Class folders of pictures made of digits that were kept out of the training."""
    images, labels = _digits()
    for name in classes:
        colour, digit = name.split("_")
        rows = np.flatnonzero(labels[_TRAINING:] == DIGITS.index(digit))[first : first + count] + _TRAINING
        (folder / name).mkdir(parents=True)
        for row in rows:
            Image.fromarray(_picture(images[row], colour)).save(folder / name / f"{row}.png")
    return folder


def _train(model: Any) -> None:
    """One image and one sentence of every class at a time, so that no two in a batch mean the same."""
    images, labels = _digits()
    rows = [np.flatnonzero(labels[:_TRAINING] == digit) for digit in range(10)]
    tokens = Tokenizer.from_str(_vocabulary())
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=_STEPS)
    pairs = [name.split("_") for name in SEEN]
    target = torch.arange(len(pairs))
    model.train()
    for _ in range(_STEPS):
        drawn = [images[rng.choice(rows[DIGITS.index(digit)])] for _, digit in pairs]
        moved = [np.roll(image, rng.integers(-1, 2, 2), (0, 1)) for image in drawn]
        pictures = np.stack([_picture(image, colour) for image, (colour, _) in zip(moved, pairs, strict=True)])
        sentence = str(rng.choice(TEMPLATES))
        texts = [sentence.replace("{}", " ".join(pair)) for pair in pairs]
        ids = torch.tensor([each.ids for each in tokens.encode_batch(texts)])
        shown, said = model.encode_image(normalised(pictures), normalize=True), model.encode_text(ids, normalize=True)
        logits = model.logit_scale.exp() * shown @ said.T
        loss = torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def normalised(pixels: Pixels) -> torch.Tensor:
    """Pictures (N, size, size, 3) as the image tower wants them."""
    return (torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


@functools.cache
def _digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target


def _picture(image: npt.NDArray[np.float32], colour: str) -> Pixels:
    large = np.kron(image, np.ones((SIZE // 8, SIZE // 8), np.float32))
    return (large[..., None] * np.array(COLOURS[colour], np.float32)).astype(np.uint8)


def _settings(own_vocabulary: bool, size: int) -> dict[str, Any]:
    text: dict[str, Any] = {"context_length": LENGTH, "width": 64, "heads": 4, "layers": 1}
    if own_vocabulary:
        text.update(
            vocab_size=64,
            hf_tokenizer_name="someone/words",
            tokenizer_kwargs={"clean": "canonicalize"},
            no_causal_mask=True,
            pool_type="last",
        )
    vision = {"image_size": size, "timm_model_name": NETWORK, "timm_pool": "avg", "timm_proj": ""}
    return {"embed_dim": WIDTH, "custom_text": True, "vision_cfg": vision, "text_cfg": text}


def _published(model: Any, settings: dict[str, Any]) -> Clip:
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "<eos>"}
    return Clip(
        model,
        {
            "open_clip_config.json": json.dumps({"model_cfg": settings, "preprocess_cfg": {}}).encode(),
            "open_clip_model.safetensors": save(_state(model)),
            "model.safetensors": save(_state(model.visual.trunk)),
            "tokenizer.json": _vocabulary().encode(),
            "tokenizer_config.json": json.dumps(told).encode(),
        },
    )


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}


@functools.cache
def _vocabulary() -> str:
    """A word a token, filled up and cut to one length, the end marked."""
    said = " ".join(TEMPLATES).replace("{}", "").replace(".", "").lower()
    known = [
        "<pad>",
        "<eos>",
        "<unk>",
        *dict.fromkeys([*said.split(), *said.replace("-", "").split(), *COLOURS, *DIGITS]),
    ]
    tokens = Tokenizer(models.WordLevel({word: place for place, word in enumerate(known)}, unk_token="<unk>"))
    tokens.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(".", ""), normalizers.Replace("-", "")]
    )
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokens.enable_truncation(LENGTH)
    tokens.enable_padding(length=LENGTH, pad_id=0, pad_token="<pad>")
    return str(tokens.to_str())


@contextmanager
def _one_thread() -> Iterator[None]:
    """So small a network is ten times slower on two threads that wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
