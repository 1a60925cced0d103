"""One started engine as a pool of engines, and what to tell people of how it was read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from simkit.core.deployment import Pool
from simkit.core.engine import Role
from simkit.core.errors import InputError
from simkit.core.json_texts import json_value
from simkit.engines.flag_parser import WorkerSettings, parse_flags
from simkit.engines.flags import Flags
from simkit.engines.plan_flags import engines_apart
from simkit.engines.registry import engine_spec
from simkit.engines.spec import EngineSpec
from simkit.launch.arguments import Arguments
from simkit.launch.flag_notes import flag_notes, names_in_words
from simkit.launch.starts import EngineStart

# --- What to tell people of an imported command: what was passed over, assumed or read otherwise.


_CHUNKS_OFF = ("--no-enable-chunked-prefill",)


def notes_on(
    start: EngineStart, arguments: Arguments, settings: WorkerSettings, apart: int
) -> tuple[str, ...]:
    """One line each: prefix, environment, flags not modelled, words left, defaults taken."""
    return (*_around(start), *flag_notes(arguments), *_reading(arguments, settings, apart))


def _around(start: EngineStart) -> Iterator[str]:
    if start.prefix:
        yield f"passed over in front of {start.label}: {names_in_words(start.prefix)}"
    # Names only: values may be secrets. What a script keeps for itself is in small letters or numbered.
    named = [name for name in start.environment if name.isupper()]
    if named:
        yield f"environment variables not modelled: {names_in_words(named)}"


def _reading(arguments: Arguments, settings: WorkerSettings, apart: int) -> Iterator[str]:
    flags, engine = arguments.flags, settings.engine
    command = engine_spec(arguments.backend).command
    if apart > 1:
        yield f"data parallelism over {apart} ranks that share nothing: read as {apart} engines"
    if flags.switch(command.chunks_on, _CHUNKS_OFF) is (False if command.chunked else None):
        yield (
            "chunked prefill is off: the engine refuses prompts above "
            f"{engine.max_num_batched_tokens:,} tokens; predicted, and written to a DGD, with it on"
        )
    assumed = ", ".join(_assumed(arguments.backend, flags, settings))
    if assumed:
        yield f"not given, the engine's usual values are taken: {assumed}"


def _assumed(backend: str, flags: Flags, settings: WorkerSettings) -> Iterator[str]:
    table, engine = engine_spec(backend).flags, settings.engine
    dotted = engine_spec(backend).command.dotted
    if not flags.has(table.max_num_seqs):
        yield f"{table.max_num_seqs[0]} {engine.max_num_seqs}"
    if not flags.has((*table.token_budget, *table.whole_budget)):
        yield f"{table.token_budget[0]} {engine.max_num_batched_tokens}"
    if engine.memory_frac is not None and not flags.has(table.memory_frac):
        yield f"{table.memory_frac[0].removeprefix(dotted)} {engine.memory_frac:g}"


_SIDES: dict[str, Role] = {"kv_producer": "prefill", "kv_consumer": "decode"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPool:
    """What one command serves. The pool counts the engines that its data parallelism makes."""

    start: EngineStart
    pool: Pool
    role: Role
    settings: WorkerSettings
    carried: tuple[str, ...] = ()  # arguments that an equal worker needs and no setting here says
    notes: tuple[str, ...] = ()


def served_pool(start: EngineStart, arguments: Arguments, *, moe: bool) -> ServedPool:
    """The pool that a command starts; moe: whether the model has routed experts.

    Raises InputError where flags contradict each other or ask for more GPUs than the command has.
    """
    flags, table = arguments.flags, engine_spec(start.backend).flags
    try:
        _check_switches(flags, table.prefix_on, table.prefix_off)
        apart = engines_apart(start.backend, flags, moe=moe)
        settings = parse_flags(start.backend, _without(flags, table.dp) if apart > 1 else flags, moe=moe)
        pool = Pool(plan=settings.plan, engine=settings.engine, replicas=apart)
        _check_gpus(start, flags, pool)
    except InputError as error:
        raise InputError(f"{start.label}: {error}") from error
    return ServedPool(
        start=start,
        pool=pool,
        role=settings.role or _transfer_role(flags) or "aggregated",
        settings=settings,
        carried=_carried(flags, engine_spec(start.backend)),
        notes=notes_on(start, arguments, settings, apart),
    )


def _carried(flags: Flags, spec: EngineSpec) -> tuple[str, ...]:
    """Quantisation on loading and the draft model, as arguments of Dynamo's worker of the same engine."""
    found: list[str] = []
    table, prefixes = spec.flags, spec.command.draft_prefixes
    for name, values in flags.items:
        if name in table.quantization and values:
            found += [table.quantization[0], str(values[0])]
        elif name in table.speculative or name.startswith(prefixes):
            found += [f"{name}={values[0]}", *map(str, values[1:])] if values else [str(name)]
    return tuple(found)


