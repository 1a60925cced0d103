"""One component of a DynamoGraphDeployment, and a worker component read as a pool of engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError
from simkit.engines.flag_parser import WorkerSettings, parse_flags, role_named
from simkit.engines.flag_reader import read_flags
from simkit.engines.flags import Flags
from simkit.engines.plan_flags import engines_apart
from simkit.engines.registry import engine_spec, engine_specs
from simkit.formats.dgd.alpha import GPU
from simkit.formats.dgd.mocked import mocker_settings
from simkit.formats.dgd.parts import (
    MOCKER,
    container_tokens,
    engine_container,
    engine_module,
    gpu_limit,
    main_container,
    node_count,
    pod_spec,
    server_of,
    words_behind_verb,
)
from simkit.launch.arguments import Arguments, model_names, read_arguments, with_files
from simkit.launch.container import ContainerStart, container_start
from simkit.launch.flag_notes import flag_notes, names_in_words
from simkit.launch.mounts import config_maps, mounted_files
from simkit.launch.shell import ShellCommand
from simkit.launch.starts import EngineStart, started_by

ROLE_OF_TYPE: Mapping[str, Role] = MappingProxyType(
    {"worker": "aggregated", "prefill": "prefill", "decode": "decode"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A pool with its place in the document.

    said: where the role comes from, the command's flag, the component's type, or nothing at all. models is
    what the model may be called, likeliest first.
    """

    name: str
    role: Role
    pool: Pool
    model: str
    image: str | None = None
    kv_dtype: str | None = None
    quantization: str | None = None
    weight_dtype: str | None = None
    notes: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    said: str = "flag"
    models: tuple[str, ...] = ()
    flags: Flags = field(default_factory=lambda: Flags(items=()))

    @property
    def backend(self) -> str:
        """The engine family."""
        return self.pool.engine.backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a component sees beside itself: the documents of its file, and its deployment's environment."""

    documents: Sequence[Any] = ()
    environment: Sequence[Any] = ()


def is_worker(component: Mapping[str, Any]) -> bool:
    """Whether a component runs an engine; its type is optional."""
    kind = component.get("type")
    if kind is not None:
        return isinstance(kind, str) and kind in ROLE_OF_TYPE
    container = main_container(component)
    tokens = container_tokens(container)
    # Without a command the image alone says nothing: frontends run from the same one.
    return bool(tokens) and "dynamo.frontend" not in tokens and engine_module(tokens, {}) is not None


def read_worker(
    component: Mapping[str, Any], *, moe: bool | None, around: Surroundings | None = None
) -> Worker:
    """One worker component as a pool; moe as in parse_worker_args."""
    name = str(component.get("name"))
    try:
        return _read(component, name, moe, around or Surroundings())
    except InputError as error:
        raise InputError(f"component {name!r}: {error}") from error


def _read(component: Mapping[str, Any], name: str, moe: bool | None, around: Surroundings) -> Worker:
    container = engine_container(component)
    files = mounted_files(pod_spec(component), container, around.documents)
    run = container_start(container, files, around.environment, config_maps(around.documents))
    tokens = list(run.tokens)
    module = engine_module(tokens, container) or server_of(container)
    if module is None:
        known = ", ".join(spec.worker.module for spec in engine_specs())
        raise InputError(f"its command starts none of {known}; name the engine in command or args")
    mocked = module == MOCKER
    if mocked:
        settings, arguments, missing, apart = mocker_settings(tokens), None, None, 1
    else:
        arguments, missing = with_files(read_arguments(_engine_start(module, run, container)), run.files)
        apart = engines_apart(module, arguments.flags, moe=bool(moe)) if moe is not None else 1
        settings = parse_flags(module, _each(arguments.flags, module, apart), moe=moe)
        settings = replace(settings, role=_sidecar_role(component, container) or settings.role)
    role, said = _role(component, settings)
    notes: list[str] = []
    plan = settings.plan
    if arguments is not None:
        plan, notes = _checked_plan(component, settings, arguments, (missing, apart, moe))
    notes += _notes(name, run, arguments, missing)
    names = _model_names(settings, arguments)
    if not names:
        raise InputError(
            f"no model is named; add {engine_spec(settings.engine.backend).flags.served_name[0]}"
        )
    return Worker(
        name=name,
        role=role,
        pool=Pool(plan=plan, engine=settings.engine, replicas=_replicas(component) * apart),
        args=tuple(tokens),
        model=names[0],
        image=container.get("image"),
        kv_dtype=settings.kv_dtype,
        quantization=settings.quantization,
        weight_dtype=settings.weight_dtype,
        notes=tuple(notes),
        said=said,
        models=tuple(names),
        flags=arguments.flags if arguments else Flags(items=()),
    )


