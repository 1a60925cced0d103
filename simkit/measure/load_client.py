"""A small load generator in this process: streams chat completions from an OpenAI-compatible server.

For local checks and tests, where AIPerf's start alone would take longer than the measurement. Prompts are
random digits: in the tokenizer of `simkit.io.tokenizer` one token each; elsewhere the server's own count is
what is reported.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simkit.core.errors import InputError
from simkit.core.measured import RequestRecord
from simkit.core.workload import Workload
from simkit.io.openai_http import split_url

_HOPELESS = 10  # so many failures in a row, at least twice the slots, and the run is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How many requests, and how patiently: stall_s bounds the wait for the next bytes of an answer."""

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


def drive(url: str, model: str, workload: Workload, options: ClientOptions) -> list[RequestRecord]:
    """Send the workload and give every request that was not warm-up, in the order they were sent.

    Failed requests are among them with their reason; when nothing comes back any more the run stops early,
    with fewer requests than asked for.
    """
    return asyncio.run(_Driver(url, model, options).run(workload))


class _Driver:
    def __init__(self, url: str, model: str, options: ClientOptions) -> None:
        self._parts, self._model, self._options = split_url(url), model, options
        self._records: list[RequestRecord] = []
        self._slots = 1

    async def run(self, workload: Workload) -> list[RequestRecord]:
        rng = np.random.default_rng(self._options.seed)
        warm = _prompts(workload, self._options.warmup_count, rng)
        real = _prompts(workload, self._options.request_count, rng)
        slots = self._slots = max(1, round(workload.concurrency or 1))
        if warm:
            await self._closed(warm, slots)
        self._records.clear()
        try:
            async with asyncio.timeout(self._options.total_s):
                if workload.request_rate_per_s is not None:
                    await self._open(real, rng.exponential(1.0 / workload.request_rate_per_s, len(real)))
                elif workload.concurrency is not None:
                    await self._closed(real, slots)
                else:
                    raise InputError("the workload says no load; give a concurrency or a request rate")
        except TimeoutError:
            self._records.append(_failure("-", time.time(), f"not done after {self._options.total_s:.0f} s"))
        return sorted(self._records, key=lambda record: record.start_s)

    async def _closed(self, prompts: Sequence[_Prompt], slots: int) -> None:
        """As many requests in flight as slots: each slot takes the next prompt when it is free."""
        waiting = iter(prompts)

        async def slot() -> None:
            for prompt in waiting:
                if self._hopeless():
                    return
                self._records.append(await self._request(prompt))

        await asyncio.gather(*(slot() for _ in range(slots)))

    async def _open(self, prompts: Sequence[_Prompt], gaps_s: Any) -> None:
        async def one(prompt: _Prompt) -> None:
            self._records.append(await self._request(prompt))

        async with asyncio.TaskGroup() as group:
            for prompt, gap in zip(prompts, gaps_s, strict=True):
                if self._hopeless():
                    return
                await asyncio.sleep(float(gap))
                group.create_task(one(prompt))

    def _hopeless(self) -> bool:
        """Whether nothing has come back for a while."""
        count = max(_HOPELESS, 2 * self._slots)
        last = self._records[-count:]
        return len(last) == count and all(record.error is not None for record in last)

    async def _request(self, prompt: _Prompt) -> RequestRecord:
        """One request from its first byte out to its last byte in."""
        name, begun = f"r{prompt.number}", time.time()
        try:
            async with asyncio.timeout(self._options.stall_s):
                reader, writer = await asyncio.open_connection(
                    self._parts.hostname, self._port(), ssl=self._parts.scheme == "https" or None
                )
        except (OSError, TimeoutError) as error:
            await asyncio.sleep(0.05)  # a dead server must not make us spin
            return _failure(name, begun, f"no connection ({type(error).__name__})")
        try:
            return await self._stream(name, prompt, reader, writer)
        except TimeoutError:
            return _failure(name, begun, f"stalled for {self._options.stall_s:g} s")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _failure(name, begun, "connection lost mid-stream")
        except ValueError as error:
            return _failure(name, begun, str(error))
        finally:
            writer.close()

    def _port(self) -> int:
        return self._parts.port or (443 if self._parts.scheme == "https" else 80)

    async def _stream(
        self, name: str, prompt: _Prompt, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> RequestRecord:
        wall, begun = time.time(), time.perf_counter()
        writer.write(self._message(prompt))
        await writer.drain()
        times, usage = await _answer(reader, self._options.stall_s)
        if not times:
            raise ValueError("the stream held no token")
        output = float(usage.get("completion_tokens") or len(times))
        return RequestRecord(
            request_id=name,
            start_s=wall,
            end_s=wall + times[-1] - begun,
            ttft_s=times[0] - begun,
            e2e_s=times[-1] - begun,
            isl_tokens=float(usage.get("prompt_tokens") or len(prompt.text)),
            osl_tokens=output,
            gaps_s=tuple(float(gap) for gap in np.diff(times)),
            error=None if output >= prompt.osl_tokens else f"{output:.0f} tokens of {prompt.osl_tokens}",
        )

    def _message(self, prompt: _Prompt) -> bytes:
        body = json.dumps({
            "model": self._model, "messages": [{"role": "user", "content": prompt.text}], "stream": True,
            "max_tokens": prompt.osl_tokens, "min_tokens": prompt.osl_tokens, "ignore_eos": True,
            "stream_options": {"include_usage": True},
        }).encode()  # fmt: skip
        head = (
            f"POST {self._parts.path.rstrip('/')}/v1/chat/completions HTTP/1.1\r\n"
            f"Host: {self._parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


def _prompts(workload: Workload, count: int, rng: np.random.Generator) -> list[_Prompt]:
    """Prompts of random digits; lengths uniform from (1 - spread) to 1 of the nominal ones."""
    shares = rng.uniform(1.0 - workload.length_spread, 1.0, (2, count))
    isl = np.maximum(np.rint(workload.isl_tokens * shares[0]), 1).astype(int)
    osl = np.maximum(np.rint(workload.osl_tokens * shares[1]), 1).astype(int)
    digits = np.frombuffer(b"0123456789", dtype=np.uint8)
    return [
        _Prompt(number=n, text=digits[rng.integers(0, 10, isl[n])].tobytes().decode(), osl_tokens=int(osl[n]))
        for n in range(count)
    ]


def _failure(name: str, begun: float, reason: str) -> RequestRecord:
    return RequestRecord(
        request_id=name, start_s=begun, end_s=time.time(), ttft_s=None, e2e_s=None,
        isl_tokens=None, osl_tokens=None, error=reason,
    )  # fmt: skip


# --- the answer -----------------------------------------------------------------------------------


async def _answer(reader: asyncio.StreamReader, stall_s: float) -> tuple[list[float], dict[str, Any]]:
    """When each chunk with text came, and the usage the server reports.

    Raises ValueError for a status other than 200 and for a stream that is no event stream.
    """
    status, headers = await _head(reader, stall_s)
    if status != 200:
        raise ValueError(f"HTTP {status}")
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    times: list[float] = []
    usage: dict[str, Any] = {}
    async for line in _lines(_pieces(reader, stall_s, chunked=chunked)):
        if not line.startswith(b"data:"):
            if line.strip() and line[:1] not in b":eir":  # comment, event, id, retry
                raise ValueError("garbage in the stream")
            continue
        payload = line[5:].strip()
        if payload == b"[DONE]":
            return times, usage
        event = _event(payload)
        if _has_text(event):
            times.append(time.perf_counter())
        usage = event.get("usage") or usage
    raise ValueError(f"the stream ended early, after {len(times)} chunks")


async def _head(reader: asyncio.StreamReader, stall_s: float) -> tuple[int, dict[str, str]]:
    async with asyncio.timeout(stall_s):
        head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    pairs = (line.partition(":") for line in rest if ":" in line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _pieces(reader: asyncio.StreamReader, stall_s: float, *, chunked: bool) -> AsyncIterator[bytes]:
    """The body as it comes in, its transfer encoding taken off."""
    while True:
        async with asyncio.timeout(stall_s):
            if not chunked:
                piece = await reader.read(65536)
            else:
                size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
                piece = (await reader.readexactly(size + 2))[:-2]
        if not piece:
            return
        yield piece


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _event(payload: bytes) -> dict[str, Any]:
    try:
        event = json.loads(payload)
    except ValueError as error:
        raise ValueError("garbage in the stream") from error
    if not isinstance(event, dict):
        raise ValueError("garbage in the stream")
    if "error" in event:
        raise ValueError(f"the server reports an error mid-stream: {str(event['error'])[:200]}")
    return event


def _has_text(event: dict[str, Any]) -> bool:
    choices = event.get("choices")
    delta = choices[0].get("delta") if isinstance(choices, list) and choices else None
    return isinstance(delta, dict) and any(delta.get(key) for key in ("content", "reasoning_content"))
