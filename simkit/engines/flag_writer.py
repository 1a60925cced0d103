"""Worker arguments of Dynamo's runtimes from a pool of engines, drafts included."""

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Pool
from simkit.core.draft import Draft
from simkit.core.engine import EngineOptions, Role
from simkit.core.errors import InputError
from simkit.engines.flags import FlagTable
from simkit.engines.plan_flags import plan_flags
from simkit.engines.registry import default_engine, engine_spec
from simkit.engines.spec import WorkerContext
from simkit.engines.support import draft_refusal


def draft_flags(backend: str, draft: Draft, plan: ParallelPlan) -> list[str]:
    """The flags that make an engine draft so.

    Raises InputError for plans under which it would not start.
    """
    reason = draft_refusal(backend, draft, plan)
    if reason:
        raise InputError(reason)
    return engine_spec(backend).drafts.write(draft)


# --- Worker arguments of Dynamo's runtimes from a pool of engines.
# Only what was predicted is written: the plan and EngineOptions. max_num_seqs and
# max_num_batched_tokens belong to one scheduler, so to one attention data-parallel rank; engines whose ranks
# share one group count them over all ranks and are given the product.


def worker_args(pool: Pool, role: Role, context: WorkerContext) -> list[str]:
    """The arguments after `python3 -m dynamo.<engine>` for one worker of the pool."""
    engine, spec = pool.engine, engine_spec(pool.engine.backend)
    _check_expressible(engine, role)
    table = spec.flags
    flags = [
        *(table.model[0], context.model_path),
        *(table.served_name[0], context.model_name),
        *plan_flags(engine.backend, pool.plan),
        *_setting_flags(pool, table),
        *(table.kv_dtype[0], _kv_dtype(engine.backend, context.precision.kv)),
        *spec.command.settings(engine, role, context),
    ]
    if engine.draft is not None:
        flags += draft_flags(engine.backend, engine.draft, pool.plan)
    flags += [name for name in context.switches if name not in flags]
    if role != "aggregated":
        flags += [table.role[0], role]
    return flags


def _check_expressible(engine: EngineOptions, role: Role) -> None:
    """Refuse settings that the engine has no flag for: it would run otherwise than predicted."""
    if engine.speculative:
        raise InputError(
            "engine.speculative: a draft model cannot be written as flags yet; add the engine's speculative "
            "flags by spec.overrides.dgd and predict without it"
        )
    spec = engine_spec(engine.backend)
    if role == "aggregated" and not engine.mixed_steps and not spec.flags.mixed:
        raise InputError(
            f"engine.mixed_steps: {engine.backend} always mixes prefill chunks with decodes; leave it true"
        )
    if not spec.flags.eager and not engine.cuda_graphs and role != "prefill":
        raise InputError(
            f"engine.cuda_graphs: {spec.label} has no flag that turns CUDA graphs off; leave it true"
        )


def _setting_flags(pool: Pool, table: FlagTable) -> list[str]:
    engine, plan = pool.engine, pool.plan
    ranks = plan.attn_dp if table.shared_attention else 1
    flags = [
        *(table.max_num_seqs[0], str(engine.max_num_seqs * ranks)),
        *(table.token_budget[0], str(engine.max_num_batched_tokens * ranks)),
    ]
    if engine.memory_frac is not None:
        flags += [table.memory_frac[0], f"{engine.memory_frac:g}"]
    for names, steps in ((table.poll, engine.poll_steps), (table.hold, engine.hold_steps)):
        if names and steps:
            flags += [names[0], str(steps)]
    if engine.max_model_len is not None:
        flags += [table.max_model_len[0], str(engine.max_model_len)]
    # Left out at the default, because some attention kernels pick a larger block by themselves.
    if engine.kv_block_tokens != default_engine(engine.backend).kv_block_tokens:
        for name in table.block_tokens:
            flags += [name, str(engine.kv_block_tokens)]
    return flags


def _kv_dtype(backend: str, kv: str) -> str:
    names = engine_spec(backend).formats.cache_names
    if kv not in names:
        raise InputError(
            f"{backend} cannot store the KV cache as {kv}; choose one of {', '.join(dict.fromkeys(names))}"
        )
    return names[kv]
