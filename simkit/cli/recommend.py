"""`simkit recommend`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster_flags import with_cluster, with_cluster_flags
from simkit.cli.output import INTERRUPTED, Format, FormatFlag, QuietFlag, show
from simkit.cli.recommend_stages import Asked, staged
from simkit.cli.request_flags import request_from_flags, with_request_flags
from simkit.cli.tuning_flags import with_tuning, with_tuning_flags

_OBJECTIVE_HELP = "throughput, latency or goodput, in place of optimizationType."
_FINALISTS_HELP = "Simulate the N best, request by request, and rank them by that."
_BUDGET_HELP = "Seconds: simulate as many of the best as that allows; engines too, past the first."
_STATISTIC_HELP = "What SLA bounds are on: mean, p50, p90 or p99."


@with_cluster_flags
@with_tuning_flags
@with_request_flags
def recommend(
    dgdr: Annotated[Path | None, typer.Argument(metavar="[DGDR.yaml]", help="Deployment request.")] = None,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=100, help="DGDs to write, best first.")] = 1,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Candidates to list.")] = 10,
    dgd_version: Annotated[str, typer.Option("--dgd-version", help="v1beta1 or v1alpha1.")] = "v1beta1",
    dynamo_rules: Annotated[bool, typer.Option("--dynamo-rules", help="Only layouts Dynamo sweeps.")] = False,
    statistic: Annotated[str, typer.Option("--sla-statistic", help=_STATISTIC_HELP)] = "mean",
    price: Annotated[float | None, typer.Option("--gpu-hour-price", help="Adds cost per token.")] = None,
    objective: Annotated[str | None, typer.Option("--objective", help=_OBJECTIVE_HELP)] = None,
    finalists: Annotated[
        int | None, typer.Option("--simulate-finalists", min=0, max=100, help=_FINALISTS_HELP)
    ] = None,
    budget: Annotated[float | None, typer.Option("--time-budget", help=_BUDGET_HELP)] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of simulated finalists.")] = 0,
    flags: Mapping[str, Any],
    cluster: Mapping[str, Any],
    tuning: Mapping[str, Any],
) -> None:
    """Find the best configuration for a request and write its DGD.

    Example: simkit recommend --model Qwen/Qwen3-32B-FP8 --gpu h200_sxm --total-gpus 32 --isl 4000
    --osl 1000 -o out
    """
    from simkit.core.errors import unknown_name
    from simkit.core.request import known_objective
    from simkit.reports.document import recommendation_document

    if dgd_version not in ("v1beta1", "v1alpha1"):
        raise unknown_name("DGD version", dgd_version, ("v1beta1", "v1alpha1"))
    request = with_tuning(with_cluster(request_from_flags(dgdr, flags), cluster), tuning)
    if objective is not None:
        request = replace(request, optimization=known_objective(objective))
    slo = replace(request.slo, statistic=statistic)
    request = replace(request, slo=slo, gpu_hour_price=price)
    asked = Asked(
        limit=limit, top=top, dgd_version=dgd_version, output=output, quiet=quiet, dynamo_rules=dynamo_rules
    )
    result = staged(request, asked, finalists=finalists, budget_s=budget, seed=seed)
    show(form, lambda: recommendation_document(result), lambda console: _table(result, console, limit))
    if result.finalists and result.finalists.stopped == "interrupted":
        raise SystemExit(INTERRUPTED)  # what to do next was said: no general word on interrupts
    if not result.meets_sla:
        raise typer.Exit(1)


def _table(result: Any, console: Any, limit: int) -> None:
    from simkit.reports.pareto_text import pareto_text
    from simkit.reports.tables import recommendation_table

    recommendation_table(result, console, limit)
    console.print()
    console.print(pareto_text(result), markup=False, highlight=False)
