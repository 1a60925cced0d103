"""What a DynamoGraphDeployment must hold: the closed levels of the CRD, and what Dynamo checks late.

v1beta1 and v1alpha1 differ in where things are, not in what they mean: a Dialect says where.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simkit.core.errors import InputError
from simkit.engines.registry import engine_names
from simkit.formats.dgd.alpha import ALPHA, BETA, from_v1alpha1
from simkit.formats.dgd.component_rules import component_faults
from simkit.formats.dgd.document_rules import LEAK
from simkit.formats.dgd.parts import main_container
from simkit.formats.dgd.pod_rules import pod_faults
from simkit.formats.dgd.render import MAX_NAME
from simkit.formats.faults import NAME_PATTERN, PATTERN_WORDS, Fault, matches, shown, unknown_key, wrong_type

MAX_COMPONENTS = 25
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_SHARED_SPEC = (
    "annotations", "labels", "priorityClassName", "backendFramework", "restart",
    "topologyConstraint", "experimental",
)  # fmt: skip
_SHARED_COMPONENT = (
    "replicas", "runtimeVersionOverride", "multinode", "scalingAdapter", "eppConfig", "modelRef",
    "globalDynamoNamespace", "topologyConstraint", "experimental",
)  # fmt: skip
_SECRET_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SECRET_TEXT = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
_LEAK_REMEDY = "keep it in the secret hf-token-secret and refer to it by envFrom or secretKeyRef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Where one version of the API keeps things. Paths are for messages."""

    components: str
    env: str
    main: str
    gpus: str
    spec_keys: tuple[str, ...]
    component_keys: tuple[str, ...]


DIALECTS = {
    BETA: Dialect(
        components="components",
        env="env",
        main="podTemplate.spec.containers[main]",
        gpus="podTemplate.spec.containers[main].resources.limits",
        spec_keys=(*_SHARED_SPEC, "components", "env", "providerOverride"),
        component_keys=(
            *_SHARED_COMPONENT, "name", "type", "podTemplate", "minAvailable", "roles", "sharedMemorySize",
            "frontendSidecar", "dynamoSidecar", "compilationCache",
        ),
    ),
    ALPHA: Dialect(
        components="services",
        env="envs",
        main="extraPodSpec.mainContainer",
        gpus="resources.limits",
        spec_keys=(*_SHARED_SPEC, "services", "envs", "pvcs"),
        component_keys=(
            *_SHARED_COMPONENT, "componentType", "subComponentType", "dynamoNamespace", "annotations",
            "labels", "resources", "autoscaling", "envs", "envFromSecret", "volumeMounts", "ingress",
            "sharedMemory", "extraPodMetadata", "extraPodSpec", "livenessProbe", "readinessProbe",
            "checkpoint", "frontendSidecar",
        ),
    ),
}  # fmt: skip


def dgd_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Everything wrong with one DynamoGraphDeployment."""
    version = document.get("apiVersion")
    dialect = DIALECTS.get(str(version))
    if dialect is None:
        problem = f"expected one of {', '.join(DIALECTS)}, got {shown(version)}"
        return [Fault(path="apiVersion", problem=problem, remedy=f"write {BETA}")]
    faults = [unknown_key("", str(key), _TOP) for key in document if key not in _TOP]
    faults += metadata_faults(document)
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return [*faults, wrong_type("spec", "a mapping", spec)]
    return [*faults, *_spec_faults(spec, dialect), *_component_faults(document, spec, dialect)]


def metadata_faults(document: Mapping[str, Any]) -> list[Fault]:
    """Name and labels, as for any Kubernetes object."""
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return [wrong_type("metadata", "a mapping with a name", metadata)]
    name = metadata.get("name")
    if not isinstance(name, str) or not matches(NAME_PATTERN, name):
        problem = f"{PATTERN_WORDS[NAME_PATTERN]}, got {shown(name)}"
        return [Fault(path="metadata.name", problem=problem, remedy="correct the name")]
    return []


def _spec_faults(spec: Mapping[str, Any], dialect: Dialect) -> Iterator[Fault]:
    for key in spec:
        if key not in dialect.spec_keys:
            yield unknown_key("spec", str(key), dialect.spec_keys)
    framework = spec.get("backendFramework")
    if framework is not None and framework not in engine_names():
        problem = f"expected one of {', '.join(engine_names())}, got {shown(framework)}"
        yield Fault(path="spec.backendFramework", problem=problem, remedy="write the engine's name")
    yield from env_faults(f"spec.{dialect.env}", spec.get(dialect.env))


def env_faults(path: str, env: Any) -> Iterator[Fault]:
    """A token written into the document can be read by everyone who may read the document."""
    for item in env if isinstance(env, list) else []:
        if isinstance(item, Mapping) and item.get("name") in _SECRET_NAMES and item.get("value"):
            yield Fault(path=f"{path}[{item['name']}]", problem=LEAK, remedy=_LEAK_REMEDY)


def secret_faults(path: str, container: Mapping[str, Any]) -> Iterator[Fault]:
    """Tokens in a container's environment or on its command line."""
    yield from env_faults(f"{path}.env", container.get("env"))
    for key in ("command", "args"):
        values = container.get(key)
        if any(_SECRET_TEXT.search(str(value)) for value in (values if isinstance(values, list) else [])):
            yield Fault(path=f"{path}.{key}", problem=LEAK, remedy=_LEAK_REMEDY)


