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

_ROUNDS, _AT_ONCE, _CUT_EACH = 4, 50, 130


def change(cluster: Cluster, path: str, numbers: list[int]) -> None:
    """A change of each of these objects."""
    for index in numbers:
        note = {"metadata": {"annotations": {"n": str(time.monotonic())}}}
        cluster.api.merge(f"{path}/watched-{index}", note)


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
    changed, begun = 0, time.process_time()
    for seen, _ in enumerate(watching.changes(3600), start=1):
        if seen % count == 0:
            held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            how = f"{len(lists)} list calls, {watching.cut} cuts, {held} MiB at most"
            sys.stdout.write(
                f"{seen:,} changes, {how}, {time.process_time() - begun:.1f} s of CPU with making them\n"
            )
            sys.stdout.flush()
        if seen == count * (_ROUNDS + 1):
            break
        if seen == count + changed:  # a server keeps the last hundred changes or so
            change(cluster, path, [index % count for index in range(changed, changed + _AT_ONCE)])
            changed += _AT_ONCE
    cluster.clean()


if __name__ == "__main__":
    main()
