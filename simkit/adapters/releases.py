"""Dynamo's releases: which engine each image holds, and where their command lines differ.

Engine versions of 1.4 and 1.5 are those of Dynamo's compatibility page, of 1.6 those that its
profiler writes. A release between or beyond is treated as the nearest older one known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simkit.core.engine import EngineOptions

_BOTH = ("kv_both", "kv_both")
_SEMVER = re.compile(r"(?:^|:)v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What one minor release of Dynamo brings."""

    name: str
    engines: Mapping[str, str]
    kv_roles: tuple[str, str]  # vLLM's kv_role on prefill and on decode workers

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = self.name.split(".")
        return int(major), int(minor)


RELEASES: tuple[Release, ...] = (
    Release(
        name="1.4",
        engines=MappingProxyType({"vllm": "0.26.0", "sglang": "0.5.16", "trtllm": "1.3.0rc22"}),
        kv_roles=_BOTH,
    ),
    Release(
        name="1.5",
        engines=MappingProxyType({"vllm": "0.28.0", "sglang": "0.5.18", "trtllm": "1.3.0rc25"}),
        kv_roles=_BOTH,
    ),
    Release(
        name="1.6",
        engines=MappingProxyType({"vllm": "0.24.0", "sglang": "0.5.14", "trtllm": "1.3.0rc20"}),
        kv_roles=("kv_producer", "kv_consumer"),
    ),
)
NEWEST = RELEASES[-1]


def release_of(*versions: str | None) -> Release:
    """The release that the first readable version names (`1.5.0`, `registry/image:1.5.0`)."""
    number = next((found for text in versions if (found := _number(text))), None)
    if number is None:
        return NEWEST
    older = [release for release in RELEASES if release.number <= number]
    return older[-1] if older else RELEASES[0]


def _number(text: str | None) -> tuple[int, int] | None:
    match = _SEMVER.search(text or "")
    return (int(match.group(1)), int(match.group(2))) if match else None


def version_note(release: Release, engine: EngineOptions) -> str | None:
    """A remark where the image runs another engine than was predicted."""
    runs = release.engines[engine.backend]
    if engine.version is None or engine.version == runs:
        return None
    return (
        f"Dynamo {release.name} runs {engine.backend} {runs}, the prediction is for {engine.version}: "
        "expect small differences, or measure"
    )
