"""The mocker: a stand-in for an engine that needs no GPU."""

from collections.abc import Mapping
from types import MappingProxyType

from simkit.adapters.dynamo_site import PROFILE_MOUNT, Site
from simkit.adapters.planner_files import MOCKER_NPZ
from simkit.core.deployment import Pool
from simkit.core.engine import Role

# The GPUs that the guide lists as covered by AI Configurator, by its names.
_SYSTEMS: Mapping[str, str] = MappingProxyType({
    "h100_sxm": "h100_sxm", "h200_sxm": "h200_sxm", "a100_sxm": "a100_sxm", "b200_sxm": "b200_sxm",
    "gb200": "gb200", "gb200_sxm": "gb200", "l40s": "l40s",
})  # fmt: skip


def mocker_args(site: Site, role: Role, pool: Pool) -> list[str]:
    """The mocker's arguments: the engine's queue limits and the source of its step times.

    Where profiling data go with the deployment the times are ours. Without, Dynamo's mocker takes them
    from AI Configurator's tables on the GPUs that those cover, and elsewhere keeps its own constants.
    """
    engine = pool.engine
    args = ["--model-path", site.model_path, "--model-name", site.model, "--speedup-ratio", "1.0"]
    args += ["--engine-type", engine.backend]
    args += ["--max-num-seqs", str(engine.max_num_seqs)]
    args += ["--max-num-batched-tokens", str(engine.max_num_batched_tokens)]
    args += ["--block-size", str(engine.kv_block_tokens)]
    if role in site.rank_kv_tokens:
        # Its own default is 16,384 blocks, which for SGLang's blocks of one token is two long prompts.
        args += ["--num-gpu-blocks-override", str(site.rank_kv_tokens[role] // engine.kv_block_tokens)]
    if not engine.prefix_caching:
        args.append("--no-enable-prefix-caching")
    if pool.plan.attn_dp > 1:
        args += ["--data-parallel-size", str(pool.plan.attn_dp)]
    args += _timing_args(site, pool)
    return args if role == "aggregated" else [*args, "--disaggregation-mode", role]


def _timing_args(site: Site, pool: Pool) -> list[str]:
    if site.profile:
        return ["--planner-profile-data", f"{PROFILE_MOUNT}/{MOCKER_NPZ}"]
    system = _SYSTEMS.get(site.request.hardware.gpu or "")
    if system is None:
        return []
    plan, flag = pool.plan, site.release.simulator
    # No version of the tables: they are not those of the image's engine, and only the newest few are kept.
    found = {"perf-model": None, "backend": pool.engine.backend, "system": system, "tp-size": plan.tp}
    if plan.moe_tp * plan.ep > 1:
        found |= {"moe-tp-size": plan.moe_tp, "moe-ep-size": plan.ep}
    found |= {"attention-dp-size": plan.attn_dp}
    words = ((f"{flag}-{name}", value) for name, value in found.items())
    return [part for name, value in words for part in ([name] if value is None else [name, str(value)])]
