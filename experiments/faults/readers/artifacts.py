"""The project's own data: calibrations, operators, GPUs."""

import os
from collections.abc import Callable
from pathlib import Path

from faults.readers.reader import Reader


def _residuals(path: Path) -> None:
    from simkit.catalog.calibrations import read_residuals

    read_residuals(path)


def _operators(path: Path) -> None:
    from simkit.catalog.operators import gpu_models

    gpu_models.cache_clear()
    gpu_models(path.stem, path.parent)


def _with_data(folder: Path, read: Callable[[], object]) -> None:
    before = os.environ.get("SIMKIT_DATA")
    os.environ["SIMKIT_DATA"] = str(folder)
    try:
        read()
    finally:
        _forget()
        if before is None:
            del os.environ["SIMKIT_DATA"]
        else:
            os.environ["SIMKIT_DATA"] = before


def _forget() -> None:
    from simkit.catalog import calibrations, gpus

    for module in (calibrations, gpus):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def _artifact(path: Path) -> None:
    from simkit.catalog.calibrations import efficiency, error_models, measured_domain

    _forget()
    _with_data(path.parents[1], lambda: (efficiency("vllm"), error_models(), measured_domain()))


def _gpu(path: Path) -> None:
    from simkit.catalog.gpus import gpu

    _forget()
    _with_data(path.parents[1], lambda: gpu("h100_sxm"))


READERS = (
    Reader(
        name="residuals", sample="data/calibration/residuals.npz", form="npz", read=_residuals, weight=1,
    ),
    Reader(name="operators", sample="data/operators/l40s.npz", form="npz", read=_operators, weight=1),
    Reader(
        name="factors", sample="data/calibration/factors.json", form="json", read=_artifact,
        place="calibration/factors.json", beside={"calibration": "data/calibration"}, weight=4,
    ),
    Reader(
        name="errors", sample="data/calibration/errors.json", form="json", read=_artifact,
        place="calibration/errors.json", beside={"calibration": "data/calibration"}, weight=2,
    ),
    Reader(
        name="gpu", sample="data/gpus/h100_sxm.yaml", form="yaml", read=_gpu,
        place="gpus/h100_sxm.yaml", weight=4,
    ),
)  # fmt: skip
