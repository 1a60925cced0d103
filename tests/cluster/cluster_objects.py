"""Objects for tests: Dynamo's kinds, nodes with GPUs, pods, and kubectl as an independent witness."""

import base64
import json
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import yaml
from filelock import FileLock

from simkit.cluster.access import Access, connect
from simkit.cluster.failures import ClusterError

HERE = Path(__file__).resolve().parent
CRDS = [
    document
    for path in sorted((HERE / "crds").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
CORE, NODES = "/api/v1", "/api/v1/nodes"
GPU = "nvidia.com/gpu"
GROUP = "/apis/nvidia.com/v1beta1"


class Cluster:
    """One namespace of a server, as an administrator."""

    def __init__(self, server, namespace):
        self.server, self.namespace = server, namespace
        self.api = connect(Access(kubeconfig=server.kubeconfig("admin"), namespace=namespace))
        self.made = []

    def create_namespace(self):
        self.put(f"{CORE}/namespaces", {"metadata": {"name": self.namespace}})

    def put(self, path, document):
        """Create an object that is removed at the end; its status is set, too, where it has one."""
        made = self.api.create(path, document)
        one = f"{path}/{made['metadata']['name']}"
        self.made.append((one, made["metadata"]["uid"]))
        if document.get("status"):
            made = self.api.merge(f"{one}/status", {"status": document["status"]})
        return made

    def set_status(self, path, status):
        return self.api.merge(f"{path}/status", {"status": status})

    def path(self, plural, name=None, base=CORE):
        tail = f"/{name}" if name else ""
        return f"{base}/namespaces/{self.namespace}/{plural}{tail}"

    def install(self, crds):
        base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for crd in crds:
            self.api.apply(f"{base}/{crd['metadata']['name']}", crd, force=True)
        for crd in crds:
            self.wait_for(lambda name=crd["metadata"]["name"]: _established(self.api.get(f"{base}/{name}")))

    def wait_for(self, question, seconds=20.0):
        end = time.monotonic() + seconds
        while not (found := question()):
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)
        return found

    def clean(self):
        for path, uid in reversed(self.made):
            try:
                self.api.delete(path, uid=uid)
            except ClusterError as error:
                if error.status not in (404, 409):
                    raise

    def kubectl(self, *words):
        """What kubectl says; its errors are the test's."""
        place = ["kubectl", "--kubeconfig", str(self.server.kubeconfig("admin")), "-n", self.namespace]
        done = subprocess.run([*place, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def kubectl_json(self, *words):
        return json.loads(self.kubectl(*words, "-o", "json"))


def _established(crd):
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def node(name, *, product="NVIDIA-H100-80GB-HBM3", gpus=8, memory=81559, **changes):
    """A node as the GPU operator labels it. changes: labels, allocatable, taints, ready, cordoned."""
    given = SimpleNamespace(labels={}, allocatable={}, taints=[], ready=True, cordoned=False)
    given.__dict__.update(changes)
    labels = {"kubernetes.io/hostname": name, "nvidia.com/gpu.product": product,
              "nvidia.com/gpu.count": str(gpus), "nvidia.com/gpu.memory": str(memory),
              "nvidia.com/gpu.replicas": "1", **given.labels}  # fmt: skip
    amounts = {"cpu": "192", "memory": "2000Gi", "pods": "110", GPU: str(gpus), **given.allocatable}
    ready = {"type": "Ready", "status": "True" if given.ready else "False"}
    return {
        "metadata": {
            "name": name,
            "labels": {key: value for key, value in labels.items() if value is not None},
        },
        "spec": {"taints": given.taints, "unschedulable": given.cordoned},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }


def pod(name, *, gpus=1, node_name=None, labels=None, **spec):
    container = {"name": "main", "image": "example.com/engine:1.0.0",
                 "resources": {"limits": {GPU: str(gpus)}} if gpus else {}}  # fmt: skip
    placed = {"nodeName": node_name} if node_name else {}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container], **placed, **spec},
    }


def certificate(folder):
    """A key and a certificate for servers on this machine."""
    key, found = folder / "own.key", folder / "own.crt"
    with FileLock(folder / "own.lock"):
        if not found.is_file():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                            "-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", key, "-out", found], check=True, capture_output=True)  # fmt: skip
    return key, found


@contextmanager
def admission_server(folder):
    """A webhook's server: its address, its certificate as a cluster takes it, and what it is to answer."""
    key, crt = certificate(folder)
    answer = {"message": None}

    class Review(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            denied = answer["message"]
            response = {"uid": asked["request"]["uid"], "allowed": denied is None}
            if denied:
                response["status"] = {"message": denied}
            body = json.dumps(
                {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    server = HTTPServer(("127.0.0.1", 0), Review)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ca = base64.b64encode(crt.read_bytes()).decode()
        yield f"https://127.0.0.1:{server.server_port}/", ca, answer
    finally:
        server.shutdown()
        server.server_close()