def first_nodes(starts: Sequence[EngineStart], flags: Sequence[Flags]) -> list[int]:
    """Which of several starts are engines of their own: the rest are further nodes of one of them."""
    rank = [max(item.integer(("--node-rank",)) or 0, int(item.has(("--headless",)))) for item in flags]
    leading = [index for index in range(len(starts)) if rank[index] == 0]
    return leading or [0]


def merged(pools: Sequence[ServedPool]) -> list[ServedPool]:
    """Equal engines started by one command each, as one pool with so many replicas."""
    found: list[ServedPool] = []
    for item in pools:
        same = next((i for i, other in enumerate(found) if _alike(other, item)), None)
        if same is None:
            found.append(item)
            continue
        pool = replace(found[same].pool, replicas=found[same].pool.replicas + item.pool.replicas)
        notes = tuple(dict.fromkeys((*found[same].notes, *item.notes)))
        found[same] = replace(found[same], pool=pool, notes=notes)
    return found


def _alike(one: ServedPool, other: ServedPool) -> bool:
    def essence(item: ServedPool) -> tuple[object, ...]:
        settings = item.settings
        return item.role, item.pool.plan, item.pool.engine, settings.kv_dtype, item.carried

    return essence(one) == essence(other)


def _without(flags: Flags, names: Sequence[str]) -> Flags:
    return replace(flags, items=tuple(item for item in flags.items if item[0] not in names))


def _check_switches(flags: Flags, on: tuple[str, ...], off: tuple[str, ...]) -> None:
    if flags.has(on) and flags.has(off):
        raise InputError(f"{on[0]} and {off[0]} contradict each other; keep one")


def _transfer_role(flags: Flags) -> Role | None:
    """vLLM's own servers say their side of a disaggregated deployment in the connector's settings."""
    text = flags.text(("--kv-transfer-config",))
    if text is None:
        return None
    document = json_value(text, "flag --kv-transfer-config")
    side = document.get("kv_role") if isinstance(document, dict) else None
    return _SIDES.get(str(side))


def _check_gpus(start: EngineStart, flags: Flags, pool: Pool) -> None:
    nodes = _nodes(flags)
    if nodes and pool.num_gpus % nodes:
        raise InputError(
            f"{pool.num_gpus} GPUs ({pool.plan.label}) do not divide over {nodes} nodes; make the sizes and "
            "--nnodes agree"
        )
    # Ray finds its nodes by itself, so how many GPUs there are is not said.
    if start.num_gpus is None or flags.text(("--distributed-executor-backend",)) == "ray":
        return
    given = start.num_gpus * (nodes or 1)
    if pool.num_gpus > given:
        over = f" on {nodes} nodes" if nodes and nodes > 1 else ""
        raise InputError(
            f"the flags need {pool.num_gpus} GPUs ({pool.replicas} x {pool.plan.label}), but the command is "
            f"given {given}{over} (CUDA_VISIBLE_DEVICES or --gpus); make them agree"
        )


def _nodes(flags: Flags) -> int | None:
    """How many nodes an engine spans, where its flags say so."""
    nodes = flags.integer(("--nnodes",))
    local, ranks = (
        flags.integer(("--data-parallel-size-local", "-dpl")),
        flags.integer(("--data-parallel-size", "-dp")),
    )
    if nodes is None and local and ranks and ranks > local:
        nodes = -(-ranks // local)
    return nodes or None
