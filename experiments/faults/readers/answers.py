"""What `recommend`, `simulate` and experiments leave behind, read back."""

from pathlib import Path

from faults.readers.reader import Reader


def _recommendation(path: Path) -> None:
    from simkit.core.errors import SimkitError
    from simkit.formats.prediction_files import read_prediction
    from simkit.formats.recommendations import deployment_of, read_recommendation, request_of
    from simkit.reports.labels import layout_label
    from simkit.verbs.compare import compare
    from simkit.verbs.compare_sides import Side

    document = read_recommendation(path)
    side = Side(name="x", kind="recommendation", candidate=document["selected"], question=document["request"])
    compare(side, side)
    layout_label(document["selected"])
    deployment_of(document["selected"])
    for read in (lambda: request_of(document), lambda: read_prediction(path)):
        try:
            read()
        except SimkitError:
            continue


def _rec_page(path: Path) -> None:
    from simkit.publish.folders import recommendation_report
    from simkit.reports.pages import page_html

    page_html(recommendation_report(path.parent))


def _sweep_run(path: Path) -> None:
    from simkit.experiments.store import RunFolder, check_same, read_run

    folder = RunFolder(path=path.parent)
    _, known = read_run(folder)
    check_same(
        folder, {name: known.get(name) for name in ("experiment_sha256", "seed", "artifacts", "versions")}
    )


def _simulation(path: Path) -> None:
    from simkit.publish.folders import simulation_report
    from simkit.reports.pages import page_html

    page_html(simulation_report(path.parent))


READERS = (
    Reader(
        name="recommendation", sample="rec/recommendation.json", form="json",
        read=_recommendation, weight=6,
    ),
    Reader(
        name="recommendation-page", sample="rec/recommendation.json", form="json",
        read=_rec_page, weight=1,
    ),
    Reader(
        name="sweep-run", sample="sweep/run.json", form="json", read=_sweep_run,
        beside={"experiment.yaml": "sweep/experiment.yaml"},
    ),
    Reader(
        name="simulation", sample="sim/summary.json", form="json", read=_simulation,
        beside={"timeline.csv": "sim/timeline.csv", "requests.parquet": "sim/requests.parquet"}, weight=2,
    ),
    Reader(
        name="timeline", sample="sim/timeline.csv", form="csv", read=_simulation,
        beside={"summary.json": "sim/summary.json", "requests.parquet": "sim/requests.parquet"}, weight=2,
    ),
    Reader(
        name="requests", sample="sim/requests.parquet", form="parquet", read=_simulation,
        beside={"summary.json": "sim/summary.json", "timeline.csv": "sim/timeline.csv"}, weight=2,
    ),
)  # fmt: skip
