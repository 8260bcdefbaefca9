"""Shards on Ray: plain actors with one network each; what a worker that dies had in hand goes to another.

Ray only carries the shards. What a shard is, what is done already, and that a part appears whole, are the affair of the
plan and the place (docs/decisions/scale.md says why Ray Data is not used).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from topwork._system import available_cores, optional
from topwork.data import printable
from topwork.errors import TopworkError
from topwork.sharding._plan import Plan, Shard, rows_in
from topwork.sharding._recipe import opened
from topwork.sharding._work import Done, Progress, work_all

_CORES = 4  # of a worker, where the machines have so many: its decoders and callers share one network's memory
_IN_HAND = 2  # shards of a worker: the next is there when one is done
_DEATHS = 3  # of workers that had a shard in hand, after which the shard is to blame
_LOOK = 5.0  # seconds until it is looked again whether the cluster has grown
_REACHED = 10.0  # seconds in which the machine of an address answers; Ray itself would try for 30, whatever is wrong
_PATIENCE = 600.0  # seconds without any worker, after which nobody will come


_CLIENT, _CLIENT_PORT = "ray://", 10_001
_HINT = "start it with ray start, or name its address: --on ray://HOST:10001"
_CLIENT_HINT = "name the port of Ray's client server (10001, not the cluster's own), and use the cluster's token"


def work_on(on: str, plan: Plan, shards: Sequence[Shard], progress: Progress | None = None) -> Iterator[Done]:
    """Compute shards where that is asked for, in any order; one that fails is told, and the others go on.

    Args:
        on: ``local``; ``ray``, for the cluster that this machine is part of, or one of its own behind a token; or
            ``ray://HOST:PORT``.
        plan: Whose shards.
        shards: Which.
        progress: Called with (images done, images in all).

    Raises:
        TopworkError: The network cannot be run, nothing can be written, or no worker can be had.
        MissingExtraError: Ray is not installed.
    """
    if on == "local":
        yield from work_all(plan, shards, progress)
        return
    ray = optional("ray", extra="ray", what="--on ray")
    with in_ray(ray, on):
        total, rows = rows_in(shards) or 0, 0
        for done in _Team(ray, plan).work(shards):
            rows += done.rows
            if progress is not None:
                progress(rows, total)
            yield done


@contextlib.contextmanager
def in_ray(ray: Any, on: str) -> Iterator[None]:
    """In a cluster; one that this program has joined before is left as it is.

    Raises:
        TopworkError: None can be reached, or the address is none.
        MissingExtraError: ``ray://`` needs a package that is not installed.
    """
    if ray.is_initialized():
        yield
        return
    if on.startswith(_CLIENT):
        _require_listening(on)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    quiet: Any = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    try:
        if on.startswith(_CLIENT):
            ray.init(on, **quiet)
        else:
            try:
                ray.init("auto", **quiet)
            except ConnectionError:
                # Ray listens on all interfaces, whatever it is told; what protects it is the token that it makes here
                ray.init(num_cpus=available_cores(), include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise TopworkError(
            f"Ray cannot be reached: {_reason(error)}",
            hint=_CLIENT_HINT if on.startswith(_CLIENT) else _HINT,
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _reason(error: Exception) -> str:
    """What Ray says of itself in one line: the last one that says something, where there is a traceback in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[-1]) if lines else type(error).__name__


def _require_listening(on: str) -> None:
    """Refuse an address at once where nothing answers at all."""
    optional("grpc", extra="ray", what="--on ray://HOST:PORT")
    try:
        told = urlsplit(on)
        host, port = told.hostname, told.port or _CLIENT_PORT
    except ValueError:
        host, port = None, 0
    if not host:
        raise TopworkError(f"--on takes local, ray or ray://HOST:PORT, not {printable(on)}")
    try:
        socket.create_connection((host, port), timeout=_REACHED).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TopworkError(
            f"Ray cannot be reached: {printable(host)}:{port}: {printable(reason)}",
            hint=_HINT,
        ) from error


class _Worker:
    """In a process of its own: one network, kept open from shard to shard."""

    def __init__(self, plan: Plan, cores: int, place: int) -> None:
        if hasattr(os, "sched_setaffinity"):  # a worker takes what it was given, and not the whole machine
            mine = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {mine[(place * cores + each) % len(mine)] for each in range(cores)})
        self._plan = plan
        self._engine = opened(plan.recipe)

    def ready(self) -> int:
        """Its process, once it can work."""
        return os.getpid()

    def work(self, shard: Shard) -> Done:
        """Compute one shard; what is wrong comes back as a value."""
        try:
            (done,) = work_all(self._plan, (shard,), engine=self._engine)
            return done
        except TopworkError as error:
            return Done(shard, failure=error)


@dataclass
class _Member:
    actor: Any
    in_hand: dict[Any, Shard] = field(default_factory=dict)  # by what stands for the answer
    ready: Any = None  # what stands for its being ready, until it is


