"""Accelerators from data/gpus/<sku>.yaml, under whatever name drivers, labels or vendors give them."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perfmodels.hardware import Device, Link
from perfmodels.units import GB, MIB
from simkit.core.errors import InputError, nearest, unknown_name
from simkit.io.paths import data_dir
from simkit.io.reading import read_text

# --- From what drivers, node labels and vendors call a GPU to the catalogue's SKU.


_NOISE = frozenset({
    "nvidia", "tesla", "geforce", "amd", "instinct", "intel", "gpu", "accelerator", "oam", "ac", "shared",
    "hbm2", "hbm2e", "hbm3", "hbm3e", "tensor", "core",
})  # fmt: skip
_FORMS = frozenset({"sxm", "pcie", "nvl"})
_MEMORY = re.compile(r"^(\d+)gi?b$")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGpu:
    """One SKU or alias to try, and the memory the product name spoke of [GB]."""

    name: str
    memory_gb: float | None = None

    def accepts(self, nominal_gb: float | None) -> bool:
        """Whether a part of this nominal size can be the one that was named."""
        if self.memory_gb is None or nominal_gb is None:
            return True
        return abs(self.memory_gb - nominal_gb) <= 0.1 * nominal_gb


def drives_dynamo(name: str | None) -> bool:
    """Whether Dynamo's images drive a GPU; one that is not named counts as one of theirs."""
    return name is None or gpu(name).vendor == "nvidia"


def normalise(name: str) -> str:
    """Lower case, one underscore between words."""
    return "_".join(_words(name))


def candidates(name: str) -> list[NamedGpu]:
    """What to look up, most specific first: the name itself, then with form factor and memory guessed."""
    words = [re.sub(r"^sxm\d$", "sxm", word) for word in _words(name) if word not in _NOISE]
    sizes = [match[1] for word in words if (match := _MEMORY.match(word))]
    core = "_".join(word for word in words if not _MEMORY.match(word))
    forms = [core] if _FORMS & set(words) else [core, f"{core}_sxm"]
    if "hbm3" in _words(name) and len(forms) > 1:
        forms = [f"{core}_sxm"]
    found = [NamedGpu(name=normalise(name))]
    for size in sizes:
        found += [NamedGpu(name=f"{form}_{tail}") for form in forms for tail in (size, f"{size}gb")]
    memory_gb = float(sizes[0]) if sizes else None
    return found + [NamedGpu(name=form, memory_gb=memory_gb) for form in forms]


def _words(name: str) -> list[str]:
    joined = re.sub(r"(\d)\s*gi?b\b", r"\1gb", name.lower())
    return [word for word in re.split(r"[^a-z0-9]+", joined) if word]


# --- Accelerators from data/gpus/<sku>.yaml: datasheet units in the file, a Device in SI out.


# Base latency of one hop, for files that give none [s].
LINK_LATENCY_S = {"link": 2e-6, "pcie": 8e-6, "inter_node": 8e-6}

