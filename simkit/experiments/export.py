"""Selected deployments as folders for a cluster and a benchmark: all are sound, or nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simkit.catalog.engine_models import served_precision
from simkit.catalog.models import load_model
from simkit.core.deployment import Deployment
from simkit.core.errors import InputError, SimkitError
from simkit.core.estimate import Candidate, Recommendation
from simkit.core.request import Request
from simkit.experiments.layouts import plan_text
from simkit.experiments.selection import selected
from simkit.experiments.single import deployment_of_point, request_of_point
from simkit.experiments.store import RunFolder, read_dataset, read_run
from simkit.formats.aiperf_command import benchmark_script
from simkit.formats.dgdr.read import request_to_document
from simkit.formats.recommendations import deployment_of, read_recommendation, request_of
from simkit.formats.validate import answer_faults
from simkit.io.yamlio import dump_yaml
from simkit.verbs.estimate import estimate_problem
from simkit.verbs.folder import dgd_documents, write_folder

if TYPE_CHECKING:
    import pandas as pd

MOST = 100  # deployments of one export
RECOMMENDATION = "recommendation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One deployment that was selected: its name in the export, and the question that it answers."""

    name: str
    request: Request
    deployment: Deployment


def export_texts(folder: Path, selection: str) -> dict[str, str]:
    """File name to content of an export. Raises InputError where a selected deployment is not admissible."""
    chosen = chosen_of(folder, selection)
    if len(chosen) > MOST:
        raise InputError(f"--select {selection!r}: {len(chosen)} deployments, at most {MOST}; narrow it")
    texts, lines = {}, []
    for item in chosen:
        rec = _answer(item)
        texts[f"{item.name}/dgd.yaml"] = _sound_dgd(item, rec)
        texts[f"{item.name}/benchmark.sh"] = benchmark_script(rec, rec.request.model)
        lines.append(_line(item, rec))
    texts["README.md"] = _readme(folder, selection, lines)
    return texts


def chosen_of(folder: Path, selection: str) -> list[Chosen]:
    """What a selection names in the folder of a run, or in one that `recommend -o` wrote."""
    if (folder / RECOMMENDATION).is_file():
        return _of_recommendation(folder / RECOMMENDATION, selection)
    run = RunFolder(path=folder)
    experiment, _ = read_run(run)
    rows = selected(read_dataset(run), experiment.do, selection)
    return [_of_point(record) for record in _records(rows)]


def _records(rows: "pd.DataFrame") -> list[dict[str, Any]]:
    import pandas as pd

    found = rows.astype(object).to_dict("records")
    return [{str(k): None if pd.isna(value) else value for k, value in record.items()} for record in found]


def _of_point(point: dict[str, Any]) -> Chosen:
    name = str(point["point"])
    request = request_of_point(point)
    stored = served_precision(load_model(request.model).precision, str(point["backend"]))
    try:
        deployment = deployment_of_point(point)
    except SimkitError as error:
        raise InputError(f"point {name}: {error}") from error
    formats = deployment.precision
    if (formats.gemm, formats.moe) != (stored.gemm, stored.moe):
        raise InputError(
            f"point {name}: {request.model} is stored as {stored.gemm}, and {formats.gemm} was predicted; "
            "a DGD serves a checkpoint as it is stored: sweep over the checkpoint that is in that format"
        )
    hardware = replace(request.hardware, total_gpus=deployment.num_gpus)
    modes = (deployment.mode,)
    request = replace(request, hardware=hardware, modes=modes, backend=deployment.backend)
    return Chosen(name=name, request=_named(request, name[:8]), deployment=deployment)


def _named(request: Request, ending: str) -> Request:
    """The request under a name of its own: all deployments of an export can stand in one namespace."""
    plain = "".join(char if char.isalnum() else "-" for char in Path(request.model).name.lower())
    name = f"{plain.strip('-')[:40].strip('-')}-{ending}"
    return replace(request, deploy=replace(request.deploy, name=name))


