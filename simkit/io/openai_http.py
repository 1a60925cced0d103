"""What an OpenAI-compatible server says of itself: alive, serving which models, and its metrics."""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from simkit.core.errors import InputError


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


def get(url: str, path: str, timeout_s: float = 5.0) -> Reply | None:
    """The answer to a GET; None after a time-out, a refused connection or an answer that is not HTTP."""
    parts = split_url(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path.rstrip("/") + path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        return Reply(status=answer.status, body=_parsed(answer.read(4_000_000)))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


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
    except ValueError:
        return None


# --- A server's /metrics page read as text, and what happened between two readings.


Samples = dict[tuple[str, str], float]

_LINE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_KEPT = ("_sum", "_count")


def scrape(url: str, timeout_s: float = 5.0) -> Samples:
    """Sums and counts of every histogram by (name, labels); empty where the server has no such page."""
    parts = split_url(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path.rstrip("/") + "/metrics")
        answer = connection.getresponse()
        text = answer.read(32_000_000).decode("utf-8", errors="replace") if answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
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
