"""Replay the cases with ai-dynamo 1.4.2 and write tests/fixtures/replay, or check that nothing changed.

    python experiments/replay/run.py --python DYNAMO_VENV/bin/python [--check] [NAME ...]

The other environment: `pip install ai-dynamo==1.4.2` (2.7 GB). About two seconds per case.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from cases import CASES, Case
from oracle import VERSION, arguments, check_version, run

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "replay"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help=f"a Python that has ai-dynamo {VERSION}")
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases; default: all")
    return parser.parse_args()


def document(case: Case, outcome: dict[str, Any]) -> str:
    """The fixture of one case, a line per key."""
    load = case.load
    content = {
        "name": case.name,
        "rule": case.rule,
        "command": ["python", "-m", "dynamo.replay", *arguments(case)],
        "version": f"ai-dynamo {VERSION}",
        "table": case.table,
        "concurrency": case.concurrency,
        "engine": case.engine,
        "workers": case.workers if case.decode_workers == 0 else 0,
        "prefill": case.prefill,
        "decode": case.decode,
        "prefill_workers": case.prefill_workers,
        "decode_workers": case.decode_workers,
        "generated": case.generated,
        "load": load.about,
        "isl": _short(load.isl),
        "osl": _short(load.osl),
        "arrival_ms": _short(load.arrival_ms),
        "hash_ids": load.hash_ids,
        **outcome,
    }
    lines = ",\n".join(f"{json.dumps(key)}: {_compact(value)}" for key, value in content.items())
    return "{\n" + lines + "\n}\n"


def _short(values: list[Any]) -> Any:
    """One value where all are equal."""
    return values[0] if len(set(values)) == 1 else values


def _compact(value: Any) -> str:
    spaced = isinstance(value, list) and bool(value) and isinstance(value[0], str)
    return json.dumps(value, separators=(", ", ": ") if spaced else (",", ":"))


def main() -> None:
    """Every case, one after the other."""
    options = _arguments()
    check_version(options.python)
    tables = json.loads((FIXTURES / "tables.json").read_text(encoding="utf-8"))
    chosen = [case for case in CASES if not options.names or case.name in options.names]
    different = []
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            text = document(case, run(options.python.absolute(), case, tables[case.table], Path(folder)))
        path = FIXTURES / f"{case.name}.json"
        if not options.check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            different.append(case.name)
        print(f"{case.name}: {case.rule}", flush=True)
    if different:
        raise SystemExit(f"other outcomes than stored: {', '.join(different)}")


if __name__ == "__main__":
    main()
