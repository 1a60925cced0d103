"""What people write: experiments, prices, deployments, models, commands."""

import os
from pathlib import Path

from faults.readers.reader import Reader
from faults.readers.tables import sweep_points
from faults.readers.whole import request


def _experiment(path: Path) -> None:
    from simkit.experiments.document import read_experiment

    _ = read_experiment(path).budget


def _prices(path: Path) -> None:
    from simkit.cli.choices import gpu_hour_price

    gpu_hour_price(str(path), "h200_sxm")


def _dgd(path: Path) -> None:
    from simkit.formats.dgd.read import catalogue_hint, parse_dgd
    from simkit.formats.validate import validate_documents
    from simkit.io.yamlio import load_documents

    documents = load_documents(path)
    validate_documents(documents, "f")
    parse_dgd(documents, source="f", hint_of=catalogue_hint)


def _model(path: Path) -> None:
    from perfmodels.parallel import ParallelPlan
    from simkit.catalog.models import load_model
    from simkit.core.deployment import Aggregated, Pool
    from simkit.engines.registry import default_engine

    load_model.cache_clear()
    model = load_model(str(path))
    _ = model.shape.architecture_class
    if os.environ.get("FAULT_ESTIMATES"):
        from dataclasses import replace

        from simkit.verbs.estimate import estimate_problem

        whole = Aggregated(worker=Pool(plan=ParallelPlan(), engine=default_engine("vllm")))
        estimate_problem(replace(request(), model=str(path)), whole)


def _command(path: Path) -> None:
    from simkit.formats.engine_command.read import read_command

    read_command(f"@{path}")


READERS = (
    Reader(name="experiment", sample="experiment.yaml", form="yaml", read=_experiment, weight=6),
    Reader(name="prices", sample="prices.yaml", form="yaml", read=_prices),
    Reader(name="dgd", sample="rec/dgd.yaml", form="yaml", read=_dgd, weight=4),
    Reader(name="llmd", sample="results/llmd.yaml", form="yaml", read=sweep_points, weight=6),
    Reader(name="model-dense", sample="results/m43_gptq8.json", form="json", read=_model),
    Reader(name="model-hybrid", sample="results/m42_conv_hybrid.json", form="json", read=_model),
    Reader(name="command", sample="command.txt", form="words", read=_command),
)  # fmt: skip
