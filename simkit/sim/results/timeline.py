"""How many requests wait, prefill and decode over time, in constant memory.

Time is cut into equal bins; when a run outgrows them, neighbours are merged and the bins become twice as
wide. What a bin holds is exact: averages over its time, and counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from perfmodels.arrays import FloatArray
from simkit.sim.requests import IntArray, RequestTimes

_NUM_BINS = 1024  # between half of them and all are used at the end
_FIRST_WIDTH_S = 2.0**-10
_EVENTS = ("sent", "start", "first_token", "finished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Averages and counts over bins of width_s; arrays [bins], the first from time 0.

    queued, prefilling and decoding are requests sent and not started, started and without a first token,
    and between first token and last. The rates are requests sent and finished, and output tokens (a
    request's come evenly after its first), per second. ttft_s is the mean over requests sent in the bin,
    nan without any.
    """

    width_s: float
    queued: FloatArray
    prefilling: FloatArray
    decoding: FloatArray
    sent_per_s: FloatArray
    finished_per_s: FloatArray
    output_tokens_per_s: FloatArray
    ttft_s: FloatArray

    @property
    def time_s(self) -> FloatArray:
        """Where each bin begins."""
        return np.arange(len(self.queued), dtype=np.float64) * self.width_s

    def held(self, moments_s: FloatArray, values: FloatArray) -> FloatArray:
        """The last of `values`, taken at ascending moments, in each bin's middle; nan before the first."""
        place = np.searchsorted(moments_s, self.time_s + 0.5 * self.width_s, side="right") - 1
        known = np.append(values, np.nan)  # -1, none yet, is the last
        return np.asarray(known[place], dtype=np.float64)

    def columns(self) -> Mapping[str, FloatArray]:
        """Every column by name, time first."""
        kept = [item.name for item in fields(self) if item.name != "width_s"]
        return {"time_s": self.time_s, **{name: getattr(self, name) for name in kept}}


class TimelineBuilder:
    """Adds requests in any number of pieces; times are from 0 up."""

    def __init__(self) -> None:
        self._width_s = _FIRST_WIDTH_S
        # The last row is the rate of decoding: what each request adds to it and takes away again.
        self._events = np.zeros((len(_EVENTS) + 1, _NUM_BINS))  # how many, or how much
        self._since = np.zeros((len(_EVENTS) + 1, _NUM_BINS))  # times the time to the bin's end [s]
        self._tokens = np.zeros(_NUM_BINS)  # that come at one moment
        self._ttft_s = np.zeros(_NUM_BINS)
        self._end_s = 0.0

    def add(self, times: RequestTimes) -> None:
        """Count these requests."""
        if not len(times):
            return
        moments = [getattr(times, f"{name}_s") for name in _EVENTS]
        self._end_s = max(self._end_s, float(np.max(moments[-1])))
        while self._end_s >= self._width_s * _NUM_BINS:
            self._double()
        places = [np.floor(moment / self._width_s).astype(np.int64) for moment in moments]
        ones = np.ones(len(times))
        for row, (moment, place) in enumerate(zip(moments, places, strict=True)):
            self._count(row, (moment, place), ones)
        decode_s = times.finished_s - times.first_token_s
        later = times.osl_tokens - 1.0
        rate = later / np.where(decode_s > 0, decode_s, np.inf)
        self._count(-1, (moments[2], places[2]), rate)
        self._count(-1, (moments[3], places[3]), -rate)
        at_once = 1.0 + np.where(decode_s > 0, 0.0, later)
        self._tokens += np.bincount(places[2], at_once, minlength=_NUM_BINS)
        self._ttft_s += np.bincount(places[0], times.ttft_s, minlength=_NUM_BINS)

    def _count(self, row: int, when: tuple[FloatArray, IntArray], weight: FloatArray) -> None:
        """Add events of this weight at moments in these bins."""
        moment, place = when
        left_s = (place + 1) * self._width_s - moment
        self._events[row] += np.bincount(place, weight, minlength=_NUM_BINS)
        self._since[row] += np.bincount(place, weight * left_s, minlength=_NUM_BINS)

    def _double(self) -> None:
        """Merge neighbouring bins: events of the left one are a bin's width older at the end."""
        self._since[:, ::2] += self._events[:, ::2] * self._width_s
        self._events, self._since = _merged(self._events), _merged(self._since)
        self._tokens, self._ttft_s = _merged(self._tokens), _merged(self._ttft_s)
        self._width_s *= 2.0

    def timeline(self) -> Timeline:
        """Everything added so far."""
        used = int(self._end_s / self._width_s) + 1
        events, since = self._events[:, :used], self._since[:, :used]
        before = np.cumsum(events, axis=1) - events
        reached = before + since / self._width_s  # mean number of events so far, over each bin
        sent = events[0]
        return Timeline(
            width_s=self._width_s,
            queued=np.maximum(reached[0] - reached[1], 0.0),
            prefilling=np.maximum(reached[1] - reached[2], 0.0),
            decoding=np.maximum(reached[2] - reached[3], 0.0),
            sent_per_s=sent / self._width_s,
            finished_per_s=events[3] / self._width_s,
            output_tokens_per_s=np.maximum(reached[4] + self._tokens[:used] / self._width_s, 0.0),
            ttft_s=np.where(sent > 0, self._ttft_s[:used] / np.maximum(sent, 1.0), np.nan),
        )


def _merged(bins: FloatArray) -> FloatArray:
    """Sums of neighbours along the last axis, padded with empty bins to the old length."""
    sums = bins[..., ::2] + bins[..., 1::2]
    return np.concatenate([sums, np.zeros_like(sums)], axis=-1)
