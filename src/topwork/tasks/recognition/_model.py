"""The model that recognises: embeddings by a backbone and a projection, a threshold, and a gallery that grows."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from topwork._arrays import Float32Array, IntpArray
from topwork._system import optional
from topwork.backbones import AnyBackbone
from topwork.data import Held, ImageDataset, in_chunks, name_of, printable, several
from topwork.errors import DataError, ImageError, ModelError
from topwork.features import Progress, extract, extract_few
from topwork.heads import Projection
from topwork.model import RECORD, Kind, Methods, Model, ModelRecord, Parts
from topwork.tasks.recognition._answers import Enrolled, Grouped, Identified, Seen, Verified
from topwork.tasks.recognition._card import card_of, methods_of
from topwork.tasks.recognition._finder import Crops, Finder, Several, cropped, open_finder, require_finder
from topwork.tasks.recognition._measured import Judged, Measured, measured
from topwork.tasks.recognition._record import RecognitionRecord, embedding_id
from topwork.tasks.recognition._split import read_identities
from topwork.tasks.recognition.gallery import FOLDER, Gallery, Match, is_bare, kept_empty

UNTOLD = "nothing can be told from it"
"""Why an image is refused whose features are those of all training images on average."""

_CHUNK = 512  # images at a time
_MOST_GROUPED = 20_000  # images; their similarities take 1.6 GB

KIND = Kind(
    "image",
    "photo.jpg",
    "photo.jpg",
    "imagefolder",
    "stages",
    "Other people, another camera, light or place may change them.",
    "image-feature-extraction",
)


class _Embedded(NamedTuple):
    values: Float32Array  # (M, K)
    kept: IntpArray  # (M,) places
    errors: dict[int, str]  # by place
    seen: Mapping[int, Seen]  # by place; nothing without a finder


class Recognizer(Model):
    """Tells who or which one an image shows, of those that are enrolled; whoever they are, it was not trained on them.

    The gallery of a model that was loaded or saved lies in its folder: what `enroll` and `forget` do is done there at
    once. That of a model which was just fitted is in memory until it is saved.
    """

    block: ClassVar[type[RecognitionRecord]] = RecognitionRecord
    kind: ClassVar[Kind] = KIND

    def __init__(
        self,
        record: ModelRecord[Any],
        projection: Projection,
        backbone: AnyBackbone,
        *,
        finder: Finder | None = None,
        folder: Path | None = None,
        held_out: Judged | None = None,
    ) -> None:
        super().__init__(record, backbone)
        self.projection = projection
        self._finder = finder
        self.held_out = held_out
        self.gallery = self._gallery(folder)

    @classmethod
    def from_parts(cls, parts: Parts, where: str) -> Self:
        """The recogniser of a folder's contents, checked that they belong together, its gallery too."""
        projection = Projection.from_tensors(parts.tensors.get("head", {}))
        width = sum(map(parts.backbone.width, parts.record.outputs))
        if projection.n_features != width:
            raise ModelError(f"{where}: the head reads {projection.n_features} features, its outputs give {width}")
        facts = parts.record.task.finder
        if facts is not None:
            require_finder(facts)
        return cls(parts.record, projection, parts.backbone, folder=Path(where).resolve() / FOLDER)

    @property
    def finder(self) -> Finder | None:
        """What finds the things to compare; None where images are compared whole. It is opened when it is asked for:
        forgetting somebody needs none.

        Raises:
            DataError: It was another version's, or its files are others.
            MissingExtraError: What it runs on is not installed.
        """
        if self._finder is None and self.record.task.finder is not None:
            self._finder = open_finder(self.record.task.finder)
        return self._finder

    @property
    def embedding_id(self) -> str:
        """What must be equal of two models whose embeddings may be compared."""
        return embedding_id(self.record, self.projection)

    @property
    def threshold(self) -> float:
        """From which similarity on two images are taken for one identity."""
        return float(self.record.task.promise.threshold)

    def tensors(self) -> Mapping[str, Mapping[str, Any]]:
        """The projection's."""
        return {"head": self.projection.to_tensors()}

    def card(self, record: ModelRecord[Any], name: str) -> str:
        """Figures, promise, use and misuse, beside what every card tells."""
        return card_of(record, name, self.kind)

    def methods(self) -> Methods:
        """How its threshold was set, too."""
        return methods_of(self.record, self.kind)

    def _facts(self) -> list[tuple[str, str]]:
        found = self.metrics
        return [("in the gallery", f"{self.gallery.people}")] + (
            [("equal error rate", found.verification.eer.as_percent())] if found else []
        )

    @property
    def metrics(self) -> Measured | None:
        """What held-out identities said when the model was made; None where none were held out."""
        found = self.record.task.metrics
        return None if found is None else Measured.from_dict(found)

    def save(self, path: str | os.PathLike[str], *, self_contained: bool = False) -> Path:
        """See ``Model.save``; the gallery goes with it, and is that folder's from then on.

        Over itself it keeps whom another process enrols meanwhile: that one waits, and enrols in the new folder. Over
        another model, in whose gallery nobody is, that one waits too, and is refused.
        """
        place = Path(path).resolve() / FOLDER
        waits: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if Path(path, RECORD).is_file() and os.access(path, os.W_OK):
            waits = self.gallery.held() if self._owns(place) else kept_empty(place)
        with waits:
            folder = super().save(path, self_contained=self_contained)
        self.gallery = self._gallery(folder.resolve() / FOLDER)
        return folder

    def _gallery(self, folder: Path | None) -> Gallery:
        return Gallery(self.projection.width, self.embedding_id, folder, self._lies_there)

    def _owns(self, place: Path) -> bool:
        return self.gallery.folder == place and self._lies_there()

    def _lies_there(self) -> bool:
        """Whether the model above its gallery is this one still, and no other that was fitted over it."""
        folder = self.gallery.folder
        if folder is None:
            return True
        try:
            told = json.loads((folder.parent / RECORD).read_bytes())
            return (told["created"], told["data"]["fingerprint"]) == (self.record.created, self.record.data.fingerprint)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def beside(self) -> Mapping[str, Callable[[Path], None]]:
        """The gallery, where anybody is in it."""
        self.gallery.refresh()
        return {FOLDER: self.gallery.copy_to} if len(self.gallery) else {}

    def keeps(self, folder: Path) -> Collection[str]:
        """The gallery, where it is the one that lies there, or nobody is in it: another's would be lost."""
        place = folder.resolve() / FOLDER
        return (FOLDER,) if self._owns(place) or is_bare(place) else ()

    def embed(self, sources: Iterable[Any], *, several_found: Several = "largest") -> _Embedded:
        """Embeddings of images; held in memory."""
        held: Sequence[Any] = Held(several(sources))
        seen: Mapping[int, Seen] = {}
        if self.finder is not None:
            held = crops = Crops(held, self.finder, several_found)
            seen = crops.seen
        found = extract_few(
            held, self.backbone, self.record.outputs, choice=self.engine_choice, open_network=self._engines
        )
        values = self.projection.embed(found.values)
        told = values.any(axis=1)  # what is the training images' mean is nobody's
        errors = dict(found.refused) | dict.fromkeys(found.kept[~told].tolist(), UNTOLD)
        return _Embedded(values[told], found.kept[told], errors, seen)

    def predict_each(self, sources: Iterable[Any], *, count: int = 5) -> Iterator[Identified]:
        """Who each image shows, a chunk at a time.

        Args:
            sources: Images, as ``data.as_source`` takes them.
            count: How many of the most similar identities are named.
        """
        for chunk, names in in_chunks(several(sources), _CHUNK):
            found = self.embed(chunk)
            matches = dict(zip(found.kept.tolist(), self.gallery.search(found.values, count), strict=True))
            for place, name in enumerate(names):
                if place in found.errors:
                    yield Identified(name, error=found.errors[place])
                    continue
                yield self.identified(name, matches[place], found.seen.get(place))

    def identified(
        self, source: str, matches: Sequence[Match], seen: Seen | None = None, threshold: float | None = None
    ) -> Identified:
        """The answer that the most similar identities make; ``threshold`` may be another than the model's own."""
        least = self.threshold if threshold is None else threshold
        known = bool(matches) and matches[0].similarity >= least
        similarity = matches[0].similarity if matches else None
        return Identified(source, matches[0].name if known else "", similarity, tuple(matches), seen=seen)

    def verify(self, first: Any, second: Any) -> Verified:
        """Whether two images show the same identity.

        Raises:
            ImageError: One cannot be used.
        """
        found = self.embed([first, second])
        if found.errors:
            place, reason = min(found.errors.items())
            raise ImageError(f"{name_of((first, second)[place], place)}: {reason}")
        similarity = float(found.values[0] @ found.values[1])
        same = similarity >= self.threshold
        seen = [found.seen.get(place) for place in (0, 1)]
        remarks = tuple(each.remarks if each else () for each in seen)
        return Verified(same, similarity, self.threshold, self.record.task.promise.false_accept, remarks)  # type: ignore[arg-type]

    def enroll(self, name: str, sources: Iterable[Any]) -> Enrolled:
        """Put images of somebody, new or known, into the gallery: all that can be used, or none where one fails to be
        written. The images themselves are not kept.

        Raises:
            DataError: The name cannot be used, or none of the images.
            ModelError: The gallery cannot be written; it is as before.
        """
        given = list(several(sources))
        found = self.embed(given, several_found="refuse")
        errors = {name_of(given[place], place): why for place, why in sorted(found.errors.items())}
        return self.enroll_embeddings(name, found.values, errors)

    def enroll_embeddings(self, name: str, values: Float32Array, errors: Mapping[str, str]) -> Enrolled:
        """The same of embeddings (N, K), beside the reasons why other images cannot be used, by what those are called.

        Raises:
            DataError: The name cannot be used, or there are none.
            ModelError: The gallery cannot be written; it is as before.
        """
        if not len(values):
            told = "; ".join(f"{source}: {why}" for source, why in list(errors.items())[:3])
            raise DataError(
                f"nothing was enrolled as {printable(name)!r}: {told or 'no image was given'}",
                hint="give at least one image file that can be read and shows who or what is to be known",
            )
        near = [match for matches in self.gallery.search(values, 2) for match in matches]
        self.gallery.add(name, values)
        alike = [each for each in near if each.name != name and each.similarity >= self.threshold]
        most = max(alike, key=lambda each: each.similarity).name if alike else ""
        return Enrolled(name, len(values), errors, self.gallery.people, most)

    def forget(self, name: str) -> int:
        """Remove somebody from the gallery and from all its files; gives how many images those were.

        Raises:
            DataError: Nobody of that name is there.
            ModelError: The gallery cannot be written; it is as before.
        """
        return self.gallery.remove(name)

    def group(self, sources: Iterable[Any]) -> Grouped:
        """Images by who they seem to show; nobody needs to be enrolled.

        Average linkage: two groups are one where their images are as similar, on average, as the threshold asks.

        Raises:
            DataError: More images than fit.
            MissingExtraError: scikit-learn is not installed.
        """
        cluster: Any = optional("sklearn.cluster", extra="sklearn", what="grouping")
        given = list(several(sources))
        if len(given) > _MOST_GROUPED:
            raise DataError(f"{len(given):,} images are too many to group at once, {_MOST_GROUPED:,} at most")
        found = self.embed(given)
        labels = np.zeros(len(found.values), np.intp)
        if len(labels) > 1:
            how: Any = {"n_clusters": None, "metric": "cosine", "linkage": "average"}
            clustering = cluster.AgglomerativeClustering(distance_threshold=1 - self.threshold, **how)
            labels = clustering.fit_predict(found.values.astype(np.float64))
        numbers = _by_size(labels)
        groups = np.zeros(len(given), np.intp)
        groups[found.kept] = numbers
        names = tuple(name_of(source, place) for place, source in enumerate(given))
        errors = {names[place]: why for place, why in sorted(found.errors.items())}
        return Grouped(names, tuple(groups.tolist()), errors)

    def evaluate(
        self,
        data: str | os.PathLike[str] | ImageDataset,
        *,
        seed: int = 0,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> Judged:
        """Measure the model on images of identities that it was not trained on; the gallery takes no part.

        Args:
            data: A folder of a folder each, or a data set. Of data in splits, ``test`` is measured, or ``val``.
            seed: Of draws and resampling.
            cache: Whether features are kept on disk.
            progress: Called with (images done, images in all).

        Raises:
            DataError: There are not two identities, or none with two images.
        """
        given = data if isinstance(data, ImageDataset) else read_identities(data)
        split = given.held_out_split
        dataset = given.split(split) if split else given
        how: Any = {"choice": self.engine_choice, "cache": cache, "progress": progress}
        table = extract(cropped(dataset, self.finder), self.backbone, outputs=self.record.outputs, **how)
        if not len(table):
            raise DataError(f"{dataset.root}: none of the {len(dataset)} images can be read")
        figures, confusions = measured(table, self.projection.embed(table.values), self.threshold, seed=seed)
        seen = not split and given.fingerprint() == self.record.data.fingerprint
        return Judged(figures, table.dataset, confusions, table.dataset.left_out, seen)


def _by_size(labels: IntpArray) -> IntpArray:
    """Numbers from 1, the largest group first; groups of one size in the order of their first images."""
    found, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    number = np.empty(len(found), np.intp)
    number[order] = np.arange(1, len(found) + 1)
    return number[np.searchsorted(found, labels)]
