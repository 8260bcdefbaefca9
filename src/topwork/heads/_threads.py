"""How many cores the linear algebra may use."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

_WORTH_SHARING = 1e8  # multiply-adds in one matrix product: a few milliseconds on one core


def one_thread() -> AbstractContextManager[Any]:
    """Keep BLAS and LAPACK to one core, for matrix factorisations and for small products.

    Their threads wait for each other by spinning, and meet every few microseconds. Where another process has
    one of the cores, two threads take 10 to 50 times as long as one (measured: eigh of 1,000 x 1,000 in
    0.17 s on one core, 2 to 10 s on two busy ones). Where the cores are idle, one thread loses a few
    hundredths of a second.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def threads_for(multiply_adds: float) -> AbstractContextManager[Any]:
    """`one_thread` where matrix products of this size are too small to be shared."""
    return nullcontext() if multiply_adds > _WORTH_SHARING else one_thread()
