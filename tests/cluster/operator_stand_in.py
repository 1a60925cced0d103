"""A small stand-in for Dynamo's operator: DGDs and DGDRs go through their life cycles, pods get ready."""

import hashlib
import json
import threading
import time
from contextlib import suppress

from simkit.cluster.failures import ClusterError
from simkit.cluster.kinds import CURRENT_HASHES, DGD, DGDR, POD_OF_DGD, WORKER_HASH, path_of

_STEP_S = 0.1
PROFILING = ("Initializing", "SelectingConfig", "GeneratingDGD", "Done")


class StandInOperator(threading.Thread):
    """Acts on every DGD and DGDR of one namespace until it is stopped.

    pods: what a pod's status becomes, by component; by default every pod gets ready at once.
    """

    def __init__(self, cluster, *, pods=None, fail=None):
        super().__init__(daemon=True)
        self.cluster, self.pods, self.fail = cluster, pods or {}, fail
        self.stopping = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stopping.set()
        self.join(10)

    def run(self):
        api, place = self.cluster.api, self.cluster.namespace
        while not self.stopping.is_set():
            for kind, act in ((DGDR, self.request), (DGD, self.deployment)):
                with suppress(ClusterError):
                    for one in api.items(path_of(kind, place)):
                        with suppress(ClusterError):
                            act(one)
            time.sleep(_STEP_S)

    def status(self, kind, one, **status):
        path = path_of(kind, self.cluster.namespace, one["metadata"]["name"])
        seen = {"observedGeneration": one["metadata"]["generation"], **status}
        self.cluster.api.merge(f"{path}/status", {"status": seen})

    # --- DGDR: Pending, Profiling step by step, Ready, Deploying, Deployed.

    def request(self, one):
        status = one.get("status") or {}
        phase, step = status.get("phase"), status.get("profilingPhase")
        if phase in (None, "Failed") and self.fail and phase is None:
            bad = {
                "type": "Profiling",
                "status": "False",
                "reason": "SweepingPrefillFailed",
                "message": self.fail,
            }
            self.status(DGDR, one, phase="Failed", conditions=[bad])
        elif phase is None:
            self.status(DGDR, one, phase="Pending")
        elif phase == "Pending":
            self.status(
                DGDR, one, phase="Profiling", profilingPhase=PROFILING[0], profilingJobName="profile-aic-x"
            )
        elif phase == "Profiling" and step != PROFILING[-1]:
            self.status(DGDR, one, profilingPhase=PROFILING[PROFILING.index(step) + 1])
        elif phase == "Profiling":
            self.status(DGDR, one, phase="Ready", profilingResults={"selectedConfig": self.answer(one)})
        elif phase == "Ready" and one["spec"]["autoApply"]:
            made = self.answer(one)
            self.cluster.api.apply(
                path_of(DGD, self.cluster.namespace, made["metadata"]["name"]), made, force=True
            )
            self.status(DGDR, one, phase="Deploying", dgdName=made["metadata"]["name"])
        elif phase == "Deploying":
            self.status(DGDR, one, phase="Deployed")

    def answer(self, one):
        worker = {"name": "worker", "type": "worker", "replicas": 1, "podTemplate": {"spec": {"containers": [
            {"name": "main", "image": "example.com/vllm-runtime:1.6.1"}]}}}  # fmt: skip
        metadata = {"name": f"{one['metadata']['name']}-dgd", "namespace": self.cluster.namespace}
        return {"apiVersion": "nvidia.com/v1beta1", "kind": DGD, "metadata": metadata,
                "spec": {"components": [worker]}}  # fmt: skip

    # --- DGD: pods of the present hash, old ones deleted, then successful.

    def deployment(self, one):
        name, place, api = one["metadata"]["name"], self.cluster.namespace, self.cluster.api
        digest = hashlib.sha256(json.dumps(one["spec"], sort_keys=True).encode()).hexdigest()[:8]
        annotations = one["metadata"].get("annotations") or {}
        if annotations.get(CURRENT_HASHES[0]) != digest:
            api.merge(path_of(DGD, place, name), {"metadata": {"annotations": {CURRENT_HASHES[0]: digest}}})
            return
        pods = list(api.items(path_of("Pod", place), {"labelSelector": f"{POD_OF_DGD}={name}"}))
        wanted = {f"{name}-{part['name'].lower()}-{index}-{digest}": part["name"]
                  for part in one["spec"].get("components") or ()
                  for index in range(part.get("replicas", 1))}  # fmt: skip
        there = {pod["metadata"]["name"] for pod in pods}
        for pod_name, component in wanted.items():
            if pod_name not in there:
                self.pod(one, pod_name, component, digest)
        for pod in pods:
            if pod["metadata"]["name"] not in wanted:
                api.delete(path_of("Pod", place, pod["metadata"]["name"]), uid=pod["metadata"]["uid"])
        stuck = [part for part in wanted.values() if part in self.pods]
        if stuck:
            self.status(
                DGD,
                one,
                state="pending",
                conditions=[
                    {
                        "type": "Ready",
                        "status": "False",
                        "reason": "pods_not_ready",
                        "message": ", ".join(stuck),
                    }
                ],
            )
        elif self.fail:
            self.status(
                DGD,
                one,
                state="failed",
                conditions=[
                    {
                        "type": "Ready",
                        "status": "False",
                        "reason": "some_resources_are_not_ready",
                        "message": self.fail,
                    }
                ],
            )
        elif (one.get("status") or {}).get("state") != "successful" or not _seen(one):
            self.status(
                DGD,
                one,
                state="successful",
                conditions=[
                    {"type": "Ready", "status": "True", "reason": "all_resources_are_ready", "message": ""}
                ],
            )

    def pod(self, one, name, component, digest):
        owner = {"apiVersion": one["apiVersion"], "kind": DGD, "name": one["metadata"]["name"],
                 "uid": one["metadata"]["uid"]}  # fmt: skip
        labels = {
            POD_OF_DGD: one["metadata"]["name"],
            WORKER_HASH: digest,
            "nvidia.com/dynamo-component": component,
        }
        made = self.cluster.api.create(path_of("Pod", self.cluster.namespace), {
            "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
            "spec": {"terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "image": "example.com/vllm-runtime:1.6.1"}]},
        })  # fmt: skip
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        path = path_of("Pod", self.cluster.namespace, made["metadata"]["name"])
        self.cluster.api.merge(f"{path}/status", {"status": self.pods.get(component, ready)})


def _seen(one):
    return (one.get("status") or {}).get("observedGeneration") == one["metadata"]["generation"]
