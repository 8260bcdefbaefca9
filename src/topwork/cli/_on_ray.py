"""``fit --on ray``: the same command line in several workers of Ray Train, as torchrun runs it in several processes.

A worker or a machine that is lost ends that attempt; Ray Train begins another with what is left, which goes on from the
last checkpoint. What the first worker says is what the command says.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from topwork.cli._console import Console, print_line

FitOn = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="local|ray|ray://HOST:PORT",
        help="Where a training runs: here, or with --strategy finetune on workers of Ray that train together; DATA and "
        "the model's folder must be reachable from all of them.",
    ),
]

_FAILURES = 5  # attempts that may be lost
# Seconds that the others wait while the first worker computes features; who dies is noticed at once.
_PATIENCE = 24 * 3600


def require_on(on: str) -> None:
    """Refuse a place that there is not."""
    if on not in ("local", "ray") and not on.startswith("ray://"):
        raise typer.BadParameter(f"--on takes local, ray or ray://HOST:PORT, not {on}")


def fit_on_ray(console: Console, on: str, args: Sequence[str], training: Path, *, resume: bool) -> NoReturn:
    """Run a command line in as many workers as the cluster has room for, and end as its first worker did.

    Args:
        console: The command's.
        on: ``ray``, or an address.
        args: The command line after the program's name; its ``--on`` is left out.
        training: Folder of the checkpoints.
        resume: Whether the first attempt goes on from those that are there.
    """
    from topwork._system import optional
    from topwork.errors import TopworkError
    from topwork.sharding import in_ray, workers_of
    from topwork.train import locked, remove_checkpoints

    ray = optional("ray", extra="ray", what="--on ray")
    torch = optional("ray.train.torch", extra="ray", what="--on ray")
    if not resume:
        with locked(training):  # nobody else is at work there
            pass
        remove_checkpoints(training)
    told = {"args": _without(args), "folder": os.getcwd(), "training": str(training)}
    scratch = training.with_name(f".{training.name}.ray")  # where all workers see it
    with console.progress(), in_ray(ray, on):
        count, needs = workers_of(ray)
        console.step("training on 1 worker of Ray" if count == 1 else f"training on {count} workers of Ray")
        trainer = torch.TorchTrainer(
            _work,
            train_loop_config=told,
            torch_config=torch.TorchConfig(timeout_s=_PATIENCE),
            scaling_config=ray.train.ScalingConfig(
                # With what is left after a loss: the global batch stays the same, whatever the number of workers.
                num_workers=(1, count) if count > 1 else 1,
                use_gpu=bool(needs["num_gpus"]),
                resources_per_worker={"CPU": needs["num_cpus"], **({"GPU": 1} if needs["num_gpus"] else {})},
            ),
            run_config=ray.train.RunConfig(
                storage_path=str(scratch), failure_config=ray.train.FailureConfig(max_failures=_FAILURES)
            ),
        )
        try:
            said = trainer.fit().return_value
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise TopworkError(
                f"the training on Ray was lost: {reason.removesuffix(': ')}",
                hint="run the command again with --resume: it goes on from the last checkpoint",
            ) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    for text, stream in ((said["err"], sys.stderr), (said["out"], sys.stdout)):
        if text:
            print_line(text.removesuffix("\n"), stream)
    raise typer.Exit(said["code"])


def _work(told: dict[str, Any]) -> dict[str, Any]:
    """One worker: the command line, from the last checkpoint where there is one."""
    from topwork.cli._app import app
    from topwork.train import has_checkpoints

    os.chdir(told["folder"])
    resumed = ["--resume"] if has_checkpoints(Path(told["training"])) else []
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app([*(each for each in told["args"] if each != "--resume"), *resumed], standalone_mode=False)
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


def _without(args: Sequence[str]) -> list[str]:
    """A command line without where it runs."""
    before = ["", *args]
    return [
        each
        for last, each in zip(before, args, strict=False)
        if each != "--on" and last != "--on" and not each.startswith("--on=")
    ]
