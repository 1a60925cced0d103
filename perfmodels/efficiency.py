"""Plain factors between a datasheet and what kernels and engines reach.

Coarse on purpose: one number per operator family, the same for every GPU and model; engines differ
only in their host times and in how much of the peak their prefill reaches. The defaults are round
values from public kernel benchmarks; data/calibration/factors.json holds those fitted per engine.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of peak, and times that no datasheet knows.

    *_compute_frac of the dense peak, memory_frac of HBM bandwidth, link_frac of link bandwidth.
    call_s is launch and tail of one kernel inside a CUDA graph; collective_s the synchronisation of
    one collective beyond the link's latency. step_host_s is what the scheduler and sampler add to
    every step, seq_host_s to every sequence in it; request_host_s and request_token_s per prompt token
    to every request's first token (HTTP, tokenizer, scheduling); request_serial_s is what the one
    process all requests pass spends on each, so that a burst queues there too. in_step_frac is the
    share of a closed loop's requests that stay in step after their opening burst.
    """

    gemm_compute_frac: float = 0.70
    moe_compute_frac: float = 0.50
    attention_compute_frac: float = 0.50
    memory_frac: float = 0.80
    attention_memory_frac: float = 0.65
    link_frac: float = 0.70
    call_s: float = 2.0e-6
    collective_s: float = 6.0e-6
    step_host_s: float = 1.0e-3
    seq_host_s: float = 5.0e-6
    request_host_s: float = 15e-3
    request_token_s: float = 0.0
    request_serial_s: float = 1.0e-3
    in_step_frac: float = 0.5

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value < 0 or (name.endswith("_frac") and not 0 < value <= 1):
                raise ValueError(f"{name} must be a share in (0, 1] or a non-negative time, got {value}")
