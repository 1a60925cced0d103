"""Many objects watched at once: listed once, then only what changes, however often the watch is cut."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simkit.cluster.api import Api, Document
from simkit.cluster.failures import ClusterError, GoneError

_PAUSE_S = 1.0
_ONE_WATCH_S = 300.0  # servers close watches after some minutes; this one asks for it


@dataclass(slots=True)
class Watching:
    """Objects of one list. Of each its name alone is kept.

    listed: how often the whole list was read: once, and again each time that the server has lost our place.
    cut: how often the watch ended and went on where it was.
    """

    api: Api
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    listed: int = 0
    cut: int = 0
    _version: str | None = None
    _names: dict[str, str] = field(default_factory=dict)  # by uid

    def changes(self, seconds: float) -> Iterator[tuple[str, Document]]:
        """What is there (ADDED), then what is ADDED, MODIFIED, DELETED, until time is up."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                if self._version is None:
                    yield from self._list()
                yield from self._watch(min(left, _ONE_WATCH_S))
                self.cut += 1
            except GoneError:
                self._version = None
                time.sleep(min(_PAUSE_S, left))
            except ClusterError as error:
                if not error.may_pass:
                    raise
                self.cut += 1
                time.sleep(min(_PAUSE_S, left))

    def _list(self) -> Iterator[tuple[str, Document]]:
        """Everything that is there; after a lost place also what has gone meanwhile."""
        before, version = self._names, None
        self._names = {}
        for page in self.api.pages(self.path, self.query):
            version = version or page["metadata"]["resourceVersion"]
            for item in page.get("items") or ():
                uid = item["metadata"]["uid"]
                self._names[uid] = item["metadata"]["name"]
                yield ("MODIFIED" if uid in before else "ADDED"), item
        self.listed += 1
        for uid, name in before.items():
            if uid not in self._names:
                yield "DELETED", {"metadata": {"name": name, "uid": uid}}
        self._version = version

    def _watch(self, seconds: float) -> Iterator[tuple[str, Document]]:
        query = {**self.query, "resourceVersion": self._version}
        for kind, item in self.api.watch(self.path, query, seconds):
            self._version = item["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                continue
            uid = item["metadata"]["uid"]
            if kind == "DELETED":
                self._names.pop(uid, None)
            else:
                self._names[uid] = item["metadata"]["name"]
            yield kind, item
