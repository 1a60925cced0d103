"""`simkit deploy`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, namespace_from, with_access_flags
from simkit.cli.cluster.dry_run import (
    DiffFlag,
    DryRun,
    checked_dry_run,
    said,
    show_changes,
    show_documents,
)
from simkit.cli.ending import stoppable
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.core.errors import ExternalError, SimkitError

_FORCE = "Take over fields and objects that others own."
_ROLLBACK = "If it does not get ready: what was there before, again."


@with_access_flags
def deploy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="DGD, DGDR, or a folder of recommend.")],
    *,
    dry_run: DryRun = None,
    diff: DiffFlag = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is ready.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait.")] = 3600.0,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help=_ROLLBACK)] = False,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    access: ClusterFlags,
) -> None:
    """Bring up a DGD by server-side apply, or submit a DGDR, and follow it until it is ready.

    Ctrl-C stops following; what was created stays.

    Example: simkit deploy out/llama-70b --namespace team-a --diff
    """
    if checked_dry_run(dry_run) == "client" and not diff:
        show_documents(_bundle(file, access, namespace_from(access), quiet=quiet).documents, form)
        return
    api = api_of(access)
    bundle = _bundle(file, access, api.namespace, quiet=quiet)
    if diff or dry_run is not None:
        show_changes(_rehearsed(api, bundle, force=force, quiet=quiet or diff), form, diff=diff)
        return
    with stoppable():
        applied = _applied(api, bundle, (force, rollback), quiet)
        found = _followed(api, bundle, applied, (timeout if wait else 0.0, rollback), quiet)
    show(form, lambda: found, lambda console: console.print(found["summary"], soft_wrap=True, markup=False))


def _bundle(file: Path, access: ClusterFlags, otherwise: str, *, quiet: bool) -> Any:
    """The documents as they would be sent; a DGD must be filled in, a request is profiled without weights."""
    from simkit.cluster.documents import load_bundle
    from simkit.cluster.kinds import DGDR
    from simkit.formats.unfilled import how_to_fill, refuse_unfilled, unfilled

    bundle = load_bundle(file, access["namespace"], otherwise)
    if bundle.kind != DGDR:
        refuse_unfilled(bundle.documents, bundle.source)
    elif names := unfilled(bundle.documents):
        told = f"the deployment that Dynamo makes of it will hold {', '.join(names)}"
        remark(f"{bundle.source}: {told}; {how_to_fill(names, bundle.source)}", quiet=quiet)
    return bundle


def _rehearsed(api: Any, bundle: Any, *, force: bool, quiet: bool) -> list[Any]:
    from simkit.cluster.apply import apply_all

    found = []
    for one in apply_all(api, bundle, dry_run=True, force=force):
        found.append(one)
        remark(said(one, dry=True), quiet=quiet)
    return found


def _applied(api: Any, bundle: Any, how: tuple[bool, bool], quiet: bool) -> list[Any]:
    """Every object applied; how: whether to take over, and whether to undo what was done if one fails."""
    from simkit.cluster.apply import apply_all

    force, rollback = how
    done: list[Any] = []
    try:
        for one in apply_all(api, bundle, force=force):
            done.append(one)
            remark(said(one, dry=False), quiet=quiet)
    except (SimkitError, KeyboardInterrupt):
        if rollback:
            _undone(api, done, bundle.namespace, quiet)
        elif done:
            remark(_left(bundle), quiet=False)
        raise
    return done


def _undone(api: Any, applied: list[Any], namespace: str, quiet: bool) -> None:
    """Put back what was there; what cannot be put back is said, and the rest goes on."""
    from simkit.cluster.apply import restore

    for each in reversed(applied):
        try:
            remark(restore(api, each, namespace), quiet=quiet)
        except SimkitError as error:
            remark(f"not undone: {error}", quiet=False)


def _left(bundle: Any) -> str:
    place = f"--namespace {bundle.namespace}"
    return (
        f"simkit: what was created stays: simkit status {bundle.name} {place} says how it stands, "
        f"simkit delete {bundle.name} {place} removes it"
    )


def _followed(api: Any, bundle: Any, applied: list[Any], how: tuple[float, bool], quiet: bool) -> Any:
    """What came of it, as a document; how is the seconds to wait and whether to roll back."""
    from simkit.cluster.follow import Followed, follow
    from simkit.cluster.standing import next_steps
    from simkit.cluster.status import status

    timeout, rollback = how
    main = applied[-1].after
    one = Followed(
        api=api, kind=bundle.kind, name=bundle.name, namespace=bundle.namespace, uid=main["metadata"]["uid"]
    )
    if timeout > 0:
        try:
            main, now = follow(one, timeout, lambda line: remark(line, quiet=quiet))
        except KeyboardInterrupt:
            remark(_left(bundle), quiet=False)
            raise
        except ExternalError:
            if rollback:
                _undone(api, applied, bundle.namespace, quiet)
            raise
        if now.verdict == "review":
            remark(next_steps(main, bundle.namespace), quiet=quiet)
    return status(api, main, bundle.namespace)
