"""How long `simkit discover` takes, and how much memory, over many nodes as real ones look.

Run by hand: PYTHONPATH=. python tests/cluster/measure_discover.py 2000
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster_objects import NODES, Cluster, node, pod
from server import shared

_IMAGES = [{"names": [f"registry.example.com/team/image-{index}@sha256:{'0' * 64}"], "sizeBytes": 10**9}
           for index in range(50)]  # fmt: skip


def filled(count: int) -> Cluster:
    """A server with so many nodes of 8 GPUs, each about as large as a real one, and a pod on every second."""
    cluster = Cluster(shared(Path(tempfile.mkdtemp()), os.getpid()), "default")

    def add(index: int) -> None:
        labels = {f"example.com/label-{n}": "x" * 40 for n in range(60)}
        one = node(f"n{index}", product="NVIDIA-H200", memory=143771, labels=labels)
        one["status"]["images"] = _IMAGES
        cluster.api.create(NODES, one)
        if index % 2:
            held = pod(f"p{index}", gpus=4, node_name=f"n{index}")
            cluster.api.create(cluster.path("pods"), held)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(count)))
    return cluster


def server_cpu_s(port: int) -> float:
    """CPU time of the API server on that port."""
    for one in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"--secure-port={port}" in (one / "cmdline").read_text():
                fields = (one / "stat").read_text().rpartition(")")[2].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def main() -> None:
    cluster = filled(int(sys.argv[1]))
    words = [sys.executable, "-m", "simkit", "discover", "--format", "json",
             "--kubeconfig", str(cluster.server.kubeconfig("admin"))]  # fmt: skip
    for _ in range(5):
        server = server_cpu_s(cluster.server.port)
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu, peak = after.ru_utime - before.ru_utime, after.ru_maxrss // 1024
        gpus = json.loads(done.stdout)["gpus"]
        took = time.monotonic() - begun
        served = server_cpu_s(cluster.server.port) - server
        counted = f"{gpus['total']} GPUs, {gpus['free']} free"
        cost = f"{cpu:.2f} s CPU here, {served:.2f} s of the server, {peak} MiB at most"
        sys.stdout.write(f"{took:.2f} s, {cost}, {counted}\n")


if __name__ == "__main__":
    main()
