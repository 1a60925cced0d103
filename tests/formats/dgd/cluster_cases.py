"""Deployments on a cluster that the tests of rendering share."""

from perfmodels.parallel import ParallelPlan
from simkit.core.deployment import Aggregated, Disaggregated, Pool
from simkit.core.request import ClusterOptions, DeployOptions, Hardware, Request
from simkit.engines.registry import default_engine
from simkit.formats.dgd.render import render
from simkit.formats.validate import validate_documents

MODEL = "org/model; rm -rf /"  # names reach no shell


PLAIN = ParallelPlan(tp=2)


def pool(backend, plan=PLAIN, replicas=1):
    return Pool(plan=plan, engine=default_engine(backend), replicas=replicas)


def agg(backend, plan=PLAIN):
    return Aggregated(worker=pool(backend, plan))


def disagg(backend, decode=PLAIN):
    return Disaggregated(prefill=pool(backend), decode=pool(backend, decode))


def request(hardware=None, deploy=None, **cluster):
    options = DeployOptions(name="demo", cluster=ClusterOptions(**cluster), **(deploy or {}))
    return Request(model="m", hardware=hardware or Hardware(), deploy=options)


def documents(deployment, req, **changes):
    settings = {"model": MODEL, "gpus_per_node": 8, "total_gpus": 32, **changes}
    found = render(deployment, req, **settings)
    assert [str(fault) for fault in validate_documents(found, "rendered")] == []
    return found


def components(deployment, req, **changes):
    return {c["name"]: c for c in documents(deployment, req, **changes)[-1]["spec"]["components"]}


def main(component):
    (container,) = component["podTemplate"]["spec"]["containers"]
    return container


def env(component):
    return {item["name"]: item["value"] for item in main(component).get("env", [])}
