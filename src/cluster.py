"""Where independent tasks run: here, one after the other, or on the workers of a Dask cluster.

A task is a function with values, and gives the same digits wherever it runs. What a worker that
dies had to do is done again by the others; without a cluster Dask is not imported.
"""

import contextlib
import importlib.metadata
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from src.errors import UsageError
from src.files import sha256
from src.utils.cores import available_cores

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Tasks handed over beyond those that the workers compute: they never wait, memory stays bounded.
AHEAD = 2
CONNECT_S = 30
# How long no worker may be there, and how often all may die over the same tasks.
RESTART_S, MOST_LOSSES = 300, 3
LOCAL = "local"
# What connecting raises: no answer, no process to be started, or workers without this project.
FAULTS = (OSError, TimeoutError, ValueError, RuntimeError, ImportError, AttributeError)
# Digits depend on them.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas")
_CLIENT: ContextVar[Any] = ContextVar("dask_client", default=None)


@contextlib.contextmanager
def connected(backend: str, scheduler: str) -> Iterator[None]:
    """Let `run_tasks` use the cluster of a scheduler for a while; the backend "local" changes none.

    `scheduler` is an address, or "local" for one worker process a core of this machine.

    Raises
    ------
    UsageError
        No scheduler answers there, its workers have another version of this project, or it was lost
        on the way.
    """
    if backend == LOCAL:
        yield
        return
    from distributed import Client, KilledWorker, LocalCluster
    from distributed.comm import CommClosedError

    def fault(problem: str) -> UsageError:
        where = f"compute.scheduler = {scheduler}"
        return UsageError(f"{where}: {problem}", next_command="--set compute.scheduler=local")

    own = {"n_workers": available_cores(), "threads_per_worker": 1, "dashboard_address": ":0"}
    own["silence_logs"] = logging.ERROR  # a worker that ends slowly is no news
    with contextlib.ExitStack() as stack:
        try:
            cluster: Any = scheduler
            if scheduler == LOCAL:
                cluster = LocalCluster(**own)
                stack.callback(_close, cluster)
            client = stack.enter_context(Client(cluster, timeout=CONNECT_S))
            client.wait_for_workers(1, timeout=CONNECT_S)
            versions = client.run(_version)
        except FAULTS as e:
            raise fault(f"no cluster answers ({e or type(e).__name__})") from e
        expected = _version()
        for worker, version in versions.items():
            if version != expected:
                raise fault(f"worker {worker} has {version}; expected {expected}")
        workers = len(client.scheduler_info()["workers"])
        logger.info("  Dask: %d workers, dashboard %s", workers, client.dashboard_link)
        token = _CLIENT.set(client)
        try:
            yield
        except (CancelledError, KilledWorker, OSError) as e:
            # Dask raises a bare OSError where its scheduler is gone; others are the caller's own.
            callers = isinstance(e, OSError) and not isinstance(e, CommClosedError)
            if callers and client.status == "running":
                raise
            told = str(e).partition("\n")[0]
            raise fault(
                f"the cluster was lost, or its workers' memory is too small ({told})"
            ) from e
        finally:
            _CLIENT.reset(token)


def _version() -> str:
    """Say what computes: the source of this project, and libraries."""
    source = b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.rglob("*.py")))
    versions = (f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return ", ".join([f"source {sha256(source)[:12]}", *versions])


def _close(cluster: Any) -> None:  # noqa: ANN401
    """Close a cluster of ours; a worker that dies meanwhile is no news."""
    with contextlib.suppress(AssertionError):
        cluster.close()


def n_workers() -> int:
    """Return how many tasks run at a time: 1 without a cluster."""
    client = _CLIENT.get()
    return 1 if client is None else max(1, sum(client.nthreads().values()))


def run_tasks(
    function: Callable[..., T], tasks: Iterable[Sequence[Any]], shared: Sequence[Any] = ()
) -> Iterator[T]:
    """Yield ``function(*shared, *task)`` of each task, in the order of the tasks.

    `shared` values are sent to every worker once, and once more where all that had them died. On a
    cluster tasks are taken from the iterable as they are handed over, so that not all of them need
    lie in memory.
    """
    client = _CLIENT.get()
    if client is None:
        yield from (function(*shared, *task) for task in tasks)
        return
    sent = _send(client, shared)
    waiting: list[tuple[Sequence[Any], Any]] = []
    todo, losses = iter(tasks), 0
    while True:
        room = max(0, AHEAD * n_workers() - len(waiting))  # workers may be gone for a while
        for task in itertools.islice(todo, room):
            waiting.append((task, client.submit(function, *sent, *task, pure=False)))
        if not waiting:
            return
        try:
            found = waiting[0][1].result()
        except CancelledError:
            losses += 1
            if losses > MOST_LOSSES or client.status != "running":
                raise
            sent = _send(client, shared)
            left = [task for task, _ in waiting]
            waiting = [(task, client.submit(function, *sent, *task, pure=False)) for task in left]
            continue
        losses = 0
        del waiting[0]
        yield found


def _send(client: Any, shared: Sequence[Any]) -> list[Any]:  # noqa: ANN401
    """Send values to every worker; again where one dies on the way."""
    sent: list[Any] = []
    losses = 0
    while shared and not sent:
        try:
            sent = client.scatter(list(shared), broadcast=True, hash=False, timeout=RESTART_S)
        except OSError:  # Dask's CommClosedError
            losses += 1
            if losses > MOST_LOSSES or client.status != "running":
                raise
    return sent
