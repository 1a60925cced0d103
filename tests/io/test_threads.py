"""One BLAS thread while we multiply, and what was set before afterwards."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from simkit.io.threads import one_thread


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_inside_and_as_before_outside():
    np.eye(2) @ np.eye(2)
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with one_thread():
            assert set(blas_threads()) == {1}
        assert blas_threads() == before
