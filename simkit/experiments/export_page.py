"""What goes around exported deployments: kustomizations, and the page that says what each file is."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simkit.core.estimate import Recommendation
from simkit.experiments.layouts import plan_text
from simkit.io.yamlio import dump_yaml

CACHES, BENCHMARKS, KUSTOMIZATION = "model-caches", "benchmarks", "kustomization.yaml"
_HEAD = (
    "deployment", "model", "GPU", "engine", "layout", "GPUs", "ISL/OSL", "load", "TTFT [ms]", "ITL [ms]",
    "output tokens/s/GPU", "holds the SLA",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One deployment of an export: its folder, the name of its DGD, and the answer that it comes from."""

    name: str
    deployed: str
    rec: Recommendation


def closing_texts(
    folder: Path, selection: str, items: Sequence[Exported], names: Sequence[str]
) -> dict[str, str]:
    """README.md and both kustomizations; names are those of the files so far."""
    manifests = [name for name in names if name.endswith(".yaml")]
    jobs = [name for name in manifests if name.startswith(f"{BENCHMARKS}/")]
    namespace = items[0].rec.request.deploy.namespace
    return {
        KUSTOMIZATION: _kustomization([name for name in manifests if name not in jobs], namespace),
        f"{BENCHMARKS}/{KUSTOMIZATION}": _kustomization([Path(name).name for name in jobs], namespace),
        "README.md": _readme(folder, selection, items, [name for name in names if name.startswith(CACHES)]),
    }


def _kustomization(resources: Sequence[str], namespace: str | None) -> str:
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": namespace} if namespace else {}),
        "resources": list(resources),
    }
    return dump_yaml([document])


def _readme(folder: Path, selection: str, items: Sequence[Exported], caches: Sequence[str]) -> str:
    lines = [_line(item) for item in items]
    cached = [
        f"| `{name}` | claim for the weights of a model and the Job that downloads them into it, once |"
        for name in caches
    ]
    return "\n".join([
        f"Written by `simkit export {shlex.quote(folder.name)} --select {shlex.quote(selection)}`.", "",
        "# Selected deployments", "",
        "Figures are predicted means; nothing was measured.", "",
        "| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD), *lines, "",
        "| file | what it is |", "|---|---|",
        "| `NAME/dgd.yaml` | the deployment, a DynamoGraphDeployment |",
        "| `NAME/benchmark.sh` | measures it with AIPerf from where you are, under the load of the table |",
        f"| `{BENCHMARKS}/NAME.yaml` | the same as an AIPerfJob, for clusters with AIPerf's operator |",
        *cached,
        f"| `{KUSTOMIZATION}` | all deployments{' and caches' if caches else ''} together |",
        f"| `{BENCHMARKS}/{KUSTOMIZATION}` | all AIPerfJobs together |", "",
        *_steps(items[0].name, caches),
    ])  # fmt: skip


def _steps(name: str, caches: Sequence[str]) -> list[str]:
    fill = [f"    kubectl apply -f {CACHES}/  # once; the Job reads the secret hf-token-secret"]
    return [
        "To deploy and measure one:", "",
        *(fill if caches else []),
        f"    kubectl apply -f {name}/dgd.yaml",
        f"    kubectl apply -f {BENCHMARKS}/{name}.yaml  # or {name}/benchmark.sh, once it answers", "",
        "All at once, where the cluster has GPUs for all: `kubectl apply -k .`, later",
        f"`kubectl apply -k {BENCHMARKS}`. `simkit validate NAME/dgd.yaml` checks a DGD after a change.", "",
    ]  # fmt: skip


def _line(item: Exported) -> str:
    rec = item.rec
    estimate, workload, deployment = rec.selected.estimate, rec.request.workload, rec.selected.deployment
    load = (
        f"{workload.request_rate_per_s:g} requests/s"
        if workload.request_rate_per_s is not None
        else f"{estimate.concurrency:,.0f} in flight"
    )
    verdict = "-" if not rec.request.slo.bounds else "yes" if rec.meets_sla else "no"
    cells = [
        f"[{item.name}]({item.name}/dgd.yaml)", rec.request.model, str(rec.request.hardware.gpu),
        deployment.backend, plan_text(deployment), str(deployment.num_gpus),
        f"{workload.isl_tokens:g}/{workload.osl_tokens:g}", load,
        f"{estimate.ttft.mean_s * 1e3:,.0f}", f"{estimate.itl.mean_s * 1e3:,.1f}",
        f"{estimate.output_tokens_per_s_per_gpu:,.0f}", verdict,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"
