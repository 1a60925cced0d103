"""`simkit recommend`, and how it saves and shows its stages: closed form, then simulated finalists."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.choices import AUTO, each_choice
from simkit.cli.ending import interrupted_status, stoppable
from simkit.cli.flags.bounds import STATISTIC_HELP
from simkit.cli.output import Format, FormatFlag, QuietFlag, remark, show
from simkit.cli.request_flags import (
    request_from_flags,
    with_cluster,
    with_cluster_flags,
    with_request_flags,
    with_tuning,
    with_tuning_flags,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStages:
    """What flags say of the answer's size and of where it goes."""

    limit: int
    top: int
    dgd_version: str
    output: Path | None
    quiet: bool
    dynamo_rules: bool
    select: int = 1
    interactive: bool = False


def side_by_side(requests: Sequence[Any], asked: AskedStages) -> tuple[Any, Mapping[str, Any]]:
    """The best of several GPUs and engines with the pick of each, and its document; saved like one answer."""
    from simkit.catalog.problems import SearchOptions
    from simkit.reports.document import recommendation_document
    from simkit.verbs.alternatives import best_alternative

    search = SearchOptions(dynamo_rules=asked.dynamo_rules, limit=max(asked.limit, asked.top))
    problem, result = best_alternative(requests, search)
    document = recommendation_document(result)
    _say_saved(_save(result, problem, asked, document), asked)
    return result, document


def staged(
    request: Any, asked: AskedStages, *, finalists: int | None, budget_s: float | None, seed: int
) -> tuple[Any, Mapping[str, Any]]:
    """The recommendation and its document. The folder holds the best so far once the closed form is done.

    A budget without a number of finalists takes as many of those listed as it allows.
    """
    from simkit.catalog.problems import SearchOptions, build_problem
    from simkit.reports.document import recommendation_document
    from simkit.verbs.recommend import answer

    limit = max(asked.limit, asked.top, finalists or 0)
    search = SearchOptions(dynamo_rules=asked.dynamo_rules, limit=limit, select=asked.select)
    if finalists or budget_s is not None:
        problem, result = _in_stages(request, search, asked, (finalists, budget_s, seed))
    else:
        problem = build_problem(request, search)
        result = answer(problem)
    document = recommendation_document(result)
    _say_saved(_save(result, problem, asked, document), asked)
    _how_to_resume(result, asked)
    return result, document


def _in_stages(
    request: Any, search: Any, asked: AskedStages, wanted: tuple[int | None, float | None, int]
) -> tuple[Any, Any]:
    """The problem and its answer, with simulated finalists; wanted is (how many, seconds, seed)."""
    from simkit.catalog.problems import build_problem
    from simkit.reports.document import recommendation_document
    from simkit.verbs.shortlist import FinalistOptions, Stages, Watch, recommend_in_stages

    count, budget_s, seed = wanted
    watch = Watch(budget_s=budget_s)
    problem = build_problem(request, search)
    stages = Stages(
        save=lambda result: _save(result, problem, asked, recommendation_document(result)),
        say=lambda text: _progress(text, asked),
    )
    with stoppable():
        result = recommend_in_stages(problem, FinalistOptions(count=count, seed=seed), watch, stages)
    return problem, result


def _save(result: Any, problem: Any, asked: AskedStages, document: Any) -> list[str]:
    """What was written, by its name at the top of the folder."""
    if asked.output is None:
        return []
    from simkit.verbs.answer_files.folder import FolderOptions, folder_texts, write_folder

    texts = folder_texts(
        result,
        problem=problem,
        document=document,
        options=FolderOptions(
            folder=asked.output, top=asked.top, version=asked.dgd_version, interactive=asked.interactive
        ),
    )
    written = [path.relative_to(asked.output).parts[0] for path in write_folder(asked.output, texts)]
    return list(dict.fromkeys(written))


def _say_saved(names: Sequence[str], asked: AskedStages) -> None:
    if names:
        remark(f"wrote {', '.join(names)} to {asked.output}", quiet=asked.quiet)


def _progress(text: str, asked: AskedStages) -> None:
    """Progress on a terminal: the best so far."""
    remark(text, quiet=asked.quiet or not sys.stderr.isatty())


def _how_to_resume(result: Any, asked: AskedStages) -> None:
    found = result.finalists
    if found is None or not found.stopped:
        return
    why = "interrupted" if found.stopped == "interrupted" else "the time budget was spent"
    kept = f"what was found is in {asked.output}" if asked.output else "what was found is shown"
    remark(
        f"{why} after {found.simulated} of {found.asked} finalists; {kept}; run the same command again, "
        "or with more time, to simulate the rest",
        quiet=asked.quiet,
    )


_OBJECTIVE_HELP = "throughput, latency, goodput or cost, in place of optimizationType."
_SELECT_HELP = "Write this row of the table, in place of the first."
_FINALISTS_HELP = "Simulate the N best, request by request, and rank them by that."
_DETAILS_HELP = "Also near-equal rows, what a little more would buy, what was left out, the Pareto front."
_INTERACTIVE_HELP = "report.html with a script to look closer; about 400 kB in place of 100."
_BUDGET_HELP = "Seconds: simulate as many of the best as that allows; engines too, past the first."


