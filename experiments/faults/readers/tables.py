"""Tables of runs and points, of simkit and of other tools."""

from pathlib import Path

from faults.readers.reader import Reader


def _predict(path: Path) -> None:
    from simkit.catalog.runs import read_table
    from simkit.verbs.predict import predict_table

    predict_table(read_table(path))


def _evaluate(path: Path) -> None:
    from simkit.catalog.runs import read_table
    from simkit.publish.tables import table_report
    from simkit.reports.pages import page_html
    from simkit.verbs.evaluate import evaluate_table

    evaluate_table(read_table(path), ["gpu", "mode"])
    page_html(table_report(path))


def _fit_own(path: Path) -> None:
    from simkit.calibrate.user_runs import own_calibration
    from simkit.catalog.runs import read_table
    from simkit.verbs.predict import predict_table

    predict_table(read_table(path), own=own_calibration([path]))


def sweep_points(path: Path) -> None:
    """As points of an experiment."""
    from simkit.experiments.beside.foreign import foreign_points

    foreign_points([path], {"gpu": "h200_sxm", "backend": "vllm"})


def _points(path: Path) -> None:
    from simkit.experiments.beside.dataset import read_points
    from simkit.experiments.beside.gate import GateRules, gate_document

    frame = read_points(path)
    gate_document(frame, frame, GateRules(require=("ttft_ms_mean < 500",)))


def _parts(path: Path) -> None:
    from simkit.publish.sweeps import sweep_report
    from simkit.reports.pages import page_html

    page_html(sweep_report(path.parents[1]))


READERS = (
    Reader(name="predict", sample="runs.csv", form="csv", read=_predict, weight=2),
    Reader(name="evaluate", sample="runs.csv", form="csv", read=_evaluate, weight=1),
    Reader(name="fit-own", sample="runs.csv", form="csv", read=_fit_own, weight=1),
    Reader(name="predict-parquet", sample="runs.parquet", form="parquet", read=_predict, weight=1),
    Reader(name="pareto", sample="pareto.csv", form="csv", read=sweep_points, weight=4),
    Reader(name="points", sample="sweep.csv", form="csv", read=_points, weight=3),
    Reader(
        name="parts", sample="part.parquet", form="parquet", read=_parts,
        place="parts/00000000-x.parquet",
        beside={"experiment.yaml": "sweep/experiment.yaml", "run.json": "sweep/run.json"}, weight=3,
    ),
)  # fmt: skip
