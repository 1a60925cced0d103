"""A small load generator in this process: streams chat completions from an OpenAI-compatible server.

For local checks and tests, where AIPerf's start alone would take longer than the measurement. Prompts are
random digits: in the tokenizer of `simkit.io.tokenizer` one token each; elsewhere the server's own count is
what is reported.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import aiohttp
import numpy as np
from aiohttp.http import HttpProcessingError
from pydantic import AliasPath, BaseModel, Field, ValidationError

from simkit.core.errors import InputError
from simkit.core.measured import RequestRecord
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import shared_tokens
from simkit.io.openai_http import Endpoint

_HOPELESS = 10  # so many failures in a row, at least twice the slots, and the run is given up
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How many requests, and how patiently.

    stall_s bounds the wait for a connection, for the head of an answer and for the next line of it;
    total_s bounds the whole run, warm-up included.
    """

    request_count: int
    warmup_count: int = 0
    seed: int = 1
    stall_s: float = 60.0
    total_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    number: int
    text: str
    osl_tokens: int


def drive(server: Endpoint, model: str, workload: Workload, options: ClientOptions) -> list[RequestRecord]:
    """Send the workload and give every request that was not warm-up, in the order they were sent.

    Failed requests are among them with their reason; when nothing comes back any more the run stops early,
    with fewer requests than asked for.
    """
    if workload.request_rate_per_s is None and workload.concurrency is None:
        raise InputError("the workload says no load; give a concurrency or a request rate")
    return asyncio.run(_Driver(server, model, options).run(workload))


class _Driver:
    def __init__(self, server: Endpoint, model: str, options: ClientOptions) -> None:
        self._server, self._model, self._options = server, model, options
        self._url = server.at("/v1/chat/completions")
        self._records: list[RequestRecord] = []
        self._slots = 1

    async def run(self, workload: Workload) -> list[RequestRecord]:
        rng = np.random.default_rng(self._options.seed)
        warm = _prompts(workload, self._options.warmup_count, rng)
        real = _prompts(workload, self._options.request_count, rng)
        self._slots = max(1, round(workload.concurrency or 1))
        try:
            async with (
                asyncio.timeout(self._options.total_s),
                _session(self._server, self._options.stall_s) as session,
            ):
                try:
                    await self._closed(session, warm)
                finally:
                    self._records.clear()
                if workload.request_rate_per_s is None:
                    await self._closed(session, real)
                else:
                    gaps_s = rng.exponential(1.0 / workload.request_rate_per_s, len(real))
                    await self._open(session, real, np.cumsum(gaps_s))
        except TimeoutError:
            self._records.append(_failure("-", time.time(), f"not done after {self._options.total_s:g} s"))
        return sorted(self._records, key=lambda record: record.start_s)

    async def _closed(self, session: aiohttp.ClientSession, prompts: Sequence[_Prompt]) -> None:
        """As many requests in flight as slots: each slot takes the next prompt when it is free."""
        waiting = iter(prompts)

        async def slot() -> None:
            for prompt in waiting:
                if self._hopeless():
                    return
                await self._send(session, prompt)

        await asyncio.gather(*(slot() for _ in range(self._slots)))

    async def _open(self, session: aiohttp.ClientSession, prompts: Sequence[_Prompt], due_s: Any) -> None:
        """Each request at its time after the start, whatever became of the others."""
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for prompt, due in zip(prompts, due_s, strict=True):
                if self._hopeless():
                    return
                await asyncio.sleep(begun + float(due) - time.perf_counter())
                group.create_task(self._send(session, prompt))

    def _hopeless(self) -> bool:
        """Whether nothing has come back for a while."""
        count = max(_HOPELESS, 2 * self._slots)
        last = self._records[-count:]
        return len(last) == count and all(record.error is not None for record in last)

    async def _send(self, session: aiohttp.ClientSession, prompt: _Prompt) -> None:
        """Record one request, or the reason why there is none."""
        begun = time.time()
        try:
            record = await self._answered(session, prompt)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            if isinstance(error, _NO_CONNECTION):
                await asyncio.sleep(0.05)  # a dead server must not make us spin
            record = _failure(f"r{prompt.number}", begun, _reason(error, self._options.stall_s))
        self._records.append(record)

    async def _answered(self, session: aiohttp.ClientSession, prompt: _Prompt) -> RequestRecord:
        """One request from its first byte out to its last byte in."""
        async with asyncio.timeout(None) as alarm:
            watch = _Watch(alarm=alarm, stall_s=self._options.stall_s)
            async with session.post(
                self._url, json=self._body(prompt), allow_redirects=False, trace_request_ctx=watch
            ) as answer:
                if answer.status != 200:
                    raise ValueError(_status_words(answer))
                times, last = await _answer(answer.content, watch)
        if not times:
            raise ValueError("the stream held no token")
        output = last.completion_tokens or float(len(times))
        return RequestRecord(
            request_id=f"r{prompt.number}",
            start_s=watch.wall_s,
            end_s=watch.wall_s + times[-1] - watch.begun_s,
            ttft_s=times[0] - watch.begun_s,
            e2e_s=times[-1] - watch.begun_s,
            isl_tokens=last.prompt_tokens or float(len(prompt.text)),
            osl_tokens=output,
            gaps_s=tuple(later - earlier for earlier, later in pairwise(times)),
            error=None if output >= prompt.osl_tokens else f"{output:.0f} tokens of {prompt.osl_tokens}",
        )

    def _body(self, prompt: _Prompt) -> dict[str, Any]:
        return {
            "model": self._model, "messages": [{"role": "user", "content": prompt.text}], "stream": True,
            "max_tokens": prompt.osl_tokens, "min_tokens": prompt.osl_tokens, "ignore_eos": True,
            "stream_options": {"include_usage": True},
        }  # fmt: skip


