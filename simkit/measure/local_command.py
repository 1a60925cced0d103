"""A real engine started and supervised on this machine: from a command line, or for a deployment."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simkit.core.deployment import Aggregated, Deployment
from simkit.core.errors import InputError
from simkit.engines.spec import WorkerContext
from simkit.io.processes import Launch, clean_orphans
from simkit.io.tools import registry
from simkit.io.yamlio import dump_yaml, write_text_atomic
from simkit.measure.run import Server
from simkit.targets.local.engine import engine_words, listed_name, require_engine, settings_file
from simkit.targets.local.service import ServicePlan, serving

PORT = "{port}"
OF_DEPLOYMENT = "deployment"  # instead of a command: the engine of what is deployed


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCommand:
    """How an engine is started, and under which name it lists its model."""

    words: str
    model: str


def deployment_command(deployment: Deployment, model: str, served: str, folder: Path) -> EngineCommand:
    """The command of a deployment's only engine, its settings file written where it needs one.

    model is a Hugging Face id or a folder. Raises InputError for more than one engine, ExternalError where
    the engine is not installed.
    """
    if not isinstance(deployment, Aggregated) or deployment.worker.replicas > 1:
        raise InputError(
            f"--engine {OF_DEPLOYMENT}: one engine is started here, and the deployment has more; use "
            "--target local for mocked ones, or --url where it runs"
        )
    pool = deployment.worker
    context = WorkerContext(model_name=served, model_path=model, precision=deployment.precision)
    settings = folder / "engine.yaml"
    words = engine_words(require_engine(pool.engine.backend), pool, context, settings)
    document = settings_file(pool, context)
    if document is not None:
        write_text_atomic(settings, dump_yaml(document))
    command = f"{shlex.join(words)} --host 127.0.0.1 --port {PORT}"
    return EngineCommand(words=command, model=listed_name(pool, context))


@contextmanager
def command_server(command: str, model: str, folder: Path, ready_s: float = 1800.0) -> Iterator[Server]:
    """The server that `command` starts, until the context ends; `{port}` in it becomes a free port.

    Ready when it calls itself healthy and lists `model`. Raises InputError where the command has no place for
    the port, ExternalError where it ends or takes longer than ready_s.
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
        log = str(folder / "logs" / "engine.log")
        yield Server(url=service.plan.url, model=model, check=service.check, log=log)
