"""AIPerf commands: the workload that was predicted, quoted for any shell."""

import os
import shlex
import subprocess
from dataclasses import replace

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Pool
from simkit.core.errors import InputError
from simkit.core.estimate import Candidate, Estimate, Latency, Recommendation
from simkit.core.request import Request
from simkit.core.slo import Slo
from simkit.core.workload import Workload
from simkit.engines.registry import default_engine
from simkit.formats.aiperf_command import BenchmarkOptions, benchmark_script, profile_command, workload_of

HOSTILE = "--x'; touch pwned; echo $(touch pwned) `touch pwned`\ntouch pwned #"


def latency(mean_s):
    return Latency(
        mean_s=mean_s,
        p50_s=mean_s,
        p75_s=mean_s,
        p90_s=mean_s,
        p95_s=mean_s,
        p99_s=mean_s,
        lo_s=0.8 * mean_s,
        hi_s=1.3 * mean_s,
    )


def recommend(workload=None):
    pool = Pool(plan=ParallelPlan(tp=4), engine=default_engine("vllm"), replicas=2)
    numbers = Estimate(
        concurrency=64.4,
        ttft=latency(0.31),
        itl=latency(0.026),
        e2e=latency(26.3),
        output_tokens_per_s=8256.0,
        output_tokens_per_s_per_gpu=1032.0,
        tokens_per_s_per_user=38.5,
        request_rate_per_s=2.4,
        memory_bytes={},
        kv_capacity_tokens=1e6,
        sla_probability=0.9,
        in_domain=True,
        bottleneck="decode",
    )
    return Recommendation(
        request=Request(model="m", workload=workload or Workload(), slo=Slo(ttft_s=2.0, itl_s=0.03)),
        candidates=(Candidate(deployment=Aggregated(worker=pool), estimate=numbers, meets_sla=True),),
        pareto=(),
        rejected=(),
        meets_sla=True,
        explanation=(),
    )


def value_of(command, flag):
    return command[command.index(flag) + 1]


def run(script, folder, *arguments):
    """Run the script with an aiperf that records its arguments, one per NUL-ended field."""
    fake = folder / "aiperf"
    fake.write_text('#!/bin/sh\nprintf "%s\\0" "$@" > "$RECORD"\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "RECORD": str(folder / "seen")}
    path = folder / "benchmark.sh"
    path.write_text(script)
    subprocess.run(["bash", "-n", path], check=True)
    subprocess.run(["bash", path, *arguments], check=True, env=environment, cwd=folder)
    return (folder / "seen").read_text().split("\0")[:-1]


def test_closed_loop():
    command = profile_command(Workload(concurrency=64), model="m", slo=Slo(ttft_s=2.0, itl_s=0.03))
    assert command[:2] == ["aiperf", "profile"]
    assert value_of(command, "--isl") == "4000"
    assert value_of(command, "--osl") == "1000"
    assert value_of(command, "--isl-stddev") == value_of(command, "--osl-stddev") == "0"
    assert value_of(command, "--concurrency") == "64"
    assert value_of(command, "--request-count") == "1280"  # twenty per slot
    assert value_of(command, "--warmup-request-count") == "64"
    assert value_of(command, "--num-dataset-entries") == "1344"
    assert "min_tokens:1000" in command
    assert "ignore_eos:true" in command
    assert value_of(command, "--goodput") == "time_to_first_token:2000 inter_token_latency:30"
    assert {"--streaming", "--use-server-token-count", "--random-seed"} <= set(command)
    assert "--request-rate" not in command


def test_requests_per_slot_is_the_count():
    command = profile_command(Workload(concurrency=8, requests_per_slot=10), model="m")
    assert value_of(command, "--request-count") == "80"


def test_open_loop():
    command = profile_command(Workload(request_rate_per_s=2.5), model="m")
    assert value_of(command, "--request-rate") == "2.5"
    assert value_of(command, "--arrival-pattern") == "poisson"
    assert value_of(command, "--request-count") == "750"
    assert "--concurrency" not in command
    assert "--goodput" not in command


def test_length_spread_is_aiperfs_uniform_window():
    command = profile_command(Workload(concurrency=1, length_spread=0.2), model="m")
    assert value_of(command, "--random-corpus-style") == "sglang"
    assert value_of(command, "--random-range-ratio") == "0.8"
    assert "min_tokens:800" in command
    assert "--isl-stddev" not in command


def test_options():
    options = BenchmarkOptions(request_count=5, warmup_count=0, seed=7, tokenizer="t", trust_remote_code=True)
    command = profile_command(Workload(concurrency=2), model="m", url="http://h:1", options=options)
    assert value_of(command, "--request-count") == "5"
    assert "--warmup-request-count" not in command
    assert value_of(command, "--random-seed") == "7"
    assert value_of(command, "--tokenizer") == "t"
    assert value_of(command, "--url") == "http://h:1"
    assert "--tokenizer-trust-remote-code" in command


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="--concurrency or --request-rate"):
        profile_command(Workload(), model="m")
    with pytest.raises(InputError, match="model must not"):
        profile_command(Workload(concurrency=1), model="--config")
    with pytest.raises(InputError, match="request count"):
        BenchmarkOptions(request_count=0)


def test_load_comes_from_the_prediction_when_the_request_gives_none(rec_without_load):
    assert workload_of(rec_without_load).concurrency == 64
    asked = recommend(workload=Workload(request_rate_per_s=3))
    assert workload_of(asked).concurrency is None


@pytest.fixture
def rec_without_load():
    return recommend()


def test_script_runs_the_command(rec_without_load, tmp_path):
    script = benchmark_script(rec_without_load, "Qwen/Qwen3-32B")
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in script
    assert "#   TTFT        310.0 ms  [248.0 - 403.0]" in script
    seen = run(script, tmp_path, "--extra", "a b")
    expected = profile_command(
        workload_of(rec_without_load), model="Qwen/Qwen3-32B", slo=rec_without_load.request.slo
    )
    assert seen == [*expected[1:], "--extra", "a b"]


def test_script_quotes_a_hostile_name(rec_without_load, tmp_path):
    name = "a" + HOSTILE
    seen = run(benchmark_script(rec_without_load, name), tmp_path)
    assert seen[seen.index("--model") + 1] == name
    assert not (tmp_path / "pwned").exists()


def test_script_without_aiperf_says_how_to_get_it(rec_without_load, tmp_path):
    path = tmp_path / "benchmark.sh"
    path.write_text(benchmark_script(rec_without_load, "m"))
    bash = shlex.split(subprocess.run(["which", "bash"], capture_output=True, text=True, check=True).stdout)[
        0
    ]
    done = subprocess.run([bash, path], capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
    assert done.returncode == 3
    assert "pip install" in done.stderr


def test_trusting_remote_code_is_passed_on(rec_without_load):
    deploy = replace(rec_without_load.request.deploy, trust_remote_code=True)
    rec = replace(rec_without_load, request=replace(rec_without_load.request, deploy=deploy))
    assert "--tokenizer-trust-remote-code" in benchmark_script(rec, "m")
