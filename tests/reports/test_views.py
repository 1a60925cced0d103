"""Pages of every kind: they say what they show, and nothing that comes from outside breaks them."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from simkit.reports.charts.model import Axis, BoundLine, Chart, HeatMap, Series
from simkit.reports.charts.payload import payload_text
from simkit.reports.charts.png import figure_as_png
from simkit.reports.charts.scales import Scale, scale_of, tick_text, ticks
from simkit.reports.charts.svg import figure_as_svg
from simkit.reports.document import candidate_document, recommendation_document, request_document
from simkit.reports.pages import Code, Page, Section, page_html, page_markdown
from simkit.reports.views.accuracy import accuracy_page
from simkit.reports.views.experiment import experiment_page
from simkit.reports.views.measured_points import benchmark_page, profiled_page
from simkit.reports.views.recommendation import CloserLook, recommendation_page
from simkit.reports.views.sides import sides_page
from simkit.reports.views.swept_answer import SweptAnswer, answer_figures, answer_words
from simkit.reports.views.swept_points import SweptPoints

HOSTILE = "evil</script><script>alert(1)</script>\"'&|`[x]\n# rm"
MOST_BYTES = 150_000


def curve(rank=1, **changes):
    latency = {"mean": 400.0, "lo": 300.0, "hi": 700.0}
    points = [
        {"factor": f, "load": 64 * f, "ttft_ms": latency, "itl_ms": latency, "sla_probability": 0.8,
         "output_tokens_per_s_per_gpu": 900.0, "meets_sla": True, "in_domain": f < 2}
        for f in (0.5, 1.0, 2.0, 4.0)
    ]  # fmt: skip
    endless = {"mean": None, "lo": None, "hi": None}
    points[-1] = {**points[-1], "ttft_ms": endless}
    return {"rank": rank, "backend": "vllm", "mode": "agg", "layout": "2 x tp4", "unit": "requests in flight",
            "asked": 64.0, "points": points, **changes}  # fmt: skip


def operators(scale=1.0):
    return [
        {"phase": phase, "operator": f"op_{i}", "family": "gemm", "time_ms": scale * (12 - i), "share": 0.1,
         "flop": 1e9, "hbm_bytes": 1e9, "wire_bytes": 0, "source": "measured"}
        for phase in ("prefill", "decode") for i in range(12)
    ]  # fmt: skip


def whole(doc, name="x"):
    look = CloserLook(
        curves=(curve(), curve(2, layout=name)),
        operators=tuple(operators()),
        files=(Code(name=f"dgd-{name}.yaml", text=f"kind: DGD # {name}\n"),),
    )
    return recommendation_page(doc, look)


def test_a_recommendation_answers_what_is_asked_of_it(rec):
    html = page_html(whole(recommendation_document(rec)))
    for text in (
        "vLLM aggregated, 2 \u00d7 tp4", "Probability:", "The pick under other loads", "Left out, and why",
        "Hollow points are extrapolated", "Where the time goes", "kind: DGD", "To make this report again",
        "the load asked for", "SLA: TTFT", "endless at 4 times",
    ):  # fmt: skip
        assert text in html, text
    assert "<script" not in html
    assert len(html.encode()) < MOST_BYTES


def test_a_script_adds_and_does_not_replace(rec):
    page = whole(recommendation_document(rec))
    still, moving = page_html(page), page_html(page, interactive=True)
    assert moving.count("<svg") == still.count("<svg")
    assert "Chart.js Contributors" in moving and "MIT" in moving
    assert not re.search(r"(src|href)=\"?(?!#)", moving.split("<script")[0])
    assert "default-src 'none'" in moving
    data = json.loads(re.search(r'id="report-data">(.*?)</script>', moving, re.S)[1])
    assert {"pareto", "load_ttft", "load_itl"} <= set(data["charts"])


def test_hostile_names_stay_text(hostile):
    page = whole(recommendation_document(hostile), HOSTILE)
    for html in (page_html(page), page_html(page, interactive=True)):
        assert "<script>alert" not in html
        assert html.count("alert(1)") >= 2
    assert "<script" not in payload_text(page.all_figures)
    told = [line for line in page_markdown(page, "figures").splitlines() if "<script>alert" in line]
    assert all(line.startswith("    ") for line in told)  # the DGD's own text, as code
    for figure in page.all_figures:
        ET.fromstring(figure_as_svg(figure, alone=True))  # noqa: S314 -- our own text
    assert figure_as_png(page.figures[1]).startswith(b"\x89PNG")


def test_sides_say_what_is_certain(rec):
    docs = [candidate_document(item) for item in rec.candidates[:3]]
    sides = [
        {"name": f"out/{HOSTILE}{i}", "layout": f"l{i}", "candidate": doc, "operators": operators(1 + i),
         "question": request_document(rec.request)}
        for i, doc in enumerate(docs)
    ]  # fmt: skip
    rate = "output_tokens_per_s_per_gpu"
    pairs = [
        {"figures": [{"metric": "ttft_ms", "a": 1.0, "b": 2.0, "change": 1.0, "sure": i == 0},
                     {"metric": rate, "a": 100.0, "b": 50.0 + 100 * i, "change": i - 0.5}],
         "question": [], "settings": [{"path": "backend", "a": "vllm", "b": "trtllm"}], "why": ["because"],
         "notes": ["a note"]}
        for i in range(2)
    ]  # fmt: skip
    page = sides_page(sides, pairs, "simkit report a b c")
    assert page.verdict.startswith("Certain, as 90 % intervals do not overlap: TTFT of B")
    assert "C " in page.answer and "150 tokens/s" in page.answer
    html = page_html(page)
    assert (
        "<script>alert" not in html and "2 (+100%, certain)" in html and "(+100%, within intervals)" in html
    )


def swept(size=4, **changes):
    columns = {
        "backend": ["vllm", "trtllm"] * (size // 2),
        "concurrency": [1 + i // 2 for i in range(size)],
        "predicted_ttft_ms_mean": [100.0 + i for i in range(size)],
        "predicted_ttft_ms_lo": [90.0] * size,
        "predicted_ttft_ms_hi": [200.0] * size,
        "predicted_itl_ms_mean": [None, *[10.0] * (size - 1)],
        "predicted_tokens_per_s_per_user": [100.0] * size,
        "predicted_output_tokens_per_s_per_gpu": [float(i) for i in range(size)],
        "sla_probability": [0.5] * size,
        "meets_sla": [True] * (size - 1) + [False],
        "in_domain": [i != 1 for i in range(size)],
    }
    fields = {
        "question": HOSTILE, "said": "Every point is predicted.", "columns": columns, "prefix": "predicted_",
        "varied": ("backend", "concurrency"), "best": "predicted_output_tokens_per_s_per_gpu", "least": False,
        "command": "x", "bounds": {"itl_ms": 20.0}, "failed": {"no room": 3},
    }  # fmt: skip
    return SweptPoints(**(fields | changes))


def test_a_sweep_names_its_best_point_that_keeps_the_sla():
    page = experiment_page(swept(6), None)
    assert "output tokens/s per GPU, 4: engine vllm, requests in flight 3" in page.answer
    assert (
        "probability of 50%" in page.verdict and "1 of 6 points lie outside what was measured" in page.verdict
    )
    html = page_html(page, interactive=True)
    assert "3 \u00d7 no room" in html and "<script>alert" not in html


def test_many_points_share_their_names():
    size = 5_000
    page = experiment_page(swept(size), None)
    data = json.loads(payload_text(page.all_figures))
    first = data["charts"]["points"]["series"][0]["names"][2]
    assert ", ".join(data["texts"][i] for i in first) == "engine vllm, requests in flight 3"
    assert len(page_html(page, interactive=True).encode()) < 1_500_000


def test_predictions_beside_measurements_show_the_worst_first():
    row = {"run_id": "good", "model": HOSTILE, "gpu": "h200_sxm", "backend": "vllm", "num_gpus": 8,
           "isl_tokens": 1000, "osl_tokens": 100, "concurrency": 8, "in_domain": True}  # fmt: skip
    for metric in ("ttft", "itl"):
        row |= {metric: 100.0, f"predicted_{metric}": 110.0, f"{metric}_lo": 90.0, f"{metric}_hi": 130.0}
    bad = row | {"run_id": "bad", "predicted_ttft": 10.0}
    errors = {"mdape": 0.104, "p90": 0.3, "bias": -0.02}
    part = {"rows": 2, "ttft": errors, "itl": errors, "coverage90": {"ttft": 0.9, "itl": None}}
    doc = {"rows": 2, "covered": 2, "by": [{"partition": {"gpu": "h200_sxm"}, **part}]}
    page = accuracy_page("runs", [row, bad], {"all": doc, "GPU": doc}, "x")
    assert "within 10.4% of TTFT" in page.answer
    worst = next(section for section in page.sections if section.title == "Worst first")
    assert [cells[0] for cells in worst.rows] == ["bad", "good"]
    assert "<script>alert" not in page_html(page, interactive=True)


def test_a_benchmark_and_a_profile_are_drawn():
    metric = {"predicted": 10.0, "lo": 8.0, "hi": 14.0, "measured": 20.0, "error": -0.5, "inside": False,
              "limit": None, "within": False}  # fmt: skip
    doc = {"metrics": {"ttft": metric}, "remarks": [HOSTILE], "measured_by": {"tool": "aiperf", "path": "x"}}
    page = benchmark_page(doc, "t", "x")
    assert page.status == "missed" and "0 of 1" in page.answer and "OUTSIDE" in page_html(page)
    point = {
        "name": "p",
        "predicted_ms": {"ttft": 9.0},
        "ttft_ms": 10.0,
        "itl_ms": None,
        "output_tokens_per_s": 1.0,
    }
    trial = {"name": "t", "kind": "whole", "num_gpus": 1, "skipped": None, "failures": {}, "points": [point]}
    profile = {
        "model": "m",
        "selected_name": "s",
        "sla": {},
        "phase": "Deployed",
        "meets_sla": True,
        "engines": [],
        "candidates": [trial],
        "changed": [],
        "savings": [],
        "points_measured": 1,
        "points_resumed": 0,
    }
    assert [chart.name for chart in profiled_page(profile, "x").figures] == ["profile_ttft"]


@pytest.mark.parametrize(
    ("low", "high", "log"), [(0.0, 1234.0, False), (0.02, 900.0, True), (3.0, 3.0, False)]
)
def test_ticks_are_round_and_inside(low, high, log):
    scale = scale_of(Axis(label="", log=log), [low, high], 0.0, 100.0)
    found = ticks(scale)
    assert 2 <= len(found) <= 8
    assert all(scale.low <= value <= scale.high for value in found)


def test_places_and_texts_of_values():
    scale = Scale(low=1.0, high=100.0, start=0.0, end=200.0, log=True)
    assert scale.place(10.0) == 100.0
    assert not scale.shows(0.0) and not scale.shows(None)
    assert [tick_text(v) for v in (0.05, 250.0, 1200.0, 45000.0, 2e6)] == [
        "0.05",
        "250",
        "1,200",
        "45k",
        "2M",
    ]


def test_figures_without_points_are_drawn():
    empty = Chart(name="e", title="t", alt="a", x=Axis(label="x"), y=Axis(label="y", log=True),
                  series=(Series(label="s", x=(), y=()),),
                  bounds=(BoundLine(label="b", value=3.0),))  # fmt: skip
    heat = HeatMap(name="h", title="t", alt="a", x=Axis(label="x", categories=("1",)),
                   y=Axis(label="y", categories=("2",)), unit="u", values=((None,),))  # fmt: skip
    page = Page(title="t", verdict="v", figures=(empty, heat), sections=(Section(title="s"),))
    assert page_html(page).count("<svg") == 2
    assert all(figure_as_png(figure) for figure in page.all_figures)


def answer(**changes):
    rows = [
        {"isl_tokens": isl, "mode": mode, "speed": speed, "in_domain": isl < 4000}
        for isl, agg, disagg in ((500, 100.0, 110.0), (2000, 80.0, 120.0), (8000, 50.0, None))
        for mode, speed in (("agg", agg), ("disagg", disagg))
    ]
    known = {"by": ("isl_tokens", "mode"), "best": "speed", "label": "speed", "rows": tuple(rows),
             "compared": "mode", "baseline": "agg", "asked": "the SLA"}  # fmt: skip
    return SweptAnswer(**{**known, **changes})


def test_the_answer_of_a_sweep_is_what_it_compares():
    assert answer_words(answer()) == (
        "Speed over agg: disagg \u00d71.10 (prompt tokens 500) to \u00d71.50 (prompt tokens 2,000), median "
        "\u00d71.30. In 1 of 6 groups no point counts that keeps the SLA"
    )
    assert answer_words(answer(compared="", asked="")).startswith(
        "Speed: 50 to 120, half of 5 groups up to 100"
    )
    (chart,) = answer_figures(answer())
    assert [one.label for one in chart.series] == ["agg", "disagg"]
    assert chart.series[0].y == (100.0, 80.0, 50.0)
    assert chart.series[1].x == (500, 2000)
    assert chart.series[0].doubtful == (False, False, True)


def test_without_numbers_the_answer_is_a_heat_map():
    rows = tuple({"gpu": gpu, "backend": name, "speed": 1.0} for gpu in "ab" for name in ("vllm", "sglang"))
    (heat,) = answer_figures(
        answer(by=("gpu", "backend"), rows=rows, compared="backend", baseline="vllm", asked="")
    )
    assert heat.x.categories == ("vllm", "sglang")
    assert heat.values == ((1.0, 1.0), (1.0, 1.0))
    assert answer_words(answer(rows=({"isl_tokens": 1, "mode": "agg", "speed": None},))) == (
        "Nowhere does a point count that keeps the SLA"
    )
