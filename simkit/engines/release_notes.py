"""What a release of Dynamo means for an engine: another version than was measured, flags it refuses."""

from collections.abc import Iterable

from simkit.core.engine import EngineOptions
from simkit.engines.registry import engine_names, engine_spec
from simkit.engines.releases import MOCKER, MOCKER_SPANS, FlagSpan, Number, Release


def version_note(release: Release, engine: EngineOptions) -> str | None:
    """A remark where the image runs another engine than was predicted."""
    runs = engine_spec(engine.backend).releases.versions.get(release.name)
    if runs is None:
        return (
            f"Dynamo {release.name} has no image with {engine.backend}: build one, and name it by spec.image"
        )
    if engine.version is None or engine.version == runs:
        return None
    return (
        f"Dynamo {release.name} runs {engine.backend} {runs}, step times were measured up to "
        f"{engine.version}: measure before trusting a close call"
    )


def unknown_flags(engine: str, flags: Iterable[str], release: Number) -> list[FlagSpan]:
    """Those of the flags that an engine's workers of the release refuse, or the mocker's."""
    given = set(flags)
    spans = MOCKER_SPANS if engine == MOCKER else ()
    if engine in engine_names():
        spans = engine_spec(engine).releases.spans
    return [span for span in spans if span.flag in given and not span.knows(release)]
