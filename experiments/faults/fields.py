"""Every field of every document taken out, set to null and emptied, one by one: an answer or one line.

    python experiments/faults/fields.py --only recommendation-page,simulation

The first item of a list stands for all. Chance finds a single missing field seldom; soak.py does the rest.
"""

import argparse
import copy
import json
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "experiments")]

from faults.mutations.documents import at, nodes  # noqa: E402
from faults.readers.every import readers  # noqa: E402
from faults.readers.reader import Reader  # noqa: E402
from faults.soak import prepared  # noqa: E402

from simkit.core.errors import SimkitError  # noqa: E402


def changes(document: Any) -> Iterator[tuple[str, Any]]:
    """What was changed, and the document with that change."""
    seen = set()
    for path in nodes(document)[1:]:
        name = ".".join("#" if isinstance(key, int) else str(key) for key in path)
        if name.endswith("#") or name in seen:
            continue
        seen.add(name)
        for what, changed in _versions(document, path):
            yield f"{what} {name}", changed


def _versions(document: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    value, key = at(document, path), path[-1]
    missing = copy.deepcopy(document)
    del at(missing, path[:-1])[key]
    yield "without", missing
    for what, instead in (
        ("null", None),
        ("empty", type(value)() if isinstance(value, dict | list) else value),
    ):
        if instead != value:
            changed = copy.deepcopy(document)
            at(changed, path[:-1])[key] = instead
            yield what, changed


def broken(reader: Reader, samples: Path, work: Path) -> tuple[int, list[str]]:
    """How many changes were tried, and those that broke the promise."""
    target = reader.folder(samples, work)
    count, found = 0, []
    for what, changed in changes(json.loads((samples / reader.sample).read_text(encoding="utf-8"))):
        target.write_text(json.dumps(changed), encoding="utf-8")
        count += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                reader.read(target)
        except SimkitError:
            continue
        except Exception as error:  # noqa: BLE001 (that any is a failure is the point)
            place = traceback.extract_tb(error.__traceback__)[-1]
            found.append(f"{what}: {type(error).__name__} {error} {Path(place.filename).name}:{place.lineno}")
    return count, found


def main() -> int:
    """Try every reader of JSON, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="readers, with commas between")
    parser.add_argument("--samples", type=Path, default=Path(tempfile.gettempdir()) / "simkit-fault-samples")
    given = parser.parse_args()
    names, wrong = set(filter(None, given.only.split(","))), 0
    samples = prepared(given.samples)
    for reader in readers():
        if reader.form != "json" or (names and reader.name not in names):
            continue
        with tempfile.TemporaryDirectory() as work:
            count, found = broken(reader, samples, Path(work))
        wrong += len(found)
        print(f"{reader.name}: {count:,} changes, {len(found)} broke the promise", flush=True)
        print("".join(f"  {line}\n" for line in found), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