class _Team:
    """Workers, as many as the cluster has room for, and what each has in hand."""

    def __init__(self, ray: Any, plan: Plan) -> None:
        self._ray = ray
        self._plan = ray.put(plan)
        self._needs = _needs(ray, plan.recipe.choice.name)
        self._make: Callable[..., Any] = ray.remote(_Worker).options(**self._needs, max_restarts=0).remote
        self._members: list[_Member] = []
        self._made = 0
        self._deaths: dict[str, int] = {}

    def work(self, shards: Sequence[Shard]) -> Iterator[Done]:
        """All shards, each done once, in the order in which they are finished."""
        waiting = deque(shards)
        left, heard = len(shards), time.monotonic()
        try:
            while left:
                self._grow(left)
                self._hand_out(waiting)  # also to those that had nothing more to do when another died
                asked = [each for member in self._members for each in (*member.in_hand, member.ready) if each]
                if not asked:
                    time.sleep(_LOOK)
                answers, _ = self._ray.wait(asked, timeout=_LOOK) if asked else ([], [])
                for answer in answers:
                    heard = time.monotonic()
                    member = next(each for each in self._members if answer == each.ready or answer in each.in_hand)
                    for done in self._take(member, answer, waiting):
                        left -= 1
                        yield done
                if not any(member.in_hand for member in self._members) and time.monotonic() - heard > _PATIENCE:
                    raise TopworkError(
                        f"no worker of Ray has come in {_PATIENCE:.0f} seconds",
                        hint=f"look at ray status: each worker needs {self._needs}",
                    )
        finally:
            for member in self._members:
                with contextlib.suppress(Exception):  # it may be gone
                    self._ray.kill(member.actor)

    def _grow(self, left: int) -> None:
        """Ask for as many workers as the cluster has room for; nodes may have come or gone."""
        there = self._ray.cluster_resources()
        rooms = [there.get("CPU", 0) // self._needs["num_cpus"]]
        if self._needs["num_gpus"]:
            rooms.append(there.get("GPU", 0) // self._needs["num_gpus"])
        while len(self._members) < min(int(min(rooms)), left):
            actor = self._make(self._plan, self._needs["num_cpus"], self._made)
            self._made += 1
            self._members.append(_Member(actor, ready=actor.ready.remote()))

    def _take(self, member: _Member, answer: Any, waiting: deque[Shard]) -> Iterator[Done]:
        """Hear one answer; what a dead worker had in hand goes back to those that wait."""
        try:
            done = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:  # the worker lives, and could not even begin
            raise TopworkError(
                f"a worker of Ray failed: {printable(str(error.cause or error)).strip()}",
                hint="topwork must be installed on every machine of the cluster, in the same version",
            ) from error
        except self._ray.exceptions.RayError as error:
            yield from self._bury(member, waiting, error)
            return
        if answer == member.ready:
            member.ready = None
        else:
            member.in_hand.pop(answer)
            yield done

    def _hand_out(self, waiting: deque[Shard]) -> None:
        """Give each worker that is ready as many shards as it may have in hand."""
        for member in self._members:
            while member.ready is None and len(member.in_hand) < _IN_HAND and waiting:
                shard = waiting.popleft()
                member.in_hand[member.actor.work.remote(shard)] = shard

    def _bury(self, member: _Member, waiting: deque[Shard], error: Exception) -> Iterator[Done]:
        self._members.remove(member)
        begun = next(iter(member.in_hand.values()), None)  # the first is the one that was being computed
        for shard in reversed(member.in_hand.values()):
            if shard is begun:
                self._deaths[shard.name] = self._deaths.get(shard.name, 0) + 1
            if self._deaths.get(shard.name, 0) < _DEATHS:
                waiting.appendleft(shard)
            else:
                said = TopworkError(
                    f"{_DEATHS} workers died on it, the last: {type(error).__name__}",
                    hint="give the workers more memory, or smaller shards with --shard-size",
                )
                yield Done(shard, failure=said)


def workers_of(ray: Any) -> tuple[int, dict[str, Any]]:
    """How many workers that train a cluster has room for, each on a GPU where there are any, and what one takes."""
    there = ray.cluster_resources()
    needs = _needs(ray, "torch-cuda" if there.get("GPU", 0) >= 1 else "torch-cpu")
    rooms = [there.get("CPU", 0) // needs["num_cpus"], *([there["GPU"]] if needs["num_gpus"] else [])]
    return max(1, int(min(rooms))), needs


def _needs(ray: Any, engine: str) -> dict[str, Any]:
    """What one worker takes of a machine: a GPU where the network runs on one, and a few cores."""
    gpus = 1 if engine == "torch-cuda" else 0
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fitting = [int(node.get("CPU", 0)) for node in nodes if node.get("GPU", 0) >= gpus and node.get("CPU", 0) >= 1]
    return {"num_cpus": max(1, min([_CORES, *fitting])), "num_gpus": gpus}
