"""`simkit profile`."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster.dry_run import DiffFlag, DryRun, checked_dry_run, show_changes, show_documents
from simkit.cli.measuring import MeterFlags, alone, key_of, limits_of, meter_of, with_meter_flags
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import PRICE, request_from_flags, with_request_flags_but
from simkit.core.errors import InputError
from simkit.core.words import counted, gpus

_TARGET = "Where candidates are brought up; local: mocked engines here; k8s: DGDs on a cluster; or url."


@with_meter_flags
@with_request_flags_but(PRICE)
def profile(
    dgdr: Annotated[Path | None, typer.Argument(metavar="[DGDR.yaml]", help="Deployment request.")] = None,
    *,
    target: Annotated[str, typer.Option("--target", help=_TARGET)] = "local",
    url: Annotated[str | None, typer.Option("--url", help="Server, with --target url.")] = None,
    served: Annotated[str | None, typer.Option("--served-model", help="Name the server lists.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder; the same one resumes.")] = Path(
        "out/profile"
    ),
    candidates: Annotated[
        int, typer.Option("--candidates", min=1, max=100, help="Most candidates to deploy.")
    ] = 8,
    max_points: Annotated[int | None, typer.Option("--max-points", help="Most measurements.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", help="Time after which none starts.")
    ] = None,
    max_gpus: Annotated[int | None, typer.Option("--max-gpus", help="Most GPUs at once.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Deploy even with autoApply: false.")] = False,
    retry: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    dry_run: DryRun = None,
    diff: DiffFlag = False,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 1,
    flags: Mapping[str, Any],
    meter: MeterFlags,
) -> None:
    """Predict, deploy, measure, choose, compare, recalibrate. Run it again with the same -o to resume.

    --dry-run and --diff name every deployment that may come up, with its documents, and bring up none.

    Example: simkit profile request.yaml --gpu h100_sxm --total-gpus 8 --search-strategy thorough
    --client builtin -o out/profile
    """
    from simkit.measure.profile import ProfileSettings
    from simkit.measure.profile import profile as run
    from simkit.measure.profile_files import write_profile
    from simkit.measure.run import server_at
    from simkit.measure.trials import Budget

    place = _checked_target(target, url)
    request = request_from_flags(dgdr, flags)
    server = server_at(url, served or request.model, key_of(meter)) if url is not None else None
    settings = ProfileSettings(
        folder=output,
        meter=meter_of(meter, seed=seed, own_tokenizer=place is not None and place.own_tokenizer),
        server=server,
        target="local" if place is None else target,
        candidates=candidates,
        budget=Budget(points=max_points, seconds=max_seconds, gpus=max_gpus),
        apply=apply,
        retry_failed=retry,
        limits=limits_of(meter),
    )
    if checked_dry_run(dry_run) or diff:
        _rehearse(request, settings, (dry_run, diff), form, quiet=quiet)
        return
    with alone(output), _resumable(output):
        outcome = run(request, settings, lambda line: remark(line, quiet=quiet))
        command = f"simkit profile {dgdr or ''} -o {output}"
        written = write_profile(outcome, output, " ".join(command.split()))
    remark(f"wrote {counted(len(written), 'file')} to {output}: see profile_report.html", quiet=quiet)
    _show(outcome, form, quiet=quiet)


def _rehearse(
    request: Any, settings: Any, how: tuple[str | None, bool], form: Format, *, quiet: bool
) -> None:
    """What would be deployed and measured; how: the kind of dry run, and whether differences are shown."""
    from simkit.measure.rehearsal import rehearsed

    dry_run, diff = how
    ask = diff or dry_run == "server"
    trials = rehearsed(request, settings, ask=ask)
    for one in trials:
        remark(_rehearsal_words(one), quiet=quiet)
    if not trials:
        remark("nothing would be deployed: autoApply is false; --apply deploys", quiet=quiet)
    told = [
        {"name": one.trial.name, "kind": one.trial.kind, "num_gpus": one.trial.num_gpus,
         "points": len(one.trial.points), "missing": one.missing, "skipped": one.skipped}
        for one in trials
    ]  # fmt: skip
    if ask:
        show_changes(
            [each for one in trials for each in one.changes], form, diff=diff, beside={"trials": told}
        )
    else:
        show_documents([each for one in trials for each in one.documents], form, {"trials": told})


def _rehearsal_words(one: Any) -> str:
    size = f"{gpus(one.trial.num_gpus)}, {counted(len(one.trial.points), 'point')}"
    what = f"{one.trial.name} ({size})"
    if not one.missing:
        return f"measured already: {what}"
    return f"left out: {what}: {one.skipped}" if one.skipped else f"would deploy {what}"


def _show(outcome: Any, form: Format, *, quiet: bool) -> None:
    """What was found; exit status 1 where the SLA or a prediction's bounds do not hold."""
    from simkit.reports.pages import page_console
    from simkit.reports.profile import profile_document, profile_page

    document = profile_document(outcome)
    show(form, lambda: document, lambda console: page_console(profile_page(document, "simkit"), console))
    if outcome.phase == "Ready":
        remark("not deployed: autoApply is false; review dgd.yaml and add --apply", quiet=quiet)
    if not outcome.meets_sla or (outcome.comparison is not None and not outcome.comparison.within):
        raise typer.Exit(1)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """On an interrupt, say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"simkit: finished points are in {folder}; the same command resumes\n")
        raise


def _checked_target(target: str, url: str | None) -> Any:
    """The target that brings candidates up; None where a server is measured that runs."""
    from simkit.io.openai_http import endpoint_of
    from simkit.measure.targets import target_of

    found = None if target == "url" else target_of(target)
    if found is None and url is None:
        raise InputError("--target url: which? give --url http://HOST:PORT")
    if found is not None and url is not None:
        raise InputError("--url goes with --target url; add it, or drop --url")
    if url is not None:
        endpoint_of(url)
    return found
