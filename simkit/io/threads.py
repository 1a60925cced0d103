"""Linear algebra on one thread: our matrices are small, and idle threads that wait for work cost CPU time."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs numpy's BLAS on one thread inside the context, and restores the number of threads at its end."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
