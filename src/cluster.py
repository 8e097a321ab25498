"""Where independent tasks run: here, one after the other, or on the workers of a Dask cluster.

A task is a function with values, and gives the same digits wherever it runs. What a worker that
dies had to do is done again by the others; without a cluster Dask is not imported.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from src.errors import UsageError
from src.utils.cores import available_cores

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Tasks handed over beyond those that the workers compute: they never wait, memory stays bounded.
AHEAD = 2
CONNECT_S = 30
LOCAL = "local"
_CLIENT: ContextVar[Any] = ContextVar("dask_client", default=None)


@contextlib.contextmanager
def connected(backend: str, scheduler: str) -> Iterator[None]:
    """Let `run_tasks` use the cluster of a scheduler for a while; the backend "local" changes none.

    `scheduler` is an address, or "local" for one worker process a core of this machine.

    Raises
    ------
    UsageError
        No scheduler answers there.
    """
    if backend == LOCAL:
        yield
        return
    from distributed import Client, LocalCluster

    own = {"n_workers": available_cores(), "threads_per_worker": 1, "dashboard_address": ":0"}
    own["silence_logs"] = logging.ERROR  # a worker that ends slowly is no news
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(LocalCluster(**own)) if scheduler == LOCAL else scheduler
            client = stack.enter_context(Client(cluster, timeout=CONNECT_S))
            client.wait_for_workers(1, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as e:
            raise UsageError(
                f"compute.scheduler = {scheduler}: no cluster answers ({e or type(e).__name__})",
                next_command="--set compute.scheduler=local",
            ) from e
        workers = len(client.scheduler_info()["workers"])
        logger.info("  Dask: %d workers, dashboard %s", workers, client.dashboard_link)
        token = _CLIENT.set(client)
        try:
            yield
        finally:
            _CLIENT.reset(token)


def n_workers() -> int:
    """Return how many tasks run at a time: 1 without a cluster."""
    client = _CLIENT.get()
    return 1 if client is None else max(1, sum(client.nthreads().values()))


def run_tasks(
    function: Callable[..., T], tasks: Iterable[Sequence[Any]], shared: Sequence[Any] = ()
) -> Iterator[T]:
    """Yield ``function(*shared, *task)`` of each task, in the order of the tasks.

    `shared` values are sent to every worker once. On a cluster tasks are taken from the iterable as
    they are handed over, so that not all of them need lie in memory.
    """
    client = _CLIENT.get()
    if client is None:
        yield from (function(*shared, *task) for task in tasks)
        return
    sent = client.scatter(list(shared), broadcast=True, hash=False) if shared else []
    waiting: list[Any] = []
    todo = iter(tasks)
    while True:
        room = max(0, AHEAD * n_workers() - len(waiting))  # workers may be gone for a while
        for task in itertools.islice(todo, room):
            waiting.append(client.submit(function, *sent, *task, pure=False))
        if not waiting:
            return
        yield waiting.pop(0).result()
