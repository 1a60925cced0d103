"""One deployment under one load, asked of every part that answers for it: the same few figures from each."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from deployments import Case, row_of

import simkit
from simkit.calibrate.residual_fit import corrected_by
from simkit.calibrate.training import predict_runs, training_runs
from simkit.catalog.calibrations import efficiency, shipped_residuals
from simkit.core.estimate import Candidate
from simkit.io.threads import one_thread
from simkit.verbs.estimate import Layouts
from simkit.verbs.predict import predict_table

Figures = Mapping[str, float]
SAME = 1e-9


def figures_of(candidate: Candidate) -> Figures:
    """What an estimate says, in SI."""
    found = candidate.estimate
    memory = {f"{name} bytes": value for name, value in found.memory_bytes.items()}
    return {
        "TTFT": found.ttft.mean_s, "TTFT low": found.ttft.lo_s, "TTFT high": found.ttft.hi_s,
        "ITL": found.itl.mean_s, "ITL low": found.itl.lo_s, "ITL high": found.itl.hi_s,
        "requests/s": found.request_rate_per_s, "tokens/s/GPU": found.output_tokens_per_s_per_gpu,
        "in flight": found.concurrency, "cached tokens": found.kv_capacity_tokens,
        "P(SLA)": found.sla_probability or 0.0, **memory,
    }  # fmt: skip


def asked(request, deployment) -> Figures:
    """What simkit.estimate says; deployment may be short names."""
    return figures_of(simkit.estimate(request, deployment).candidate)


def by_text(request, text: str) -> Figures:
    """What `simkit estimate --worker TEXT` says."""
    return asked(request, Layouts(worker=text))


def table_figures(rows: list[dict]) -> list[Figures]:
    """What `predict` says of each row; the reason where it refuses one, under "error"."""
    out = predict_table(pd.DataFrame(rows)).to_dict("records")
    found = []
    for row in out:
        times = {
            f"{metric.upper()}{label}": 1e-3 * row[f"predicted_{metric}_ms_{side}"]
            for metric in ("ttft", "itl")
            for label, side in (("", "mean"), (" low", "lo"), (" high", "hi"))
        }
        rate = row["predicted_output_tokens_per_s_per_gpu"]
        found.append({**times, "tokens/s/GPU": rate, "error": row["error"]})
    return found


def fitted_figures(rows: list[dict]) -> list[Figures]:
    """What the fit takes as the shipped prediction of each row while it looks at measured runs."""
    frame = pd.DataFrame(rows)
    unknown = {"ttft_ms_mean": 1.0, "itl_ms_mean": 1.0, "deployment_group": "one", "split_group": "one"}
    frame = frame.assign(run_id=[str(i) for i in range(len(frame))], **unknown)
    with one_thread():
        runs = training_runs(frame)
        plain = predict_runs(runs, {part.backend: efficiency(part.backend) for part in runs.parts})
    shipped = shipped_residuals()
    found = corrected_by(runs, plain, (shipped.models, shipped.noise), np.arange(len(frame)))
    figures = [
        {"TTFT": float(ttft), "ITL": float(itl)}
        for ttft, itl in zip(found["ttft"][0], found["itl"][0], strict=True)
    ]
    for part in runs.parts:
        for name, values in part.work.pools[-1].capacity.memory_bytes.items():
            for position, row in enumerate(part.index):
                figures[row][f"{name} bytes"] = float(values[position])
    return figures


def rows_of(cases: Sequence[Case]) -> list[dict]:
    """The rows of closed-loop cases."""
    return [
        row_of(case.problem.request, case.deployment, case.problem.precision, case.formats) for case in cases
    ]


def apart(one: Figures, other: Figures) -> dict[str, float]:
    """Relative differences of what both name."""
    found = {}
    for name in one.keys() & other.keys() - {"error"}:
        larger = max(abs(one[name]), abs(other[name]))
        gap = abs(one[name] - other[name])
        found[name] = np.inf if np.isnan(gap) else gap / larger if larger > 0 else 0.0
    return found


def worst(pairs, limit: float = SAME) -> str:
    """The worst difference of each model in a line, worst first; empty where all are within the limit.

    pairs: (name that begins with the model's, one side's figures, the other's).
    """
    lines, total = [], 0
    for name, one, other in pairs:
        total += 1
        refused = one.get("error") or other.get("error")
        if refused:
            lines.append((np.inf, name, f"refused: {refused}"))
            continue
        gaps = {metric: gap for metric, gap in apart(one, other).items() if gap > limit}
        if gaps:
            metric = max(gaps, key=lambda key: gaps[key])
            also = ", ".join(f"{key} {gap:.2g}" for key, gap in sorted(gaps.items()) if key != metric)
            said = f"{metric} {one[metric]:.6g} against {other[metric]:.6g}"
            lines.append((gaps[metric], name, f"{said} ({gaps[metric]:.2g} apart; also {also or 'none'})"))
    lines.sort(key=lambda line: -line[0])
    first = {name.split()[0]: f"{name}: {text}" for _, name, text in reversed(lines)}
    shown = "\n".join(reversed(first.values()))
    return f"{len(lines)} of {total} differ, the worst of each model:\n{shown}" if lines else ""
