"""A candidate as a point of an experiment: predicted, simulated, reported and exported."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from asked_again.again import estimated, value_of, without
from asked_again.asking import Answer, Statement, ask, ask_json
from asked_again.figures import Document, layout_words, name_of, same

_BOUNDS = {"--ttft": "ttft_ms", "--itl": "itl_ms", "--e2e-latency": "e2e_ms"}
_REQUESTS = 60  # at least; twice those in flight otherwise
_MOST_IN_FLIGHT = 256  # of a simulation that is asked again
_SAME = 2e-4  # as of an estimate: loads are asked again with six digits
# What a point of a sweep says, and where an estimate says it.
_ALIKE = {
    "ttft_ms_mean": ("ttft_ms", "mean"), "ttft_ms_lo": ("ttft_ms", "lo"), "ttft_ms_hi": ("ttft_ms", "hi"),
    "itl_ms_mean": ("itl_ms", "mean"), "itl_ms_lo": ("itl_ms", "lo"), "itl_ms_hi": ("itl_ms", "hi"),
    "e2e_ms_mean": ("e2e_ms", "mean"), "output_tokens_per_s": ("output_tokens_per_s",),
    "output_tokens_per_s_per_gpu": ("output_tokens_per_s_per_gpu",),
    "tokens_per_s_per_user": ("tokens_per_s_per_user",), "request_rate_per_s": ("request_rate_per_s",),
    "concurrency": ("concurrency",), "num_gpus": ("num_gpus",), "kv_capacity_tokens": ("kv_capacity_tokens",),
    "cost_per_million_output_tokens": ("cost_per_million_output_tokens",),
}  # fmt: skip
_ONLY_BOUNDED = ("sla_probability", "meets_sla")


def on_means(words: list[str]) -> list[str]:
    """The question with every bound on a mean, as an experiment has them."""
    found = {flag: value_of(words, flag) for flag in _BOUNDS}
    given = {flag: text.rpartition(":")[2] for flag, text in found.items() if text}
    return [*without(words, *_BOUNDS), *(word for pair in given.items() for word in pair)]


def requests(candidate: Document) -> int:
    """How many requests are simulated: fewer than are in flight would be another load."""
    return max(_REQUESTS, math.ceil(2 * candidate["concurrency"]))


def experiment_of(words: list[str], candidate: Document, do: str, folder: Path) -> Path:
    """A file of one point: the candidate under the load of the question."""
    engine = (candidate if candidate["mode"] == "agg" else candidate["prefill"])["engine"]
    axes: dict[str, Any] = {name: value_of(words, f"--{name}") for name in ("model", "gpu")}
    axes |= {"backend": candidate["backend"], "plan": "+".join(layout_words(candidate)[1::2])}
    axes |= {f"{name}_tokens": int(value_of(words, f"--{name}") or 0) for name in ("isl", "osl")}
    axes |= {name: engine[name] for name in ("max_num_seqs", "max_num_batched_tokens", "kv_dtype")}
    if candidate["mode"] == "disagg":
        axes["decode_max_num_seqs"] = candidate["decode"]["engine"]["max_num_seqs"]
    rate, hit, price = (value_of(words, f"--{n}") for n in ("request-rate", "prefix-hit", "gpu-hour-price"))
    axes |= {"request_rate_per_s": float(rate)} if rate else {"concurrency": candidate["concurrency"]}
    axes |= {"prefix_hit": float(hit)} if hit else {}
    axes |= {"gpu_hour_price": float(price)} if price else {}
    axes |= {"requests": requests(candidate)} if do == "simulate" else {}
    bounds = {name: float(text) for flag, name in _BOUNDS.items() if (text := value_of(words, flag))}
    path = folder / f"{do}.yaml"
    path.write_text(
        yaml.safe_dump({"question": "What does the point say?", "do": do, "axes": axes, "sla": bounds})
    )
    return path


def point_of(file: Path, run: Path) -> tuple[Document, Answer]:
    """The one point of an experiment's run, and the command that made it."""
    answer = ask("experiment", "run", file, "-o", run, "--quiet")
    if answer.status:
        return {"error": answer.err.strip()}, answer
    record = pd.read_parquet(run / "parts").iloc[0].to_dict()
    return {name: None if _missing(value) else value for name, value in record.items()}, answer


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def swept(words: list[str], candidate: Document, folder: Path) -> Iterator[Statement]:
    """A predicted point by estimate; its report, and its DGD."""
    asked, run = on_means(words), folder / "swept"
    point, made = point_of(experiment_of(asked, candidate, "predict", folder), run)
    again = estimated(asked, candidate)
    yield _said("point by estimate", name_of(candidate), _differing(point, again, "predicted_"), made, again)
    if not point["error"] and "error" not in again.document:
        yield from _reported(run, point)
        yield from _exported(run, point, folder)


