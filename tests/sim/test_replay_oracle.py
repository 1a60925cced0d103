"""The simulator beside ai-dynamo 1.4.2's dynamo.replay, given the same step times: every recorded run.

Its outputs are in tests/fixtures/replay. experiments/replay holds the mocker's rules as programs, which give
those outputs to the digit; where the simulator differs by more than 5 %, the same programs with the rule in
question exchanged must give what the simulator gives.
"""

import sys
from pathlib import Path

import pytest

SCRIPTS = str(Path(__file__).parents[2] / "experiments" / "replay")


@pytest.fixture(scope="module")
def oracle():
    """experiments/replay/verdicts.py; its neighbours are found while these tests run."""
    sys.path.insert(0, SCRIPTS)
    try:
        import verdicts

        yield verdicts
    finally:
        sys.path.remove(SCRIPTS)


FIXTURES = sorted(
    path.stem
    for path in (Path(__file__).parents[1] / "fixtures" / "replay").glob("*.json")
    if path.stem != "tables"
)
# A request is among the slowest because it came just before a long pass: statistics that move by as much when
# step times change by 0.4 %. All others agree, or a rule accounts for the difference.
UNCERTAIN = {"dp4_open", "open_low"}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXTURES)
def test_latencies_agree_with_the_replay_or_a_rule_accounts_for_it(oracle, name):
    verdict = oracle.verdict(name)
    expected = "traced" if verdict.rules else ("uncertain" if name in UNCERTAIN else "agrees")
    assert verdict.kind == expected, (verdict.differences, verdict.remainders, verdict.beyond)


@pytest.mark.parametrize("name", ["c8_1k_128", "kv_queue", "chunk_512", "dp2_closed", "pd_kv", "trtllm_kv"])
def test_the_programmed_rules_are_those_of_the_replay(oracle, name):
    case = oracle.fixture(name)
    recorded = [case["report"][key][mark] for key, mark in oracle.STATISTICS]
    assert oracle.with_rules(case) == pytest.approx(recorded, abs=1e-3)


def test_every_named_rule_belongs_to_a_recorded_run(oracle):
    assert set(oracle.TRACED) <= set(FIXTURES)
    assert len(FIXTURES) == 52
