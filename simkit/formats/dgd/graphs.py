"""Which DynamoGraphDeployments of a file are asked about, and which of their components run engines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simkit.core.errors import InputError
from simkit.formats.dgd.alpha import ALPHA, BETA, from_v1alpha1
from simkit.formats.dgd.parts import container_tokens, main_container
from simkit.formats.dgd.workers import Surroundings, is_worker

KIND = "DynamoGraphDeployment"
_BESIDE = ("ConfigMap", "Secret", "PersistentVolumeClaim", "Job")
_GLOBAL_ROUTER = "dynamo.global_router"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphs:
    """The deployments asked about, in the shape of v1beta1: one, or several behind one global router."""

    asked: tuple[Mapping[str, Any], ...]
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Name and annotations."""
        return _mapping(self.asked[0].get("metadata"))


def asked_graphs(documents: Sequence[Any], name: str | None = None) -> Graphs:
    """The deployment among the documents; `name` says which, where several have engines."""
    found = [item for item in documents if isinstance(item, Mapping) and item.get("kind") == KIND]
    if not found:
        kinds = [item.get("kind") for item in documents if isinstance(item, Mapping)]
        raise InputError(
            f"expected one {KIND}, found 0 among {len(documents)} documents "
            f"({', '.join(str(kind) for kind in kinds) or 'none'}); give the file that holds one"
        )
    if name is not None:
        asked = [item for item in found if _name(item) == name]
        if len(asked) != 1:
            raise InputError(
                f"expected one {KIND} named {name[:60]!r}, found {len(asked)}; there are "
                f"{', '.join(_name(item) for item in found[:10])}"
            )
        others = [item for item in found if item is not asked[0]]
        return Graphs(asked=(_in_v1beta1(asked[0]),), others=tuple(others))
    graphs = [_in_v1beta1(item) for item in found]
    if len(graphs) == 1:
        return Graphs(asked=tuple(graphs))
    return _together(graphs)


def _together(graphs: Sequence[Mapping[str, Any]]) -> Graphs:
    """Several deployments: the one that has engines, or all that serve behind one global router."""
    serving = [item for item in graphs if any(map(is_worker, _components(item)))]
    routed = any(
        _GLOBAL_ROUTER in container_tokens(main_container(component))
        for item in graphs
        for component in _components(item)
    )
    if len(serving) == 1 or (routed and serving):
        others = tuple(item for item in graphs if item not in serving)
        return Graphs(asked=tuple(serving), others=others)
    names = ", ".join(_name(item) for item in (serving or graphs)[:10])
    raise InputError(
        f"expected one {KIND}, found {len(graphs)}; say which by its name, as in "
        f"FILE#{_name((serving or graphs)[0])} (there are {names})"
    )


def _in_v1beta1(document: Mapping[str, Any]) -> Mapping[str, Any]:
    version = document.get("apiVersion")
    if version not in (ALPHA, BETA):
        raise InputError(f"apiVersion: expected {BETA} or {ALPHA}, got {version!r}; write the version used")
    return from_v1alpha1(document) if version == ALPHA else document


def worker_components(
    graphs: Graphs, documents: Sequence[Any]
) -> list[tuple[Mapping[str, Any], Surroundings]]:
    """The components that run engines, each with what it sees beside itself."""
    found: list[tuple[Mapping[str, Any], Surroundings]] = []
    for document in graphs.asked:
        components = _checked_components(document)
        shared = _mapping(document.get("spec")).get("env")
        around = Surroundings(documents=documents, environment=shared if isinstance(shared, list) else ())
        found += [(item, around) for item in components if is_worker(item) and not _encodes(item)]
    if not found:
        names = [str(item.get("name")) for document in graphs.asked for item in _components(document)]
        raise InputError(
            f"no worker among the components ({', '.join(names) or 'none'}); one must be of type worker or "
            "decode"
        )
    return found


def _checked_components(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    components = _mapping(document.get("spec")).get("components")
    if not isinstance(components, list) or not all(isinstance(item, Mapping) for item in components):
        raise InputError("spec.components: expected a list of components; see the v1beta1 examples")
    return components


def _components(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    components = _mapping(document.get("spec")).get("components")
    found = components if isinstance(components, list) else []
    return [item for item in found if isinstance(item, Mapping)]


def _encodes(component: Mapping[str, Any]) -> bool:
    """Whether a component turns images into embeddings for the engines, and serves no text itself."""
    tokens = container_tokens(main_container(component))
    return any(
        one == "--disaggregation-mode=encode" or (one, other) == ("--disaggregation-mode", "encode")
        for one, other in zip(tokens, [*tokens[1:], ""], strict=False)
    )


def passed_over(documents: Sequence[Any], graphs: Graphs) -> Iterator[str]:
    """Documents that say nothing of the engines, by name; components that encode for them."""
    kinds = (KIND, *_BESIDE)
    others = [item for item in documents if isinstance(item, Mapping) and item.get("kind") not in kinds]
    named = [f"{item.get('kind')} {_name(item)}".strip() for item in (*others, *graphs.others)]
    if named:
        yield f"other documents, not read: {', '.join(named[:10])}"
    if len(graphs.asked) > 1:
        yield f"read together, behind one global router: {', '.join(map(_name, graphs.asked))}"
    for document in graphs.asked:
        for component in filter(_encodes, _components(document)):
            yield (
                f"component {component.get('name')!r} encodes images for the engines: not modelled, and no "
                "GPU of it counted"
            )


def _name(document: Mapping[str, Any]) -> str:
    return str(_mapping(document.get("metadata")).get("name", ""))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