def _said(kind: str, said: str, different: list[str], made: Answer, again: Answer) -> Statement:
    text = "; ".join(different) or "same"
    return Statement(
        kind=kind, said=said, again=text, holds=not different, command=f"{made.line}; {again.line}"
    )


def _differing(point: Document, again: Answer, prefix: str, but: tuple[str, ...] = ()) -> list[str]:
    document = again.document
    if not document or "error" in document or point["error"]:
        refused = again.err.strip() or str(document.get("error", ""))
        grows = "overloaded" in str(point["error"]) and _at(document, ("ttft_ms", "mean")) is None
        return (
            [] if point["error"] and (refused or grows) else [f"point: {point['error']}; estimate: {refused}"]
        )
    said = {name: point.get(f"{prefix}{name}") for name in _ALIKE}
    theirs = {name: _at(document, path) for name, path in _ALIKE.items()}
    if any(point.get(f"sla_{name}") for name in _BOUNDS.values()):
        said |= {name: point[name] for name in _ONLY_BOUNDED}
        theirs |= {name: document.get(name) for name in _ONLY_BOUNDED}
    said |= {"in_domain": point["in_domain"]}
    theirs |= {"in_domain": document["in_domain"]}
    return [f"{name} {said[name]} against {theirs[name]}" for name in said
            if name not in but and not same(_plain(said[name]), theirs[name], _SAME)]  # fmt: skip


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _at(document: Document, path: tuple[str, ...]) -> Any:
    found: Any = document
    for name in path:
        found = (found or {}).get(name)
    return None if _missing(found) else found


def _reported(run: Path, point: Document) -> Iterator[Statement]:
    """The page of the run names the figures of its best point."""
    shown = run.parent / "page"
    again = ask("report", run, "-o", shown)
    text = "".join(path.read_text() for path in shown.rglob("*.md")) if shown.is_dir() else ""
    figure = point.get("predicted_output_tokens_per_s_per_gpu")
    words = [f"{figure:,.0f}", f"{figure:.4g}", f"{figure:,.1f}"] if figure else []
    missing = [] if not words or any(word in text for word in words) else [f"{words[0]} tok/s/GPU not shown"]
    yield _said("report of a run", str(figure), [again.err] if again.status else missing, again, again)


def _exported(run: Path, point: Document, folder: Path) -> Iterator[Statement]:
    """The DGD of a point, read back: what the point said."""
    out = folder / "exported"
    made = ask("export", run, "--select", f"id={point['point']}", "-o", out)
    files = sorted(out.glob("*/dgd.yaml")) if out.is_dir() else []
    if "so there is no DGD" in made.err:  # a GPU that Dynamo does not drive
        return
    if made.status or not files:
        yield _said("exported point", str(point["point"]), [made.err.strip()], made, made)
        return
    again = ask_json("estimate", files[0])
    yield _said("exported point", files[0].parent.name, _differing(point, again, "predicted_"), made, again)