def _of_recommendation(path: Path, selection: str) -> list[Chosen]:
    document = read_recommendation(path)
    candidates = _candidates(document, selection.strip())
    request = request_of(document)
    kind = "front" if selection.strip() in ("pareto", "knee") else "candidate"
    return [
        Chosen(
            name=f"{kind}-{rank}",
            request=_named(
                replace(request, modes=(item["mode"],), backend=item["backend"]), f"{kind[0]}{rank}"
            ),
            deployment=deployment_of(item),
        )
        for rank, item in candidates
    ]


def _candidates(document: Mapping[str, Any], word: str) -> list[tuple[int, Any]]:
    """Candidates by rank; the front and its knee by their place in it."""
    listed = list(enumerate(document["candidates"], start=1))
    if word == "best":
        return listed[:1]
    if word == "pareto":
        return list(enumerate(document["pareto"], start=1))
    if word == "knee":
        knee = document.get("knee")
        if knee is None:
            raise InputError("--select knee: the front of this answer has none; select pareto or best")
        return [(document["pareto"].index(knee) + 1, knee)]
    if word.startswith("id=") and word[3:].isdigit() and 1 <= int(word[3:]) <= len(listed):
        return [listed[int(word[3:]) - 1]]
    raise InputError(
        f"--select {word!r}: of a recommendation best, knee, pareto or id=RANK (1 to {len(listed)}) can be "
        "selected; write one of them"
    )


def _answer(item: Chosen) -> Recommendation:
    """The estimate as an answer of its own. Raises InputError where the deployment does not fit."""
    try:
        problem, found = estimate_problem(item.request, item.deployment)
    except SimkitError as error:
        raise InputError(f"{item.name}: not admissible ({error}); select another point") from error
    candidate: Candidate = found.candidate
    return Recommendation(
        request=problem.request,
        candidates=(candidate,),
        pareto=(),
        rejected=(),
        meets_sla=candidate.meets_sla,
    )


def _sound_dgd(item: Chosen, rec: Recommendation) -> str:
    documents = dgd_documents(rec, rec.selected)
    faults = answer_faults(request_to_document(rec.request), documents)
    if faults:
        told = "; ".join(str(fault) for fault in faults[:3])
        raise InputError(f"{item.name}: its DGD is not admissible ({told}); select another point")
    return dump_yaml(documents)


def _line(item: Chosen, rec: Recommendation) -> str:
    estimate, hardware = rec.selected.estimate, rec.request.hardware
    workload = rec.request.workload
    load = (
        f"{workload.request_rate_per_s:g} requests/s"
        if workload.request_rate_per_s is not None
        else f"{estimate.concurrency:,.0f} in flight"
    )
    verdict = "-" if not rec.request.slo.bounds else "yes" if rec.meets_sla else "no"
    cells = [
        f"[{item.name}]({item.name}/dgd.yaml)", rec.request.model, str(hardware.gpu), item.deployment.backend,
        plan_text(item.deployment), str(item.deployment.num_gpus),
        f"{workload.isl_tokens:g}/{workload.osl_tokens:g}", load,
        f"{estimate.ttft.mean_s * 1e3:,.0f}", f"{estimate.itl.mean_s * 1e3:,.1f}",
        f"{estimate.output_tokens_per_s_per_gpu:,.0f}", verdict,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


_HEAD = (
    "deployment", "model", "GPU", "engine", "layout", "GPUs", "ISL/OSL", "load", "TTFT [ms]", "ITL [ms]",
    "output tokens/s/GPU", "holds the SLA",
)  # fmt: skip


def _readme(folder: Path, selection: str, lines: Sequence[str]) -> str:
    return "\n".join([
        f"Written by `simkit export {folder.name} --select '{selection}'`.", "",
        "# Selected deployments", "",
        "Each folder holds `dgd.yaml`, to deploy, and `benchmark.sh`, which measures it with AIPerf under",
        "the load that it was predicted for. Figures are predicted means; nothing was measured.", "",
        "| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD), *lines, "",
        "To deploy one: `kubectl apply -f FOLDER/dgd.yaml`; once it answers: `FOLDER/benchmark.sh`.",
        "`simkit validate FOLDER/dgd.yaml` checks it after a change.", "",
    ])  # fmt: skip


def write_export(folder: Path, texts: Mapping[str, str]) -> None:
    """Put every file in place; the scripts become executable."""
    write_folder(folder, texts)
    for name in texts:
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
