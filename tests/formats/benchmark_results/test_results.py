"""Result files of every tool become one record with the same definitions."""

import json
from pathlib import Path

import pytest
import result_samples as samples

from simkit.core.errors import ExternalError, InputError
from simkit.formats.benchmark_results.aiperf import EXPORT, RECORDS, SERVER, SWEEP
from simkit.formats.benchmark_results.aiperf_records import read_records
from simkit.formats.benchmark_results.reader import read_run, read_runs
from simkit.formats.benchmark_results.stored import run_document

SHARED = Path(__file__).resolve().parents[4] / "shared" / "examples" / "aiperf"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared reference folder is absent")


@pytest.fixture
def written(tmp_path):
    """Write a document (or text) into a file and give its path."""

    def write(document, name="result.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def means(run):
    return [round(1e3 * spread.mean_s, 6) for spread in (run.ttft, run.itl, run.e2e)]


ALIKE = {
    "aiperf": samples.aiperf_export(),
    "vllm-bench": samples.vllm_bench(mean_e2el_ms=730.0),
    "guidellm": samples.guidellm(),
}


@pytest.mark.parametrize("tool", ALIKE)
def test_the_same_run_reads_the_same_whatever_tool_measured_it(written, tool):
    run = read_run(written(ALIKE[tool]))
    assert means(run) == [100.0, 10.0, 730.0]
    assert (run.isl_tokens, run.osl_tokens) == (256.0, 64.0)
    assert (run.concurrency, run.request_rate_per_s, run.requests_per_slot) == (4.0, None, 10.0)
    assert (run.num_requests, run.output_tokens_per_s, run.requests_per_s) == (40, 320.0, 5.0)
    assert run.source.tool == tool
    assert len(run.source.sha256) == 16


def test_aiperf_counts_errors_and_keeps_provenance(written):
    run = read_run(written(samples.aiperf_export()))
    assert run.num_errors == 10  # 20 % of 50
    assert run.error_frac == pytest.approx(0.2)
    assert run.source.command == "aiperf profile -m tiny"
    assert (run.model, run.source.version, run.client_delay_s) == ("tiny", "0.13.0", pytest.approx(3e-3))
    assert run.osl_off_frac == 0.0
    assert run.icl.mean_s == pytest.approx(13e-3)  # chunks are not tokens
    assert run.server is None


def test_aiperf_open_loop_has_a_rate_and_no_slots(written):
    export = samples.aiperf_export()
    export["input_config"]["phases"] = [
        {"name": "profiling", "type": "poisson", "rate": 5.0, "concurrency": 99}
    ]
    run = read_run(written(export))
    assert (run.concurrency, run.request_rate_per_s, run.requests_per_slot) == (None, 5.0, None)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"was_cancelled": True}, "cancelled"),
        ({"time_to_first_token": None}, None),
    ],
)
def test_aiperf_says_what_is_wrong_with_a_run(written, change, note):
    run = read_run(written(samples.aiperf_export(**change)))
    assert run.complete is (note is None)
    assert any(note in text for text in run.notes) if note else run.ttft.mean_s is None


def test_aiperf_without_server_counts_says_so(written):
    export = samples.aiperf_export()
    export["input_config"]["endpoint"]["use_server_token_count"] = False
    assert any("client's tokenizer" in note for note in read_run(written(export)).notes)


def test_the_servers_own_histograms_stand_beside_the_clients(written):
    written(samples.aiperf_export(), f"run/{EXPORT}")
    server = written(samples.server_metrics(), f"run/{SERVER}")
    found = read_run(server.parent).server
    assert found.ttft_s == pytest.approx(0.1)  # (2.7 + 1.3) / (30 + 10)
    assert found.itl_s == pytest.approx(0.00975)  # per request, not the mean of gaps
    assert (found.kv_usage_frac, found.preemptions, found.cached_prompt_frac) == (0.9, 5.0, 0.25)
    assert found.e2e_s is None  # nothing was observed
    assert found.queue_s is None


def test_another_benchmarks_server_metrics_are_not_taken(written):
    written(samples.aiperf_export(), f"run/{EXPORT}")
    server = written(samples.server_metrics("other"), f"run/{SERVER}")
    assert read_run(server.parent).server is None


def test_records_leave_warm_up_and_failures_out(written):
    lines = [samples.record(1, "warmup", ttft=9000.0), samples.record(2), samples.record(3, ttft=200.0)]
    text = samples.records_text([*lines, samples.record(4, error="HTTP 500")])
    path = written(text, RECORDS)
    assert [record.request_id for record in read_records(path)] == ["r2", "r3", "r4"]
    run = read_run(path)
    assert means(run) == [150.0, 10.0, 780.0]
    assert (run.num_requests, run.num_errors) == (2, 1)
    # From 2.0 s to 3.0 + 0.2 + 0.63 s.
    assert run.duration_s == pytest.approx(1.83)


def test_records_of_failures_alone_are_refused(written):
    path = written(samples.records_text([samples.record(1, error="refused")]), RECORDS)
    with pytest.raises(ExternalError, match="no request succeeded"):
        read_run(path)


def test_a_cut_off_line_is_named(written):
    path = written(samples.records_text([samples.record(1)]) + '{"metadata": {', RECORDS)
    with pytest.raises(InputError, match=f"{RECORDS}:2: not valid JSON"):
        read_run(path)


