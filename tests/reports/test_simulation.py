"""The views of a simulated run: terminal, Markdown, figure."""

import numpy as np
import pytest

from simkit.core.slo import Slo
from simkit.reports.aiperf_summary import aiperf_document
from simkit.reports.figures import figure_svg
from simkit.reports.pages import page_html
from simkit.reports.simulation import simulation_markdown, simulation_table, verdict_line
from simkit.reports.timeline_figure import timeline_figure
from simkit.reports.views.simulated_run import simulation_page
from simkit.sim.cluster import Samples
from simkit.sim.requests import RequestTimes
from simkit.sim.results.summary import summarize
from simkit.sim.results.timeline import TimelineBuilder

HOSTILE = "evil|<script>`[red]$x_$\n# rm -rf"


@pytest.fixture
def times():
    count = np.arange(40)
    none = np.zeros(40, dtype=np.int64)
    return RequestTimes(
        sent_s=0.1 * count,
        start_s=0.1 * count + 0.05,
        first_token_s=0.1 * count + 0.25,
        finished_s=0.1 * count + 1.25,
        isl_tokens=none + 1000,
        osl_tokens=none + 51,
        cached_tokens=none + 250,
        preemptions=none,
        replica=none,
    )


@pytest.fixture
def doc(times):
    """As the verb makes it, with values to recognise."""
    summary = summarize(times, Slo(ttft_s=0.2))
    form = {"ttft_ms": 333.0, "itl_ms": 21.5, "e2e_ms": 1400.0, "output_tokens_per_s_per_gpu": 77.0}
    return aiperf_document(summary) | {
        "simkit": {
            "model": HOSTILE,
            "seed": 7,
            "router": "round_robin",
            "deployment": {
                "backend": "vllm", "mode": "agg", "num_gpus": 2, "replicas": 2,
                "plan": {"tp": 1, "pp": 1, "attn_dp": 1, "moe_tp": 1, "ep": 1},
            },
            "load": {"words": "40 requests"},
            "output_tokens_per_s_per_gpu": 190.0,
            "in_flight_mean": 9.5,
            "queue_ms": {"mean": 50.0, "p99": 50.0},
            "prefix_cache_hit_frac": 0.25,
            "preemptions": 3,
            "settled": {"ttft_ms": 199.0, "itl_ms": 20.0, "e2e_ms": 1200.0},
            "closed_form": {"benchmark": form, "steady": {**form, "ttft_ms": 222.0}},
            "believe": "Believe the simulation.",
            "sla": {
                "statistics": {"ttft_ms": "p99"}, "met": False,
                "bounds": {"ttft_ms": 200.0}, "missed": {"ttft_ms": 250.0},
            },
            "notes": ["a note"],
        }
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 90, 140])
def test_the_table_shows_simulated_and_closed_form(doc, printed, width):
    text = printed(simulation_table, doc, width=width)
    for shown in ("250", "199", "333", "222", "1,250", "25% of prompt tokens", "a note", "9.50 on average"):
        assert shown in text, shown
    assert "MISSES the SLA (p99): TTFT 250 ms against 200" in " ".join(text.split())
    assert "0 requests/s keep every bound (0%)" in " ".join(text.split())
    assert all(len(line) <= width for line in text.splitlines())


def test_a_run_too_short_to_settle_has_no_such_column(doc, printed):
    doc["simkit"]["settled"] = None
    doc["simkit"]["closed_form"].pop("benchmark")
    text = printed(simulation_table, doc)
    assert "settled" not in text
    assert "benchmark" not in text


def test_the_verdict(doc):
    own = doc["simkit"]
    own["sla"].update(met=True, missed={})
    assert verdict_line(own) == "the SLA holds (p99)"
    own["sla"]["bounds"] = {}
    assert verdict_line(own) == ""


def test_markdown_escapes_what_comes_from_outside(doc):
    text = simulation_markdown(doc)
    assert text.startswith("# evil\\|\\<script\\>\\`\\[red\\]$x\\_$ # rm -rf, simulated\n")
    assert "| TTFT | 250 | 250 | 250 | 250 | 199 | 333 | 222 |" in text
    assert "**MISSES the SLA (p99): TTFT 250 ms against 200**" in text
    assert "- Note: a note" in text


def test_the_figure_is_deterministic(times):
    builder = TimelineBuilder()
    builder.add(times)
    first, second = (figure_svg(timeline_figure(builder.timeline())) for _ in range(2))
    assert first == second
    assert "KV cache" not in first
    for label in ("decoding", "prefilling", "queued", "output tokens/s", "time [s]"):
        assert label in first


def test_the_figure_shows_the_cache_where_it_was_sampled(times):
    builder = TimelineBuilder()
    builder.add(times)
    ones = np.ones(3)
    samples = Samples(
        time_s=np.array([0.5, 1.0, 4.0]), waiting=ones, running=ones, used_frac=ones / 4, idle_frac=ones / 2
    )
    drawn = figure_svg(timeline_figure(builder.timeline(), samples))
    for label in ("KV cache", "sequences", "idle prefixes", "60%"):
        assert label in drawn


def test_the_page_shows_time_and_spread_and_escapes(doc, times):
    builder = TimelineBuilder()
    builder.add(times)
    columns = {name: values.tolist() for name, values in dict(builder.timeline().columns()).items()}
    doc["simkit"] |= {"versions": {"simkit": "1"}, "kv_used_frac_max": 0.5}
    page = simulation_page(doc, columns, {"TTFT": [1.0, 2.0, 3.0], "ITL": []}, "simkit report x")
    assert [figure.name for figure in page.figures] == ["flight", "rate", "spread"]
    assert page.status == "missed"
    html = page_html(page, interactive=True)
    assert "SLA: TTFT" in html and "50%" in html and "<script>`" not in html
