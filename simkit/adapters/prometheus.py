"""A server's /metrics page read as text, and what happened between two readings."""

import http.client
import re
from collections.abc import Mapping

from simkit.adapters.openai_http import split_url

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