@with_cluster_flags
@with_tuning_flags
@with_request_flags
def recommend(
    dgdr: Annotated[Path | None, typer.Argument(metavar="[DGDR.yaml]", help="Deployment request.")] = None,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=100, help="DGDs to write, best first.")] = 1,
    select: Annotated[int | None, typer.Option("--select", min=1, help=_SELECT_HELP)] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Candidates to list.")] = 10,
    dgd_version: Annotated[str, typer.Option("--dgd-version", help="v1beta1 or v1alpha1.")] = "v1beta1",
    dynamo_rules: Annotated[bool, typer.Option("--dynamo-rules", help="Only layouts Dynamo sweeps.")] = False,
    statistic: Annotated[str, typer.Option("--sla-statistic", help=STATISTIC_HELP)] = "mean",
    objective: Annotated[str | None, typer.Option("--objective", help=_OBJECTIVE_HELP)] = None,
    finalists: Annotated[
        int | None, typer.Option("--simulate-finalists", min=0, max=100, help=_FINALISTS_HELP)
    ] = None,
    budget: Annotated[float | None, typer.Option("--time-budget", help=_BUDGET_HELP)] = None,
    details: Annotated[bool, typer.Option("--details", help=_DETAILS_HELP)] = False,
    interactive: Annotated[bool, typer.Option("--interactive", help=_INTERACTIVE_HELP)] = False,
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

    Example: simkit recommend --model Qwen/Qwen3-32B-FP8 --gpu h100_sxm,h200_sxm,b200_sxm --total-gpus 8
    """
    from simkit.core.errors import unknown_name
    from simkit.core.request import known_objective

    if dgd_version not in ("v1beta1", "v1alpha1"):
        raise unknown_name("DGD version", dgd_version, ("v1beta1", "v1alpha1"))

    def asked_of(given: Mapping[str, Any]) -> Any:
        request = with_tuning(with_cluster(request_from_flags(dgdr, given), cluster), tuning)
        request = replace(request, hardware=replace(request.hardware, as_needed=as_needed))
        wanted = request.optimization if objective is None else known_objective(objective)
        slo = replace(request.slo, statistic=statistic)
        return replace(request, slo=slo, optimization=wanted)

    as_needed = flags["total_gpus"] == AUTO
    flags = {**flags, "total_gpus": None} if as_needed else flags
    requests = [asked_of(given) for given in each_choice(flags)]
    closer = bool(finalists) or budget is not None
    _check_together(several=len(requests) > 1, closer=closer, select=select, top=top)
    asked = AskedStages(
        limit=limit,
        top=top,
        dgd_version=dgd_version,
        output=output,
        quiet=quiet,
        dynamo_rules=dynamo_rules,
        select=select or 1,
        interactive=interactive,
    )
    if len(requests) > 1:
        result, document = side_by_side(requests, asked)
    else:
        result, document = staged(requests[0], asked, finalists=finalists, budget_s=budget, seed=seed)
    show(form, lambda: document, lambda console: _table(document, console, asked, details=details))
    if result.finalists and result.finalists.stopped == "interrupted":
        raise SystemExit(interrupted_status())  # what to do next was said: no general word on interrupts
    if not result.meets_sla:
        raise typer.Exit(1)


def _check_together(*, several: bool, closer: bool, select: int | None, top: int) -> None:
    """Raise InputError for flags that contradict each other; closer: finalists are to be simulated."""
    from simkit.core.errors import InputError

    if several and closer:
        raise InputError(
            "--simulate-finalists, --time-budget: they look closer at one GPU and engine; name one of each, "
            "or drop the flag"
        )
    if select is None:
        return
    if several:
        raise InputError("--select: several GPUs or engines have a table each; name one of each, or drop it")
    if closer:
        raise InputError("--select: a simulation orders the table anew; drop one of the two")
    if top > 1:
        raise InputError("--select writes one row, --top the first ones; drop one of them")


def _table(document: Any, console: Any, asked: AskedStages, *, details: bool) -> None:
    from simkit.catalog.gpus import drives_dynamo
    from simkit.reports.pareto_text import pareto_text
    from simkit.reports.tables import recommendation_table

    recommendation_table(document, console, asked.limit, details=details)
    console.print()
    if details:
        console.print(pareto_text(document), markup=False, highlight=False)
    steps = [] if details else ["--details says more"]
    if asked.output is None:
        dgd = "the DGD and " if drives_dynamo(document["request"]["hardware"]["gpu"]) else ""
        steps.append(f"-o DIR writes {dgd}a report")
    elif (asked.output / "dgd.yaml").is_file():
        steps += _deploying(asked.output)
    if steps:
        console.print(f"Next: {'; '.join(steps)}.", markup=False, highlight=False, soft_wrap=True)


def _deploying(folder: Path) -> list[str]:
    """What comes before the DGD goes to a cluster, and how it gets there."""
    from simkit.formats.unfilled import unfilled
    from simkit.io.yamlio import load_documents

    names = unfilled(load_documents(folder / "dgd.yaml"))
    first = (
        [f"replace {', '.join(names)} in {folder / 'dgd.yaml'}, whose first lines say how"] if names else []
    )
    return [*first, f"simkit deploy {folder} --dry-run shows what goes to a cluster"]
