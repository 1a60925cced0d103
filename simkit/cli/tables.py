"""`simkit predict` and `simkit evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from simkit.cli.flags.calibration import CalibrationFlag, own_runs
from simkit.cli.output import Format, FormatFlag, QuietFlag, SeedFlag, remark, show
from simkit.core.words import counted


def predict(
    runs: Annotated[Path, typer.Argument(metavar="RUNS.csv", help="Deployments, one per row.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV or parquet to write.")],
    calibration: CalibrationFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """Predict every row of a table of deployments.

    Example: simkit predict runs.csv -o predictions.csv
    """
    from simkit.catalog.runs import read_table, write_table
    from simkit.verbs.predict import predict_table

    frame = read_table(runs)
    table = predict_table(frame, own=own_runs(calibration))
    write_table(table, output)
    failed = table["error"] != ""
    remark(f"predicted {int((~failed).sum())} of {len(table)} rows into {output}", quiet=quiet)
    if form is Format.JSON:
        summary = {"rows": len(table), "predicted": int((~failed).sum()), "output": str(output)}
        show(form, lambda: summary, lambda console: None)
    for reason, count in table.loc[failed, "error"].value_counts().head(5).items():
        remark(f"  {counted(count, 'row')}: {reason}", quiet=quiet)


def evaluate(
    runs: Annotated[Path, typer.Argument(metavar="RUNS.csv", help="Measured deployments, one per row.")],
    by: Annotated[str, typer.Option("--by", metavar="COL,...", help="Columns to partition by.")] = "",
    calibration: CalibrationFlag = None,
    form: FormatFlag = Format.TABLE,
    quiet: QuietFlag = False,
    seed: SeedFlag = 0,
) -> None:
    """Compare predictions with measurements, per partition.

    Example: simkit evaluate runs.csv --by gpu,backend
    """
    from simkit.catalog.runs import read_table
    from simkit.reports.tables import evaluation_table
    from simkit.verbs.evaluate import evaluate_table

    columns = [name.strip() for name in by.split(",") if name.strip()]
    document = evaluate_table(read_table(runs), columns, own_runs(calibration))
    show(form, lambda: document, lambda console: evaluation_table(document, console))
