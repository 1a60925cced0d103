"""An engine's own server for one pool, as it was predicted.

The words are pure; the programs are looked for where the user has them.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from simkit.core.deployment import Pool
from simkit.core.errors import ExternalError
from simkit.engines.flag_writer import worker_args
from simkit.engines.registry import engine_spec
from simkit.engines.spec import WorkerContext
from simkit.io.tools import Tool, find_tool


def require_engine(backend: str, environ: Mapping[str, str] | None = None) -> Path:
    """The engine's program. Raises ExternalError with the remedy where it is not installed."""
    server = engine_spec(backend).server
    tool = Tool(name=backend, program=server.program, variable=server.variable)
    found = find_tool(tool, environ=os.environ if environ is None else environ)
    if found is None:
        raise ExternalError(
            f"{tool.program} is not on PATH; install {backend}, name the program by {tool.variable}, or "
            "measure a running server by --url"
        )
    return found


def engine_words(program: Path, pool: Pool, context: WorkerContext, settings: Path) -> list[str]:
    """The command of one engine but for its address; settings is where its settings file will be.

    Raises InputError where the engine has no flag for what was predicted.
    """
    given = worker_args(pool, "aggregated", context)
    return [str(program), *engine_spec(pool.engine.backend).server.arguments(given, context, str(settings))]


def listed_name(pool: Pool, context: WorkerContext) -> str:
    """Under which name the server lists its model: some know no other than the model's own."""
    if not engine_spec(pool.engine.backend).server.lists_path:
        return context.model_name
    return Path(context.model_path).name if Path(context.model_path).is_dir() else context.model_path


def settings_file(pool: Pool, context: WorkerContext) -> dict[str, object] | None:
    """The document of the engine's settings file; None where flags say it all."""
    content = engine_spec(pool.engine.backend).server.settings
    return None if content is None else content(worker_args(pool, "aggregated", context))
