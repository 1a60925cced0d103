"""What an OpenAI-compatible server says of itself: alive, serving which models, and its metrics."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from simkit.core.errors import InputError

_MOST_BYTES = 32_000_000  # of a page; the rest is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer: status, and its body parsed as JSON (None where it is none)."""

    status: int
    body: Any


def split_url(url: str) -> SplitResult:
    """The parts of a server's address. Raises InputError where it is no http(s) URL with a host."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise InputError(f"URL {url!r}: expected http://HOST:PORT, such as http://localhost:8000")
    return parts


def address(url: str, path: str) -> str:
    """Where a path of the server is; its address may have a path of its own in front."""
    parts = split_url(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{path}"


def get(url: str, path: str, timeout_s: float = 5.0) -> Reply | None:
    """The answer to a GET; None after a time-out, a refused connection or an answer that is not HTTP."""
    found = asyncio.run(_fetched(address(url, path), timeout_s))
    return found and Reply(status=found[0], body=_parsed(found[1]))


async def _fetched(where: str, timeout_s: float) -> tuple[int, bytes] | None:
    """Status and body, whole within the time or not at all."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.request("GET", where, timeout=timeout, allow_redirects=False) as answer:
            try:
                return answer.status, await answer.content.readexactly(_MOST_BYTES)
            except asyncio.IncompleteReadError as whole:
                return answer.status, whole.partial
    except (aiohttp.ClientError, OSError):
        return None


def served_models(url: str) -> list[str]:
    """The ids the server lists; empty while it lists none or does not answer."""
    reply = get(url, "/v1/models")
    listed = reply.body.get("data") if reply and isinstance(reply.body, dict) else None
    if not isinstance(listed, list):
        return []
    return [str(item["id"]) for item in listed if isinstance(item, dict) and "id" in item]


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


# --- A server's /metrics page read as text, and what happened between two readings.


Samples = dict[tuple[str, str], float]

_LINE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_KEPT = ("_sum", "_count")


def scrape(url: str, timeout_s: float = 5.0) -> Samples:
    """Sums and counts of every histogram by (name, labels); empty where the server has no such page."""
    found = asyncio.run(_fetched(address(url, "/metrics"), timeout_s))
    text = found[1].decode("utf-8", errors="replace") if found and found[0] == 200 else ""
    return samples(text)


def samples(text: str) -> Samples:
    """Sums and counts in the text of a metrics page."""
    found: Samples = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and match[1].endswith(_KEPT):
            try:
                found[match[1], match[2] or ""] = float(match[3])
            except ValueError:
                continue
    return found


def histograms_between(before: Samples, after: Samples) -> dict[str, Mapping[str, object]]:
    """Histograms of what was observed in between, in the form of AIPerf's server-metrics export."""
    found: dict[str, dict[str, list[dict[str, dict[str, float]]]]] = {}
    for (name, labels), count in after.items():
        if not name.endswith("_count"):
            continue
        base = name.removesuffix("_count")
        seen = count - before.get((name, labels), 0.0)
        total = after.get((f"{base}_sum", labels), 0.0) - before.get((f"{base}_sum", labels), 0.0)
        stats = {"stats": {"count": seen, "sum": total}}
        found.setdefault(base, {"series": []})["series"].append(stats)
    return dict(found)