def _status_words(answer: aiohttp.ClientResponse) -> str:
    """An answer that is none; only a redirect says more."""
    leads = f", a redirect to {answer.headers['Location'][:100]}" if "Location" in answer.headers else ""
    return f"HTTP {answer.status}{leads}"


def _prompts(workload: Workload, count: int, rng: np.random.Generator) -> list[_Prompt]:
    """Prompts of random digits, of which the first may be the same in all; lengths uniform from (1 - spread)
    to 1 of the nominal ones.
    """
    shares = rng.uniform(1.0 - workload.length_spread, 1.0, (2, count))
    isl = np.maximum(np.rint(workload.isl_tokens * shares[0]), 1).astype(int)
    osl = np.maximum(np.rint(workload.osl_tokens * shares[1]), 1).astype(int)
    digits = np.frombuffer(b"0123456789", dtype=np.uint8)

    def text(length: int) -> str:
        return digits[rng.integers(0, 10, length)].tobytes().decode()

    shared = text(shared_tokens(workload)) if workload.prefix_hit else ""
    return [
        _Prompt(
            number=n,
            text=shared[: isl[n] - 1] + text(max(isl[n] - len(shared), 1)),
            osl_tokens=int(osl[n]),
        )
        for n in range(count)
    ]


def _failure(name: str, begun: float, reason: str) -> RequestRecord:
    return RequestRecord(
        request_id=name, start_s=begun, end_s=time.time(), ttft_s=None, e2e_s=None,
        isl_tokens=None, osl_tokens=None, error=reason,
    )  # fmt: skip


def _reason(error: Exception, stall_s: float) -> str:
    """What went wrong, in words that are the same for all requests it happens to."""
    if isinstance(error, _NO_CONNECTION):
        return f"no connection ({type(getattr(error, 'os_error', TimeoutError())).__name__})"
    if isinstance(error, TimeoutError):
        return f"stalled for {stall_s:g} s"
    if isinstance(error, aiohttp.ClientResponseError):
        return "no HTTP answer"
    if isinstance(error, HttpProcessingError):
        return "a line of the stream is too long"
    return str(error) if isinstance(error, ValueError) else "connection lost mid-stream"


# --- One answer: the connection, the time it takes, and what the stream says.


@dataclass(slots=True, kw_only=True)
class _Watch:
    """When a request went out, and the alarm that rings where its server falls silent."""

    alarm: asyncio.Timeout
    stall_s: float
    wall_s: float = 0.0
    begun_s: float = 0.0

    def heard(self) -> float:
        """Wind up the alarm again; the time on the clock of `begun_s`."""
        now = time.perf_counter()
        self.alarm.reschedule(asyncio.get_running_loop().time() + self.stall_s)
        return now


def _session(server: Endpoint, stall_s: float) -> aiohttp.ClientSession:
    """A connection per request, any number at once, and no state between requests."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_connected)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "text/event-stream", "Accept-Encoding": "identity", **server.headers},
        timeout=aiohttp.ClientTimeout(connect=stall_s),
        trace_configs=[trace],
    )


async def _connected(_session: Any, context: Any, _params: Any) -> None:
    watch: _Watch = context.trace_request_ctx
    watch.wall_s, watch.begun_s = time.time(), watch.heard()


_Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Chunk(BaseModel):
    """What is read of an event; whatever else a server says is passed over."""

    text: str | None = Field(None, validation_alias=AliasPath("choices", 0, "delta", "content"))
    thought: str | None = Field(None, validation_alias=AliasPath("choices", 0, "delta", "reasoning_content"))
    prompt_tokens: _Count | None = Field(None, validation_alias=AliasPath("usage", "prompt_tokens"))
    completion_tokens: _Count | None = Field(None, validation_alias=AliasPath("usage", "completion_tokens"))
    error: Any = None


async def _answer(lines: aiohttp.StreamReader, watch: _Watch) -> tuple[list[float], _Chunk]:
    """When each chunk with text came, and the chunk that reports how many tokens there were.

    Raises ValueError for a stream that is no event stream.
    """
    times: list[float] = []
    counted = _Chunk()
    async for line in lines:
        now = watch.heard()
        if not line.startswith(b"data:"):
            if line.strip() and line[:1] not in b":eir":  # comment, event, id, retry
                raise ValueError("garbage in the stream")
            continue
        payload = line[5:].strip()
        if payload == b"[DONE]":
            return times, counted
        chunk = _chunk(payload)
        if chunk.text or chunk.thought:
            times.append(now)
        counted = chunk if chunk.completion_tokens else counted
    raise ValueError(f"the stream ended early, after {len(times)} chunks")


def _chunk(payload: bytes) -> _Chunk:
    try:
        chunk = _Chunk.model_validate_json(payload)
    except ValidationError as error:
        raise ValueError("garbage in the stream") from error
    if chunk.error is not None:
        raise ValueError(f"the server reports an error mid-stream: {str(chunk.error)[:200]}")
    return chunk
