"""Linear algebra on one thread: our matrices are small, and idle threads that wait for work cost CPU time."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS on one thread meanwhile; what was set before comes back."""
    import numpy as np  # noqa: F401 - only libraries that are loaded can be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
