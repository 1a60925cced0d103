"""AIPerf 0.13 commands whose workload is the one a prediction was made for. Pure: nothing is run here."""

import itertools
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simkit.core.errors import InputError
from simkit.core.estimate import Latency, Recommendation
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.core.words import counted, gpus
from simkit.core.workload import Workload, in_whole_slots

DEFAULT_URL = "http://localhost:8000"
REQUIREMENT = "aiperf>=0.13,<0.14"

_STEADY_REQUESTS_PER_SLOT = 20  # the opening burst is then a twentieth of the requests
_OPEN_LOOP_S = 300  # how long an open loop lasts at least, unless a count is given
_FEWEST_REQUESTS = 20
_MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFile:
    """Requests of a file replayed at their own times, instead of synthetic ones."""

    path: str
    kind: str = "mooncake-trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkOptions:
    """How the workload is sent. None: from the workload (counts) or AIPerf's own default."""

    request_count: int | None = None
    warmup_count: int | None = None
    seed: int = 1
    artifact_dir: str = "aiperf-artifacts"
    tokenizer: str | None = None
    trust_remote_code: bool = False
    trace: TraceFile | None = None
    concurrencies: tuple[int, ...] = ()  # AIPerf's own sweep over these, in the workload's place
    gpu_telemetry: str | None = None  # pynvml, or the URL of a DCGM exporter
    ui: str = "simple"

    def __post_init__(self) -> None:
        if self.request_count is not None and self.request_count < 1:
            raise InputError(f"benchmark: request count must be at least 1, got {self.request_count}")
        if self.warmup_count is not None and self.warmup_count < 0:
            raise InputError(f"benchmark: warm-up count must not be negative, got {self.warmup_count}")


def profile_command(
    workload: Workload,
    *,
    model: str,
    url: str = DEFAULT_URL,
    slo: Slo | None = None,
    options: BenchmarkOptions | None = None,
) -> list[str]:
    """The argument vector of `aiperf profile`. The workload must say its concurrency or request rate."""
    options = options or BenchmarkOptions()
    for name, value in (("model", model), ("URL", url)):
        if not value or value.startswith("-"):
            raise InputError(f"benchmark: {name} must not be empty or start with '-', got {value!r}")
    return [
        "aiperf", "profile",
        "--model", model,
        "--url", url,
        "--endpoint-type", "chat",
        "--streaming",
        *_tokens(options),
        *(_replay(options.trace) if options.trace else _synthetic(workload, options)),
        *(["--gpu-telemetry", options.gpu_telemetry] if options.gpu_telemetry else []),
        "--random-seed", str(options.seed),
        *_goodput(slo),
        "--artifact-dir", options.artifact_dir,
        "--ui", options.ui,
    ]  # fmt: skip


def workload_of(rec: Recommendation) -> Workload:
    """The request's workload under the load that the selected configuration was predicted at."""
    workload = rec.request.workload
    if workload.concurrency is not None or workload.request_rate_per_s is not None:
        return workload
    return replace(workload, concurrency=max(1.0, float(round(rec.selected.estimate.concurrency))))


def benchmark_script(rec: Recommendation, model: str) -> str:
    """benchmark.sh: measures the selected configuration as predicted. `model` is the served name."""
    workload = workload_of(rec)
    options = BenchmarkOptions(trust_remote_code=rec.request.deploy.trust_remote_code)
    command = profile_command(workload, model=model, slo=rec.request.slo, options=options)
    return "\n".join([
        "#!/usr/bin/env bash",
        *(f"# {_comment(line)}".rstrip() for line in _explanation(rec, workload, model)),
        "set -euo pipefail",
        "",
        f'URL="${{URL:-{DEFAULT_URL}}}"',
        f'ARTIFACT_DIR="${{ARTIFACT_DIR:-{options.artifact_dir}}}"',
        "",
        "if ! command -v aiperf >/dev/null; then",
        f"  echo \"aiperf not found; install it with: pip install '{REQUIREMENT}'\" >&2",
        "  exit 3",
        "fi",
        "",
        _shell(command, {"--url": '"$URL"', "--artifact-dir": '"$ARTIFACT_DIR"'}),
        "",
    ])  # fmt: skip


