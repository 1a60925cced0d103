"""Dynamo's releases: which engine each image holds, and which flags came or went between them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# --- Dynamo's releases: which engine each image holds, and where their command lines differ.
# Engine versions are those that the wheels `ai-dynamo` 1.4.2, 1.5.1 and 1.6.1 pin and Dynamo's
# compatibility page lists. A release between or beyond is treated as the nearest older one known.


Number = tuple[int, int]

_BOTH = ("kv_both", "kv_both")
_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_SEMVER = re.compile(r"(?:^|:)v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What one minor release of Dynamo brings.

    simulator is the prefix of the mocker's flags for its tables. metrics_flags are what an engine's
    workers need to send a Planner their forward-pass metrics, beside what the operator sets. grove is
    the oldest Grove that starts engines over several nodes.
    """

    name: str
    engines: Mapping[str, str]
    kv_roles: tuple[str, str]  # vLLM's kv_role on prefill and on decode workers
    simulator: str
    grove: str
    metrics_flags: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)

    @property
    def number(self) -> Number:
        """Major and minor."""
        major, minor = self.name.split(".")
        return int(major), int(minor)


# Until 1.6 TensorRT-LLM's workers sent metrics only along with cache events.
_WITH_EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType({"trtllm": ("--publish-kv-events",)})

RELEASES: tuple[Release, ...] = (
    Release(
        name="1.4",
        engines=MappingProxyType({"vllm": "0.26.0", "sglang": "0.5.16", "trtllm": "1.3.0rc22"}),
        kv_roles=_BOTH,
        simulator="--aic",
        grove="0.1.0-alpha.11",
        metrics_flags=_WITH_EVENTS,
    ),
    Release(
        name="1.5",
        engines=MappingProxyType({"vllm": "0.28.0", "sglang": "0.5.18", "trtllm": "1.3.0rc25"}),
        kv_roles=_BOTH,
        simulator="--aic",
        grove="0.1.0-alpha.11",
        metrics_flags=_WITH_EVENTS,
    ),
    Release(
        name="1.6",
        engines=MappingProxyType({"vllm": "0.31.0", "sglang": "0.5.21", "trtllm": "1.3.0rc29"}),
        kv_roles=("kv_producer", "kv_consumer"),
        simulator="--ais",
        grove="0.1.0-alpha.14",
    ),
)
NEWEST = RELEASES[-1]


def release_of(*versions: str | None) -> Release:
    """The release that the first readable version names (`1.5.0`, `registry/image:1.5.0`)."""
    number = release_number(*versions)
    if number is None:
        return NEWEST
    older = [release for release in RELEASES if release.number <= number]
    return older[-1] if older else RELEASES[0]


def release_number(*versions: str | None) -> Number | None:
    """Major and minor of the first readable version; None when none says it."""
    matches = (_SEMVER.search(text or "") for text in versions)
    return next(((int(found.group(1)), int(found.group(2))) for found in matches if found), None)


def unknown_release_note(*versions: str | None) -> str | None:
    """A remark where the named release has not been checked."""
    number, nearest = release_number(*versions), release_of(*versions)
    if number is None or number == nearest.number:
        return None
    name = ".".join(str(part) for part in number)
    return (
        f"what differs in Dynamo {name} is not known, the deployment is written for {nearest.name}; use an "
        f"image of {RELEASES[0].name} to {NEWEST.name}, or look it over"
    )


# --- Flags that came or went between the releases of Dynamo that are in use.
# Read from the wheels of ai-dynamo 1.4.2, 1.5.1 and 1.6.1 and of the engines they pin: vLLM 0.26.0, 0.28.0
# and 0.31.0; SGLang 0.5.16, 0.5.18 and 0.5.21. Flags that left before Dynamo 1.4 are noted as of 1.4.


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
})  # fmt: skip


MOCKER = "dynamo.mocker"
MOCKER_SPANS = tuple(FlagSpan(flag=f"--ais-{name}", instead=f"--aic-{name}", new_in=_V16) for name in _AIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReleases:
    """What releases of Dynamo mean for one engine.

    versions: which version each release's image holds, by the release's name. metrics_flags: what its
    workers need to send a Planner their forward-pass metrics. spans: its flags that came or went.
    """

    versions: Mapping[str, str]
    metrics_flags: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)
    spans: tuple[FlagSpan, ...] = ()


def releases_of(engine: str) -> EngineReleases:
    """An engine's lines of the tables above."""
    return EngineReleases(
        versions=MappingProxyType({release.name: release.engines[engine] for release in RELEASES}),
        metrics_flags=MappingProxyType(
            {
                release.name: release.metrics_flags[engine]
                for release in RELEASES
                if engine in release.metrics_flags
            }
        ),
        spans=_SPANS.get(engine, ()),
    )
