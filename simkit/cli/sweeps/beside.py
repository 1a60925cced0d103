"""`simkit experiment import` and `gate`: what stands beside a run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from simkit.cli.output import Format, FormatFlag, QuietFlag, remark, show

_FILES_HELP = "Files or folders of results."
_REQUIRE_HELP = "Condition that every point must keep; may be given again."
_BASELINE_HELP = "Run, or what export-data wrote of one, to be no worse than."
_METRIC_HELP = "Figure that is compared; left out: all."


def import_results(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS…", help=_FILES_HELP)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write, or to add to.")],
    *,
    model: Annotated[str | None, typer.Option("--model", help="What was served.")] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help="On which GPU.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", help="By which engine.")] = None,
    backend_version: Annotated[str | None, typer.Option("--backend-version", help="Its version.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="Format of the weights.")] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="4xtp2, or 3xtp2+1xtp4.")] = None,
    num_gpus: Annotated[int | None, typer.Option("--num-gpus", min=1, help="GPUs in all.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Read other people's sweeps into a dataset, each point beside our prediction of it.

    AIConfigurator's pareto.csv, AIPerf (sweeps and its operator's results), vLLM bench sweep, InferenceX,
    llm-d Benchmark Report v0.2, GuideLLM. What a file does not say of the deployment, flags do.

    Example: simkit experiment import aiperf_sweep/ --gpu h200_sxm --backend vllm --plan 2xtp4 -o out/theirs
    """
    from simkit.experiments.beside.foreign import foreign_points
    from simkit.experiments.beside.imported import (
        beside_ours,
        read_import,
        records,
        write_comparison,
        write_import,
    )
    from simkit.reports.pages import page_console

    flags = {
        "model": model, "gpu": gpu, "backend": backend, "backend_version": backend_version,
        "precision": precision, "plan": plan, "num_gpus": num_gpus,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    write_import(output, foreign_points(results, given), sys.argv[1:])
    page = write_comparison(output)
    remark(f"wrote {output}/parts, comparison.csv and comparison.md", quiet=quiet)
    show(
        form,
        lambda: {"output": str(output), "points": records(beside_ours(read_import(output)))},
        lambda console: page_console(page, console),
    )


def gate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or what export-data wrote.")],
    *,
    require: Annotated[list[str] | None, typer.Option("--require", help=_REQUIRE_HELP)] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help=_BASELINE_HELP)] = None,
    worse: Annotated[float, typer.Option("--worse", help="Share by which a figure may be worse.")] = 0.10,
    metric: Annotated[list[str] | None, typer.Option("--metric", help=_METRIC_HELP)] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
) -> None:
    """Say whether a run keeps conditions and is no worse than a baseline: exit status 0, or 1 where not.

    Example: simkit experiment gate out/new --require meets_sla --baseline main.parquet --format json
    """
    from simkit.experiments.beside.dataset import read_points
    from simkit.experiments.beside.gate import WORSE_IF_MORE, GateRules, gate_document, gate_lines

    rules = GateRules(require=tuple(require or ()), worse_frac=worse, metrics=tuple(metric or WORSE_IF_MORE))
    before = None if baseline is None else read_points(baseline)
    document = gate_document(read_points(run), before, rules)
    lines = "\n".join(gate_lines(document))
    show(form, lambda: document, lambda console: console.print(lines, markup=False, highlight=False))
    if not document["passed"]:
        raise typer.Exit(1)
