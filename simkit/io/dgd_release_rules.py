"""What a component's release of Dynamo demands of it: a version that can be read, and flags that it knows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simkit.adapters.flag_history import unknown_flags
from simkit.adapters.flag_reader import read_flags
from simkit.adapters.releases import release_number
from simkit.io.faults import Fault
from simkit.io.kube_names import has_version_tag


def version_faults(component: Mapping[str, Any], container: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Dynamo 1.5 and later refuse a component whose image does not say which release it holds."""
    image = container.get("image")
    if not isinstance(image, str) or not image or has_version_tag(image):
        return
    if component.get("runtimeVersionOverride") is None:
        yield Fault(
            path=f"{path}.runtimeVersionOverride",
            problem=f"required, because the tag of image {image!r} is not a version",
            remedy="give the Dynamo version that the image holds, such as 1.6.1",
        )


def flag_faults(
    component: Mapping[str, Any],
    container: Mapping[str, Any],
    command: tuple[str, Sequence[str]],
    path: str,
) -> Iterator[Fault]:
    """Flags that workers of the component's release refuse; command is the engine and its tokens."""
    versions = component.get("runtimeVersionOverride"), container.get("image")
    release = release_number(*(text for text in versions if isinstance(text, str)))
    if release is None:
        return
    module, tokens = command
    name = ".".join(str(part) for part in release)
    for span in unknown_flags(module, (flag for flag, _ in read_flags(tokens).items), release):
        when = f"came with {_text(span.new_in)}" if span.new_in else f"is gone since {_text(span.gone_in)}"
        yield Fault(
            path=f"{path}.args",
            problem=f"{span.flag} is not known to Dynamo {name}: it {when}",
            remedy=f"write {span.instead}" if span.instead else "remove it",
        )


def _text(release: Sequence[int] | None) -> str:
    return ".".join(str(part) for part in release or ())
