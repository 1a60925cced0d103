"""Flags that came or went between the releases of Dynamo that are in use.

Read from the wheels of ai-dynamo 1.4.2, 1.5.1 and 1.6.1 and of the engines they pin: vLLM 0.26.0, 0.28.0
and 0.31.0; SGLang 0.5.16, 0.5.18 and 0.5.21. Flags that left before Dynamo 1.4 are noted as of 1.4.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simkit.adapters.releases import Number

_V14, _V15, _V16 = (1, 4), (1, 5), (1, 6)
_AIS = (
    "perf-model", "system", "backend", "backend-version", "tp-size", "moe-tp-size", "moe-ep-size",
    "attention-dp-size", "nextn", "nextn-accept-rates", "mtp-seed", "perf-config",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSpan:
    """The releases that know a flag: from `new_in`, before `gone_in`. instead: what to write."""

    flag: str
    instead: str = ""
    new_in: Number | None = None
    gone_in: Number | None = None

    def knows(self, release: Number) -> bool:
        """Whether workers of the release accept the flag."""
        return (self.new_in is None or release >= self.new_in) and (
            self.gone_in is None or release < self.gone_in
        )


def _gone(release: Number, replaced: Mapping[str, str]) -> list[FlagSpan]:
    return [FlagSpan(flag=flag, instead=instead, gone_in=release) for flag, instead in replaced.items()]


_MULTIMODAL = {
    "--multimodal-worker": "--enable-multimodal",
    "--multimodal-encode-worker": "--enable-multimodal",
}
_SPANS: Mapping[str, tuple[FlagSpan, ...]] = MappingProxyType({
    "vllm": (
        *_gone(_V14, {
            **_MULTIMODAL,
            "--is-prefill-worker": "--disaggregation-mode prefill",
            "--is-decode-worker": "--disaggregation-mode decode",
            "--connector": "--kv-transfer-config",
            "--speculative-model": "--speculative-config",
            "--num-speculative-tokens": "--speculative-config",
            "--disable-log-requests": "--no-enable-log-requests",
            "--swap-space": "", "--num-scheduler-steps": "", "--preemption-mode": "", "--device": "",
            "--max-seq-len-to-capture": "", "--full-cuda-graph": "", "--enable-reasoning": "",
        }),
        *_gone(_V15, {
            "--max-num-partial-prefills": "", "--max-long-partial-prefills": "",
            "--calculate-kv-scales": "", "--override-attention-dtype": "",
        }),
        *_gone(_V16, {"--enable-bf16x3-router-gemm": ""}),
    ),
    "sglang": (
        *_gone(_V14, {
            **_MULTIMODAL,
            "--enable-ep-moe": "--expert-parallel-size", "--enable-deepep-moe": "--moe-a2a-backend deepep",
        }),
        *_gone(_V15, {"--torchao-config": ""}),
        *_gone(_V16, {
            "--cuda-graph-bs": "--cuda-graph-bs-decode",
            "--cuda-graph-max-bs": "--cuda-graph-max-bs-decode",
            "--enable-breakable-cuda-graph": "--cuda-graph-backend-prefill breakable",
            "--nsa-prefill-backend": "--dsa-prefill-backend",
            "--nsa-decode-backend": "--dsa-decode-backend",
            "--mamba-scheduler-strategy": "--mamba-radix-cache-strategy",
            "--stream-output": "--incremental-streaming-output",
            "--prefill-round-robin-balance": "", "--collect-tokens-histogram": "",
            "--enable-expert-distribution-metrics": "",
        }),
    ),
    "trtllm": (
        *_gone(_V16, {"--publish-events-and-metrics": "--publish-kv-events, and --publish-metrics"}),
    ),
    "dynamo.mocker": tuple(
        FlagSpan(flag=f"--ais-{name}", instead=f"--aic-{name}", new_in=_V16) for name in _AIS
    ),
})  # fmt: skip


def unknown_flags(engine: str, flags: Iterable[str], release: Number) -> list[FlagSpan]:
    """Those of the flags that an engine's workers of the release refuse, or the mocker's."""
    given = set(flags)
    return [span for span in _SPANS.get(engine, ()) if span.flag in given and not span.knows(release)]
