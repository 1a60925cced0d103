"""Time of one operation: replay of a CUDA graph with many copies of it, or one eager call.

Between repeats a buffer of twice the L2 cache and more is written, then read, so that the operands are cold
and no write-back of the flush itself is left to disturb what follows.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from cases import Call, error_note

TARGET_GRAPH_US = 400.0  # long against the few microseconds that starting a graph costs
MAX_COPIES = 128
COLD_BYTES = 160 << 20  # operands in rotation together exceed the L2 cache of a Hopper GPU (50-60 MB)
WARM_UP_CALLS = 3


def rotation(bytes_each: float) -> int:
    """How many sets of operands make each use cold: no set is reused while it can still be in L2."""
    return max(1, min(MAX_COPIES, int(COLD_BYTES // max(bytes_each, 1)) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of single calls [us] and how they were taken."""

    times_us: list[float]
    mode: str
    note: str

    def row(self) -> dict[str, float]:
        """The columns of the table."""
        low, middle, high = statistics.quantiles(self.times_us, n=4, method="inclusive")
        return {
            "time_us_median": round(middle, 4),
            "time_us_p25": round(low, 4),
            "time_us_p75": round(high, 4),
            "repeats": len(self.times_us),
        }


class CpuTimer:
    """Rehearsal only: the wall clock around each call."""

    def __init__(self, repeats: int = 3) -> None:
        self._repeats = repeats

    def measure(self, call: Call, *, mode: str, copies: int | None = None, flush: bool = True) -> Timing:
        """Time the call; there is neither graph nor cache to flush here."""
        del mode, flush
        times = []
        for repeat in range(self._repeats):
            started = time.perf_counter()
            for index in range(copies or 1):
                call(repeat + index)
            times.append((time.perf_counter() - started) * 1e6 / (copies or 1))
        return Timing(times_us=times, mode="eager", note="cpu rehearsal, no GPU time")

    def healthy(self) -> bool:
        """Whether the device still answers."""
        return True


class CudaTimer:
    """Times on the GPU's own clock, by events around each repeat; all work goes to one stream."""

    def __init__(self, repeats: int = 25) -> None:
        self._repeats = repeats
        self._stream = torch.cuda.Stream()
        torch.cuda.set_stream(self._stream)
        cache_bytes = torch.cuda.get_device_properties(0).L2_cache_size
        self._scratch = torch.empty(cache_bytes, dtype=torch.float32, device="cuda")  # 4 x L2

    def measure(self, call: Call, *, mode: str, copies: int | None = None, flush: bool = True) -> Timing:
        """Time the call by graph replay, eagerly, or (mode "host") the host's time to start it."""
        for index in range(WARM_UP_CALLS):
            call(index)
        torch.cuda.synchronize()
        if mode == "host":
            return Timing(times_us=self._host(call, copies or 1), mode=mode, note="host time to enqueue")
        if mode == "eager":
            return Timing(times_us=self._eager(call, copies or 1, flush), mode=mode, note="after a sync")
        copies = copies or self._enough_copies(call)
        try:
            graph = self._capture(call, copies)
        except RuntimeError as error:
            torch.cuda.synchronize()
            note = f"no graph: {error_note(error)}"
            return Timing(times_us=self._eager(call, copies, flush), mode="eager", note=note)
        return Timing(times_us=self._replay(graph, copies, flush), mode="graph", note=f"{copies} in a graph")

    def _enough_copies(self, call: Call) -> int:
        start, end = self._events()
        start.record()
        for index in range(5):
            call(index)
        end.record()
        end.synchronize()
        each_us = max(start.elapsed_time(end) * 1e3 / 5, 0.5)
        return max(1, min(MAX_COPIES, int(TARGET_GRAPH_US / each_us) + 1))

    def _capture(self, call: Call, copies: int) -> Any:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            for index in range(copies):
                call(index)
        return graph

    def _replay(self, graph: Any, copies: int, flush: bool) -> list[float]:
        graph.replay()
        pairs = [self._events() for _ in range(self._repeats)]
        for start, end in pairs:
            if flush:
                self._flush()
            start.record()
            graph.replay()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) * 1e3 / copies for start, end in pairs]

    def _eager(self, call: Call, copies: int, flush: bool) -> list[float]:
        times = []
        for repeat in range(self._repeats):
            if flush:
                self._flush()
            torch.cuda.synchronize()  # an idle GPU waits for each launch, as in an eager engine at low load
            start, end = self._events()
            start.record()
            for index in range(copies):
                call(repeat + index)
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) * 1e3 / copies)
        return times

    def _host(self, call: Call, copies: int) -> list[float]:
        times = []
        for repeat in range(self._repeats):
            torch.cuda.synchronize()
            started = time.perf_counter()
            for index in range(copies):
                call(repeat + index)
            times.append((time.perf_counter() - started) * 1e6 / copies)
        torch.cuda.synchronize()
        return times

    def _flush(self) -> None:
        self._scratch.fill_(1.0)
        self._scratch.sum()

    @staticmethod
    def _events() -> tuple[Any, Any]:
        return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)

    def healthy(self) -> bool:
        """Whether the device still answers; some errors end every later call of the process."""
        try:
            torch.cuda.synchronize()
            return float(torch.ones(8, device="cuda").sum()) == 8.0
        except RuntimeError:
            return False


def warm_clocks(seconds: float = 1.0) -> None:
    """Keep the GPU busy so that the first family is not measured at idle clocks."""
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(20):
            a @ a
        torch.cuda.synchronize()
