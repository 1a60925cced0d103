"""One component of a DynamoGraphDeployment, and a worker component read as a pool of engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError
from simkit.engines.flag_parser import WorkerSettings, parse_worker_args, role_named
from simkit.engines.flag_reader import command_tokens, read_flags
from simkit.engines.flags import Flags
from simkit.engines.registry import default_engine, engine_spec, engine_specs
from simkit.engines.support import mocked_engine
from simkit.formats.dgd.alpha import GPU

# --- Parts of one component of a DynamoGraphDeployment, whatever else it holds.


MOCKER = "dynamo.mocker"


def main_container(component: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container called main; empty when there is none."""
    pod = component.get("podTemplate")
    spec = pod.get("spec") if isinstance(pod, Mapping) else None
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    for item in containers if isinstance(containers, list) else []:
        if isinstance(item, Mapping) and item.get("name") == "main":
            return item
    return {}


def container_tokens(container: Mapping[str, Any]) -> list[str]:
    """What a container runs; command and args may be missing."""
    return command_tokens(_list(container.get("command")), _list(container.get("args")))


def engine_module(tokens: Sequence[str], container: Mapping[str, Any]) -> str | None:
    """The backend that a command line or, without one, an image names; MOCKER for the mocker."""
    text = " ".join(tokens)
    if MOCKER in text:
        return MOCKER
    for spec in engine_specs():
        if spec.worker.module in text:
            return spec.name
    image = str(container.get("image") or "")
    return next((spec.name for spec in engine_specs() if f"/{spec.worker.image}" in image), None)


def gpu_limit(container: Mapping[str, Any]) -> int | None:
    """GPUs a pod is given; None when the container asks for none."""
    resources = container.get("resources")
    blocks = [resources.get(key) for key in ("limits", "requests")] if isinstance(resources, Mapping) else []
    for block in blocks:
        if isinstance(block, Mapping) and block.get(GPU) is not None:
            try:
                return int(str(block[GPU]))
            except ValueError as error:
                raise InputError(
                    f"{GPU}: expected a whole number of GPUs, got {block[GPU]!r}; correct it"
                ) from error
    return None


def node_count(component: Mapping[str, Any]) -> int:
    """Pods that make up one engine."""
    multinode = component.get("multinode")
    if not isinstance(multinode, Mapping):
        return 1
    count = multinode.get("nodeCount", 2)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"multinode.nodeCount: expected a whole number from 2, got {count!r}; correct it")
    return count


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


