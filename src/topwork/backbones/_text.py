"""The text tower that was trained together with a backbone: words in, embeddings in the space that both share out.

open_clip builds it from the files that it publishes on the hub; they are fetched and verified here. It is needed while
a model is made, never to predict: what remains of it is one embedding a class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import optional
from topwork.backbones import _catalogue, _hub
from topwork.backbones._backbone import Backbone
from topwork.backbones._hub import file_sha256
from topwork.errors import BackboneError

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
VOCABULARY, VOCABULARY_SETTINGS = "tokenizer.json", "tokenizer_config.json"
_OPTION = f"with --text the folder that holds it and {WEIGHTS}"

# open_clip's repository is the image tower's own, except of these.
_ELSEWHERE = {"vit_base_patch16_siglip_224.v2_webli": "timm/ViT-B-16-SigLIP2"}

_BATCH = 64  # texts at a time
_SAME = 1e-3  # of the largest number; float32 sums in another order differ by a hundredth of that


@dataclass(frozen=True, eq=False)
class TextTower:
    """A text tower, and the way of its backbone's features into the space that images and texts share.

    Attributes:
        source: The folder, or the repository of the hub, that it comes from.
        revision: The hub's commit; empty for a folder.
        projection: float32 (D, E): embedding @ projection + offset is an image in the shared space.
        offset: float32 (E,).
        scale: What the model learnt to multiply cosines by.
    """

    source: str
    revision: str
    sha256: str
    projection: Float32Array
    offset: Float32Array
    scale: float
    _model: Any
    _tokenizer: Any

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Embeddings of texts: float32 (N, E), rows of length one.

        Raises:
            BackboneError: The tower gives no finite numbers.
        """
        import torch

        batches = [list(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        with torch.inference_mode():
            rows = [self._model.encode_text(self._tokenizer(batch), normalize=True).numpy() for batch in batches]
        found = np.concatenate(rows).astype(np.float32, copy=False)
        if not np.isfinite(found).all():
            raise BackboneError(f"{self.source}: the text model gives NaN or infinity; its weights are damaged")
        return found


@dataclass(frozen=True)
class _Place:
    """Where the files lie on this machine, and where they came from."""

    folder: Path
    source: str
    revision: str
    sha256: str


def has_text(name: str) -> bool:
    """Whether the catalogue knows the text tower of a backbone."""
    row = _catalogue.row(name)
    return row is not None and row.name == name and row.method == "image-text"


def text_tower(backbone: Backbone, source: str | Path | None = None, *, offline: bool = False) -> TextTower:
    """The text tower that was trained together with a backbone; imports torch and open_clip.

    That the two belong together is proven on one image, which has to get the same embedding from the backbone as from
    the image tower beside the text tower.

    Args:
        backbone: One of the catalogue's image-text rows, or any other together with ``source``.
        source: A folder that holds ``open_clip_config.json`` and ``open_clip_model.safetensors``, or a repository of
            the hub, ``owner/name``; the catalogue's when None.
        offline: Whether to use no network; ``HF_HUB_OFFLINE=1`` says so too.

    Raises:
        MissingExtraError: open_clip is not installed.
        BackboneError: There is no text tower for this backbone, it is not available, damaged, or of another image
            tower.
    """
    open_clip = optional("open_clip", extra="clip", what="an image-text model")
    import torch

    place = _place(backbone, source, offline)
    settings = _settings(place.folder / CONFIG)
    with torch.random.fork_rng(devices=[]):  # both are built of random numbers first
        model = _model(open_clip, place)
        network = backbone.replace(size=_side(model)).module()
    projection, offset = _projection(backbone, network)
    _require_pair(backbone, place, network, model, projection, offset)
    model.visual = None  # its work is done, and it holds more memory than the text tower
    scale = float(model.logit_scale.exp())
    tokenizer = _tokenizer(open_clip, place.folder, settings)
    return TextTower(place.source, place.revision, place.sha256, projection, offset, scale, model, tokenizer)


def _place(backbone: Backbone, source: str | Path | None, offline: bool) -> _Place:
    if source is not None and (isinstance(source, Path) or Path(source).is_dir()):
        return _in_folder(Path(source))
    repository = source or _repository(backbone)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise BackboneError(
            f"{repository}: neither a folder nor a repository of the hub", hint="owner/name, or a folder"
        )
    same = backbone.weights.source == "hub" and backbone.weights.location == repository
    revision = backbone.weights.revision if same else ""
    config = _hub.fetch(repository, CONFIG, revision=revision, offline=offline, option=_OPTION)
    weights = _hub.fetch(repository, WEIGHTS, revision=config.revision, offline=offline)
    if _settings(config.path)["text_cfg"].get("hf_tokenizer_name"):
        for name in (VOCABULARY, VOCABULARY_SETTINGS):
            _hub.fetch(repository, name, revision=config.revision, offline=offline)
    return _Place(config.path.parent, repository, config.revision, weights.sha256)


def _in_folder(folder: Path) -> _Place:
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise BackboneError(
            f"{folder}: has no {missing[0]}",
            hint=f"an image-text model is {CONFIG} and {WEIGHTS}, as open_clip saves it",
        )
    return _Place(folder, str(folder.resolve()), "", file_sha256(folder / WEIGHTS))


def _repository(backbone: Backbone) -> str:
    row = _catalogue.row(backbone.name)
    if row is None or not has_text(backbone.name):
        known = ", ".join(entry.alias for entry in _catalogue.select(method="image-text"))
        raise BackboneError(
            f"{backbone.name} needs a text model for this, and none is known that was trained with it",
            hint=f"these have one: {known}; for others give --text with a folder or repository that contains {CONFIG}",
        )
    return _ELSEWHERE.get(row.name, row.hub)


def _settings(config: Path) -> dict[str, Any]:
    """What the configuration says of the model."""
    try:
        found = json.loads(config.read_text("utf-8"))["model_cfg"]
        towers = found["text_cfg"], found["vision_cfg"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackboneError(f"{config}: not an open_clip configuration: {error!r}") from error
    if not all(isinstance(tower, dict) for tower in towers) or "hf_model_name" in found["text_cfg"]:
        raise BackboneError(f"{config}: its text model is not one of open_clip's own; only those can be read")
    return dict(found)


def _model(open_clip: Any, place: _Place) -> Any:
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            model = open_clip.create_model(f"local-dir:{place.folder}", require_pretrained=True)
            return model.eval().requires_grad_(False)
    except Exception as error:  # of many kinds: open_clip's, torch's and safetensors' for a file that does not fit
        reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
        raise BackboneError(f"{place.source}: the image-text model cannot be built: {reason}") from error


def _side(model: Any) -> int:
    size = model.visual.image_size
    return int(size if isinstance(size, int) else size[0])


def _projection(backbone: Backbone, network: Any) -> tuple[Float32Array, Float32Array]:
    """The way into the shared space, which timm holds as the network's classifier; without one, none is needed."""
    from torch import nn

    from topwork.backbones._network import linear_arrays

    layer = network.get_classifier()
    if isinstance(layer, nn.Identity):
        return np.eye(backbone.embedding, dtype=np.float32), np.zeros(backbone.embedding, np.float32)
    if not isinstance(layer, nn.Linear):
        raise BackboneError(f"{backbone.name}: its features are not connected to the texts by one linear layer")
    return linear_arrays(layer)


def _require_pair(
    backbone: Backbone, place: _Place, network: Any, model: Any, projection: Float32Array, offset: Float32Array
) -> None:
    """Refuse a text tower of another image tower: same shapes may hide other weights, or another activation."""
    import torch

    side = _side(model)
    image = torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.forward_head(network.forward_features(image), pre_logits=True).numpy()
        theirs = model.encode_image(image).numpy()
    ours = features @ projection + offset
    if ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0, atol=_SAME * np.abs(theirs).max()):
        return
    found = f"widths {ours.shape[1]} and {theirs.shape[1]}"
    if ours.shape == theirs.shape:
        found = f"they differ by {np.linalg.norm(ours - theirs) / np.linalg.norm(theirs):.0%}".replace("%", " %")
    raise BackboneError(
        f"{backbone.name} with these weights is not the image model that {place.source} was trained with: their "
        f"embeddings of an image differ ({found})",
        hint="use the pretrained weights of the backbone; for OpenAI's CLIP use timm's networks with quickgelu "
        "in their names",
    )


def _tokenizer(open_clip: Any, folder: Path, settings: dict[str, Any]) -> Any:
    """CLIP's own vocabulary comes with open_clip; SigLIP's lies beside its weights."""
    text = settings["text_cfg"]
    if not text.get("hf_tokenizer_name"):
        return open_clip.get_tokenizer(f"local-dir:{folder}")
    given = {**text.get("tokenizer_kwargs", {}), "tokenizer_mode": text.get("tokenizer_mode")}
    clean = given.pop("clean", "whitespace")
    if clean not in ("canonicalize", "lower", "whitespace"):
        given["clean"] = clean
    if strange := sorted(name for name, value in given.items() if value):
        raise BackboneError(f"{folder / CONFIG}: topwork has no tokenizer for {', '.join(strange)}")
    return _FileTokenizer(folder, int(text.get("context_length", 77)), open_clip.tokenizer.get_clean_fn(clean))


class _FileTokenizer:
    """Texts to tokens by the ``tokenizer.json`` beside a model: what transformers would do, without transformers.

    Each text goes through ``clean`` first, and becomes ``length`` tokens, cut or filled up.

    Raises:
        MissingExtraError: The package ``tokenizers`` is not installed.
        BackboneError: The files are missing or damaged.
    """

    def __init__(self, folder: Path, length: int, clean: Callable[[str], str]) -> None:
        tokenizers = optional("tokenizers", extra="clip", what="this model's vocabulary")
        self._clean = clean
        try:
            told = json.loads((folder / VOCABULARY_SETTINGS).read_text("utf-8"))
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / VOCABULARY))
        except Exception as error:  # the package's errors are plain exceptions
            raise BackboneError(f"{folder / VOCABULARY}: the vocabulary cannot be read: {error}") from error
        filler = _token_text(told.get("pad_token")) or "<pad>"
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(
            direction=told.get("padding_side", "right"),
            length=length,
            pad_token=filler,
            pad_id=self._tokenizer.token_to_id(filler) or 0,
        )

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Tokens of texts: int64 (N, length)."""
        import torch

        found = self._tokenizer.encode_batch([self._clean(text) for text in texts])
        return torch.tensor([each.ids for each in found], dtype=torch.int64)


def _token_text(token: Any) -> str | None:
    """A special token is told by its text, or by a mapping that holds it."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None
