"""A stand-in for scheduler and kubelet: it binds Job pods to its node, runs them, and serves their logs."""

import os
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cluster_objects import CORE, certificate

from simkit.cluster.failures import ClusterError

_STEP_S = 0.1


class StandInKubelet:
    """Runs every pod of the namespace that a Job made; environment is added to its command's.

    logs: what is served for a pod, by name; a test may put lines of its own there.
    """

    def __init__(self, cluster, environment=None):
        self.cluster, self.environment, self.logs = cluster, environment or {}, {}
        self.node = f"kubelet-{cluster.namespace}"
        self.stopping = threading.Event()

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        key, crt = certificate(self.cluster.server.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.cluster.put(f"{CORE}/nodes", {
            "metadata": {"name": self.node},
            "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                       "daemonEndpoints": {"kubeletEndpoint": {"Port": self.server.server_port}}},
        })  # fmt: skip
        self.threads = [
            threading.Thread(target=target, daemon=True) for target in (self._run, self.server.serve_forever)
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def _handler(self):
        logs = self.logs

        class Logs(BaseHTTPRequestHandler):
            def do_GET(self):
                pod = self.path.partition("?")[0].split("/")[3]  # /containerLogs/NAMESPACE/POD/CONTAINER
                self.send_response(200)
                self.end_headers()
                self.wfile.write(logs.get(pod, "").encode())

            def log_message(self, *words):
                pass

        return Logs

    def _run(self):
        while not self.stopping.is_set():
            with suppress(ClusterError):
                for pod in self.cluster.api.items(self.cluster.path("pods"), {"labelSelector": "job-name"}):
                    if not pod["spec"].get("nodeName"):
                        self._act(pod)
            time.sleep(_STEP_S)

    def bind(self, name):
        """Give a pod to this node, as a scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.cluster.api.create(f"{self.cluster.path('pods', name)}/binding", body)

    def _act(self, pod):
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        self.bind(name)
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            container["command"], capture_output=True, text=True, check=False, env=environment
        )
        self.logs[name] = done.stdout + done.stderr
        code = done.returncode
        ended = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
        told = {"name": container["name"], "state": ended, "image": container["image"], "imageID": ""}
        status = {"phase": "Failed" if code else "Succeeded"}
        status["containerStatuses"] = [{**told, "ready": False, "restartCount": 0}]
        self.cluster.set_status(self.cluster.path("pods", name), status)