def _sidecar_role(component: Mapping[str, Any], container: Mapping[str, Any]) -> Role | None:
    """The role that Dynamo's sidecar has, where the engine runs beside it."""
    main = main_container(component)
    if container is main:
        return None
    return role_named(read_flags(container_tokens(main)).text(("--disaggregation-mode",)))


def _engine_start(module: str, run: ContainerStart, container: Mapping[str, Any]) -> EngineStart:
    """The engine of a container; without a start in words its image says which it is."""
    command = ShellCommand(words=run.tokens, environment=run.environment)
    found = started_by([command], run.files).starts if run.tokens else ()
    if found:
        return found[0]
    first = next((i for i, word in enumerate(run.tokens) if word.startswith("-")), len(run.tokens))
    worker = engine_module(run.tokens, container) is not None
    return EngineStart(
        backend=module,
        label=engine_spec(module).worker.module,
        words=run.tokens[first:] if worker else words_behind_verb(run.tokens, module),
        environment=run.environment,
        files=run.files,
        worker=worker,
    )


def _each(flags: Flags, backend: str, apart: int) -> Flags:
    """The flags of one of several engines that data parallelism makes."""
    if apart == 1:
        return flags
    names = engine_spec(backend).flags.dp
    return Flags(items=tuple(item for item in flags.items if item[0] not in names))


def _model_names(settings: WorkerSettings, arguments: Arguments | None) -> list[str]:
    """The model by its path or checkpoint first, by the name that clients use last."""
    if arguments is not None:
        return model_names(arguments)
    return [name for name in (settings.model_name, settings.model_path) if name]


def _role(component: Mapping[str, Any], settings: WorkerSettings) -> tuple[Role, str]:
    """The role and what says it: the command's flag, or the component's type."""
    kind = str(component.get("type"))
    typed = ROLE_OF_TYPE.get(kind, "aggregated")
    if settings.role is None:
        return typed, "type" if typed != "aggregated" else ""
    if typed not in ("aggregated", settings.role) and settings.role != "aggregated":
        raise InputError(
            f"the component is of type {kind}, but its command starts a {settings.role} engine; make them "
            "agree"
        )
    return settings.role, "flag"


def _replicas(component: Mapping[str, Any]) -> int:
    replicas = component.get("replicas", 1)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise InputError(f"replicas: expected a whole number from 1 to predict, got {replicas!r}; set it")
    return replicas


def _checked_plan(
    component: Mapping[str, Any],
    settings: WorkerSettings,
    arguments: Arguments,
    known: tuple[str | None, int, bool | None],
) -> tuple[ParallelPlan, list[str]]:
    """The plan of the flags, agreeing with the GPUs that the pods are given.

    known: a settings file that cannot be seen, engines apart by data parallelism, whether there are experts.
    """
    missing, apart, moe = known
    limit, nodes, plan = gpu_limit(engine_container(component)), node_count(component), settings.plan
    if limit is None:
        return plan, [f"component {component.get('name')!r} asks for no GPUs; the flags' plan is taken"]
    given = limit * nodes
    if given == plan.num_gpus * apart:
        return plan, []
    if missing and plan.num_gpus == 1:
        # The sizes are in a file inside the image.
        note = f"plan of {component.get('name')!r} taken as tensor parallel over its {given} GPUs"
        return ParallelPlan(tp=given, moe_tp=given if moe else 1), [note]
    elastic = [name for name in engine_spec(arguments.backend).flags.elastic if arguments.flags.has((name,))]
    if elastic and plan.num_gpus * apart < given:
        used = plan.num_gpus * apart
        return plan, [
            f"{elastic[0]}: predicted as it starts, on {used} of the {given} GPUs that its pods hold"
        ]
    raise InputError(
        f"flags split the engine over {plan.num_gpus * apart} GPUs ({plan.label}), but its pods hold {nodes} "
        f"x {limit} = {given}; make the sizes, {GPU} and multinode.nodeCount agree"
    )


def _notes(name: str, run: ContainerStart, arguments: Arguments | None, missing: str | None) -> list[str]:
    notes = [f"{name}: {note}" for note in run.notes]
    if arguments is None:
        notes.append(f"component {name!r} is a mocker: it uses no GPU, its plan stands for what it simulates")
        return notes
    if missing:
        notes.append(f"settings in {missing} cannot be seen; engine defaults are assumed")
    notes += [f"{name}: {note}" for note in flag_notes(arguments)]
    begins = engine_spec(arguments.backend).server.variables
    bearing = [key for key in run.environment if key.startswith(begins)]
    if bearing:
        notes.append(f"{name}: environment variables not modelled: {names_in_words(bearing)}")
    return notes