# --- parts of the command -------------------------------------------------------------------------


def _tokens(options: BenchmarkOptions) -> list[str]:
    """The server counts tokens: text encoded again by the client would not give the same count."""
    named = ["--tokenizer", options.tokenizer] if options.tokenizer else []
    trusted = ["--tokenizer-trust-remote-code"] if options.trust_remote_code else []
    return [*named, *trusted, "--use-server-token-count"]


def _synthetic(workload: Workload, options: BenchmarkOptions) -> list[str]:
    return [*_lengths(workload), *_load(workload, options)]


def _replay(trace: TraceFile) -> list[str]:
    """Lengths and arrivals are the trace's; output lengths are held as with synthetic requests."""
    if trace.path.startswith("-"):
        raise InputError(f"benchmark: trace must not start with '-', got {trace.path!r}")
    held = ["--extra-inputs", "ignore_eos:true"]
    return ["--input-file", trace.path, "--custom-dataset-type", trace.kind, "--fixed-schedule", *held]


def _lengths(workload: Workload) -> list[str]:
    """Input and output lengths, held: ignore_eos and min_tokens keep the model from stopping early.

    A spread of 0.2 means uniform lengths from 0.8 to 1.0 of the mean options, which is the window of
    AIPerf's sglang style at ratio 0.8. One min_tokens serves all requests, so it is the shortest. What
    engines find in their cache is a system prompt that all requests share, before --isl further tokens.
    """
    isl, osl = max(1, round(workload.isl_tokens)), max(1, round(workload.osl_tokens))
    ratio = 1 - workload.length_spread
    spread = ["--isl-stddev", "0", "--osl-stddev", "0"]
    if workload.length_spread:
        spread = ["--random-corpus-style", "sglang", "--random-range-ratio", f"{ratio:g}"]
    shortest = max(1, math.floor(osl * ratio))
    held = ["--extra-inputs", "ignore_eos:true", "--extra-inputs", f"min_tokens:{shortest}"]
    shared = shared_tokens(workload)
    common = ["--shared-system-prompt-length", str(shared)] if shared else []
    return ["--isl", str(isl - shared), "--osl", str(osl), *common, *spread, *held]


def shared_tokens(workload: Workload) -> int:
    """First tokens of every prompt that are the same in all, so that the cache holds its share of them."""
    isl = max(1, round(workload.isl_tokens))
    return min(round(isl * workload.prefix_hit), isl - 1)


def request_counts(workload: Workload, options: BenchmarkOptions) -> tuple[int, int]:
    """Measured and warm-up requests of a workload. Raises InputError where it says no load."""
    _, wanted, warmup = _offered(workload, options)
    requests = options.request_count or max(_FEWEST_REQUESTS, math.ceil(wanted))
    return requests, max(1, round(warmup)) if options.warmup_count is None else options.warmup_count


def as_sent(workload: Workload, options: BenchmarkOptions) -> Workload:
    """The workload with as many requests per slot as will really be sent, which its prediction must know."""
    workload = in_whole_slots(workload)
    if workload.request_rate_per_s is not None or workload.requests_per_slot is not None:
        return workload
    if options.request_count is None:
        return replace(workload, requests_per_slot=_STEADY_REQUESTS_PER_SLOT)
    if workload.concurrency is None:
        return workload
    return replace(workload, requests_per_slot=max(options.request_count / workload.concurrency, 1.0))


def _load(workload: Workload, options: BenchmarkOptions) -> list[str]:
    load, _, _ = _offered(workload, options)
    requests, warmups = request_counts(workload, options)
    # As many different prompts as requests, or the warm-up's would come back as prefix-cache hits.
    counts = ["--request-count", str(requests), "--num-dataset-entries", str(requests + warmups)]
    return [*load, *counts, *(["--warmup-request-count", str(warmups)] if warmups else [])]


