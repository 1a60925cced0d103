"""`simkit delete`."""

from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, with_access_flags
from simkit.cli.cluster.dry_run import DryRun, checked_dry_run
from simkit.cli.cluster.status import KindFlag
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.core.errors import InputError


@with_access_flags
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A DGD or DGDR that simkit made.")],
    *,
    kind: KindFlag = None,
    storage: Annotated[bool, typer.Option("--with-storage", help="Also its volume claims.")] = False,
    dry_run: DryRun = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait until it is gone.")] = 300.0,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    access: ClusterFlags,
) -> None:
    """Remove a deployment or request that simkit made, with its ConfigMaps and Jobs; nothing of others.

    Example: simkit delete llama-70b --namespace team-a --dry-run client
    """
    from simkit.cluster.kinds import KINDS
    from simkit.cluster.remove import delete as remove
    from simkit.cluster.remove import doomed, kept

    checked_dry_run(dry_run)
    if timeout < 0:
        raise InputError(f"--timeout {timeout:g}: expected seconds from 0")
    api = api_of(access)
    place = api.namespace
    targets = doomed(api, name, place, kind, storage=storage)
    removed = []
    for path, one in targets:
        gone = dry_run == "client" or remove(api, path, one, dry_run=dry_run is not None)
        removed.append(f"{KINDS[one['kind']].short}/{one['metadata']['name']}{'' if gone else ' (was gone)'}")
    if dry_run is None:
        _until_gone(api, targets, timeout, quiet)
    document = {"deleted": removed, "dry_run": dry_run, "kept": kept(targets[0][1], place)}
    show(form, lambda: document, lambda console: _deleted_table(document, console))


def _until_gone(api: Any, targets: Any, timeout: float, quiet: bool) -> None:
    from simkit.cluster.remove import wait_until_gone

    for path, one in targets:
        wait_until_gone(api, path, one["metadata"]["uid"], timeout, lambda line: remark(line, quiet=quiet))


def _deleted_table(document: Any, console: Any) -> None:
    words = "would delete" if document["dry_run"] else "deleted"
    for name in document["deleted"]:
        console.print(f"{words} {name}", soft_wrap=True, markup=False, highlight=False)
    if document["kept"]:
        console.print(document["kept"], soft_wrap=True, markup=False, highlight=False)
