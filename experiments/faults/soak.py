"""Damage valid files of every kind again and again and read each: an answer or one line, nothing else.

    python experiments/faults/soak.py --minutes 60 --write reports/reliability/files.json

Every input is made from the reader's name and a number: `--only READER --seed N --count 1` repeats it.
A broken promise is a traceback, a warning, over 10 s of CPU, or a message of more than one line.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "experiments")]

from faults.mutations.files import damaged  # noqa: E402
from faults.readers.every import readers  # noqa: E402
from faults.readers.reader import Reader  # noqa: E402
from faults.samples import make  # noqa: E402

from simkit.core.errors import SimkitError  # noqa: E402

CPU_S = 10.0
MEMORY = 1 << 30
LONGEST = 20_000  # characters of a message
PROGRESS_S = 60.0


class TooLongError(BaseException):
    """Past the limit of CPU time; nothing below may catch it."""


@dataclass(slots=True)
class Tally:
    """What came of one reader's inputs."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    broken: Counter[str] = field(default_factory=Counter)
    seeds: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Time had, which counts for more where an input takes long: they would have most of it."""
        return self.seconds * (self.seconds / max(self.inputs, 1)) ** 0.25


def one_input(reader: Reader, target: Path, content: bytes, seed: int, tally: Tally) -> None:
    """Damage, read, count."""
    rng = random.Random(f"{reader.name}:{seed}")  # noqa: S311 (chance, not secrecy)
    target.write_bytes(damaged(content, reader.form, rng))
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader.read(target)
        place = ""
        tally.read += 1
    except SimkitError as error:
        tally.refused += 1
        place = _odd(str(error))
    except (Exception, TooLongError) as error:  # noqa: BLE001 (that any is a failure is the point)
        place = _place(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    taken = time.process_time() - begun
    tally.inputs += 1
    tally.seconds += taken
    tally.slowest = max(tally.slowest, taken)
    if place:
        tally.broken[place] += 1
        tally.seeds.setdefault(place, seed)


def _odd(message: str) -> str:
    odd = any(ord(char) < 32 or ord(char) == 127 for char in message)
    return (
        f"a message of {len(message)} characters: {message[:120]!r}" if odd or len(message) > LONGEST else ""
    )


def _place(error: BaseException) -> str:
    """Kind of error, and the innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/simkit/" in f.filename or "/perfmodels/" in f.filename] or frames
    where = Path(ours[-1].filename)
    short = where.relative_to(ROOT) if where.is_relative_to(ROOT) else where.name
    return f"{type(error).__name__} {short}:{ours[-1].lineno} {str(error)[:80]!r}"


def _key(place: str) -> str:
    return " ".join(place.split()[:2])


def soak(chosen: list[Reader], samples: Path, limits: Any) -> dict[str, Tally]:
    """The next input goes to the reader that has had the least time for its weight."""
    tallies = {reader.name: Tally() for reader in chosen}
    contents = {reader.name: (samples / reader.sample).read_bytes() for reader in chosen}
    begun = told = time.monotonic()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as work:  # noqa: S108
        targets = {reader.name: reader.folder(samples, Path(work)) for reader in chosen}
        for reader in chosen:  # what is imported late warns of itself, not of the input
            targets[reader.name].write_bytes(contents[reader.name])
            with suppress(SimkitError):
                reader.read(targets[reader.name])
        queue = _turns(chosen, tallies, limits)
        for reader, seed in queue:
            one_input(reader, targets[reader.name], contents[reader.name], seed, tallies[reader.name])
            now = time.monotonic()
            if now - told > PROGRESS_S:
                told = now
                _progress(tallies, now - begun)
            if now - begun > limits.minutes * 60:
                break
    return tallies


def _turns(chosen: list[Reader], tallies: dict[str, Tally], limits: Any) -> Any:
    """Reader and seed: so many inputs each, or shares of time, slow readers' smaller ones."""
    if limits.count:
        for reader in chosen:
            yield from ((reader, limits.seed + n) for n in range(limits.count))
    elif limits.slices:
        for reader in chosen:
            yield from ((reader, limits.seed + n) for n in range(reader.weight * limits.slices))
    else:
        next_seed = dict.fromkeys(tallies, limits.seed)
        while True:
            reader = min(chosen, key=lambda item: tallies[item.name].share)
            for _ in range(reader.weight):
                yield reader, next_seed[reader.name]
                next_seed[reader.name] += 1


