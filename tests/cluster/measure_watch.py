"""How many lists it takes to follow many DGDs through a watch that is cut, how long, and how much memory.

Run by hand: PYTHONPATH=. python tests/cluster/measure_watch.py 500
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster_objects import CRDS, GROUP, Cluster
from server import shared

from simkit.cluster.failures import UnreachableError
from simkit.cluster.kinds import OURS
from simkit.cluster.watching import Watching

_ROUNDS, _CUT_EACH = 5, 200


def main() -> None:
    count = int(sys.argv[1])
    cluster = Cluster(shared(Path(os.environ.get("KEPT") or tempfile.mkdtemp()), os.getpid()), "default")
    cluster.install(CRDS)
    path = cluster.path("dynamographdeployments", base=GROUP)
    document = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": {}}
    for index in range(count):
        named = {"name": f"watched-{index}", "labels": {**OURS, "watched": "yes"}}
        cluster.put(path, {**document, "metadata": named})
    lists = []

    class Cut(type(cluster.api)):
        def get(self, *words, **more):
            lists.append(words[0])
            return super().get(*words, **more)

        def watch(self, *words):
            for number, found in enumerate(super().watch(*words), start=1):
                yield found
                if number % _CUT_EACH == 0:
                    raise UnreachableError("cut")

    watching = Watching(Cut(client=cluster.api.client, namespace="default"), path,
                        {"labelSelector": "watched=yes"})  # fmt: skip
    turn, begun = 0, time.process_time()
    for seen, _ in enumerate(watching.changes(3600), start=1):
        if seen % count:
            continue
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        how = f"{len(lists)} list calls, {watching.cut} cuts, {held} MiB at most"
        sys.stdout.write(f"{seen:,} changes, {how}, {time.process_time() - begun:.1f} s of CPU\n")
        sys.stdout.flush()
        if turn == _ROUNDS:
            break
        turn += 1
        for index in range(count):
            cluster.api.merge(f"{path}/watched-{index}", {"metadata": {"annotations": {"n": str(turn)}}})
        begun = time.process_time()
    cluster.clean()


if __name__ == "__main__":
    main()