def _offered(workload: Workload, options: BenchmarkOptions) -> tuple[list[str], float, float]:
    """AIPerf's words for the load, and how many requests it wants, measured and to warm up."""
    if options.concurrencies:
        most = max(options.concurrencies)
        load = ["--concurrency", ",".join(str(count) for count in options.concurrencies)]
        return load, most * (workload.requests_per_slot or _STEADY_REQUESTS_PER_SLOT), float(most)
    if workload.request_rate_per_s is not None:
        rate = workload.request_rate_per_s
        load = ["--request-rate", f"{rate:g}", "--arrival-pattern", "poisson"]
        return load, rate * _OPEN_LOOP_S, min(20.0, rate * 10)
    if workload.concurrency is not None:
        slots = max(1, round(workload.concurrency))
        waves = workload.requests_per_slot or _STEADY_REQUESTS_PER_SLOT
        return ["--concurrency", str(slots)], slots * waves, float(slots)
    raise InputError("benchmark: the workload says no load; give --concurrency or --request-rate")


def _goodput(slo: Slo | None) -> list[str]:
    tags = {"ttft_s": "time_to_first_token", "itl_s": "inter_token_latency", "e2e_s": "request_latency"}
    bounds = slo.bounds if slo else {}
    found = " ".join(f"{tags[name]}:{bound * _MS_PER_S:g}" for name, bound in bounds.items())
    return ["--goodput", found] if found else []


# --- the script -----------------------------------------------------------------------------------


def _shell(command: Sequence[str], instead: dict[str, str]) -> str:
    """The command over several lines, every argument quoted; `instead` gives some flags shell words."""
    lines = [shlex.join(command[:2])]
    for before, word in itertools.pairwise(command[1:]):
        if word.startswith("--"):
            lines.append(f"  {shlex.quote(word)}")
        else:
            lines[-1] += f" {instead.get(before) or shlex.quote(word)}"
    return " \\\n".join([*lines, '  "$@"'])


def _explanation(rec: Recommendation, workload: Workload, model: str) -> list[str]:
    best = rec.selected
    estimate = best.estimate
    return [
        f"Measures {model}",
        "under the load that its deployment was predicted for.",
        "",
        f"Configuration: {best.deployment.backend} {best.deployment.mode} on "
        f"{gpus(best.deployment.num_gpus)}",
        f"Lengths: {_length_words(workload)}",
        f"Load: {_load_words(workload)}",
        "",
        "Predicted means with their 90 % intervals:",
        _latency_words("TTFT", estimate.ttft),
        _latency_words("ITL", estimate.itl),
        _latency_words("end to end", estimate.e2e),
        f"  {'output':<11} {estimate.output_tokens_per_s:,.0f} tokens/s in all, "
        f"{estimate.output_tokens_per_s_per_gpu:,.1f} per GPU",
        "",
        *_slo_words(rec.request),
        "Compare time_to_first_token, inter_token_latency, request_latency and output_token_throughput",
        "(avg) in profile_export_aiperf.json.",
        f"Start it once the deployment answers at $URL (default {DEFAULT_URL}); $ARTIFACT_DIR takes the",
        f"results. Needs AIPerf ({REQUIREMENT}). Further arguments go to `aiperf profile`.",
    ]


def _length_words(workload: Workload) -> str:
    lengths = f"{workload.isl_tokens:g} tokens in, {workload.osl_tokens:g} out"
    if workload.length_spread:
        lengths += f", uniform from {1 - workload.length_spread:.0%} of these to 100%"
    if workload.prefix_hit:
        lengths += f", {workload.prefix_hit:.0%} of the prompt the same in all requests"
    return lengths


def _load_words(workload: Workload) -> str:
    if workload.request_rate_per_s is not None:
        return f"{workload.request_rate_per_s:g} requests/s, Poisson arrivals"
    return counted(workload.concurrency or 0, "request in flight")


def _latency_words(label: str, latency: Latency) -> str:
    mean, low, high = (_MS_PER_S * value for value in (latency.mean_s, latency.lo_s, latency.hi_s))
    return f"  {label:<11} {mean:,.1f} ms  [{low:,.1f} - {high:,.1f}]"


def _slo_words(request: Request) -> list[str]:
    if not request.slo.bounds:
        return []
    return [
        "The SLA bounds means; AIPerf's goodput counts the single requests that keep every bound, so it",
        "is lower than the request throughput even where the SLA holds.",
    ]


def _comment(line: str) -> str:
    """Nothing in a comment may end it: no line break, no control character."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
