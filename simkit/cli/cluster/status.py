"""`simkit status`: one deployment, all of them, or all of them as they change."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from simkit.cli.cluster.access import ClusterFlags, api_of, with_access_flags
from simkit.cli.ending import stoppable
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, show
from simkit.core.errors import InputError, unknown_name
from simkit.core.harmless import shown_line

_KIND = "dgd or dgdr: where both have the name, or which are listed."
_WATCH = "Of all that simkit made: a line for each and for every change, until --timeout or Ctrl-C."
KindFlag = Annotated[str | None, typer.Option("--kind", help=_KIND)]


@with_access_flags
def status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A DGD or DGDR.")] = None,
    *,
    kind: KindFlag = None,
    watch: Annotated[bool, typer.Option("--watch", help=_WATCH)] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to watch.")] = 3600.0,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
    access: ClusterFlags,
) -> None:
    """How a deployment or request stands, and why its pods are not ready; or all that simkit made.

    Example: simkit status llama-70b --namespace team-a

    Example: simkit status --watch --namespace team-a
    """
    from simkit.cluster.remove import found_by_name
    from simkit.cluster.status import status as run

    if watch and name is not None:
        raise InputError("--watch: all that simkit made; drop NAME (simkit deploy follows one of them)")
    api = api_of(access)
    if watch:
        _watch(api, kind or "dgd", timeout, form)
    elif name is None:
        _all(api, kind, form)
    else:
        document = run(api, found_by_name(api, name, api.namespace, kind), api.namespace)
        show(form, lambda: document, lambda console: _status_table(document, console))


def _kinds(short: str | None) -> list[str]:
    """The kinds of that short name, both without one."""
    from simkit.cluster.kinds import DYNAMO, KINDS

    found = [kind for kind in DYNAMO if short in (None, KINDS[kind].short)]
    if not found:
        raise unknown_name("kind", str(short), ("dgd", "dgdr"), "expected dgd or dgdr")
    return found


def _selector() -> dict[str, str]:
    from simkit.cluster.kinds import OURS

    return {"labelSelector": ",".join(f"{key}={value}" for key, value in OURS.items())}


def _all(api: Any, short: str | None, form: Format) -> None:
    from simkit.cluster.kinds import path_of
    from simkit.cluster.status import line_of

    rows = [
        line_of(kind, one, api.namespace)
        for kind in _kinds(short)
        for one in api.items(path_of(kind, api.namespace), _selector())
    ]
    show(form, lambda: {"namespace": api.namespace, "objects": rows}, lambda console: _rows(rows, console))


def _rows(rows: list[dict[str, Any]], console: Any) -> None:
    for row in rows:
        console.print(_row(row), soft_wrap=True, markup=False, highlight=False)
    if not rows:
        console.print("nothing that simkit made is here", soft_wrap=True)


def _row(row: dict[str, Any]) -> str:
    return f"{row['kind']}/{row['name']} {row['verdict']}: {row['summary']}"


def _watch(api: Any, short: str, timeout: float, form: Format) -> None:
    """A line, or a JSON document in a line, for every change of what is said of an object."""
    from simkit.reports.document import dumps

    with stoppable():
        for row in _told(api, _kinds(short)[0], timeout):
            text = _row(row) if form is Format.TABLE else " ".join(dumps(row).split())
            sys.stdout.write(f"{shown_line(text)}\n")
            sys.stdout.flush()


def _told(api: Any, kind: str, timeout: float) -> Iterator[dict[str, Any]]:
    from simkit.cluster.kinds import KINDS, path_of
    from simkit.cluster.status import line_of
    from simkit.cluster.watching import Watching

    said: dict[str, str] = {}
    for change, one in Watching(api, path_of(kind, api.namespace), _selector()).changes(timeout):
        name = one["metadata"]["name"]
        if change == "DELETED":
            said.pop(name, None)
            yield {"kind": KINDS[kind].short, "name": name, "verdict": "deleted", "summary": "is gone"}
            continue
        row = line_of(kind, one, api.namespace)
        if said.get(name) != row["summary"]:
            said[name] = row["summary"]
            yield row


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