_REQUIRED = (
    "vendor", "generation", "memory_mib", "memory_bandwidth_gb_per_s", "dense_tflops", "pcie_gb_per_s",
    "inter_node_gb_per_s", "confidence", "source",
)  # fmt: skip
_OPTIONAL = (
    "aliases", "memory_gb_nominal", "link", "link_gb_per_s_per_direction", "link_domain_gpus",
    "gpus_per_node", "tdp_w", "notes", "link_latency_s", "pcie_latency_s", "inter_node_latency_s",
)  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def gpu_names() -> list[str]:
    """Every GPU of the catalogue, by its SKU."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def gpu(name: str) -> Device:
    """The accelerator called `name`: a SKU (`h100_sxm`) or a product name (`NVIDIA H100 80GB HBM3`).

    Raises UnknownNameError with the nearest names, InputError for a file that cannot be used.
    """
    known = gpu_names()
    exact = normalise(name)
    if exact in known:
        return _device(exact, _read(exact))
    aliases: dict[str, str] | None = None
    for option in candidates(name):
        if aliases is None:
            aliases = _aliases(known)
        sku = option.name if option.name in known else aliases.get(option.name)
        if sku is None:
            continue
        spec = _read(sku)
        if option.accepts(spec.get("memory_gb_nominal")):
            return _device(sku, spec)
    raise unknown_name("GPU", name, known, "a file in data/gpus describes a new one")


def with_hardware(device: Device, gpus_per_node: int | None = None, vram_mb: float | None = None) -> Device:
    """The same accelerator in other hosts or with another memory size.

    vram_mb is in MiB, as drivers report it. A switched or PCIe domain ends with the node; a
    rack-scale one keeps its reach.
    """
    changes: dict[str, Any] = {}
    if gpus_per_node is not None:
        if gpus_per_node < 1:
            raise InputError(f"GPUs per node: expected at least 1, got {gpus_per_node}")
        rack_scale = device.link_domain_gpus > device.gpus_per_node
        reach = max(device.link_domain_gpus, gpus_per_node) if rack_scale else gpus_per_node
        changes |= {"gpus_per_node": gpus_per_node, "link_domain_gpus": reach}
    if vram_mb is not None:
        if vram_mb <= 0:
            raise InputError(f"GPU memory: expected a positive number of MiB, got {vram_mb}")
        changes["memory_bytes"] = float(vram_mb) * MIB
    return dataclasses.replace(device, **changes)


def _folder() -> Path:
    return data_dir() / "gpus"


def _read(sku: str) -> dict[str, Any]:
    path = _folder() / f"{sku}.yaml"
    try:
        spec = yaml.load(read_text(path), Loader=_LOADER)  # noqa: S506 (a safe loader)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())}); see data/README.md") from error
    if not isinstance(spec, dict):
        raise InputError(f"{path}: expected a mapping of fields; see data/README.md")
    for key in spec:
        if key not in (*_REQUIRED, *_OPTIONAL):
            hint = " or ".join(nearest(str(key), (*_REQUIRED, *_OPTIONAL), 1)) or "a field of data/README.md"
            raise InputError(f"{path}: unknown field {key!r}; did you mean {hint}?")
    if missing := [key for key in _REQUIRED if key not in spec]:
        raise InputError(f"{path}: lacks {', '.join(missing)}; see data/README.md")
    return spec


def _aliases(known: list[str]) -> dict[str, str]:
    return {normalise(str(alias)): sku for sku in known for alias in _read(sku).get("aliases") or ()}


def _number(spec: Mapping[str, Any], key: str, sku: str) -> float:
    value = spec[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e18:
        raise InputError(f"data/gpus/{sku}.yaml: {key}: expected a positive number, got {value!r:.60}")
    return float(value)


def _whole(spec: Mapping[str, Any], key: str, default: int, sku: str) -> int:
    value = spec.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**6:
        raise InputError(f"data/gpus/{sku}.yaml: {key}: expected a whole number from 1, got {value!r:.60}")
    return value


def _link(spec: Mapping[str, Any], kind: str, key: str, sku: str) -> Link:
    name = f"{kind}_latency_s"
    latency = _number(spec, name, sku) if name in spec else LINK_LATENCY_S[kind]
    return Link(bandwidth_bytes_per_s=_number(spec, key, sku) * GB, latency_s=latency)


def _device(sku: str, spec: Mapping[str, Any]) -> Device:
    per_node, reach = _whole(spec, "gpus_per_node", 8, sku), _whole(spec, "link_domain_gpus", 1, sku)
    switched = reach >= per_node and "link_gb_per_s_per_direction" in spec
    kind, key = ("link", "link_gb_per_s_per_direction") if switched else ("pcie", "pcie_gb_per_s")
    rates = spec["dense_tflops"]
    if not isinstance(rates, dict):
        raise InputError(f"data/gpus/{sku}.yaml: dense_tflops: expected rates by format; see data/README.md")
    try:
        return Device(
            name=sku,
            vendor=str(spec["vendor"]),
            generation=str(spec["generation"]),
            memory_bytes=_number(spec, "memory_mib", sku) * MIB,
            memory_bytes_per_s=_number(spec, "memory_bandwidth_gb_per_s", sku) * GB,
            peak_flop_per_s={str(name): _number(rates, name, sku) * 1e12 for name in rates},
            intra_node=_link(spec, kind, key, sku),
            inter_node=_link(spec, "inter_node", "inter_node_gb_per_s", sku),
            gpus_per_node=per_node,
            link_domain_gpus=reach if switched else per_node,
            tdp_w=_number(spec, "tdp_w", sku) if "tdp_w" in spec else None,
            source=_source(spec),
            notes=_notes(sku, spec),
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"data/gpus/{sku}.yaml: {error}; see data/README.md") from error


def _source(spec: Mapping[str, Any]) -> str:
    source = spec["source"]
    return (
        "; ".join(f"{key}: {value}" for key, value in source.items()) if isinstance(source, dict) else source
    )


def _notes(sku: str, spec: Mapping[str, Any]) -> tuple[str, ...]:
    notes = tuple(str(note) for note in spec.get("notes") or ())
    if spec["confidence"] != "low":
        return notes
    return (f"the figures of {sku} are of low confidence; see its file in data/gpus", *notes)