def _progress(tallies: dict[str, Tally], elapsed: float) -> None:
    total, broken = (
        sum(values) for values in zip(*((t.inputs, t.broken.total()) for t in tallies.values()), strict=True)
    )
    print(f"{elapsed:,.0f} s: {total:,} inputs, {broken:,} broke a promise", file=sys.stderr, flush=True)


def document_of(tallies: dict[str, Tally], elapsed: float, before: int) -> dict[str, Any]:
    """The figures for programs and for the report."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "inputs": sum(tally.inputs for tally in tallies.values()),
        "broken": sum(tally.broken.total() for tally in tallies.values()),
        "seconds": round(elapsed),
        "slowest_cpu_s": round(max(tally.slowest for tally in tallies.values()), 3),
        "peak_memory_mib": peak >> 20,
        "memory_before_mib": before >> 20,
        "readers": {
            name: {
                "inputs": tally.inputs, "read": tally.read, "refused": tally.refused,
                "mean_ms": round(1e3 * tally.seconds / max(tally.inputs, 1), 2),
                "slowest_s": round(tally.slowest, 3), "broken": tally.broken.total(),
                "places": {
                    key: {"count": count, "seed": tally.seeds[key]}
                    for key, count in tally.broken.most_common(50)
                },
            }
            for name, tally in tallies.items()
        },
    }  # fmt: skip


def _too_long(*_: object) -> None:
    raise TooLongError(f"over {CPU_S:g} s of CPU")


def prepared(folder: Path) -> Path:
    """Samples, made once, with what lies elsewhere in the tree beside them."""
    if not (folder / "part.parquet").is_file():
        make(folder)
        (folder / "part.parquet").write_bytes(
            next((folder / "sweep" / "parts").glob("*.parquet")).read_bytes()
        )
        from faults.samples import simkit

        simkit("experiment", "export-data", folder / "sweep", "-o", folder / "sweep.csv", "--quiet")
    if not (folder / "data").exists():
        (folder / "data").symlink_to(ROOT / "data")
    os.environ["FAULT_SAMPLES"] = str(folder)
    return folder


def limited() -> int:
    """Bound what the process may hold beyond what it has loaded; gives what that is."""
    status = Path("/proc/self/statm").read_text(encoding="ascii").split()
    page = resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (int(status[0]) * page + MEMORY, resource.RLIM_INFINITY))
    return int(status[1]) * page


def main() -> int:
    """Soak, then print what broke by place."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=0, help="inputs a reader, in place of equal time")
    parser.add_argument("--slices", type=int, default=0, help="so many times each reader's weight")
    parser.add_argument("--seed", type=int, default=0, help="of the first input")
    parser.add_argument("--only", default="", help="readers, with commas between")
    parser.add_argument("--samples", type=Path, default=Path(tempfile.gettempdir()) / "simkit-fault-samples")
    parser.add_argument("--write", type=Path, help="JSON file for the figures")
    given = parser.parse_args()
    names = set(filter(None, given.only.split(",")))
    chosen = [reader for reader in readers() if not names or reader.name in names]
    samples = prepared(given.samples)
    signal.signal(signal.SIGPROF, _too_long)
    before = limited()
    begun = time.monotonic()
    found = document_of(soak(chosen, samples, given), time.monotonic() - begun, before)
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        given.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, reader in found["readers"].items():
        for place, seen in reader["places"].items():
            print(f"{seen['count']:6,} {name} --seed {seen['seed']}: {place}")
    print(
        f"{found['inputs']:,} inputs of {len(chosen)} readers in {found['seconds']:,} s: {found['broken']:,} "
        f"broke a promise; slowest {found['slowest_cpu_s']:g} s, peak {found['peak_memory_mib']:,} MiB"
    )
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
