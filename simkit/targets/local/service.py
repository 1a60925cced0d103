"""A server made of local processes: started together, ready when it lists its model, stopped together."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simkit.core.errors import ExternalError
from simkit.io.openai_http import Endpoint, Reply, ask, listing
from simkit.io.processes import Child, Launch

_POLL_S = 0.2
_HEALTHY = (200, 404)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """Processes by name, in the order they are started, and what tells that they serve.

    instances is how many engines the frontend must have found (Dynamo's /health lists them); 0 where the
    server has no such list.
    """

    launches: dict[str, Launch]
    url: str
    model: str
    instances: int = 0
    ready_s: float = 120.0


@dataclass(slots=True)
class LocalService:
    """A started service. Leaving the context ends every process, whatever happened."""

    plan: ServicePlan
    registry: Path
    children: dict[str, Child] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "LocalService":
        try:
            for name, launch in self.plan.launches.items():
                self.children[name] = self._stack.enter_context(Child(launch, self.registry))
            self._wait_ready()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process; safe to call again."""
        self._stack.close()

    def check(self) -> None:
        """Raises ExternalError that names a process that has ended and its last words."""
        for name, child in self.children.items():
            status = child.exit_status
            if status is not None:
                said = child.reason() or "no output"
                raise ExternalError(f"{name} ended with status {status} ({said}); its log is {child.log}")

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + self.plan.ready_s
        while time.monotonic() < deadline:
            self.check()
            if self._ready():
                return
            time.sleep(_POLL_S)
        logs = ", ".join(str(child.log) for child in self.children.values())
        waited = f"{self.plan.ready_s:.0f} s"
        raise ExternalError(f"{self.plan.url}: {self._missing()} after {waited}; look at {logs}")

    def _missing(self) -> str:
        """What is not there, in words."""
        health = self._health()
        if health.status is not None and health.status not in _HEALTHY:
            return f"answers /health with HTTP {health.status}"
        return f"does not list {self.plan.model}"

    def _ready(self) -> bool:
        return (
            self._healthy()
            and self.plan.model in listing(Endpoint(url=self.plan.url)).models
            and self._found() >= self.plan.instances
        )

    def _healthy(self) -> bool:
        """Whether the server calls itself healthy, or has no such page.

        Dynamo's frontend answers for itself alone: there the engines it has found count.
        """
        if self.plan.instances:
            return True
        return self._health().status in _HEALTHY

    def _health(self) -> Reply:
        return ask(Endpoint(url=self.plan.url), "/health")

    def _found(self) -> int:
        """Engines that a Dynamo frontend has found so far."""
        if not self.plan.instances:
            return 0
        body = self._health().body
        listed = body.get("instances") if isinstance(body, dict) else None
        if not isinstance(listed, list):
            return 0
        engines = [item for item in listed if isinstance(item, dict) and item.get("endpoint") == "generate"]
        return len({item.get("instance_id") for item in engines})


def free_port() -> int:
    """A port of this machine that is free at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    plan_of: Callable[[int], ServicePlan], registry: Path, attempts: int = 3
) -> Iterator[LocalService]:
    """A service on a free port, ready; tried again where another process took the port in between."""
    service = None
    for attempt in range(attempts):
        candidate = LocalService(plan_of(free_port()), registry)
        try:
            service = candidate.__enter__()
            break
        except ExternalError as error:
            if attempt + 1 == attempts or "in use" not in str(error):
                raise
    if service is not None:
        try:
            yield service
        finally:
            service.stop()
