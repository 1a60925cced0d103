"""A mocker's arguments read back: queue limits, and the engine and plan that it imitates."""

from collections.abc import Sequence
from typing import Any

from perfmodels.parallel import ParallelPlan
from simkit.core.errors import InputError
from simkit.engines.flag_parser import WorkerSettings, role_named
from simkit.engines.flag_reader import read_flags
from simkit.engines.flags import Flags
from simkit.engines.registry import default_engine
from simkit.engines.support import mocked_engine


def mocker_settings(tokens: Sequence[str]) -> WorkerSettings:
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
        role=role_named(flags.text(("--disaggregation-mode",)) or _marked(flags)),
    )


def _marked(flags: Flags) -> str | None:
    """The role by the switches of earlier releases."""
    return next((role for role in ("prefill", "decode") if flags.switch((f"--is-{role}-worker",))), None)


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
