"""`simkit deploy`, `simkit status` and `simkit delete`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, with_access_flags
from simkit.cli.measuring import stoppable
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.core.errors import ExternalError, InputError, unknown_name

_RUNS = ("client", "server")
_DRY = "client: show what would be sent; server: let the cluster check it; nothing is kept."
_FORCE = "Take over fields and objects that others own."
_ROLLBACK = "If it does not get ready: what was there before, again."
DryRun = Annotated[str | None, typer.Option("--dry-run", metavar="client|server", help=_DRY)]
KindFlag = Annotated[str | None, typer.Option("--kind", help="dgd or dgdr, where both have the name.")]


@with_access_flags
def deploy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="DGD, DGDR, or a folder of recommend.")],
    *,
    dry_run: DryRun = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change, and change nothing.")] = False,
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
    from simkit.cluster.apply import apply_all
    from simkit.cluster.documents import load_bundle

    if _dry(dry_run) == "client" and not diff:
        _show_documents(load_bundle(file, access["namespace"], "default"), form)
        return
    api = api_of(access)
    bundle = load_bundle(file, access["namespace"], api.namespace)
    applied = []
    for one in apply_all(api, bundle, dry_run=diff or dry_run is not None, force=force):
        applied.append(one)
        remark(_said(one, dry=diff or dry_run is not None), quiet=quiet or diff)
    if diff or dry_run is not None:
        _show_changes(applied, form, diff=diff)
        return
    with stoppable():
        found = _followed(api, bundle, applied, (timeout if wait else 0.0, rollback), quiet)
    show(form, lambda: found, lambda console: console.print(found["summary"], soft_wrap=True, markup=False))


def _dry(given: str | None) -> str | None:
    if given is not None and given not in _RUNS:
        raise unknown_name("dry run", given, _RUNS, "expected client or server")
    return given


def _said(one: Any, *, dry: bool) -> str:
    from simkit.cluster.kinds import KINDS, named

    tail = " (dry run)" if dry else ""
    return f"{KINDS[one.kind].short}/{named(one.after)} {one.change}{tail}"


def _show_documents(bundle: Any, form: Format) -> None:
    from simkit.io.yamlio import dump_yaml

    if form is Format.JSON:
        show(form, lambda: {"documents": list(bundle.documents)}, lambda console: None)
    else:
        sys.stdout.write(dump_yaml(list(bundle.documents)))


def _show_changes(applied: list[Any], form: Format, *, diff: bool) -> None:
    from simkit.cluster.kinds import named

    document = {
        "changes": [
            {"kind": one.kind, "name": named(one.after), "change": one.change, "diff": one.diff()}
            for one in applied
        ]
    }
    if form is Format.JSON:
        show(form, lambda: document, lambda console: None)
    elif diff:
        sys.stdout.write("".join(f"{text}\n" for one in applied if (text := one.diff())))


def _left(bundle: Any) -> str:
    place = f"--namespace {bundle.namespace}"
    return (
        f"simkit: what was created stays: simkit status {bundle.name} {place} says how it stands, "
        f"simkit delete {bundle.name} {place} removes it"
    )


def _followed(api: Any, bundle: Any, applied: list[Any], how: tuple[float, bool], quiet: bool) -> Any:
    """What came of it, as a document; how is the seconds to wait and whether to roll back."""
    from simkit.cluster.apply import restore
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
            for each in reversed(applied) if rollback else ():
                remark(restore(api, each, bundle.namespace), quiet=quiet)
            raise
        if now.verdict == "review":
            remark(next_steps(main, bundle.namespace), quiet=quiet)
    return status(api, main, bundle.namespace)


@with_access_flags
def status(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A DGD or DGDR.")],
    kind: KindFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    *,
    access: ClusterFlags,
) -> None:
    """How a deployment or request stands, and why its pods are not ready.

    Example: simkit status llama-70b --namespace team-a
    """
    from simkit.cluster.remove import found_by_name
    from simkit.cluster.status import status as run

    api = api_of(access)
    document = run(api, found_by_name(api, name, api.namespace, kind), api.namespace)
    show(form, lambda: document, lambda console: _status_table(document, console))


def _status_table(document: Any, console: Any) -> None:
    head = f"{document['kind']} {document['name']} in {document['namespace']}: {document['summary']}"
    lines = [head]
    lines += [
        f"  {one.get('type')}={one.get('status')} {one.get('reason', '')}: {one.get('message', '')}"
        for one in document["conditions"]
    ]
    lines += [f"  pod {one['name']}: {one['reason'] or 'ready'}" for one in document["pods"]]
    lines += [f"  event {one['reason']}: {one['message']}" for one in document["events"]]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


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
    from simkit.cluster.kinds import KINDS, path_of
    from simkit.cluster.remove import belongings, found_by_name, kept, refuse_foreign
    from simkit.cluster.remove import delete as remove

    _dry(dry_run)
    if timeout < 0:
        raise InputError(f"--timeout {timeout:g}: expected seconds from 0")
    api = api_of(access)
    place = api.namespace
    main = found_by_name(api, name, place, kind)
    refuse_foreign(main, place)
    targets = [(path_of(main["kind"], place, name), main), *belongings(api, name, place, storage=storage)]
    removed = []
    for path, one in targets:
        gone = dry_run == "client" or remove(api, path, one, dry_run=dry_run is not None)
        removed.append(f"{KINDS[one['kind']].short}/{one['metadata']['name']}{'' if gone else ' (was gone)'}")
    if dry_run is None:
        _until_gone(api, targets, timeout, quiet)
    document = {"deleted": removed, "dry_run": dry_run, "kept": kept(main, place)}
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
