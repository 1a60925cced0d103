"""ConfigMaps of the same file, as files where a pod mounts them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simkit.launch.container import listed


def mounted_files(
    pod: Mapping[str, Any], container: Mapping[str, Any], documents: Sequence[Any]
) -> dict[str, str]:
    """Files that a container sees by path, from ConfigMaps among the documents."""
    maps = {
        _text(item, "metadata", "name"): item
        for item in documents
        if isinstance(item, Mapping) and item.get("kind") == "ConfigMap"
    }
    volumes = {_text(item, "name"): item for item in listed(pod.get("volumes"))}
    found: dict[str, str] = {}
    for mount in listed(container.get("volumeMounts")):
        if not isinstance(mount, Mapping) or not isinstance(mount.get("mountPath"), str):
            continue
        source = volumes.get(_text(mount, "name"))
        for name, text in _volume_files(source, maps):
            path, part = mount["mountPath"].rstrip("/"), mount.get("subPath")
            if part is None:
                found[f"{path}/{name}"] = text
            elif part == name:
                found[path] = text
    return found


def _volume_files(volume: Any, maps: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if not isinstance(volume, Mapping):
        return
    projected = volume.get("projected")
    sources = [volume, *listed(projected.get("sources") if isinstance(projected, Mapping) else None)]
    for source in sources:
        reference = source.get("configMap") if isinstance(source, Mapping) else None
        if not isinstance(reference, Mapping):
            continue
        data = maps.get(_text(source, "configMap", "name"), {}).get("data")
        data = data if isinstance(data, Mapping) else {}
        items = listed(reference.get("items"))
        if items:
            names = [(item.get("path"), item.get("key")) for item in items if isinstance(item, Mapping)]
        else:
            names = [(key, key) for key in data]
        for path, key in names:
            if isinstance(data.get(key), str) and isinstance(path, str):
                yield path, data[key]


def _text(value: Any, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
