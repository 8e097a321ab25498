"""How many cores this process may use."""

import os


def available_cores(n_threads: int | None = None) -> int:
    """Return `n_threads`, or where that is None or 0 the number of cores this process may use."""
    if n_threads:
        return n_threads
    if hasattr(os, "sched_getaffinity"):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
