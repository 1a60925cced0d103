"""Every engine x mode x {single node, multinode} x {planner, cache, router}: what each feature changes.

Deployments are compared as lines `path = value` with entries found by name. Kept are the lines that a
feature adds (+) or takes away (-); all three together must be the sum of them.
"""

import itertools
import os
import re
from pathlib import Path

import pytest

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.request import DeployOptions, ModelCache, Request
from simkit.core.slo import Slo
from simkit.engines.registry import default_engine, engine_names
from simkit.formats.dgd.read import parse_dgd
from simkit.formats.dgd.render import render
from simkit.formats.validate import validate_documents

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "dgd_features"
MODEL = "org/model"
WIDE = {
    "vllm": ParallelPlan(tp=8, pp=2),
    "sglang": ParallelPlan(attn_dp=16, ep=16),
    "trtllm": ParallelPlan(tp=16, moe_tp=16),
}
FEATURES = {
    "planner": {"planner": {"optimization_target": "sla"}},
    "cache": {"model_cache": ModelCache(pvc_name="weights", pvc_model_path="models/m")},
    "router": {"kv_router": True},
}
CASES = list(itertools.product(engine_names(), ("agg", "disagg"), (False, True)))
_HASH = re.compile(r"planner-config-[0-9a-f]{8}")


def deployment(backend, mode, multinode):
    plan = WIDE[backend] if multinode else ParallelPlan(tp=4)
    pool = Pool(plan=plan, engine=default_engine(backend, max_num_seqs=64), replicas=2)
    if mode == "agg":
        return Aggregated(worker=pool)
    split = 2 if plan.moe_tp * plan.ep > 1 else 1
    prefill = Pool(plan=ParallelPlan(tp=2, moe_tp=split), engine=default_engine(backend), replicas=3)
    return Disaggregated(prefill=prefill, decode=pool)


def rendered(case, features, version="v1beta1"):
    deploy = {key: value for name in features for key, value in FEATURES[name].items()}
    request = Request(
        model=MODEL, slo=Slo(ttft_s=0.5, itl_s=0.05), deploy=DeployOptions(name="demo", **deploy)
    )
    return render(deployment(*case), request, model=MODEL, gpus_per_node=8, total_gpus=64, version=version)


def lines(documents):
    """The deployment as a set of lines; what the Planner is told is tested elsewhere."""
    found = set()
    for document in documents:
        if document["kind"] == "ConfigMap":
            found.add(f"ConfigMap {_HASH.sub('planner-config-*', document['metadata']['name'])}")
        else:
            found |= set(flat(document, ""))
    return found


def flat(value, path):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else key)
    elif (
        isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value)
    ):
        for item in value:
            yield from flat({k: v for k, v in item.items() if k != "name"}, f"{path}[{item['name']}]")
    elif isinstance(value, list) and path.endswith(".args"):
        for flag in re.findall(r"--\S+(?: (?!--)\S+)*|-m \S+", " ".join(value)):
            yield f"{path}: {flag}"
    else:
        text = _HASH.sub("planner-config-*", f"{path} = {value}")
        yield text.replace("podTemplate.spec.containers[main].", "").replace("podTemplate.spec.", "pod.")


def change(case, features):
    base, changed = lines(rendered(case, ())), lines(rendered(case, features))
    return {f"+ {line}" for line in changed - base} | {f"- {line}" for line in base - changed}


def name_of(case):
    backend, mode, multinode = case
    return f"{backend}-{mode}" + ("-multinode" if multinode else "")


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_golden(case):
    text = ""
    for name in FEATURES:
        text += f"[{name}]\n" + "".join(f"{line}\n" for line in sorted(change(case, (name,))))
    path = GOLDEN / f"{name_of(case)}.txt"
    if os.environ.get("SIMKIT_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"run with SIMKIT_UPDATE_GOLDEN=1 to write {path.name} anew"


def test_every_golden_has_a_case():
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(map(name_of, CASES))


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.parametrize("features", [c for n in (2, 3) for c in itertools.combinations(FEATURES, n)])
def test_features_do_not_disturb_each_other(case, features):
    assert change(case, features) == set().union(*(change(case, (name,)) for name in features))


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_all_features_together_are_valid_and_mean_the_deployment(case, version):
    documents = rendered(case, tuple(FEATURES), version)
    assert [str(fault) for fault in validate_documents(documents, "rendered")] == []
    assert parse_dgd(documents, source="rendered").deployment == deployment(*case)
