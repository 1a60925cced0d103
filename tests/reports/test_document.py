"""The JSON keeps interface.md's keys and JSON's types."""

import json
from dataclasses import replace

import numpy as np
import pytest

from simkit.reports.document import candidate_document, dumps, plain, recommendation_document

SHARED_KEYS = {
    "backend", "mode", "num_gpus", "concurrency", "ttft_ms", "itl_ms", "e2e_ms", "output_tokens_per_s",
    "output_tokens_per_s_per_gpu", "tokens_per_s_per_user", "request_rate_per_s", "memory_gib",
    "kv_capacity_tokens", "sla_probability", "in_domain", "bottleneck",
}  # fmt: skip
ADDED_KEYS = {
    "replicas",
    "meets_sla",
    "tied",
    "notes",
    "cost_per_million_output_tokens",
    "max_energy_j_per_output_token",
    "goodput_per_s",
}
PLAN_KEYS = {"tp", "pp", "attn_dp", "moe_tp", "ep"}


def test_recommendation_has_the_interface_keys(rec):
    doc = recommendation_document(rec)
    assert list(doc) == [
        "request", "selected", "expected_best", "candidates", "pareto", "knee", "fronts", "rejected",
        "meets_sla", "explanation", "remarks", "bottlenecks", "trade_offs", "relaxations",
        "most_request_rate_per_s", "versions",
    ]  # fmt: skip
    assert doc["selected"] == doc["candidates"][0]
    assert all(set(item) == {"reason", "count", "nearest"} for item in doc["rejected"])
    assert doc["request"]["sla"] == {"ttft_ms": 2000, "itl_ms": 30, "e2e_ms": None}
    assert doc["request"]["workload"]["isl_tokens"] == 4000
    assert doc["request"]["warnings"]


def test_aggregated_candidate(rec):
    doc = candidate_document(rec.candidates[0])
    assert set(doc) == SHARED_KEYS | ADDED_KEYS | {"plan", "engine"}
    assert set(doc["plan"]) == PLAN_KEYS
    assert set(doc["ttft_ms"]) == {"mean", "p50", "p75", "p90", "p95", "p99", "lo", "hi"}
    # 0.31 s and 15.26 GiB of weights, as made in conftest.
    assert doc["ttft_ms"]["mean"] == 310
    assert doc["memory_gib"]["weights"] == 15.26
    assert doc["engine"]["kv_dtype"] == "fp8"
    assert doc["engine"]["max_num_seqs"] == 512


def test_disaggregated_candidate(rec):
    doc = candidate_document(rec.candidates[1])
    assert set(doc) == SHARED_KEYS | ADDED_KEYS | {"prefill", "decode"}
    assert doc["prefill"]["workers"] == 3
    assert set(doc["decode"]["plan"]) == PLAN_KEYS
    assert {"workers", "plan"} <= set(doc["decode"])


def test_text_is_strict_json(rec):
    best = rec.selected
    odd = replace(best.estimate, kv_capacity_tokens=float("inf"), tokens_per_s_per_user=float("nan"))
    text = dumps(recommendation_document(replace(rec, candidates=(replace(best, estimate=odd),))))
    read = json.loads(text, parse_constant=pytest.fail)
    assert read["selected"]["kv_capacity_tokens"] is None
    assert read["selected"]["tokens_per_s_per_user"] is None
    assert text.endswith("}\n")


def test_no_candidates(rec):
    doc = recommendation_document(replace(rec, candidates=(), pareto=()))
    assert doc["selected"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1 / 3, 0.333333),
        (1_234_567.8, 1_234_570),
        (64.0, 64),
        (True, True),
        (np.float64(0.5), 0.5),
        (np.bool_(False), False),
        (np.int64(3), 3),
        (float("nan"), None),
        ((1, "a", None), [1, "a", None]),
        ({"k": np.array([1.5])}, {"k": [1.5]}),
    ],
)
def test_plain(value, expected):
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
