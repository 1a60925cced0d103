"""ConfigMaps of the same file, as files where a pod mounts them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simkit.launch.container import listed


def config_maps(documents: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """What the ConfigMaps among the documents hold, by name."""
    return {
        _text(item, "metadata", "name"): item["data"]
        for item in documents
        if isinstance(item, Mapping)
        and item.get("kind") == "ConfigMap"
        and isinstance(item.get("data"), Mapping)
    }


def mounted_files(
    pod: Mapping[str, Any], container: Mapping[str, Any], documents: Sequence[Any]
) -> dict[str, str]:
    """Files that a container sees by path, from ConfigMaps among the documents."""
    maps = config_maps(documents)
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


def _volume_files(volume: Any, maps: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    if not isinstance(volume, Mapping):
        return
    projected = volume.get("projected")
    sources = [volume, *listed(projected.get("sources") if isinstance(projected, Mapping) else None)]
    for source in sources:
        reference = source.get("configMap") if isinstance(source, Mapping) else None
        if not isinstance(reference, Mapping):
            continue
        data = maps.get(_text(source, "configMap", "name"), {})
        items = listed(reference.get("items"))
        if items:
            names = [(item.get("path"), item.get("key")) for item in items if isinstance(item, Mapping)]
        else:
            names = [(key, key) for key in data]
        for path, key in names:
            if isinstance(path, str) and isinstance(key, str) and isinstance(data.get(key), str):
                yield path, data[key]


def _text(value: Any, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
