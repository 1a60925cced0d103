"""Stands in for AIPerf as a process: reads the command line it is given, writes AIPerf's export.

FAKE_AIPERF chooses how it behaves: ok, fail (status 1), fail-once, hang, silent (no export),
unanswered (an export of failures alone). Its latencies
come from FAKE_TTFT_MS and FAKE_ITL_MS; every start adds a line to FAKE_AIPERF_LOG.
"""

import json
import os
import sys
import time
from pathlib import Path

import result_samples


def option(name, default=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main():
    mode, calls = os.environ.get("FAKE_AIPERF", "ok"), Path(os.environ["FAKE_AIPERF_LOG"])
    with calls.open("a") as log:
        log.write(json.dumps({"words": sys.argv[1:], "offline": os.environ.get("HF_HUB_OFFLINE")}) + "\n")
    if mode == "hang":
        time.sleep(600)
    if mode == "fail" or (mode == "fail-once" and len(calls.read_text().splitlines()) == 1):
        sys.stdout.write("ERROR the tokenizer cannot be loaded\n")
        sys.exit(1)
    if mode != "silent":
        write(Path(option("--artifact-dir")))


def write(folder):
    ttft, itl = float(os.environ.get("FAKE_TTFT_MS", "100")), float(os.environ.get("FAKE_ITL_MS", "10"))
    isl, osl = float(option("--isl")), float(option("--osl"))
    count, slots = float(option("--request-count")), option("--concurrency")
    e2e = ttft + (osl - 1) * itl
    phase = {"name": "profiling", "concurrency": float(slots)} if slots else {"name": "profiling"}
    if option("--request-rate"):
        phase["rate"] = float(option("--request-rate"))
    rate = float(slots) * 1e3 / e2e if slots else phase["rate"]
    export = result_samples.aiperf_export(
        request_latency=result_samples.stats(e2e),
        time_to_first_token=result_samples.stats(ttft),
        inter_token_latency=result_samples.stats(itl),
        input_sequence_length=result_samples.stats(isl, "tokens"),
        output_sequence_length=result_samples.stats(osl, "tokens"),
        request_count={"avg": count},
        request_error_rate={"avg": 0.0},
        request_throughput={"avg": rate},
        output_token_throughput={"avg": rate * osl},
    )
    if os.environ.get("FAKE_AIPERF") == "unanswered":
        export.pop("output_sequence_length")
        export["error_summary"] = [
            {"error_details": {"type": "ClientConnectorError", "message": "refused"}, "count": 19},
            {"error_details": {"type": "Internal Server Error", "code": 500, "message": "x"}, "count": 4},
        ]
    export["input_config"]["phases"] = [phase]
    export["input_config"]["datasets"][0]["prompts"]["osl"]["mean"] = osl
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile_export_aiperf.json").write_text(json.dumps(export))


main()
