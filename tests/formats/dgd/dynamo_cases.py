"""Deployments that the tests of rendering share."""

from pathlib import Path

from perfmodels.model.dtypes import Precision
from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.request import DeployOptions, Request
from simkit.core.slo import Slo
from simkit.engines.registry import default_engine
from simkit.formats.dgd.render import render

ROOT = Path(__file__).resolve().parents[3]


MODEL = "org/model"


def request(**deploy):
    return Request(model=MODEL, slo=Slo(ttft_s=0.5, itl_s=0.05), deploy=DeployOptions(name="demo", **deploy))


def pool(backend, replicas=1, plan=None, **options):
    return Pool(plan=plan or ParallelPlan(), engine=default_engine(backend, **options), replicas=replicas)


def agg(backend, plan=None, replicas=2, **options):
    return Aggregated(worker=pool(backend, replicas, plan, **options))


def disagg(backend, decode=None):
    decode = decode or ParallelPlan(tp=4)
    experts_split = decode.moe_tp * decode.ep > 1
    return Disaggregated(
        prefill=pool(backend, 3, ParallelPlan(tp=2, moe_tp=2 if experts_split else 1), max_num_seqs=4),
        decode=pool(backend, 1, decode),
        precision=Precision(kv="fp8"),
    )


def documents(deployment, req=None, **changes):
    settings = {"model": MODEL, "gpus_per_node": 8, "total_gpus": 16, **changes}
    return render(deployment, req or request(), **settings)


def components(deployment, req=None, **changes):
    return {c["name"]: c for c in documents(deployment, req, **changes)[-1]["spec"]["components"]}


def main(component):
    (container,) = component["podTemplate"]["spec"]["containers"]
    return container


def override(spec, version="v1beta1", **metadata):
    return {
        "apiVersion": f"nvidia.com/{version}",
        "kind": "DynamoGraphDeployment",
        "metadata": metadata,
        "spec": spec,
    }
