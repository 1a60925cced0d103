"""`simkit simulate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.asked_deployment import Sources, asked_deployment, tuned_deployment, with_layout_flags
from simkit.cli.flags.bounds import STATISTIC_HELP
from simkit.cli.flags.load import load_options, with_load_flags, with_procedure, with_rate
from simkit.cli.output import Format, FormatFlag, QuietFlag, remark, show
from simkit.cli.request_flags import PRICE, with_request_flags_but, with_tuning_flags
from simkit.sim.routers import ROUTERS

_OUTPUT_HELP = "Folder for summary.json, requests.parquet, timeline.csv and .png, report.md."
_STATISTIC_HELP = f"{STATISTIC_HELP.removesuffix('.')}; max, too."


@with_load_flags
@with_tuning_flags
@with_request_flags_but(PRICE)
@with_layout_flags
def simulate(
    dgd: Annotated[Path | None, typer.Argument(metavar="[DGD.yaml]", help="Deployment to simulate.")] = None,
    *,
    replicas: Annotated[int | None, typer.Option("--replicas", help="Aggregated engines.")] = None,
    router: Annotated[str, typer.Option("--router", help=" or ".join(ROUTERS) + ".")] = "round_robin",
    statistic: Annotated[str | None, typer.Option("--sla-statistic", help=_STATISTIC_HELP)] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help=_OUTPUT_HELP)] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of lengths, arrivals and routing.")] = 0,
    flags: Mapping[str, Any],
    layout: Mapping[str, Any],
    load: Mapping[str, Any],
    tuning: Mapping[str, Any],
) -> None:
    """Simulate a deployment request by request: percentiles, goodput, queues over time.

    Example: simkit simulate --model Qwen/Qwen3-32B-FP8 --gpu h200_sxm --isl 1024 --osl 128 --concurrency 64

    Example: simkit simulate out/dgd.yaml --gpu h200_sxm --trace conversation.jsonl.gz --speedup 2 -o out/sim
    """
    from dataclasses import replace

    from simkit.core.workload import in_whole_slots
    from simkit.reports.simulation import simulation_table
    from simkit.verbs.simulate import SimulateOptions
    from simkit.verbs.simulate import simulate as run
    from simkit.verbs.simulation_document import simulation_document

    options = SimulateOptions(
        load=load_options(load), router=router, replicas=replicas, statistic=statistic, seed=seed
    )
    sources = Sources(dgd=dgd, **layout)
    own_load = load["trace"] is not None
    asked = asked_deployment(sources, with_rate(flags, load), quiet=quiet, own_load=own_load)
    workload = asked.request.workload
    if flags["concurrency"] is None:  # what a deployment was made for may lie between two
        workload = in_whole_slots(workload)
    request = tuned_deployment(asked.request, tuning, sources)
    request = replace(request, workload=with_procedure(workload, load))
    result = run(request, asked.deployment, options)
    for line in result.load.trace.fault_lines if result.load.trace else ():
        remark(f"{load['trace']}: {line}", quiet=quiet)
    document = simulation_document(result)
    document["simkit"]["notes"] = [*asked.notes, *document["simkit"]["notes"]]
    if output is not None:
        from simkit.verbs.simulation_document import write_simulation

        remark(f"wrote {', '.join(write_simulation(output, result, document))} to {output}", quiet=quiet)
    show(form, lambda: document, lambda console: simulation_table(document, console), full_precision=True)
    if not result.meets_sla:
        raise typer.Exit(1)
