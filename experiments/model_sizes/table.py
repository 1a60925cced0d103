"""Do shapes read from config.json give the sizes that publishers state?

python experiments/model_sizes/table.py     # writes docs/models.md; part of `make reports`
"""

import csv
from pathlib import Path

from perfmodels.memory import weight_bytes_per_gpu
from perfmodels.model.dtypes import Precision
from perfmodels.model.params import active_params, kv_bytes_per_token_full, total_params
from perfmodels.parallel import ParallelPlan, PlanArray
from simkit.catalog.models import load_model
from simkit.io.paths import data_dir
from simkit.io.yamlio import write_text_atomic

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
<!-- Regenerate with: make reports -->

# Model sizes, ours against the publishers'

Parameters are counted from the fields of config.json (perfmodels/model/params.py), in billions, without MTP
modules and vision towers. *difference* is of the total. Published figures are rounded as publishers give
them; they were written down from model pages and reports as remembered, not downloaded. Checkpoint bytes
are all weights in one format, embeddings, router and norms at 16 bits. KV cache is per token while inside
every sliding window, in a 16-bit cache, one copy.

"""
COLUMNS = (
    "model", "published", "ours", "difference", "published active", "ours", "bf16 GB", "fp8 GB", "nvfp4 GB",
    "KV bytes/token", "note",
)  # fmt: skip


def checkpoint_gb(name: str, form: str) -> float:
    """Weights of the whole model with matrices in one format [GB]."""
    shape = load_model(name).shape
    plan = PlanArray.of([ParallelPlan()])
    return float(weight_bytes_per_gpu(shape, Precision(gemm=form, moe=form), plan)[0]) / 1e9


def row(entry: dict[str, str]) -> str:
    """One line of the table."""
    shape = load_model(entry["id"]).shape
    ours, published = total_params(shape) / 1e9, float(entry["total_b"])
    active = f"{active_params(shape) / 1e9:.2f}" if shape.is_moe else ""
    sizes = " | ".join(f"{checkpoint_gb(entry['id'], form):,.1f}" for form in ("bf16", "fp8", "nvfp4"))
    cache = kv_bytes_per_token_full(shape, "bf16")
    cells = [entry["id"], f"{published:g}", f"{ours:,.2f}", f"{ours / published - 1:+.1%}"]
    cells += [entry["active_b"], active, sizes, f"{cache:,.0f}", entry["note"]]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write docs/models.md."""
    with (data_dir() / "published_sizes.csv").open(newline="") as file:
        rows = [row(entry) for entry in csv.DictReader(file)]
    heads = f"| {' | '.join(COLUMNS)} |\n|---{'|---:' * (len(COLUMNS) - 2)}|---|\n"
    write_text_atomic(ROOT / "docs" / "models.md", HEAD + heads + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
