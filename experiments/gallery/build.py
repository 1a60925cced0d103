"""The gallery: reports/index.html over all shipped experiments and the accuracy of predictions.

python experiments/gallery/build.py [--runs out/experiments]      # `make reports`

Sweeps that are missing are run. An experiment's page is reports/experiments/NAME/report.html; accuracy is
reports/accuracy/html/index.html, and a page for each engine on each GPU with its curves and rows.
reports/assets has what pages share.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments"))

from accuracy.report import FITTED, joined  # noqa: E402
from sweeps.report import finished  # noqa: E402

from perfmodels.parallel import ParallelPlan  # noqa: E402
from simkit.experiments.document import read_experiment  # noqa: E402
from simkit.experiments.store import RunFolder, read_dataset, read_run  # noqa: E402
from simkit.io.yamlio import write_text_atomic  # noqa: E402
from simkit.publish.sweeps import sweep_page  # noqa: E402
from simkit.publish.tables import PARTITIONS, measured_rows  # noqa: E402
from simkit.reports.labels import engine_name  # noqa: E402
from simkit.reports.pages import Page, PageLink, Section, page_html, shared_files  # noqa: E402
from simkit.reports.views.accuracy import accuracy_page  # noqa: E402
from simkit.reports.views.accuracy_curves import curves_page  # noqa: E402
from simkit.verbs.evaluate import evaluation  # noqa: E402

REPORTS = ROOT / "reports"
MAKE = "make reports"
ASSETS = "assets"  # in reports: a script of 230 kB once, not in each of thirty pages
TWO_UP = f"../../{ASSETS}"
SWEEPS = ROOT / "experiments" / "sweeps"
BESIDE = {
    "Accuracy in words and tables": "accuracy/README.md",
    "What each part of a prediction is worth": "accuracy/ablation.md",
    "What the predictions miss, and why": "accuracy/misses.md",
    "What the errors are made of": "accuracy/budget.md",
    "How well the intervals hold": "accuracy/intervals.md",
    "How often a choice breaks its SLA": "accuracy/sla_choice.md",
    "What a pick keeps of the best throughput": "accuracy/kept.md",
    "Operators: how well their times are known": "operators/README.md",
    "What your own runs are worth": "own_runs/README.md",
    "A real engine beside its simulation": "real_engine/README.md",
}


def experiment_section(path: Path, folder: RunFolder) -> Section:
    """Write the page of a sweep; its entry of the gallery."""
    finished(path, folder)
    known = read_run(folder)[1]
    shipped = read_experiment(path)
    provenance = tuple(
        f"{name}: {value}" for name, value in {**known["versions"], "seed": known["seed"]}.items()
    )
    page = sweep_page(shipped, read_dataset(folder), provenance)
    named = f"simkit experiment run experiments/sweeps/{path.name} -o out/{path.stem}"
    again = f"simkit report out/{path.stem} -o out/report"
    page = replace(page, command=f"{named} && {again}")
    out = REPORTS / "experiments" / path.stem / "report.html"
    write_text_atomic(out, page_html(page, interactive=True, shared=TWO_UP))
    links = [PageLink(text="the whole report", href=f"experiments/{path.stem}/report.html")]
    if (out.parent / "README.md").is_file():  # `make experiments` puts it there
        links.append(PageLink(text="its table", href=f"experiments/{path.stem}/README.md"))
    return Section(
        title=page.title, lines=(page.answer, page.verdict), figures=page.figures[:1], links=tuple(links)
    )


def accuracy_rows(frame: pd.DataFrame) -> list[dict]:
    """Rows for the pages, with plan, procedure, source and what is the same but for the load."""
    rows = measured_rows(frame)
    by_id = frame.set_index("run_id")
    for row in rows:
        run = by_id.loc[row["run_id"]]
        row["plan"] = plan_of(run)
        row["protocol"], row["origin"] = str(run["protocol"]), str(run["origin"])
        row["group"] = f"{run['precision']} {row['plan']}, {row['isl_tokens']}+{row['osl_tokens']}"
    return rows


def plan_of(run: pd.Series) -> str:
    """`tp8`, or `2P tp4 + 1D tp8`."""

    def label(prefix: str) -> str:
        sizes = {name: run[f"{prefix}{name}"] for name in ("tp", "pp", "attn_dp", "moe_tp", "ep")}
        return ParallelPlan(**{name: int(value) for name, value in sizes.items() if value == value}).label  # noqa: PLR0124

    if run["mode"] == "agg":
        return label("")
    return (
        f"{run['prefill_workers']:.0f}P {label('prefill_')} + {run['decode_workers']:.0f}D {label('decode_')}"
    )


def evaluations(frame: pd.DataFrame) -> dict:
    """`evaluate` as a whole and by each partition."""
    return {"all": evaluation(frame), **{name: evaluation(frame, by) for name, by in PARTITIONS.items()}}


def write_accuracy() -> Section:
    """Write the pages of accuracy; their entry of the gallery."""
    frame = joined("split_group")
    rows = accuracy_rows(frame)
    out = REPORTS / "accuracy" / "html"
    links = []
    for (gpu, backend), part in frame.groupby(["gpu", "backend"], sort=True):
        chosen = [row for row in rows if (row["gpu"], row["backend"]) == (gpu, backend)]
        page = curves_page((gpu, backend), chosen, evaluations(part), MAKE)
        write_text_atomic(out / f"{gpu}_{backend}.html", page_html(page, interactive=True, shared=TWO_UP))
        models = part["model"].nunique()
        hint = f"{len(part)} runs of {models} model{'s' if models > 1 else ''}: curves and rows"
        links.append(
            PageLink(text=f"{engine_name(backend)} on {gpu}", href=f"{gpu}_{backend}.html", hint=hint)
        )
    whole = accuracy_page("1,673 public serving runs", rows, evaluations(frame), MAKE, [FITTED])
    more = Section(title="By GPU and engine", links=tuple(links))
    whole = replace(whole, sections=(more, *whole.sections))
    write_text_atomic(out / "index.html", page_html(whole, interactive=True, shared=TWO_UP))
    entry = PageLink(text="every run, by GPU, engine and model", href="accuracy/html/index.html")
    return Section(
        title="How far off are predictions on runs that took no part in fitting?",
        lines=(whole.answer, whole.verdict),
        figures=whole.figures[1:2],
        links=(entry,),
    )


def main() -> None:
    """All pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=ROOT / "out" / "experiments")
    runs = parser.parse_args().runs
    sections = [write_accuracy()]
    sections += [
        experiment_section(path, RunFolder(path=runs / path.stem)) for path in sorted(SWEEPS.glob("*.yaml"))
    ]
    beside = Section(title="More", links=tuple(PageLink(text=t, href=h) for t, h in BESIDE.items()))
    index = Page(
        title="simkit: reports",
        answer="What was asked, what was found, how sure it is",
        verdict="simkit predicts how a model is served on GPUs before any are used. Below: how far off its "
        "predictions were on measured runs, then what it says to questions; nothing was measured for those.",
        sections=(*sections, beside),
        command=MAKE,
    )
    write_text_atomic(REPORTS / "index.html", page_html(index, shared=ASSETS))
    for name, text in shared_files().items():
        write_text_atomic(REPORTS / ASSETS / name, text)


if __name__ == "__main__":
    main()
