"""The folder of a simulated run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simkit.io.simulated import requests_parquet, timeline_csv
from simkit.reports.document import dumps
from simkit.reports.figures import png_bytes
from simkit.reports.simulation_markdown import simulation_markdown
from simkit.reports.timeline_figure import timeline_figure
from simkit.verbs.folder import write_folder
from simkit.verbs.simulate import SimulationResult


def write_simulation(folder: Path, result: SimulationResult, document: Mapping[str, Any]) -> list[str]:
    """Write every file and return their names. Raises InputError when that is not possible."""
    run = result.run
    texts: dict[str, str | bytes] = {"summary.json": dumps(document, full_precision=True)}
    if run.times is not None:
        texts["requests.parquet"] = requests_parquet(run.times, result.load.warmup)
    texts["timeline.csv"] = timeline_csv(run.timeline, run.samples)
    texts["report.md"] = simulation_markdown(document)
    texts["timeline.png"] = png_bytes(timeline_figure(run.timeline, run.samples))
    write_folder(folder, texts)
    return list(texts)
