"""How far off are the shipped collective models on measurements nobody fitted?

    python experiments/operators/collectives.py ../shared/data/collectives.csv.gz

Writes reports/operators/collectives.md: signed median and 90th percentile of the absolute error by
fabric, operation, GPUs and message size. Sources: Vidur's network profiles (MIT), one nccl-tests run.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from perfmodels.hardware import Device
from perfmodels.op_times.comm import point_to_point_time_s
from perfmodels.op_times.link import NetworkUse, group_time_s
from simkit.catalog.gpus import gpu
from simkit.catalog.operators import learned_times
from simkit.io.yamlio import write_text_atomic

OUT = Path(__file__).resolve().parents[2] / "reports" / "operators" / "collectives.md"
GPUS = {
    "a100_dgx": "a100_sxm", "a100_pairwise_nvlink": "a100_pcie", "h100_dgx": "h100_sxm",
    "h100_pairwise_nvlink": "h100_pcie", "a40_pairwise_nvlink": "a40", "GCP a3-mega 2x8 H100 SXM": "h100_sxm",
}  # fmt: skip
SIZES = {"up to 1 MB": (0, 1e6), "1-64 MB": (1e6, 64e6), "over 64 MB": (64e6, np.inf)}
TEXT = """\
Collective models fitted on NCCL tables of other machines ({fitted}), asked about these
measurements; nothing here was fitted. Time predicted / measured - 1: signed median, and in brackets the
90th percentile of the absolute error.

- Sums inside an NVSwitch node agree above 1 MB; small messages were timed with launches from Python there
  (40 us and more), which a CUDA graph does not pay, so the model is meant to be faster.
- Boards joined in pairs (`pairwise`) count as PCIe boards: right for four GPUs, which meet over PCIe, too
  slow for the two that a bridge joins.
- Across nodes the network's latency and share are assumptions (20 us, 85 % of one card a GPU). The fabric
  of these nodes is not recorded, and the measured times are several times longer: read multi-node sums as
  a lower bound.
"""


def predicted_s(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Times of one fabric's rows of one operation [s]."""
    device = gpu(GPUS[name])
    message, group = rows["bytes"].to_numpy(dtype=float), rows["num_gpus"].to_numpy(dtype=float)
    across = (rows["num_gpus"] > rows["gpus_per_node"]).to_numpy()
    if rows["op"].iloc[0] == "send_recv":
        near, far = (point_to_point_time_s(message, link) for link in (device.intra_node, device.inter_node))
        return np.where(across, far, near)
    model = learned_times(device, "vllm").link_model("all_reduce")
    per_node = rows["gpus_per_node"].to_numpy()
    times = np.empty(len(rows))
    for size in np.unique(per_node):
        here = per_node == size
        node = device_of(device, int(size))
        times[here] = group_time_s(model, message[here], group[here], node, NetworkUse())
    return times


def device_of(device: Device, per_node: int) -> Device:
    """The device in nodes of `per_node` GPUs."""
    return replace(device, gpus_per_node=per_node, link_domain_gpus=per_node)


def line(keys: tuple[object, ...], rows: pd.DataFrame) -> str:
    """One row of the report."""
    cells = [str(key) for key in keys]
    for low, high in SIZES.values():
        part = rows[(rows["bytes"] > low) & (rows["bytes"] <= high)]
        error = part["error"]
        shown = f"{error.median():+.0%} ({error.abs().quantile(0.9):.0%})" if len(part) else "-"
        cells.append(shown)
    return "| " + " | ".join([*cells, f"{len(rows):,}"]) + " |"


def main(path: Path) -> None:
    """Score and write."""
    frame = pd.read_csv(path)
    parts = []
    for (name, _), rows in frame.groupby(["fabric", "op"]):
        parts.append(rows.assign(error=predicted_s(rows, str(name)) / (rows["time_ms"] * 1e-3) - 1.0))
    scored = pd.concat(parts)
    keys = ["fabric", "op", "num_gpus", "gpus_per_node"]
    heads = ["fabric", "operation", "GPUs", "per node", *SIZES, "n"]
    table = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    table += [line(found, rows) for found, rows in scored.groupby(keys)]
    first = f"<!-- Regenerate with: python experiments/operators/collectives.py {path.name} -->"
    fitted = "aiconfigurator-core 0.12.0"
    text = [first, "# Collectives measured elsewhere", TEXT.format(fitted=fitted), "\n".join(table)]
    write_text_atomic(OUT, "\n\n".join(text) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
