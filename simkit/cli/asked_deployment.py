"""The deployment that a command is about: a DGD, an engine command line, or short layout names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from simkit.cli.flags.groups import keyword, with_flags
from simkit.cli.flags.precision import precision_notes
from simkit.cli.output import remark
from simkit.cli.request_flags import request_from_flags, with_tuning
from simkit.core.errors import InputError
from simkit.core.request import Request
from simkit.engines.registry import example_start

if TYPE_CHECKING:
    from simkit.core.deployment import Deployment
    from simkit.verbs.estimate import Layouts


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDeployment:
    """A deployment and the request around it; carried: flags of a command that nothing models.

    source is the file or command that it was read from, None for layouts; origins where each setting stands.
    flags: those given, and what a deployment of ours was made for.
    """

    request: Request
    deployment: "Deployment | Layouts"
    notes: tuple[str, ...] = ()
    carried: Any = None
    source: str | None = None
    origins: tuple[Any, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a deployment may be given; one of DGD, command and layout at most.

    decode_slots: most sequences that a rank of a decode engine runs at once, for layouts.
    """

    dgd: Path | None = None
    command: str | None = None
    worker: str | None = None
    prefill: str | None = None
    decode: str | None = None
    decode_slots: int | None = None


_SLOTS_HELP = "Most sequences that a rank of a --decode engine runs at once."
_COMMAND_HELP = f"Engine command line: '{example_start()} ...', @FILE, or - for standard input."

with_layout_flags = with_flags(
    "layout",  # the fields of Sources but its DGD
    [
        keyword(str, typer.Option("--worker", help="Aggregated: 4xtp2, 1xdep8 ..."), "worker"),
        keyword(str, typer.Option("--prefill", help="Prefill engines: 3xtp2 ..."), "prefill"),
        keyword(str, typer.Option("--decode", help="Decode engines: 1xtp4 ..."), "decode"),
        keyword(int, typer.Option("--decode-max-num-seqs", min=1, help=_SLOTS_HELP), "decode_slots"),
        keyword(str, typer.Option("--command", help=_COMMAND_HELP), "command"),
    ],
)


def asked_deployment(
    sources: Sources, flags: Mapping[str, Any], *, quiet: bool, own_load: bool = False
) -> AskedDeployment:
    """What was asked about; without any source the narrowest engine that fits. own_load: flags outside these
    say the load.
    """
    layout = sources.worker or sources.prefill or sources.decode
    given = {"DGD.yaml": sources.dgd, "--command": sources.command, "--worker": layout}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)}: each says the whole deployment; give one of them")
    if sources.decode_slots is not None and not (sources.prefill and sources.decode):
        raise InputError(
            "--decode-max-num-seqs: only decode engines given by --prefill and --decode take it (a DGD and a "
            "command line say their own, --worker takes --max-num-seqs); give both layouts or drop it"
        )
    if sources.command is not None:
        return _from_command(sources.command, flags)
    if sources.dgd is not None:
        return _from_dgd(sources.dgd, flags, quiet=quiet, own_load=own_load)
    from simkit.verbs.estimate import Layouts

    names = Layouts(
        worker=sources.worker,
        prefill=sources.prefill,
        decode=sources.decode,
        decode_max_num_seqs=sources.decode_slots,
    )
    request = request_from_flags(None, flags)
    return AskedDeployment(request=request, deployment=names, notes=precision_notes(flags), flags=flags)


def bound_asked(flags: Mapping[str, Any]) -> bool:
    """Whether a flag bounds a latency; without one the exit status does not depend on the SLA."""
    return any(flags.get(name) is not None for name in ("ttft", "itl", "e2e_latency"))


def tuned_deployment(request: Request, tuning: Mapping[str, Any], sources: Sources) -> Request:
    """The request with the settings asked for, which a DGD and a command line have of their own."""
    if all(value is None for value in tuning.values()):
        return request
    if sources.dgd is not None or sources.command is not None:
        names = ", ".join(
            "--" + name.replace("_", "-") for name, value in tuning.items() if value is not None
        )
        raise InputError(
            f"{names}: the deployment says its engines' settings itself; give a layout, or change it"
        )
    tuned = with_tuning(request, tuning)
    if tuned.tuning.kv_dtype == "both":
        raise InputError("--kv-dtype both compares two deployments; ask about one: bf16 or fp8")
    return tuned


def _from_command(command: str, flags: Mapping[str, Any]) -> AskedDeployment:
    from simkit.formats.engine_command.read import read_command
    from simkit.verbs.imported import imported_request

    if flags.get("mode") is not None:
        raise InputError("--mode: the command says how it serves; drop --mode")
    if flags.get("precision") is not None:
        raise InputError("--precision: the command serves its checkpoint as it is stored; change the command")
    imported = read_command(command, model=flags.get("model"))
    request = imported_request(request_from_flags(None, {**flags, "model": imported.model}), imported)
    return AskedDeployment(
        request=request,
        deployment=imported.deployment,
        notes=imported.notes,
        carried=imported.carried,
        source=command[1:] if command.startswith("@") else "the command",
        origins=imported.origins,
        flags=flags,
    )


def _from_dgd(path: Path, flags: Mapping[str, Any], *, quiet: bool, own_load: bool) -> AskedDeployment:
    from simkit.cli.meant import dgd_in, request_meant
    from simkit.formats.dgd.read import read_dgd
    from simkit.launch.sources import is_command_file

    path = dgd_in(path)
    if is_command_file(path):
        return _from_command(f"@{path}", flags)
    parsed = read_dgd(path, model=flags.get("model"))
    for note in parsed.notes:
        remark(f"{path}: {note}", quiet=quiet)
    meant = request_meant(path, parsed, flags, traced=own_load)
    remark(meant.taken, quiet=quiet or not meant.taken)
    return AskedDeployment(
        flags=meant.flags,
        request=meant.request,
        deployment=parsed.deployment,
        source=str(path),
        origins=parsed.origins,
    )
