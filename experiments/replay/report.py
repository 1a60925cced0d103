"""Write reports/replay/README.md: the simulator beside dynamo.replay, fixture by fixture.

python experiments/replay/report.py
"""

from collections import Counter
from pathlib import Path

from variants import RULES
from verdicts import Verdict, fixture, names, verdict, with_all_of_ours, with_rules

REPORT = Path(__file__).resolve().parents[2] / "reports" / "replay" / "README.md"
_HEAD = """\
# The simulator beside ai-dynamo 1.4.2's dynamo.replay

Written by `python experiments/replay/report.py`; kept by `tests/sim/test_replay_oracle.py`. Rules have their
numbers of [docs/replay_oracle.md](../../docs/replay_oracle.md), which names their source files. Given: the
same requests, settings and step times. Compared: mean and 99th percentile of TTFT and of ITL per request.

| verdict | fixtures | meaning |
|---|---|---|
"""
_MEANINGS = {
    "agrees": "all four statistics within 5 %",
    "traced": (
        "some are not, and the mocker's programmed rules, with the named rule exchanged for ours, give what "
        "we give within 5 % (column left)"
    ),
    "uncertain": (
        "some are not, but all are within 5 % of what dynamo.replay itself gives when its step times change "
        "by up to 0.4 %: the slowest of some hundred requests came just before a long pass, or just after"
    ),
    "open": "neither",
}


def main() -> None:
    """All fixtures."""
    verdicts = [verdict(name) for name in names()]
    counts = Counter(one.kind for one in verdicts)
    lines = [f"| {kind} | {counts[kind]} | {meaning} |" for kind, meaning in _MEANINGS.items()]
    text = _HEAD + "\n".join(lines) + "\n\n" + _table(verdicts) + "\n" + _effects(verdicts)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(text, encoding="utf-8")
    print(f"{REPORT}: {dict(counts)}")


def _table(verdicts: list[Verdict]) -> str:
    head = [
        "Ours less the recorded; in brackets the recorded [ms]. Left: the largest difference with the",
        "rules of the verdict exchanged; all: with all that ours has otherwise.",
        "",
        "| fixture | what it brings out | TTFT mean | TTFT p99 | ITL mean | ITL p99 | verdict | left | all |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_row(one) for one in verdicts)]) + "\n"


def _row(one: Verdict) -> str:
    cells = [
        f"{apart:+.1%} ({recorded:.4g})"
        for apart, recorded in zip(one.differences, one.recorded, strict=True)
    ]
    kind = one.kind + (": " + ", ".join(f"{rule} ({RULES[rule]})" for rule in one.rules) if one.rules else "")
    left = f"{max(abs(value) for value in one.remainders):.1%}" if one.rules else ""
    every = with_all_of_ours(fixture(one.name))
    most = max(abs(ours / theirs - 1.0) for ours, theirs in zip(one.ours, every, strict=True))
    return f"| {one.name} | {one.what} | {' | '.join(cells)} | {kind} | {left} | {most:.1%} |"


def _effects(verdicts: list[Verdict]) -> str:
    """What each named rule does alone to the recorded statistics."""
    lines = [
        "## What the rules do",
        "",
        "The mocker's rules with only the named one exchanged for ours, less the recorded.",
        "",
        "| fixture | rule | TTFT mean | TTFT p99 | ITL mean | ITL p99 |",
        "|---|---|---|---|---|---|",
    ]
    for one in verdicts:
        for rule in one.rules:
            values = with_rules(fixture(one.name), rule)
            cells = [
                f"{value / recorded - 1:+.1%}" for value, recorded in zip(values, one.recorded, strict=True)
            ]
            lines.append(f"| {one.name} | {rule} ({RULES[rule]}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