def test_a_sweep_gives_a_run_per_combination_in_order_of_load(written, tmp_path):
    for load in (16, 4, 1):
        export = samples.aiperf_export()
        export["input_config"]["phases"][1]["concurrency"] = load
        written(export, f"s/concurrency_{load}/{EXPORT}")
        written(export, f"s/aggregate/concurrency_{load}/{EXPORT}")
    assert [run.concurrency for run in read_runs(tmp_path / "s")] == [1.0, 4.0, 16.0]
    written({"per_combination_metrics": []}, f"s/sweep_aggregate/{SWEEP}")
    assert [run.concurrency for run in read_runs(tmp_path / "s")] == [1.0, 4.0, 16.0]
    with pytest.raises(InputError, match="holds 3 runs"):
        read_run(tmp_path / "s")


def test_a_sweep_summary_alone_is_enough(written):
    metrics = {name: value for name, value in samples.aiperf_export().items() if isinstance(value, dict)}
    combination = {"parameters": {"concurrency": 4}, "metrics": metrics}
    (run,) = read_runs(written({"per_combination_metrics": [combination]}, f"sweep_aggregate/{SWEEP}"))
    assert means(run) == [100.0, 10.0, 730.0]
    assert (run.concurrency, run.num_errors) == (4.0, 10)


def test_vllm_tpot_is_our_itl_and_its_itl_our_icl(written):
    run = read_run(written(samples.vllm_bench()))
    assert run.itl.mean_s == pytest.approx(10e-3)
    assert run.icl.mean_s == pytest.approx(13e-3)
    assert (run.ttft.p50_s, run.ttft.p90_s, run.ttft.p99_s) == (
        0.099,
        None,
        0.12,
    )  # the median is not the mean
    assert run.num_errors == 2


def test_vllm_loads_that_are_neither_open_nor_closed_say_so(written):
    both = read_run(written(samples.vllm_bench(request_rate=5.0)))
    burst = read_run(written(samples.vllm_bench(max_concurrency=None)))
    assert "held back" in both.notes[0]
    assert (both.concurrency, both.request_rate_per_s) == (None, 5.0)
    assert "burst" in burst.notes[0]


def test_guidellm_rates_and_single_streams(written):
    rate = read_run(written(samples.guidellm("poisson", rate=5.0)))
    alone = read_run(written(samples.guidellm("synchronous", seed=1)))
    assert (rate.concurrency, rate.request_rate_per_s) == (None, 5.0)
    assert alone.concurrency == 1.0
    assert rate.num_errors == 2


def test_inferencex_has_seconds_nominal_lengths_and_its_procedure(written):
    run = read_run(written(samples.inferencex()))
    assert (run.ttft.mean_s, run.itl.mean_s, run.icl.mean_s) == (0.1, 0.01, 0.013)
    assert (run.length_spread, run.requests_per_slot, run.isl_tokens) == (0.2, 10.0, 1024.0)
    assert run.output_tokens_per_s == 400.0  # 50 per GPU on 8
    assert run.notes == ()
    assert "speculative" in read_run(written(samples.inferencex(spec_decoding="mtp"))).notes[0]


@pytest.mark.parametrize("document", [{"a": 1}, [], {"benchmarks": []}, 7], ids=str)
def test_other_json_is_refused_with_what_is_known(written, document):
    path = written(document)
    with pytest.raises(InputError, match="expected one of AIPerf, vLLM bench"):
        read_runs(path)


@pytest.mark.parametrize(
    ("document", "missing"),
    [
        (samples.aiperf_export(output_sequence_length=None), "output_sequence_length.avg"),
        (samples.vllm_bench(total_input_tokens=None), "total_input_tokens"),
        (samples.inferencex(isl="long"), "isl"),
        (samples.vllm_bench(total_output_tokens=0), "osl_tokens"),
    ],
)
def test_what_cannot_be_done_without_is_named(written, document, missing):
    with pytest.raises(InputError, match=missing):
        read_run(written(document))


def test_an_empty_folder_and_a_missing_file_say_what_to_give(tmp_path):
    with pytest.raises(InputError, match=EXPORT):
        read_runs(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_runs(tmp_path / "absent.json")


def test_a_stored_run_comes_back_as_it_was(written):
    written(samples.aiperf_export(), f"run/{EXPORT}")
    server = written(samples.server_metrics(), f"run/{SERVER}")
    run = read_run(server.parent)
    assert read_run(written(run_document(run), "stored.json")) == run


@pytest.mark.parametrize("change", [{"version": 99}, {"surprise": 1}, {"ttft": {"mean": 1}}], ids=str)
def test_a_damaged_stored_run_is_refused(written, change):
    document = run_document(read_run(written(samples.vllm_bench())))
    with pytest.raises(InputError, match=r"stored run"):
        read_run(written({**document, **change}))


@needs_shared
def test_real_exports():
    """Real AIPerf 0.13 exports: the numbers in the file, seconds here."""
    run = read_run(SHARED / "profile_export_aiperf_c16.json")
    assert (run.concurrency, run.requests_per_slot, run.num_requests) == (16.0, 10.0, 160)
    assert run.itl.mean_s == pytest.approx(10.1866e-3, rel=1e-4)
    assert run.server is None  # the metrics beside it are another benchmark's
    sweep = read_runs(SHARED / "sweep_aggregate")
    assert [item.concurrency for item in sweep] == [1.0, 4.0]
    (record,) = read_records(SHARED / "profile_export_2records.jsonl")  # the first is of the warm-up
    assert record.ttft_s == pytest.approx(0.102328, rel=1e-4)
    assert record.itl_s == pytest.approx(9.99287e-3, rel=1e-4)
