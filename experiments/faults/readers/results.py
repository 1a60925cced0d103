"""Results of benchmarks, and traces of requests."""

from pathlib import Path

from faults.readers.reader import Reader
from faults.readers.whole import predicted


def _trace(path: Path) -> None:
    from simkit.formats.traces.read import read_trace

    _ = read_trace(path).fault_lines


def result(path: Path) -> None:
    """Compared, summed up and put on pages."""
    from simkit.compare.comparison import compare, measured_means
    from simkit.core.slo import Slo
    from simkit.formats.benchmark_results.reader import read_runs
    from simkit.measure.benchmark import dumps_exact, run_summary
    from simkit.measure.doctor import workload_of_run
    from simkit.reports.measured import comparison_document, comparison_page, run_page
    from simkit.reports.pages import page_html, page_markdown

    for run in read_runs(path):
        dumps_exact(run_summary(run, Slo()))
        measured_means(run)
        page_markdown(run_page(run))
        found = compare(predicted(), run)
        comparison_document(found, run)
        page_html(comparison_page("t", found, run))
        workload_of_run(run)


def _server(path: Path) -> None:
    from simkit.formats.benchmark_results.server_metrics import server_side

    server_side(path, "abc")


_RESULTS = {
    "profile_export_aiperf.json": "json", "vllm.json": "json", "guidellm.json": "json",
    "inferencex.json": "json", "m32_genai_perf.json": "json", "m30_sglang_one.jsonl": "jsonl",
    "profile_export.jsonl": "jsonl",
}  # fmt: skip
_TRACES = {"mooncake.jsonl": "jsonl", "azure.csv": "csv", "burstgpt.csv": "csv"}
READERS = (
    *(
        Reader(
            name=f"result-{name.partition('.')[0]}-{form}", sample=f"results/{name}", form=form, read=result,
        )
        for name, form in _RESULTS.items()
    ),
    *(
        Reader(name=f"trace-{name.partition('.')[0]}", sample=name, form=form, read=_trace)
        for name, form in _TRACES.items()
    ),
    Reader(name="server-metrics", sample="results/server_metrics_export.json", form="json", read=_server),
)  # fmt: skip
