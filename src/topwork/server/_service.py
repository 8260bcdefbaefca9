"""What answers, without HTTP: the models, the decoders, and how much may be under way at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from topwork._system import available_cores
from topwork.server._collect import Collection
from topwork.server._decoder import Decoded, Decoders
from topwork.server._log import log
from topwork.server._metrics import Metrics
from topwork.server._prompting import Prompting
from topwork.server._refusal import too_busy
from topwork.server._served import Models, Served
from topwork.server._settings import Settings


class Admission:
    """How many inputs may be under way; whoever asks for more is refused at once, never made to wait."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self.used >= self.limit

    @contextlib.contextmanager
    def admitted(self, count: int) -> Iterator[None]:
        """So many inputs are under way; a RefusedError (503) where that is too many."""
        if self.used + count > self.limit:
            raise too_busy()
        self.used += count
        try:
            yield
        finally:
            self.used -= count


class Service:
    """The models of a server and all that they need; ``running`` holds them up.

    Attributes:
        settings: What it was given.
        models: By name.
        decoders: The processes that decode images.
        admission: What may be under way.
        metrics: What is counted.
        collection: Where corrections go; None where none are taken.
        prompting: What tells masks by prompts; None where none are taken.
        draining: Whether it takes its leave: it still answers, and says that it is not ready.
        failure: Why a model cannot be prepared: the server is of no use then, and ends.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the models; nothing is started yet.

        Raises:
            ModelError: A model cannot be read.
            TopworkError: The folder for corrections cannot be written.
        """
        self.settings = settings
        self.models = Models()
        count = settings.decoders or available_cores()
        self.decoders = Decoders(count, seconds=settings.decode_seconds, memory=settings.decode_bytes)
        self.admission = Admission(settings.queue)
        self.metrics = Metrics(self)
        self.draining = False
        self.failure: Exception | None = None
        self.collection = None if settings.collect is None else Collection(settings.collect)
        for path in settings.models:
            self.models.add(path)
        self.prompting = Prompting(settings.prompts, settings.prompts_weights) if settings.prompts else None

    def lacking(self) -> list[str]:
        """Why it is not ready, in plain words; nothing where it is."""
        found = ["it is about to end"] if self.draining else []
        if self.decoders.alive < self.decoders.count:
            found.append(f"{self.decoders.alive} of {self.decoders.count} decoders are up")
        networks = [*self.models, *([self.prompting] if self.prompting is not None else [])]
        found += [f"the model {each.name} is being prepared" for each in networks if not each.ready]
        return found

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the decoders, prepare the models, look for changed folders; end all of it afterwards."""
        self._open_decoders()
        tasks = [asyncio.create_task(self._prepare())]
        if self.settings.watch:
            tasks.append(asyncio.create_task(self._watch()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.decoders.close()
            for each in (*self.models, *([self.prompting] if self.prompting is not None else [])):
                each.close()

    async def add(self, path: Path) -> Served:
        """Read one more model, and prepare it.

        Raises:
            TopworkError: It cannot be read or run, or one of that name is there.
        """
        new = self.models.add(path)
        self._open_decoders()
        await asyncio.to_thread(new.warm, self.metrics.batch)
        return new

    async def decode(self, image: bytes, served: Served) -> Decoded:
        """An image as a model's network takes it."""
        return await self.decoders(image, served.preprocessing)

    def _open_decoders(self) -> None:
        if self.prompting is not None or any(each.kind == "image" for each in self.models):
            self.decoders.open()

    async def _prepare(self) -> None:
        for each in self.models:
            try:
                if not each.ready:
                    await asyncio.to_thread(each.warm, self.metrics.batch)
            except Exception as error:
                self.failure = error
                return
            log("model ready", model=each.name)
        if self.prompting is not None:
            try:
                await asyncio.to_thread(self.prompting.warm)
            except Exception as error:
                self.failure = error
                return
            log("model ready", model=self.prompting.name)
        for each in self.models:  # a request for a map need not wait for it; none without one waits for this
            await asyncio.to_thread(each.serving.warm)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.watch)
            if not self.models.ready:
                continue
            for name, reason in await self.models.reload(self.metrics.batch):
                if reason:
                    log("model not reloaded", model=name, reason=reason)
                else:
                    self._open_decoders()
                    log("model reloaded", model=name)