def simulated(words: list[str], candidate: Document, folder: Path) -> Iterator[Statement]:
    """A simulated point by simulate, and what simulate says beside its figures by estimate."""
    if candidate["concurrency"] > _MOST_IN_FLIGHT:
        return
    asked = without(on_means(words), "--gpu-hour-price")
    point, made = point_of(experiment_of(asked, candidate, "simulate", folder), folder / "simulated")
    alone = estimated(asked, candidate)
    told = [word for word in alone.words[1:] if word not in ("--format", "json", "--quiet")]
    again = ask_json(
        "simulate", *told, "--requests", requests(candidate), "--seed", int(point.get("seed") or 0)
    )
    yield _said("simulated point", name_of(candidate), _simulated(point, again), made, again)
    if not alone.document or "error" in alone.document or "simkit" not in again.document:
        return
    if not value_of(asked, "--prefix-hit"):  # there it takes what the simulation found, and says so
        different = _beside(again.document, alone.document)
        yield _said("closed form beside", name_of(candidate), different, again, alone)
    yield _said(
        "simulate's own words", name_of(candidate), list(_contradictions(again.document)), again, again
    )


def _simulated(point: Document, again: Answer) -> list[str]:
    document = again.document
    if not document or "error" in document or point["error"]:
        refused = again.err.strip() or str(document.get("error", ""))
        return [] if point["error"] and refused else [f"point: {point['error']}; simulate: {refused}"]
    pairs = {
        "ttft_ms_mean": document["time_to_first_token"]["avg"],
        "ttft_ms_p99": document["time_to_first_token"]["p99"],
        "itl_ms_mean": document.get("inter_token_latency", {}).get("avg"),
        "e2e_ms_mean": document["request_latency"]["avg"],
        "output_tokens_per_s": document["output_token_throughput"]["avg"],
        "output_tokens_per_s_per_gpu": document["simkit"]["output_tokens_per_s_per_gpu"],
        "request_rate_per_s": document["request_throughput"]["avg"],
        "goodput_per_s": document.get("goodput", {}).get("avg"),
        "concurrency": document["simkit"]["in_flight_mean"],
    }
    said = {name: _plain(point.get(f"simulated_{name}")) for name in pairs}
    different = [f"{name} {said[name]} against {pairs[name]}" for name in pairs
                 if not same(said[name], pairs[name], 1e-9)]  # fmt: skip
    if document["simkit"]["sla"]["bounds"] and bool(point["meets_sla"]) != document["simkit"]["sla"]["met"]:
        different.append(f"meets_sla {point['meets_sla']} against {document['simkit']['sla']}")
    return different


def _beside(simulated: Document, alone: Document) -> list[str]:
    """`steady` beside the simulation is the estimate of the same load."""
    steady = simulated["simkit"]["closed_form"]["steady"]
    pairs = {f"{name}_ms": alone[f"{name}_ms"]["mean"] for name in ("ttft", "itl", "e2e")}
    pairs |= {name: alone[name] for name in ("request_rate_per_s", "output_tokens_per_s_per_gpu")}
    return [f"{name} {steady[name]} against {value}" for name, value in pairs.items()
            if not same(None if _missing(steady[name]) else steady[name], value, _SAME)]  # fmt: skip


def _contradictions(document: Document) -> Iterator[str]:
    """What one answer of simulate says against itself."""
    ours, sla = document["simkit"], document["simkit"]["sla"]
    if set(sla["missed"]) - set(sla["bounds"]):
        yield f"missed {sla['missed']} of {sla['bounds']}"
    if sla["met"] != (not sla["missed"]):
        yield f"met {sla['met']}, missed {sla['missed']}"
    if (share := document.get("good_request_fraction", {}).get("avg")) is not None:
        rate = share * document["request_throughput"]["avg"]
        if not same(rate, document["goodput"]["avg"], 0.02):
            yield f"goodput {document['goodput']['avg']} against {rate}, its share"
    if json.dumps(ours["believe"]).count("NaN"):
        yield str(ours["believe"])
