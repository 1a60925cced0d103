"""A real engine started on this machine by its own command, supervised like everything else."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simkit.adapters.local_service import ServicePlan, serving
from simkit.adapters.processes import Launch, clean_orphans
from simkit.adapters.tools import registry
from simkit.core.errors import InputError
from simkit.verbs.measure import Server

PORT = "{port}"


@contextmanager
def command_server(command: str, model: str, folder: Path, ready_s: float = 1800.0) -> Iterator[Server]:
    """The server that `command` starts, until the context ends; `{port}` in it becomes a free port.

    Ready when it lists `model`. Raises InputError where the command has no place for the port, ExternalError
    where it ends or takes longer than ready_s.
    """
    if PORT not in command:
        raise InputError(f"--engine {command!r}: no {PORT} in it; write --port {PORT}, and it is filled in")
    try:
        shlex.split(command)
    except ValueError as error:
        raise InputError(f"--engine {command!r}: {error}; check the quotes") from error

    def plan_of(port: int) -> ServicePlan:
        words = shlex.split(command.replace(PORT, str(port)))
        launch = Launch(command=words, log=folder / "logs" / "engine.log", env=dict(os.environ))
        return ServicePlan(
            launches={"engine": launch}, url=f"http://127.0.0.1:{port}", model=model, ready_s=ready_s
        )

    clean_orphans(registry())
    with serving(plan_of, registry()) as service:
        yield Server(url=service.plan.url, model=model, check=service.check)