def _component_faults(
    document: Mapping[str, Any], spec: Mapping[str, Any], dialect: Dialect
) -> Iterator[Fault]:
    written = spec.get(dialect.components)
    path = f"spec.{dialect.components}"
    expected = "a list" if dialect.components == "components" else "a mapping"
    if not isinstance(written, list if expected == "a list" else Mapping) or not written:
        yield wrong_type(path, f"{expected} of at least one component", written)
        return
    if len(written) > MAX_COMPONENTS:
        problem = f"holds {len(written)} components, at most {MAX_COMPONENTS} are allowed"
        yield Fault(path=path, problem=problem, remedy="split the deployment")
    try:
        normal = from_v1alpha1(document) if dialect.components == "services" else document
    except InputError as error:
        yield Fault(path=path, problem=str(error), remedy="correct it")
        return
    components = normal["spec"]["components"]
    types = [item.get("type") for item in components if isinstance(item, Mapping)]
    for index, component in enumerate(components):
        where = _component_path(path, index, component, dialect)
        if not isinstance(component, Mapping):
            yield wrong_type(where, "a mapping", component)
            continue
        original = component if expected == "a list" else written[component["name"]] or {}
        for key in original:
            if key not in dialect.component_keys:
                yield unknown_key(where, str(key), dialect.component_keys)
        alone = component.get("type") == "decode" and "prefill" not in types
        checked = {**component, "type": "worker"} if alone else component
        yield from component_faults(checked, where, main_path=dialect.main, gpu_path=dialect.gpus)
        yield from pod_faults(component, where, alpha=dialect.components == "services")
        yield from secret_faults(f"{where}.{dialect.main}", main_container(component))
    yield from _together([item for item in components if isinstance(item, Mapping)], path, document)


def _component_path(path: str, index: int, component: Any, dialect: Dialect) -> str:
    name = component.get("name") if isinstance(component, Mapping) else None
    if dialect.components == "services":
        return f"{path}.{name}"
    return f"{path}[{name if isinstance(name, str) and name else index}]"


def _together(
    components: Sequence[Mapping[str, Any]], path: str, document: Mapping[str, Any]
) -> Iterator[Fault]:
    """What holds between components."""
    names = [item["name"] for item in components if isinstance(item.get("name"), str)]
    folded = [name.lower() for name in names]
    for name in sorted({name for name in names if folded.count(name.lower()) > 1}):
        yield Fault(path=path, problem=f"name {name!r} is used twice (case ignored)", remedy="rename one")
    types = [item.get("type") for item in components]
    if types.count("epp") > 1:
        yield Fault(path=path, problem="more than one component of type epp", remedy="keep one")
    if "prefill" in types and "decode" not in types:  # decode alone serves both phases
        problem, remedy = "a prefill component without a decode component", "add a decode component"
        yield Fault(path=path, problem=problem, remedy=f"{remedy}, or make it type worker")
    yield from _long_names(components, document)


def _long_names(components: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> Iterator[Fault]:
    """Names of pods: the operator shortens those of single nodes; several nodes count their name twice."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    spread = [
        item["name"] for item in components if item.get("multinode") and isinstance(item.get("name"), str)
    ]
    longest = max(spread, key=len, default="")
    if isinstance(name, str) and longest and len(name) + 2 * len(longest) > MAX_NAME:
        yield Fault(
            path="metadata.name",
            problem=f"{name!r} and twice the multinode component {longest!r} have "
            f"{len(name) + 2 * len(longest)} characters together, at most {MAX_NAME} fit into pod names",
            remedy="shorten one of them",
        )
