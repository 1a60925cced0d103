"""Requests to an API server: plain JSON in and out, a time-out each, bounded retries, watches that go on.

The official client signs in (kubeconfig, exec plug-ins, service account, proxies) and sends; objects stay
mappings, as its classes neither know Dynamo's kinds nor keep fields that they do not know.
"""

import gc
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from simkit.cluster.failures import (
    ClusterError,
    GoneError,
    RefusedError,
    UnreachableError,
    failure,
    unreachable,
)
from simkit.core.errors import InputError
from simkit.core.json_texts import json_value

Document = dict[str, Any]

FIELD_MANAGER = "simkit"
_PAGE = 500
_ATTEMPTS, _FIRST_WAIT_S, _MOST_WAIT_S = 5, 0.25, 10.0
_CONTENT = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
}
# The metadata of an object without the rest of it: of a Secret, this server sends no value.
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One cluster. namespace is where objects are looked for that name none."""

    client: Any
    namespace: str
    request_s: float = 30.0

    @property
    def host(self) -> str:
        """The server's address."""
        return str(self.client.configuration.host)

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, accept: str = "application/json"
    ) -> Document:
        """One object. Raises NotFoundError and the like."""
        return self._document("GET", path, query=query, accept=accept)

    def find(self, path: str, accept: str = "application/json") -> Document | None:
        """One object, None where there is none."""
        try:
            return self.get(path, accept=accept)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Document]:
        """Every object of a list."""
        for page in self.pages(path, query):
            yield from page.get("items") or ()

    def pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Document]:
        """A list page by page: memory is that of two, as the next is on its way."""
        wanted: Document = {"limit": _PAGE, **(query or {})}
        page = self.get(path, wanted)
        with ThreadPoolExecutor(1) as ahead:  # no thread is started for a single page
            while token := (page.get("metadata") or {}).get("continue"):
                coming = ahead.submit(self._page, path, wanted, str(token))
                yield page
                page = coming.result()
        yield page

    def _page(self, path: str, wanted: Mapping[str, Any], token: str) -> Document:
        """The next page. Where its place is no longer kept, the server names another, past what was read."""
        try:
            return self.get(path, {**wanted, "continue": token})
        except GoneError as error:
            if error.goes_on is None:
                raise
            return self.get(path, {**wanted, "continue": error.goes_on})

    def create(self, path: str, body: Document, *, dry_run: bool = False) -> Document:
        """A new object. It is sent again only where the server cannot have seen it."""
        return self._document("POST", path, query=_dry(dry_run), body=body)

    def apply(self, path: str, body: Document, *, dry_run: bool = False, force: bool = False) -> Document:
        """Server-side apply under our field manager; the object as it is now, whether created or changed.

        Raises ConflictError where another manager owns a field, unless force.
        """
        query = {**_dry(dry_run), "fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return self._document("PATCH", path, query=query, body=body, content="apply")

    def merge(self, path: str, body: Document) -> Document:
        """A merge patch."""
        return self._document(
            "PATCH", path, query={"fieldManager": FIELD_MANAGER}, body=body, content="merge"
        )

    def delete(self, path: str, *, uid: str, dry_run: bool = False) -> None:
        """Delete the very object that was seen, and what it owns in the background."""
        options: Document = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        if dry_run:
            options["dryRun"] = ["All"]
        self._document("DELETE", path, body=options)

    def text(self, path: str, query: Mapping[str, Any]) -> str:
        """What is no JSON, such as logs."""
        return self._sent("GET", path, query=query, accept="*/*").decode("utf-8", "replace")

    def watch(self, path: str, query: Mapping[str, Any], seconds: float) -> Iterator[tuple[str, Document]]:
        """Changes as they come, for at most so many seconds; it may end earlier, as servers close watches.

        Raises GoneError where the place in `resourceVersion` is no longer kept, Unreachable where it is cut.
        """
        wanted = {
            **query,
            "watch": "true",
            "timeoutSeconds": max(int(seconds), 1),
            "allowWatchBookmarks": "true",
        }
        response = self._response("GET", path, wanted, None, None, timeout=(self.request_s, seconds + 5.0))
        try:
            for line in _lines(response.response, self.host):
                kind, item = line["type"], line["object"]
                if kind == "ERROR":
                    status = int(item.get("code") or 500)
                    raise (
                        GoneError(str(item.get("message")), status)
                        if status == 410
                        else ClusterError(f"watch of {path}: {item.get('message')}", status)
                    )
                yield kind, item
        finally:
            response.response.close()

    # --- How one request is sent.

    def _document(self, method: str, path: str, **request: Any) -> Document:
        sent = self._sent(method, path, **request)
        try:
            found = _parsed(sent)
        except InputError as error:
            raise ClusterError(
                f"{self.host}{path}: answers no JSON that can be used ({_why(error)}); is this an API server?"
            ) from error
        return found if isinstance(found, dict) else {}

    def _sent(self, method: str, path: str, **request: Any) -> bytes:
        """The answer's body. What failed for now is sent again, with growing pauses, a few times."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._once(method, path, **request)
            except ClusterError as error:
                if attempt + 1 == _ATTEMPTS or not _may_repeat(method, error):
                    raise
                wait = error.retry_after_s or _FIRST_WAIT_S * 2**attempt
                time.sleep(min(wait, _MOST_WAIT_S))
        raise AssertionError

    def _once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Document | None = None,
        content: str | None = None,
        accept: str = "application/json",
    ) -> bytes:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = _CONTENT[content] if content else "application/json"
        response = self._response(method, path, query or {}, headers, body, timeout=self.request_s)
        return self._body(response)

    def _body(self, response: Any) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            return bytes(response.read() or b"")
        except (HTTPError, OSError) as error:
            raise unreachable(error, self.host) from error

    def _response(
        self, method: str, path: str, query: Mapping[str, Any], headers: Any, body: Any, *, timeout: Any
    ) -> Any:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"User-Agent": FIELD_MANAGER, **(headers or {"Accept": "application/json"})}
        words = f"?{urlencode(query)}" if query else ""
        try:
            self.client.update_params_for_auth(headers, None, ["BearerToken"], path, method, body)
            response = self.client.rest_client.request(
                method, f"{self.host}{path}{words}", headers=headers, body=body, _request_timeout=timeout
            )
        except (HTTPError, OSError, ApiException) as error:
            raise unreachable(error, self.host) from error
        if response.status >= 400:
            said = self._body(response).decode("utf-8", "replace")
            raise failure(response.status, said, f"{method} {path}", dict(response.headers))
        return response


def _parsed(text: bytes) -> Any:
    """JSON without a search for cycles meanwhile: it holds none, and of a long list that is two thirds."""
    searched = gc.isenabled()
    gc.disable()
    try:
        return json_value(text.decode("utf-8", "replace"), "it", strict=False)
    finally:
        if searched:
            gc.enable()


def _dry(dry_run: bool) -> Document:
    return {"dryRun": "All"} if dry_run else {}


def _may_repeat(method: str, error: ClusterError) -> bool:
    """Whether a request may be sent again: not one that may have created something already."""
    if isinstance(error, UnreachableError):
        return method != "POST" and "timed out" not in str(error)
    return error.status == 429 or (error.may_pass and method != "POST")


def _lines(response: Any, host: str) -> Iterator[Document]:
    """The JSON documents of a stream, one a line."""
    from urllib3.exceptions import HTTPError

    rest = b""
    try:
        for chunk in response.stream(2**16, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (_change(line) for line in lines if line.strip())
    except InputError as error:
        raise ClusterError(
            f"{host}: a watch holds no JSON that can be used ({_why(error)}); does a proxy stand in between?",
            502,
        ) from error
    except (HTTPError, OSError) as error:
        raise unreachable(error, host) from error


def _change(line: bytes) -> Document:
    """A line of a watch. Raises InputError where it is none."""
    found = _parsed(line)
    if not isinstance(found, dict) or not isinstance(found.get("object"), dict) or "type" not in found:
        raise InputError("it: is no change of an object; look at the server")
    return found


def _why(error: InputError) -> str:
    return str(error).removeprefix("it: ").rpartition("; ")[0]


__all__ = ["FIELD_MANAGER", "METADATA_ONLY", "Api", "Document", "RefusedError"]
