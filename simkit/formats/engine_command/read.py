"""A command line that people start engines with, read as a Deployment; `@file` and `-` name where it is."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfmodels.model.dtypes import Precision
from simkit.catalog.engine_models import served_precision
from simkit.catalog.models import Model, load_model
from simkit.core.deployment import Deployment
from simkit.core.engine import Role
from simkit.core.errors import InputError, UnknownNameError
from simkit.formats.dgd.read import deployment_of
from simkit.formats.dgd.workers import Worker
from simkit.formats.engine_command.pools import ServedPool, first_nodes, merged, served_pool
from simkit.io.yamlio import load_document
from simkit.launch.arguments import (
    Arguments,
    model_names,
    read_arguments,
    unfilled,
    with_files,
    with_settings,
)
from simkit.launch.origins import SettingPlace, origins
from simkit.launch.shell import MAX_CHARS
from simkit.launch.sources import started_in
from simkit.launch.starts import EngineStart
from simkit.search.space import SpaceRules, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCommand:
    """A deployment read from a command line. notes says what was assumed or passed over."""

    deployment: Deployment
    model: str
    trust_remote_code: bool = False
    carried: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)  # further arguments of its workers
    notes: tuple[str, ...] = ()
    origins: tuple[SettingPlace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    start: EngineStart
    arguments: Arguments


def read_command(source: str, *, model: str | None = None) -> ImportedCommand:
    """The deployment of a command line, of the file behind `@`, or of standard input for `-`.

    model replaces the model that the command names. Raises InputError in one line.
    """
    return parse_command(_text_of(source), model=model, source=source[1:] if source[:1] == "@" else "")


def parse_command(text: str, *, model: str | None = None, source: str = "") -> ImportedCommand:
    """The deployment that a text starts: one engine, equal ones, or prefill and decode engines.

    source names the file that the text is from, for those who ask where a setting stands.
    """
    read = started_in(text, source)
    starts, others = read.starts, read.others
    started = [_with_file(_Started(start=item, arguments=read_arguments(item))) for item in starts]
    leading = first_nodes(starts, [item.arguments.flags for item in started])
    engines = [started[index] for index in leading]
    found, model_note = _model(engines, model)
    pools = merged([served_pool(item.start, item.arguments, moe=found.shape.is_moe) for item in engines])
    workers = [_worker(item, found.name) for item in pools]
    deployment = deployment_of(workers, served_precision(found.precision, workers[0].backend))
    _check_plans(workers, found, deployment.precision)
    notes = [*read.notes, *(note for item in pools for note in item.notes)]
    if len(engines) < len(started):
        notes.append(f"{len(started) - len(engines)} commands start further nodes of the same engine")
    if others:
        notes.append(f"other commands, not read: {', '.join(others)}")
    flags = [item.arguments.flags for item in engines]
    return ImportedCommand(
        deployment=deployment,
        model=found.name,
        trust_remote_code=any(item.switch(("--trust-remote-code",)) for item in flags),
        carried={item.role: item.carried for item in pools},
        origins=tuple(
            row
            for item in engines
            for row in origins(item.start.label, item.arguments.flags, pools[0].pool.engine)
        ),
        notes=tuple(dict.fromkeys([*model_note, *notes])),
    )


def _text_of(source: str) -> str:
    if source != "-" and not source.startswith("@"):
        return source
    name = "standard input" if source == "-" else source[1:]
    try:
        if source == "-":
            content = sys.stdin.buffer.read(4 * MAX_CHARS + 1)
        else:
            with Path(name).open("rb") as handle:
                content = handle.read(4 * MAX_CHARS + 1)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{name[:200]!r}: cannot be read ({why}); check the path behind @") from error


def _with_file(started: _Started) -> _Started:
    """The arguments with those of the YAML file that they name, which must be here to be read."""
    arguments, name = with_files(started.arguments, started.start.files)
    if name is None:
        return replace(started, arguments=arguments)
    try:
        exists = Path(name).is_file()
    except (OSError, ValueError):
        exists = False
    if not exists:
        raise InputError(
            f"{started.start.label}: settings file {name[:200]!r} is not here, and it may say how the engine "
            "is split; copy it here and correct the path, or take the flag out to assume none"
        )
    return replace(started, arguments=with_settings(started.arguments, load_document(name)))


def _model(engines: Iterable[_Started], chosen: str | None) -> tuple[Model, list[str]]:
    """The model that all commands serve, and how it was found when not by the name given."""
    if chosen:
        return load_model(chosen), []
    items = list(engines)
    given = list(dict.fromkeys(item.arguments.model for item in items))
    if len(given) > 1:
        named = " and ".join(repr(str(name)[:60]) for name in given[:3])
        raise InputError(f"command line: engines of different models ({named}); estimate them one by one")
    names = model_names(items[0].arguments)
    if not given[0] or not names:
        raise InputError(
            f"{items[0].start.label}: no model is named; write it behind the command or give --model"
        )
    return _first_known(names)


def _first_known(names: list[str]) -> tuple[Model, list[str]]:
    if missing := unfilled(names[0]):
        raise InputError(f"model {names[0][:60]!r}: {missing}; write it out, or give --model")
    error: InputError | None = None
    for name in names:
        try:
            found = load_model(name)
        except (InputError, OSError, ValueError) as problem:
            error = error or _model_error(name, problem)
            continue
        note = f"model {names[0]!r} is not here: taken as {found.name}, by its name"
        return found, [note] if name != names[0] else []
    raise error or InputError("no model is named; give --model")


def _model_error(name: str, problem: Exception) -> InputError:
    if isinstance(problem, UnknownNameError):
        return InputError(f"{problem}, or the id of one like it")
    if isinstance(problem, InputError):
        return problem
    return InputError(f"model {name[:60]!r}: cannot be looked up; give its id with --model")


def _worker(item: ServedPool, model: str) -> Worker:
    return Worker(
        name=item.start.label,
        role=item.role,
        pool=item.pool,
        model=model,
        kv_dtype=item.settings.kv_dtype,
        quantization=item.settings.quantization,
        weight_dtype=item.settings.weight_dtype,
    )


def _check_plans(workers: Iterable[Worker], model: Model, precision: Precision) -> None:
    """Refuse what the engine would not start with: heads, experts or columns that do not divide."""
    for worker in workers:
        rules = SpaceRules(
            max_gpus=worker.pool.num_gpus,
            backend=worker.backend,
            expert_format=precision.moe,
            dense_format=precision.gemm,
        )
        reason = refusal(model.shape, worker.pool.plan, rules)
        if reason:
            raise InputError(
                f"{worker.name}: plan {worker.pool.plan.label} cannot run {model.name}: {reason}; "
                "correct the sizes"
            )