ROLE_OF_TYPE: Mapping[str, Role] = MappingProxyType(
    {"worker": "aggregated", "prefill": "prefill", "decode": "decode"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A pool with its place in the document."""

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

    @property
    def backend(self) -> str:
        """The engine family."""
        return self.pool.engine.backend


def is_worker(component: Mapping[str, Any]) -> bool:
    """Whether a component runs an engine; its type is optional."""
    kind = component.get("type")
    if kind is not None:
        return isinstance(kind, str) and kind in ROLE_OF_TYPE
    container = main_container(component)
    tokens = container_tokens(container)
    # Without a command the image alone says nothing: frontends run from the same one.
    return bool(tokens) and "dynamo.frontend" not in tokens and engine_module(tokens, {}) is not None


def read_worker(component: Mapping[str, Any], *, moe: bool | None) -> Worker:
    """One worker component as a pool; moe as in parse_worker_args."""
    name = str(component.get("name"))
    try:
        return _read(component, name, moe)
    except InputError as error:
        raise InputError(f"component {name!r}: {error}") from error


def _read(component: Mapping[str, Any], name: str, moe: bool | None) -> Worker:
    container = main_container(component)
    tokens = container_tokens(container)
    module = engine_module(tokens, container)
    if module is None:
        known = ", ".join(spec.worker.module for spec in engine_specs())
        raise InputError(f"its command starts none of {known}; name the engine in command or args")
    mocked = module == MOCKER
    settings = _mocker_settings(tokens) if mocked else parse_worker_args(module, tokens, moe=moe)
    role = _role(component, settings)
    plan, notes = (settings.plan, []) if mocked else _checked_plan(component, container, settings)
    notes += _notes(name, settings, mocked)
    model = settings.model_name or settings.model_path
    if not model:
        raise InputError(
            f"no model is named; add {engine_spec(settings.engine.backend).flags.served_name[0]}"
        )
    return Worker(
        name=name,
        role=role,
        pool=Pool(plan=plan, engine=settings.engine, replicas=_replicas(component)),
        args=tuple(tokens),
        model=model,
        image=container.get("image"),
        kv_dtype=settings.kv_dtype,
        quantization=settings.quantization,
        weight_dtype=settings.weight_dtype,
        notes=tuple(notes),
    )


def _role(component: Mapping[str, Any], settings: WorkerSettings) -> Role:
    """The component's type says the role; a plain worker may still be started as prefill or decode."""
    role = ROLE_OF_TYPE.get(str(component.get("type")), "aggregated")
    return settings.role or role if role == "aggregated" else role


def _replicas(component: Mapping[str, Any]) -> int:
    replicas = component.get("replicas", 1)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise InputError(f"replicas: expected a whole number from 1 to predict, got {replicas!r}; set it")
    return replicas


def _checked_plan(
    component: Mapping[str, Any], container: Mapping[str, Any], settings: WorkerSettings
) -> tuple[ParallelPlan, list[str]]:
    """The plan of the flags, agreeing with the GPUs that the pods are given."""
    limit, nodes, plan = gpu_limit(container), node_count(component), settings.plan
    if limit is None:
        return plan, [f"component {component.get('name')!r} asks for no GPUs; the flags' plan is taken"]
    given = limit * nodes
    if given == plan.num_gpus:
        return plan, []
    if settings.settings_file and plan.num_gpus == 1:
        # The sizes are in a file inside the image.
        note = f"plan of {component.get('name')!r} taken as tensor parallel over its {given} GPUs"
        return ParallelPlan(tp=given), [note]
    raise InputError(
        f"flags split the engine over {plan.num_gpus} GPUs ({plan.label}), but its pods hold {nodes} x "
        f"{limit} = {given}; make the sizes, {GPU} and multinode.nodeCount agree"
    )


def _notes(name: str, settings: WorkerSettings, mocked: bool) -> list[str]:
    notes = []
    if mocked:
        notes.append(f"component {name!r} is a mocker: it uses no GPU, its plan stands for what it simulates")
    if settings.settings_file:
        notes.append(f"settings in {settings.settings_file} cannot be seen; engine defaults are assumed")
    if settings.unknown:
        notes.append(f"flags of {name!r} without effect on the prediction: {', '.join(settings.unknown)}")
    return notes


def _mocker_settings(tokens: Sequence[str]) -> WorkerSettings:
    """A mocker's arguments: queue limits, and the engine and plan that it imitates."""
    flags = read_flags(tokens)
    backend = mocked_engine(flags.text(_table_flags("backend")) or flags.text(("--engine-type",)))
    changes: dict[str, Any] = {
        "max_num_seqs": flags.integer(("--max-num-seqs",)),
        "max_num_batched_tokens": flags.integer(("--max-num-batched-tokens",)),
        "kv_block_tokens": flags.integer(("--block-size",)),
        "prefix_caching": flags.switch(("--enable-prefix-caching",), ("--no-enable-prefix-caching",)),
    }
    return WorkerSettings(
        plan=_mocked_plan(flags),
        engine=default_engine(backend, **{key: value for key, value in changes.items() if value is not None}),
        model_name=flags.text(("--model-name",)),
        model_path=flags.text(("--model-path",)),
        role=role_named(flags.text(("--disaggregation-mode",))),
    )


def _mocked_plan(flags: Flags) -> ParallelPlan:
    """The plan whose step times a mocker looks up."""
    names = {"tp": "tp-size", "attn_dp": "attention-dp-size", "moe_tp": "moe-tp-size", "ep": "moe-ep-size"}
    sizes = {field: flags.integer(_table_flags(name)) for field, name in names.items()}
    sizes["attn_dp"] = sizes["attn_dp"] or flags.integer(("--data-parallel-size",))
    try:
        return ParallelPlan(**{field: size or 1 for field, size in sizes.items()})
    except ValueError as error:
        raise InputError(f"mocker flags: {error}; correct the sizes") from error


def _table_flags(name: str) -> tuple[str, str]:
    """A flag of the mocker's tables as Dynamo 1.6 calls it, and as earlier releases did."""
    return f"--ais-{name}", f"--aic-{name}"
