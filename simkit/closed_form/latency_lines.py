"""What the two latencies of a deployment are made of, in lines that add up to them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simkit.closed_form.aggregated_loop import Host
from simkit.closed_form.engine_speed import PhaseTimes
from simkit.closed_form.operator_lines import OperatorLine
from simkit.closed_form.outcomes import Outcomes

FIRST_TOKEN, TOKEN = "first token", "token"
_FROM = {
    "request_host": "host",
    "layer_launches": "host",
    "waiting": "queue",
    "kv_handover": "network",
    "measured_runs": "measured runs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyParts:
    """One deployment under one load: outcomes as measured runs correct them and as computed, the pool that
    prefills and the one that decodes, the host, and the handover of one cache [s].
    """

    found: Outcomes
    computed: Outcomes
    prefill: PhaseTimes
    decode: PhaseTimes
    host: Host
    handover_s: float


def latency_lines(parts: LatencyParts) -> tuple[OperatorLine, ...]:
    """Lines of TTFT and ITL; none for requests that queue without end."""
    ttft, itl = (_only(parts.computed, name) for name in ("ttft_s", "itl_s"))
    if not np.isfinite(ttft):
        return ()
    ahead = float(parts.prefill.ahead_s[0])
    first = {
        "request_host": float(np.ravel(parts.host.request_s)[0]),
        "layer_launches": ahead,
        "prefill_steps": float(parts.prefill.prefill_s[0]) - ahead,
        "kv_handover": parts.handover_s,
        "waiting": _only(parts.computed, "waiting_s"),
    }
    first["shared_steps"] = ttft - sum(first.values())  # a prompt in a step that runs anyway costs less
    first["measured_runs"] = _only(parts.found, "ttft_s") - ttft
    batch = np.maximum(parts.computed.batch[:1, :1], 1.0)
    pace = float(parts.decode.pace(batch)[0, 0])
    step = float(parts.decode.decode_at(batch)[0, 0]) / pace
    token = {"decode_step": step if itl > 0 else 0.0}
    token["prompts_between"] = itl - token["decode_step"]
    token["measured_runs"] = _only(parts.found, "itl_s") - itl
    return (*_lines(FIRST_TOKEN, first), *_lines(TOKEN, token))


def _only(outcomes: Outcomes, name: str) -> float:
    return float(getattr(outcomes, name)[0, 0])


def _lines(phase: str, times: Mapping[str, float]) -> list[OperatorLine]:
    total = sum(times.values())
    return [
        OperatorLine(
            phase=phase, operator=name, family="latency", time_s=time, share=time / total, flop=0.0,
            hbm_bytes=0.0, wire_bytes=0.0, source=_FROM.get(name, "the steps shown"),
        )
        for name, time in times.items()
        if abs(time) > 1e-9
    ]  # fmt: skip
