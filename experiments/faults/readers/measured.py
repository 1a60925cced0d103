"""What benchmarks and profiles leave behind, read back."""

import os
from pathlib import Path

import numpy as np
from faults.readers.reader import Reader
from faults.readers.results import result
from faults.readers.whole import deployed, request


def _own(path: Path) -> None:
    from simkit.formats.user_calibration import read_own

    own = read_own(path)
    features = np.array([[16.0, 1000.0, 100.0, 0.05, 0.01, 1.0, 1.0], [1.0, 10.0, 10.0, 5.0, 0.1, 64.0, 1.0]])
    for metric in ("ttft", "itl"):
        found = own.belief(metric, features, np.array([0.3, 0.5]))
        if found is not None:
            np.exp(found[0] + 3 * found[1])


def _doctor(path: Path) -> None:
    from simkit.formats.benchmark_results.reader import read_run
    from simkit.measure.doctor import doctor
    from simkit.reports.compare import doctor_document, doctor_page
    from simkit.reports.document import dumps

    found = doctor(request(), deployed(), read_run(path))
    dumps(doctor_document(found.comparison, found.causes, found.run))
    doctor_page("t", found.comparison, found.causes, found.run)


def _prediction(path: Path) -> None:
    from simkit.compare.comparison import compare
    from simkit.formats.benchmark_results.reader import read_run
    from simkit.formats.prediction_files import read_prediction
    from simkit.reports.measured import comparison_document, comparison_page

    run = read_run(Path(os.environ["FAULT_SAMPLES"]) / "bench" / "run.json")
    found = compare(read_prediction(path), run)
    comparison_document(found, run)
    comparison_page("t", found, run)


def _measured_side(path: Path) -> None:
    from simkit.formats.measured_candidate import measured_candidate
    from simkit.verbs.compare import compare
    from simkit.verbs.compare_sides import Side

    side = Side(name="x", kind="measured", candidate=measured_candidate(path.parent))
    compare(side, side)


def _benchmark_page(path: Path) -> None:
    from simkit.publish.folders import benchmark_report
    from simkit.reports.pages import page_html

    page_html(benchmark_report(path.parent))


def _profile_state(path: Path) -> None:
    from simkit.formats.benchmark_results.fields import at
    from simkit.formats.profile_store import ProfileStore
    from simkit.io.reading import read_json

    store = ProfileStore(path.parent)
    asked = at(read_json(path), "asked")
    store.open(asked if isinstance(asked, dict) else {"a": 1})
    store.enter("x")


def _profile_point(path: Path) -> None:
    from simkit.formats.profile_store import ProfileStore

    store = ProfileStore(path.parents[2])
    store.get("a", "b")
    store.forget_failures()


def _profile_page(path: Path) -> None:
    from simkit.publish.folders import profile_report
    from simkit.reports.pages import page_html

    page_html(profile_report(path.parent))


READERS = (
    Reader(name="own", sample="own.json", form="json", read=_own),
    Reader(name="run", sample="bench/run.json", form="json", read=result),
    Reader(name="doctor", sample="bench/run.json", form="json", read=_doctor, weight=1),
    Reader(name="prediction", sample="bench/prediction.json", form="json", read=_prediction),
    Reader(
        name="measured-side", sample="bench/prediction.json", form="json", read=_measured_side,
        beside={"run.json": "bench/run.json"}, weight=4,
    ),
    Reader(
        name="comparison", sample="bench/comparison.json", form="json", read=_benchmark_page, weight=4,
    ),
    Reader(name="profile-state", sample="profile/profile.json", form="json", read=_profile_state),
    Reader(
        name="profile-point", sample="bench/run.json", form="json", read=_profile_point,
        place="measured/a/b.json",
    ),
    Reader(
        name="profile-page", sample="profile/profile_summary.json", form="json",
        read=_profile_page, weight=4,
    ),
)  # fmt: skip
