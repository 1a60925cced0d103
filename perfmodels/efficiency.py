"""An engine's host times and factors, which neither datasheets nor operator tables contain.

The scales correct operator times per engine (1: the table as it is); the shares of peak stand in
where an operator has no table. Defaults are round values from public kernel benchmarks;
data/calibration/factors.json holds those fitted per engine.
"""

from dataclasses import dataclass

SCALED = ("gemm", "moe", "attention", "comm", "elementwise")  # kinds of operator that have a scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Multipliers of operator times, shares of peak, and times of the host.

    *_scale multiply the times of a kind of operator (dimensionless), prefill_scale all of a step that
    works on prompts: attention backends without graphs, padding and quantisation that tables leave out.
    *_compute_frac of the dense peak and memory_frac of HBM bandwidth apply to operators without a
    table, link_frac of link bandwidth to collectives without one. call_s is launch and tail of one
    kernel without a table inside a CUDA graph, eager_call_s what the host takes to launch one outside
    (a step cannot be faster than its launches); collective_s the synchronisation of one collective
    beyond the link's latency. overlap_frac is the share of a shared expert's time hidden behind the
    routed ones in steps that only decode: the engines run both on streams of their own.

    step_host_s is what the scheduler and sampler add to every decode step, seq_host_s to every
    sequence in it, prefill_step_s to every step with prompts. Such steps are no CUDA graphs: before the GPU
    has all of a prompt's work, the host takes layer_host_s for every layer and expert_host_s more for every
    layer of experts, this once for a single rank and once more for each doubling of the ranks that keep step.
    stall_frac is the share of a prompt's time by which it delays decoding sequences (below 1: they share
    steps). request_host_s and request_token_s per prompt token precede every request's first token (HTTP,
    tokenizer, scheduling); request_serial_s is what the one process all requests pass spends on each, so
    that a burst queues there too. admission_steps are the steps that pass before the engine schedules a
    request that arrives while others decode. wave_frac is how long requests that arrive together because
    they finished together wait for each other, as a share of the prefill of those ahead of them.
    """

    gemm_scale: float = 1.0
    moe_scale: float = 1.0
    attention_scale: float = 1.0
    comm_scale: float = 1.0
    elementwise_scale: float = 1.0
    prefill_scale: float = 1.0
    gemm_compute_frac: float = 0.70
    moe_compute_frac: float = 0.50
    attention_compute_frac: float = 0.50
    memory_frac: float = 0.80
    attention_memory_frac: float = 0.65
    link_frac: float = 0.70
    overlap_frac: float = 0.5
    call_s: float = 2.0e-6
    eager_call_s: float = 5.0e-6
    collective_s: float = 6.0e-6
    step_host_s: float = 0.5e-3
    seq_host_s: float = 3.0e-6
    prefill_step_s: float = 1.0e-3
    layer_host_s: float = 0.3e-3
    expert_host_s: float = 0.2e-3
    stall_frac: float = 0.85
    request_host_s: float = 10e-3
    request_token_s: float = 5.0e-6
    request_serial_s: float = 1.0e-3
    admission_steps: float = 1.0
    wave_frac: float = 0.5

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name in ("overlap_frac", "wave_frac", "stall_frac"):
                faulty = not 0 <= value <= 5
            elif name.endswith("_frac"):
                faulty = not 0 < value <= 1
            else:
                faulty = value < 0 or (name.endswith("_scale") and value == 0)
            if faulty:
                expected = "a share in (0, 1], a positive multiplier or a non-negative time"
                raise ValueError(f"{name} must be {expected}, got {value}")

    def scale(self, kind: str) -> float:
        """Multiplier of one kind of operator (SCALED)."""
        value: float = getattr(self, f"{kind}_scale")
        return value
