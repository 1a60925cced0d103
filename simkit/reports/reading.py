"""What was read of a deployment: engine, plan, formats, limits, and where each setting stands."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simkit.reports.terminal import grid, say

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]


def with_reading(document: Row, source: str, origins: Iterable[Any]) -> dict[str, Any]:
    """An estimate's document with what was read, its source and, where asked for, each setting's place."""
    pools = {name: document[name] for name in ("prefill", "decode") if name in document}
    read = [_pool(name, pool) for name, pool in (pools or {"worker": document}).items()]
    rows = [
        {"engine": item.engine, "setting": item.setting, "value": item.value, "given": item.given,
         "place": item.place or ("engine's own" if not item.given else source)}
        for item in origins
    ]  # fmt: skip
    reading = {
        "source": source,
        "backend": document["backend"],
        "model": document["model"]["name"],
        "pools": read,
    }
    return {**document, "reading": {**reading, **({"settings": rows} if rows else {})}}


def _pool(name: str, pool: Row) -> dict[str, Any]:
    engine = pool["engine"]
    keys = ("max_num_seqs", "max_num_batched_tokens", "memory_frac", "gemm_dtype", "moe_dtype", "kv_dtype")
    count = pool.get("workers", pool.get("replicas"))
    return {"role": name, "replicas": count, "plan": pool["plan"], **{key: engine[key] for key in keys}}


def reading_table(document: Row, console: "Console") -> None:
    """What was read, a line for each pool, and where each setting stands; nothing for layouts."""
    reading = document.get("reading")
    if reading is None:
        return
    grid(console, [[f"read {item['role']}", _line(item)] for item in reading["pools"]])
    settings = reading.get("settings", ())
    if settings:
        say(console, "Read from", style="bold")
        grid(console, [_setting(row) for row in settings])


def _line(pool: Row) -> str:
    plan = pool["plan"]
    sizes = ", ".join(f"{name} {size}" for name, size in plan.items() if size > 1) or "one GPU"
    weights = pool["gemm_dtype"] + (
        "" if pool["moe_dtype"] == pool["gemm_dtype"] else f", experts {pool['moe_dtype']}"
    )
    share = "" if pool["memory_frac"] is None else f", {pool['memory_frac']:.4g} of memory"
    return (
        f"{pool['replicas']} x ({sizes}); weights {weights}; cache {pool['kv_dtype']}; "
        f"{pool['max_num_seqs']:,} sequences, {pool['max_num_batched_tokens']:,} tokens a step{share}"
    )


def _setting(row: Row) -> Sequence[str]:
    given = f"{row['given']} {row['value']}".strip() if row["given"] else row["value"]
    return [f"  {row['engine']}", f"{row['setting']}: {given} ({row['place']})"]
