"""Measure one workload on one server, by AIPerf or by the small client in this process."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from simkit.core.errors import ExternalError, InputError, unknown_name
from simkit.core.measured import RequestRecord, Run, Source, run_of_records
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.formats.aiperf_command import BenchmarkOptions, profile_command, request_counts
from simkit.formats.benchmark_results.aiperf import EXPORT, failures_of
from simkit.formats.benchmark_results.fields import load_json
from simkit.formats.benchmark_results.reader import read_run
from simkit.formats.benchmark_results.server_metrics import server_side_of
from simkit.io.openai_http import Endpoint, endpoint_of, histograms_between, listing, scrape
from simkit.io.tools import AIPERF, registry, require_tool
from simkit.measure.aiperf_run import Patience, offline_tokenizer, run_aiperf, with_secret
from simkit.measure.load_client import ClientOptions, drive

CLIENTS = ("aiperf", "builtin")
_MOST_ERRORS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What measures, and how: the client, its options, how patient it is.

    max_error_frac is the share of failed requests above which a run is no measurement.
    """

    client: str = "aiperf"
    aiperf: str | None = None  # the program, where it is not found by itself
    options: BenchmarkOptions = field(default_factory=lambda: BenchmarkOptions(ui="none"))
    patience: Patience = field(default_factory=Patience)
    stall_s: float = 120.0
    max_error_frac: float = _MOST_ERRORS

    def __post_init__(self) -> None:
        if self.client not in CLIENTS:
            raise unknown_name("client", self.client, CLIENTS)
        if not 0 <= self.max_error_frac < 1:
            raise InputError(f"the share of errors allowed must be in [0, 1), got {self.max_error_frac:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where requests go, under which model name; check raises when it is known to have died."""

    url: str
    model: str
    secret: str | None = field(default=None, repr=False)  # what the server asks for: see Endpoint
    check: Callable[[], None] = lambda: None
    note: str = ""  # what every run on it must say
    log: str = "the server's log"  # where to look when requests fail

    @property
    def endpoint(self) -> Endpoint:
        """Where requests go, with what they need to be let in."""
        return Endpoint(url=self.url, secret=self.secret)


def server_at(url: str, model: str, key: str | None) -> Server:
    """A server that runs; url may hold NAME:PASSWORD@. Raises InputError for what is no address."""
    found = endpoint_of(url, key)
    return Server(url=found.url, model=model, secret=found.secret)


def measure(server: Server, workload: Workload, meter: Meter, place: Path, slo: Slo | None = None) -> Run:
    """One run; the client's own files are left at `place`.

    Raises ExternalError where the server or the client fails, or too many requests do.
    """
    _refuse_unlisted(server)
    run = _by_aiperf(server, workload, meter, place, slo) if meter.client == "aiperf" else None
    run = run or _by_own_client(server, workload, meter)
    if run.error_frac > meter.max_error_frac or not run.complete:
        server.check()
        given_up = "" if run.complete else ", then the run was given up"
        raise ExternalError(
            f"{server.url}: {run.num_errors} of {run.num_requests + run.num_errors} requests failed{given_up}"
            f"{_reasons(run)}; look at {server.log}"
        )
    return replace(run, notes=(*run.notes, server.note)) if server.note else run


def _refuse_unlisted(server: Server) -> None:
    """Raise ExternalError where the server does not list the model, or no models at all."""
    found = listing(server.endpoint)
    if server.model in found.models:
        return
    server.check()
    if found.fault:
        raise ExternalError(f"{server.url}: {found.fault}; look at {server.log}")
    listed = ", ".join(name[:200] for name in found.models[:10]) or "none"
    raise ExternalError(
        f"{server.url}: does not serve {server.model!r} (it lists {listed}); name one by --served-model"
    )


def _reasons(run: Run) -> str:
    said = next((note for note in run.notes if note.startswith("failures: ")), "")
    return f" ({said.removeprefix('failures: ')})" if said else ""


def _by_aiperf(server: Server, workload: Workload, meter: Meter, place: Path, slo: Slo | None) -> Run:
    program = require_tool(AIPERF, meter.aiperf)
    with offline_tokenizer(meter.options.tokenizer) as (tokenizer, extra):
        options = replace(meter.options, tokenizer=tokenizer, artifact_dir=str(place))
        words = profile_command(workload, model=server.model, url=server.url, slo=slo, options=options)
        env = {**os.environ, **extra, "NO_COLOR": "1"}
        command = [str(program), *words[1:]]
        if server.secret:
            command, env = with_secret(command, env, server.secret)
        try:
            run_aiperf(command, artifacts=place, env=env, registry=registry(), patience=meter.patience)
        except ExternalError:
            server.check()  # a server that died is the better explanation
            raise
    return _result(server, place)


def _result(server: Server, place: Path) -> Run:
    """What AIPerf wrote. Raises ExternalError where no request was answered whole."""
    try:
        return read_run(place)
    except InputError as error:
        server.check()
        export = next(place.rglob(EXPORT), None)
        failed = failures_of(load_json(export)) if export else ""
        said = f"requests failed ({failed})" if failed else str(error)
        raise ExternalError(f"{server.url}: no answer counts: {said}; look at {server.log}") from error


def _by_own_client(server: Server, workload: Workload, meter: Meter) -> Run:
    requests, warmups = request_counts(workload, meter.options)
    before = scrape(server.endpoint)
    records = drive(
        server.endpoint,
        server.model,
        workload,
        ClientOptions(
            request_count=requests,
            warmup_count=warmups,
            seed=meter.options.seed,
            stall_s=meter.stall_s,
            total_s=meter.patience.timeout_s,
        ),
    )
    source = Source(tool="simkit", path=server.url)
    try:
        run = run_of_records(
            records, source,
            model=server.model,
            concurrency=workload.concurrency,
            request_rate_per_s=workload.request_rate_per_s,
            requests_per_slot=requests / workload.concurrency if workload.concurrency else None,
        )  # fmt: skip
    except ExternalError as error:
        server.check()
        raise ExternalError(f"{error}{_failures(records)}") from error
    side = server_side_of(histograms_between(before, scrape(server.endpoint)))
    failures = _failures(records)
    notes = (f"failures: {failures.strip(' ()')}",) if failures else ()
    return replace(
        run,
        server=side,
        notes=notes,
        osl_off_frac=_osl_off(run, workload),
        complete=len(records) >= requests,
    )


def _failures(records: list[RequestRecord]) -> str:
    """Reasons by count, most common first; empty without failures."""
    counts: dict[str, int] = {}
    for record in records:
        if record.error:
            counts[record.error] = counts.get(record.error, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:3]
    return f" ({', '.join(f'{count} x {reason}' for reason, count in ordered)})" if ordered else ""


def _osl_off(run: Run, workload: Workload) -> float:
    return run.osl_tokens / (workload.osl_tokens * (1.0 - workload.length_spread / 2.0)) - 1.0
