"""What an OpenAI-compatible server says of itself: alive, serving which models, and its metrics."""

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from simkit.core.errors import InputError
from simkit.core.json_texts import json_value

KEY_VARIABLE = "SIMKIT_API_KEY"
_MOST_BYTES = 32_000_000  # of a page; the rest is not read
_LONGEST_KEY = 16_384  # characters
_REDIRECTS = range(300, 400)
_CLOSED = (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server: its address without a name or password, and what it asks for to let us in.

    secret is the value of the Authorization header. It is sent to this address, never shown or stored.
    """

    url: str
    secret: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every request."""
        return {"Authorization": self.secret} if self.secret else {}

    def at(self, path: str) -> str:
        """Where a path of the server is; its address may have a path of its own in front."""
        return f"{self.url}{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer over HTTP: status, body parsed as JSON (None where it is none); fault says why it is none.

    status is None where nothing came that is HTTP.
    """

    status: int | None = None
    body: Any = None
    text: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The models that a server lists; fault says why there is no list."""

    models: tuple[str, ...] = ()
    fault: str = ""


def split_url(url: str) -> SplitResult:
    """The parts of a server's address. Raises InputError where it is no http(s) URL with a host."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(not sign.isprintable() or sign.isspace() for sign in url):
        raise InputError(f"URL {_masked(url)!r}: expected http://HOST:PORT, such as http://localhost:8000")
    return parts


def _masked(url: str) -> str:
    """An address that cannot be read, without what stands before an @."""
    return re.sub(r"//.*@", "//...@", url)


def endpoint_of(url: str, key: str | None = None) -> Endpoint:
    """The server of an address, which may hold NAME:PASSWORD@; a key goes before those.

    Raises InputError for an address that is none, or that has a query.
    """
    parts = split_url(url)
    if parts.query or parts.fragment:
        raise InputError(
            f"URL {_masked(url)!r}: leave out what follows ? and #; a key goes into {KEY_VARIABLE}"
        )
    given = parts.username is not None or parts.password is not None
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    basic = f"Basic {base64.b64encode(login).decode()}" if given else None
    place = parts.netloc.rpartition("@")[2]
    bare = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return Endpoint(url=bare, secret=f"Bearer {key}" if key else basic)


def api_key(file: Path | None, environ: Mapping[str, str] | None = None) -> str | None:
    """The key of a server: from a file, else from SIMKIT_API_KEY.

    Raises InputError for a file that cannot be read or a key that is not one printable word.
    """
    environ = os.environ if environ is None else environ
    if file is None:
        return _checked_key(environ.get(KEY_VARIABLE, ""), KEY_VARIABLE) or None
    try:
        with file.open(encoding="utf-8") as opened:
            key = _checked_key(opened.read(_LONGEST_KEY + 1), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(
            f"{file}: the key cannot be read ({reason}); give a file that holds nothing else"
        ) from error
    if not key:
        raise InputError(f"{file}: holds no key; give a file that holds nothing else than the key")
    return key


def _checked_key(text: str, where: str) -> str:
    key = text.strip()
    if len(key) > _LONGEST_KEY or not key.isascii() or not all("!" <= sign <= "~" for sign in key):
        raise InputError(f"{where}: expected one key, printable ASCII without blanks")
    return key


def ask(server: Endpoint, path: str, timeout_s: float = 5.0) -> Reply:
    """The answer to a GET, whole within the time or not at all."""
    return asyncio.run(_asked(server, path, timeout_s))


async def _asked(server: Endpoint, path: str, timeout_s: float) -> Reply:
    import aiohttp
    from aiohttp.http import HttpProcessingError

    timeout = aiohttp.ClientTimeout(total=timeout_s)
    where, headers = server.at(path), server.headers
    try:
        async with aiohttp.request(
            "GET", where, timeout=timeout, allow_redirects=False, headers=headers
        ) as answer:
            try:
                content = await answer.content.readexactly(_MOST_BYTES)
            except asyncio.IncompleteReadError as whole:
                content = whole.partial
            return _reply(path, answer, content)
    except TimeoutError:
        return Reply(fault=f"gives no whole answer to {path} within {timeout_s:g} s")
    except aiohttp.ClientConnectorDNSError:
        return Reply(fault="no host has this name")
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno
        why = os.strerror(number) if number else str(error.os_error)
        return Reply(fault=f"cannot be reached ({why}; check host and port)")
    except (aiohttp.ClientResponseError, HttpProcessingError):
        return Reply(fault="does not speak HTTP at this port")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Reply(fault=f"ends the connection ({type(error).__name__})")


def _reply(path: str, answer: Any, content: bytes) -> Reply:
    status: int = answer.status
    text = content.decode("utf-8", errors="replace")
    fault = ""
    if status in _REDIRECTS:
        leads = _masked(answer.headers.get("Location", "nowhere"))[:200]
        fault = f"redirects {path} to {leads} (HTTP {status}); give the address where it ends"
    elif status in _CLOSED:
        fault = f"refuses {path} with HTTP {status}; a key goes into {KEY_VARIABLE} or --api-key-file"
    elif status != 200:
        fault = f"answers {path} with HTTP {status}"
    return Reply(status=status, body=_parsed(text), text=text, fault=fault)


def listing(server: Endpoint) -> Listing:
    """The models that the server lists, or why there is no list."""
    reply = ask(server, "/v1/models")
    if reply.fault:
        return Listing(fault=reply.fault)
    listed = reply.body.get("data") if isinstance(reply.body, dict) else None
    if not isinstance(listed, list):
        return Listing(fault="answers /v1/models with something else than a list of models")
    return Listing(
        models=tuple(str(item["id"]) for item in listed if isinstance(item, dict) and "id" in item)
    )


def _parsed(content: str) -> Any:
    try:
        return json_value(content, "answer", strict=False)
    except InputError:
        return None


# --- A server's /metrics page read as text, and what happened between two readings.


Samples = dict[tuple[str, str], float]

_LINE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_KEPT = ("_sum", "_count")


def scrape(server: Endpoint, timeout_s: float = 5.0) -> Samples:
    """Sums and counts of every histogram by (name, labels); empty where the server has no such page."""
    reply = ask(server, "/metrics", timeout_s)
    return {} if reply.fault else samples(reply.text)


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
