"""A thorough `profile` of made-up servers, forked, so that hundreds of kills take minutes."""

import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.killing.places import SIGNALS

from simkit.cli.measuring import alone
from simkit.core.measured import RequestRecord
from simkit.core.request import Hardware, Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions
from simkit.io.openai_http import Endpoint, Listing
from simkit.measure import run as measuring
from simkit.measure.load_client import ClientOptions
from simkit.measure.profile import ProfileSettings, profile
from simkit.measure.profile_files import write_profile
from simkit.measure.run import Meter, Server
from simkit.measure.targets import Target

REQUEST = Request(
    model="Qwen/Qwen3-0.6B", backend="vllm", search_strategy="thorough",
    workload=Workload(isl_tokens=64, osl_tokens=8, concurrency=2), optimization="latency", slo=Slo(),
    hardware=Hardware(gpu="h100_sxm", total_gpus=8),
)  # fmt: skip
METER = Meter(client="builtin", options=BenchmarkOptions(request_count=8, warmup_count=2))
STARTS = re.compile(rb'"points_(measured|resumed)": \d+|\d+ points measured now, \d+ were there already')


def planted(server: Endpoint, model: str, workload: Workload, options: ClientOptions) -> list[RequestRecord]:
    """What a server with these latencies would answer, after a while."""
    time.sleep(0.02)
    lengths = float(workload.isl_tokens), float(workload.osl_tokens)
    ttft_s, itl_s = 0.1 + 1e-4 * lengths[0], 0.02  # slow: none of the others is ruled out
    e2e_s = ttft_s + itl_s * (lengths[1] - 1.0)
    return [
        RequestRecord(
            request_id=f"r{number}", start_s=number * e2e_s, end_s=(number + 1) * e2e_s, ttft_s=ttft_s,
            e2e_s=e2e_s, isl_tokens=lengths[0], osl_tokens=lengths[1],
        )
        for number in range(options.request_count)
    ]  # fmt: skip


@contextmanager
def handed_out(*_: object) -> Iterator[Server]:
    """A deployment that is there at once."""
    time.sleep(0.02)
    yield Server(url="http://127.0.0.1:1", model="planted")


def profiled(folder: Path) -> None:
    """What `simkit profile` does, on planted deployments."""
    measuring.drive = planted  # type: ignore[assignment]
    measuring.listing = lambda server: Listing(models=("planted",))  # type: ignore[assignment]
    measuring.scrape = lambda server: {}  # type: ignore[assignment]
    settings = ProfileSettings(folder=folder, meter=METER, target=Target(about="planted", start=handed_out))
    with alone(folder):
        outcome = profile(REQUEST, settings, lambda line: None)
        write_profile(outcome, folder, "simkit profile")


def forked(folder: Path) -> multiprocessing.process.BaseProcess:
    """A profile in a process of its own that has everything imported already."""
    process = multiprocessing.get_context("fork").Process(target=profiled, args=(folder,))
    process.start()
    return process


def kept(folder: Path) -> dict[str, bytes]:
    """Every file of a profile, without how many of its points were measured by which start."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): STARTS.sub(b"", path.read_bytes()) for path in files}


def killed_until_done(folder: Path, rng: random.Random, lasts: float, most: int) -> int:
    """Kills until the profile is complete; the last start is left to end."""
    for count in range(most):
        process = forked(folder)
        process.join(timeout=rng.uniform(0.0, lasts))
        if process.exitcode == 0:
            return count
        os.kill(process.pid or 0, rng.choice(SIGNALS))
        process.join(30)
        if process.exitcode is None:
            raise SystemExit(f"{folder}: a profile did not end within 30 s of its signal")
    forked(folder).join()
    return most


def profiles(kills: int, seed: int) -> int:
    """Kill profiles, finish them, compare; the number of those that differ."""
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - interrupted profiles say so
    rng, count, folders, wrong = random.Random(seed), 0, 0, 0  # noqa: S311 - of when to kill
    with tempfile.TemporaryDirectory(prefix="simkit-") as name:
        root = Path(name)
        forked(root / "warm").join()
        begun = time.monotonic()
        forked(root / "whole").join()
        lasts, expected = time.monotonic() - begun, kept(root / "whole")
        print(f"{len(expected)} files, {lasts:.1f} s unkilled", flush=True)
        while count < kills:
            folders += 1
            folder = root / f"run{folders}"
            count += killed_until_done(folder, rng, lasts, kills - count)
            found = kept(folder)
            different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            wrong += bool(different)
            said = f"DIFFERENT: {', '.join(different)}" if different else "the same"
            print(f"folder {folders}: {count} kills so far, {said}", flush=True)
            shutil.rmtree(folder)
    return wrong
