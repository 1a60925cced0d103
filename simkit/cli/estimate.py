"""`simkit estimate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.output import CalibrationFlag, Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.cli.request_flags import request_from_flags, with_request_flags
from simkit.core.errors import InputError

_COMMAND_HELP = "Engine command line to estimate: 'vllm serve ...', @FILE, or - for standard input."
_DGD_HELP = "Write a DGD that runs the same engines; with --command or a layout."


@with_request_flags
def estimate(
    dgd: Annotated[Path | None, typer.Argument(metavar="[DGD.yaml]", help="Deployment to estimate.")] = None,
    *,
    worker: Annotated[str | None, typer.Option("--worker", help="Aggregated: 4xtp2, 1xdep8 ...")] = None,
    prefill: Annotated[str | None, typer.Option("--prefill", help="Prefill engines: 3xtp2 ...")] = None,
    decode: Annotated[str | None, typer.Option("--decode", help="Decode engines: 1xtp4 ...")] = None,
    command: Annotated[str | None, typer.Option("--command", help=_COMMAND_HELP)] = None,
    out: Annotated[Path | None, typer.Option("--dgd", metavar="OUT.yaml", help=_DGD_HELP)] = None,
    calibration: CalibrationFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    flags: Mapping[str, Any],
) -> None:
    """Latency, throughput, memory and time by operator of one deployment under one load.

    Example: simkit estimate out/dgd.yaml --gpu h200_sxm --concurrency 64

    Example: simkit estimate --command "vllm serve Qwen/Qwen3-32B -tp 4" --gpu h200_sxm --concurrency 64
    """
    from simkit.reports.tables import estimate_table
    from simkit.verbs.estimate import Layouts, estimate_document
    from simkit.verbs.estimate import estimate as run

    _refuse_mixtures({"DGD.yaml": dgd, "--command": command, "--worker": worker or prefill or decode}, out)
    notes: tuple[str, ...] = ()
    carried: Any = None
    if command is not None:
        request, imported = _from_command(command, flags)
        deployment, notes, carried = imported.deployment, imported.notes, imported.carried
    elif dgd is not None:
        request, deployment = _from_dgd(dgd, flags, quiet=quiet)
    else:
        request = request_from_flags(None, flags)
        deployment = Layouts(worker=worker, prefill=prefill, decode=decode)
    result = run(request, deployment)
    if calibration is not None:
        from simkit.io.own_calibration import read_own
        from simkit.verbs.own_runs import sharpened_estimate

        result = sharpened_estimate(result, request, read_own(calibration))
    if out is not None:
        notes += _write_dgd(out, request, result, carried, quiet=quiet)
    document = estimate_document(request, result)
    document["notes"] = [*notes, *document["notes"]]
    show(form, lambda: document, lambda console: estimate_table(document, console))
    if not result.candidate.meets_sla and _bound_asked(flags):
        raise typer.Exit(1)


def _refuse_mixtures(given: Mapping[str, Any], out: Path | None) -> None:
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)}: each says the whole deployment; give one of them")
    if out is not None and given["DGD.yaml"] is not None:
        raise InputError("--dgd: the deployment is a DGD already; give --command or a layout, or drop --dgd")


def _from_command(command: str, flags: Mapping[str, Any]) -> tuple[Any, Any]:
    from simkit.io.commands import read_command
    from simkit.verbs.imported import imported_request

    if flags.get("mode") is not None:
        raise InputError("--mode: the command says how it serves; drop --mode")
    imported = read_command(command, model=flags.get("model"))
    request = request_from_flags(None, {**flags, "model": imported.model})
    return imported_request(request, imported), imported


def _write_dgd(path: Path, request: Any, result: Any, carried: Any, *, quiet: bool) -> tuple[str, ...]:
    from simkit.io.yamlio import write_text_atomic
    from simkit.verbs.imported import dgd_of_estimate

    text, notes = dgd_of_estimate(request, result, carried)
    write_text_atomic(path, text)
    remark(f"wrote {path}", quiet=quiet)
    return tuple(notes)


def _bound_asked(flags: Mapping[str, Any]) -> bool:
    return any(flags.get(name) is not None for name in ("ttft", "itl", "e2e_latency"))


def _from_dgd(path: Path, flags: Mapping[str, Any], *, quiet: bool) -> tuple[Any, Any]:
    from simkit.io.dgd import read_dgd

    parsed = read_dgd(path)
    for note in parsed.notes:
        remark(f"{path}: {note}", quiet=quiet)
    request = request_from_flags(None, flags, model=parsed.model)
    return request, parsed.deployment
