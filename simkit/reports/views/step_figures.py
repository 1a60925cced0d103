"""Figures of what runs: operators of its steps, memory, the deployment drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

from simkit.core.words import gpus
from simkit.reports.charts.model import Axis, Chart, Drawing, DrawnPool, Series
from simkit.reports.labels import count, engine_name, number, percent, plan_label
from simkit.reports.views.looks import COLOURS

Doc = Mapping[str, Any]
_REST = "others"


def operator_chart(operators: Sequence[Doc], name: str = "operators") -> Chart:
    """Shares of a prefill and of a decode step, one bar each: where the time goes."""
    phases = [phase for phase in ("prefill", "decode") if any(o["phase"] == phase for o in operators)]
    rows = {phase: [o for o in operators if o["phase"] == phase] for phase in phases}
    return stacked_operators(rows, name, "Where a step's time goes")


def stacked_operators(rows: Mapping[str, Sequence[Doc]], name: str, title: str) -> Chart:
    """One bar for each set of operators, by size; the same operator has one colour in all."""
    totals: dict[str, float] = {}
    for items in rows.values():
        whole = sum(item["time_ms"] for item in items) or 1.0
        for item in items:
            totals[item["operator"]] = totals.get(item["operator"], 0.0) + item["time_ms"] / whole
    ranked = sorted(totals, key=lambda key: -totals[key])
    named = ranked[: len(COLOURS) - 1]
    series = []
    begin = dict.fromkeys(rows, 0.0)
    for place, key in enumerate([*named, *([_REST] if len(ranked) > len(named) else [])]):
        ends, starts, said = [], [], []
        for bar, items in rows.items():
            chosen = [
                o for o in items if o["operator"] == key or (key == _REST and o["operator"] not in named)
            ]
            whole = sum(item["time_ms"] for item in items) or 1.0
            spent = sum(item["time_ms"] for item in chosen)
            starts.append(begin[bar])
            begin[bar] += 100 * spent / whole
            ends.append(begin[bar])
            said.append(f"{bar}: {key}\n{number(spent)} ms, {percent(spent / whole)} of {number(whole)} ms")
        places = tuple(float(i) for i in range(len(rows)))
        series.append(
            Series(label=key, kind="bars", x=tuple(ends), x_lo=tuple(starts), y=places,
                   colour=COLOURS[place % len(COLOURS)], names=tuple(said))
        )  # fmt: skip
    first = ", ".join(named[:2])
    bars = tuple(f"{bar} {number(sum(o['time_ms'] for o in items))} ms" for bar, items in rows.items())
    return Chart(
        name=name,
        title=title,
        alt=f"Bars of {', '.join(bars)}; most time goes to {first}.",
        x=Axis(label="share of the step [%]", from_zero=True),
        y=Axis(label="", categories=bars),
        series=tuple(series),
    )


def memory_chart(parts: Mapping[str, float]) -> Chart:
    """GiB of one GPU by what they hold."""
    begin, series = 0.0, []
    for place, (part, size) in enumerate(parts.items()):
        series.append(
            Series(
                label=part,
                kind="bars",
                x=(begin + size,),
                x_lo=(begin,),
                y=(0.0,),
                colour=COLOURS[place % len(COLOURS)],
                names=(f"{part}: {number(size)} GiB",),
            )
        )
        begin += size
    said = ", ".join(f"{part} {number(size)}" for part, size in parts.items())
    return Chart(
        name="memory",
        title="Memory of one GPU that decodes",
        alt=f"GiB per GPU: {said}.",
        x=Axis(label="GiB", from_zero=True),
        y=Axis(label="", categories=("GPU",)),
        series=tuple(series),
    )


def deployment_drawing(best: Doc, request: Doc) -> Drawing:
    """Pools, engines, GPUs and nodes of a deployment."""
    per_node = request["hardware"]["gpus_per_node"] or 8
    pools = (
        [("engines", best["replicas"], best["plan"])]
        if "plan" in best
        else [(role, best[role]["workers"], best[role]["plan"]) for role in ("prefill", "decode")]
    )
    drawn = tuple(_pool(role, engines, plan, per_node) for role, engines, plan in pools)
    gpu = request["hardware"]["gpu"] or "GPU"
    parts = " and ".join(f"{pool.engines} {pool.role} of {gpus(pool.gpus)} each" for pool in drawn)
    return Drawing(
        name="deployment",
        title="What runs",
        alt=f"{engine_name(best['backend'])}: {parts}, {count(best['num_gpus'])} {gpu} in all.",
        pools=drawn,
        entry=f"requests \u2192 frontend and router \u2192 {count(best['num_gpus'])} \u00d7 {gpu}",
        link="KV cache" if len(drawn) > 1 else "",
    )


def _pool(role: str, engines: int, plan: Mapping[str, int], per_node: int) -> DrawnPool:
    gpus = plan["tp"] * plan["pp"] * plan["attn_dp"]
    return DrawnPool(
        role=role, engines=engines, gpus=gpus, nodes=-(-gpus // per_node), label=plan_label(plan)
    )
