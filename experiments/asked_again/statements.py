"""What an answer of `recommend` says that asking again can check."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from asked_again.again import estimated, instead, value_of
from asked_again.asking import Answer, Document, Statement, ask_json
from asked_again.figures import differing, name_of, same

Said = tuple[list[str], Answer, Document, Path]
Checks = tuple[Callable[[Said], Iterator[Statement]], ...]
_ODD = re.compile(r"\b(?:inf|nan|None)\b|\b1 (?:GPUs|requests|engines|points|runs|nodes|rows|finalists)\b")
_FIGURE = r"([\d,.]+) ms"
_MEMORY = ("kv_capacity_tokens", "memory_gib.activations", "memory_gib.kv")
_NOT_ALIKE = ("meets_sla",)


def statements(said: Said, checks: Checks) -> Iterator[Statement]:
    """Every statement of an answer with what asking again gives."""
    for check in checks:
        yield from check(said)


def _compared(kind: str, said: str, different: list[str], command: str) -> Statement:
    again = "; ".join(different) or "same"
    return Statement(kind=kind, said=said, again=again, holds=not different, command=command)


def _candidates(said: Said) -> Iterator[Statement]:
    """Rows of the table, the knee, what is better in expectation: the same figures from `estimate`."""
    words, _, document, _ = said
    shown = {f"row {rank}": one for rank, one in enumerate(document["candidates"][:4], 1)}
    shown |= {name: document[name] for name in ("knee", "expected_best") if document.get(name)}
    for place, candidate in shown.items():
        again = estimated(words, candidate, closed=place == "knee")  # the front is one of closed loops
        different = _beside(candidate, again)
        where = f"{place}: {name_of(candidate)} at {candidate['concurrency']}"
        yield _compared("candidate by estimate", where, different, again.line)


def _beside(candidate: Document, again: Answer, tolerance: float = 2e-4) -> list[str]:
    """tolerance: a load is asked again with the six digits that are written, and the curve is steep.

    Layout flags give both pools the same tokens a step; memory is left out where they differ.
    """
    if not again.document or "error" in again.document:
        return [f"exit {again.status}: {again.err.strip() or again.out[:200]}"]
    alike = _step_tokens(candidate) == _step_tokens(again.document)
    return list(differing(candidate, again.document, tolerance, _NOT_ALIKE + (() if alike else _MEMORY)))


def _step_tokens(candidate: Document) -> list[int]:
    pools = [candidate] if candidate["mode"] == "agg" else [candidate["prefill"], candidate["decode"]]
    return [pool["engine"]["max_num_batched_tokens"] for pool in pools]


def _folder(said: Said) -> Iterator[Statement]:
    """The folder that was written, asked about: every figure of the pick."""
    _, _, document, folder = said
    for words in (("estimate", folder), ("compare", folder, folder / "dgd.yaml")):
        if not (folder / "dgd.yaml").is_file():
            return
        again = ask_json(*words)
        if words[0] == "estimate":
            different = _beside(document["selected"], again)
        else:
            pairs = again.document.get("figures", [{"metric": again.err, "a": 0, "b": 1}])
            different = [str(pair) for pair in pairs if not same(pair["a"], pair["b"])]
        yield _compared(f"folder by {words[0]}", name_of(document["selected"]), different, again.line)


def _trade_offs(said: Said) -> Iterator[Statement]:
    """One GPU fewer, one more, a wider bound: what the search then chooses."""
    words, _, document, _ = said
    for item in document["trade_offs"]:
        again = ask_json("recommend", *_changed(words, item["change"], document))
        other = item["candidate"]
        if other is None:
            different = [] if again.status == 2 else [f"exit {again.status}: {_picked(again)}"]
        elif again.status == 2:
            different = [again.err.strip() or again.out[:200]]
        else:
            judged = (
                ("sla_probability", "goodput_per_s", "meets_sla")
                if document["request"]["sla_assumed"]
                else ()
            )
            different = list(differing(other, again.document["selected"], but=judged))
            names = name_of(other), name_of(again.document["selected"])
            different = [f"{names[0]} against {names[1]}", *different] if names[0] != names[1] else different
        yield _compared("trade-off", item["text"], different, again.line)


def _picked(again: Answer) -> str:
    return name_of(again.document["selected"]) if "selected" in again.document else again.err.strip()


def _changed(words: list[str], change: str, document: Document) -> list[str]:
    loaded = value_of(words, "--request-rate") or value_of(words, "--concurrency")
    count = document["selected"]["num_gpus"] if loaded else int(value_of(words, "--total-gpus") or 0)
    if "GPU" in change:
        return instead(words, total_gpus=count + (1 if "more" in change else -1))
    if document["request"]["sla_assumed"]:
        words = instead(words, ttft=2000, itl=30)
    flag = {"ttft_s": "ttft", "itl_s": "itl", "e2e_s": "e2e_latency"}[change.partition(" ")[0]]
    statistic, _, bound = (value_of(words, "--" + flag.replace("_", "-")) or "").rpartition(":")
    return instead(words, **{flag: f"{statistic}:{1.1 * float(bound)}".lstrip(":")})


def _fewest(said: Said) -> Iterator[Statement]:
    """The fewest GPUs: one fewer holds no longer, or less surely; the number for exact predictions holds."""
    words, _, document, _ = said
    text = next((line for line in document["remarks"] if "the fewest that" in line), None)
    if text is None:
        return
    if document["request"]["sla_assumed"]:
        words = instead(words, ttft=2000, itl=30)
    shown = int(text.split()[0])
    exact = re.search(r"(\d+) would be enough", text)
    tried = [
        (shown, True),
        *([(int(exact[1]), True), (int(exact[1]) - 1, False)] if exact else [(shown - 1, False)]),
    ]
    for count, holds in tried:
        if count < 1:
            continue
        again = ask_json("recommend", *instead(words, total_gpus=count))
        told, found = f"{text} ({count} {'hold' if holds else 'do not hold'})", f"exit {again.status}"
        right = (again.status == 0) == holds
        yield Statement(kind="fewest", said=told, again=found, holds=right, command=again.line)


def _relaxed(said: Said) -> Iterator[Statement]:
    """A bound relaxed as the answer says holds."""
    words, _, document, _ = said
    text = " ".join(document["explanation"])
    found = re.search(r"relax (.*), or add GPUs", text)
    ways = [] if found is None else [[one] for one in found[1].split(" or ")]
    if found and " and " in found[1]:
        ways = [found[1].split(" and ")]
    for way in ways:
        changes = {}
        for part in way:
            name, figure = re.match(rf"(\w+).*? to {_FIGURE}", part).groups()
            flag = {"TTFT": "ttft", "ITL": "itl", "E2E": "e2e_latency"}[name]
            statistic = (value_of(words, "--" + flag.replace("_", "-")) or "").rpartition(":")[0]
            changes[flag] = f"{statistic}:{figure.replace(',', '')}".lstrip(":")
        again = ask_json("recommend", *instead(words, **changes))
        yield Statement(kind="relaxation", said=" and ".join(way), again=f"exit {again.status}",
                        holds=again.status == 0, command=again.line)  # fmt: skip


def _wording(said: Said) -> Iterator[Statement]:
    """No number that is none, no plural of one."""
    _, answer, _, _ = said
    found = _ODD.findall(answer.out + answer.err)
    yield Statement(kind="wording", said=", ".join(found), again="", holds=not found, command=answer.line)


def _predicted(said: Said) -> Iterator[Statement]:
    """The pick as a row of a table."""
    from asked_again.tables import predicted_row

    words, _, document, folder = said
    different, line = predicted_row(words, document["selected"], folder)
    yield _compared("pick by predict", name_of(document["selected"]), different, line)


def _selected(said: Said) -> Iterator[Statement]:
    """A row of the table, selected: its figures, and those of its DGD."""
    words, _, document, folder = said
    if len(document["candidates"]) < 2:
        return
    rank = min(3, len(document["candidates"]))
    again = ask_json("recommend", *words, "--select", rank, "-o", folder / "selected")
    row = document["candidates"][rank - 1]
    different = (
        list(differing(row, again.document["selected"])) if "selected" in again.document else [again.err]
    )
    yield _compared("selected row", f"row {rank}: {name_of(row)}", different, again.line)
    if (folder / "selected" / "dgd.yaml").is_file():
        asked = ask_json("estimate", folder / "selected")
        different = _beside(row, asked)
        yield _compared("selected row by its folder", name_of(row), different, asked.line)


def _listed(said: Said) -> Iterator[Statement]:
    """How many candidates are listed does not change the pick."""
    words, _, document, _ = said
    for limit in (1, 40):
        again = ask_json("recommend", *words, "--limit", limit)
        different = list(differing(document["selected"], again.document["selected"], but=("tied",)))
        names = name_of(document["selected"]), name_of(again.document["selected"])
        yield Statement(kind="pick with another --limit", said=names[0], again=names[1],
                        holds=not different and names[0] == names[1], command=again.line)  # fmt: skip


def _carried(said: Said) -> Iterator[Statement]:
    """The most requests/s: the SLA is expected to hold at it, and no longer a little above."""
    words, _, document, _ = said
    text = next((line for line in document["remarks"] if "carry up to" in line), None)
    if text is None:
        return
    most = float(re.search(r"up to ([\d,.]+) requests", text)[1].replace(",", ""))
    for rate, holds in ((most, True), (1.03 * most, False)):
        again = estimated(instead(words, request_rate=rate), document["selected"])
        right = again.document.get("meets_sla") is holds
        yield Statement(kind="most requests/s", said=f"{text} ({rate:g})", again=f"exit {again.status}",
                        holds=right, command=again.line)  # fmt: skip


def _without_rdma(said: Said) -> Iterator[Statement]:
    """TTFT over TCP as the warning has it."""
    words, _, document, _ = said
    text = " ".join([*document["request"]["warnings"], *document["selected"]["notes"]])
    found = re.search(r"is assumed \(TTFT (.*?)\).*?: (a TTFT that grows|TTFT ([\d,.]+) ms)", text)
    if found is None:
        return
    again = estimated([*words, "--set", "hardware.rdma=false"], document["selected"])
    mean = again.document.get("ttft_ms", {}).get("mean")
    told = None if found[3] is None else float(found[3].replace(",", ""))
    holds = (mean is None) if told is None else mean is not None and abs(mean / told - 1) < 0.01
    yield Statement(kind="without RDMA", said=found[2], again=str(mean), holds=holds, command=again.line)


def _swept(said: Said) -> Iterator[Statement]:
    """The pick as a point of an experiment: predicted, reported, exported, simulated."""
    from asked_again.swept import simulated, swept

    words, _, document, folder = said
    if value_of(words, "--request-rate") or document["selected"]["concurrency"] >= 1:
        yield from swept(words, document["selected"], folder)
        yield from simulated(words, document["selected"], folder)


CHECKS: Checks = (
    _candidates, _folder, _trade_offs, _fewest, _relaxed, _wording, _predicted, _selected, _listed,
    _carried, _without_rdma, _swept,
)  # fmt: skip
