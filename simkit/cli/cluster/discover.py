"""`simkit discover`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, with_access_flags
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark
from simkit.core.errors import unknown_name
from simkit.core.words import counted

_TARGET = "k8s, or local: this machine; without it, a cluster where one is configured."
_TOTAL = "GPUs to plan for; without it all, at most 32, as Dynamo does."


@with_access_flags
def discover(
    target: Annotated[str | None, typer.Option("--target", help=_TARGET)] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help="Only this GPU, for example h200_sxm.")] = None,
    total_gpus: Annotated[int | None, typer.Option("--total-gpus", min=1, help=_TOTAL)] = None,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File for the block.")] = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    access: ClusterFlags,
) -> None:
    """GPUs of a cluster or of this machine as the `hardware:` block of a DGDR, and what to know of them.

    Example: simkit discover -o hardware.yaml; simkit recommend request.yaml --hardware hardware.yaml
    """
    from simkit.io.yamlio import dump_yaml, write_text_atomic

    found = _found(target, access, gpu, total_gpus)
    block = dump_yaml({"hardware": found["hardware"]})
    if output is not None:
        write_text_atomic(output, block)
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if form is Format.JSON else block)
    for note in (_counts(found), *found["notes"]):
        remark(note, quiet=quiet)


def _found(target: str | None, access: ClusterFlags, gpu: str | None, total_gpus: int | None) -> Any:
    from simkit.cluster.access import is_configured
    from simkit.cluster.discover import discover_cluster, discover_machine

    named = any(access[name] for name in ("kubeconfig", "context"))
    chosen = target or ("k8s" if named or is_configured() else "local")
    if chosen not in ("k8s", "local"):
        raise unknown_name("target", chosen, ("k8s", "local"), "expected k8s or local")
    if chosen == "local":
        return discover_machine(total_gpus=total_gpus)
    return discover_cluster(api_of(access), sku=gpu, total_gpus=total_gpus)


def _counts(found: Any) -> str:
    gpus = found["gpus"]
    free = f", {gpus['free']} free now" if "free" in gpus else ""
    return f"{counted(gpus['total'], 'GPU of this kind')} ({found['source']}){free}"
