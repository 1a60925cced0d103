"""Experiment files: strict YAML, one question each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simkit.core.errors import InputError
from simkit.core.user_calibration import OwnCalibration
from simkit.experiments.axes import AxisError, Value, values_of
from simkit.experiments.axes_model import Axes, SlaAxes
from simkit.experiments.columns import AXES, POINT, PREFIX, REPEATED, Do, column_of, dataset_columns
from simkit.experiments.conditions import Condition, parse_condition
from simkit.experiments.document_model import (
    BenchmarkRule,
    BudgetRule,
    ExperimentDocument,
    RefineRule,
    ReportTable,
)
from simkit.experiments.names import axis_faults, benchmark_faults, told_where
from simkit.experiments.points import BLOCK_POINTS, Dimension, Space, ordered
from simkit.experiments.work.budget import RunBudget
from simkit.formats.faults import Fault, faults_from, unknown_key
from simkit.formats.user_calibration import read_own
from simkit.io.reading import read_text
from simkit.io.yamlio import parse_document

MOST_POINTS = 10_000_000
MOST_REFINED = 1_000_000  # each has its figures in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A checked experiment; text is the file as it was read. own: runs that correct what it predicts."""

    source: str
    text: str
    document: ExperimentDocument
    space: Space
    baselines: Mapping[str, Mapping[str, Value]]
    own: OwnCalibration | None = None

    @property
    def budget(self) -> RunBudget:
        """What one call of a run may take."""
        rule = self.document.budget
        return RunBudget(**rule.model_dump()) if rule else RunBudget()

    @property
    def do(self) -> Do:
        """What is done with every point."""
        return self.document.do


def read_experiment(path: Path) -> Experiment:
    """The experiment in a file, with the calibration that it names. Raises InputError with every fault."""
    found = parse_experiment(read_text(path), str(path))
    named = found.document.calibration
    return found if named is None else replace(found, own=read_own(path.parent / named))


def parse_experiment(text: str, source: str) -> Experiment:
    """The experiment that a text says. Raises InputError with every fault."""
    content = parse_document(text, source)
    found = _checked(content, source)
    if isinstance(found, ExperimentDocument):
        built = _built(found)
        if not isinstance(built, list):
            space, baselines = built
            return Experiment(source=source, text=text, document=found, space=space, baselines=baselines)
        found = built
    raise InputError("\n".join(f"{source}: {fault}" for fault in found).replace("\n", "; "))


def refined(experiment: Experiment) -> Experiment:
    """The same asked near its answer only; where the file says how, as it says."""
    if experiment.document.refine is not None:
        return experiment
    text = f"{experiment.text.rstrip()}\nrefine: {{}}\n"
    return replace(parse_experiment(text, experiment.source), own=experiment.own)


def _checked(content: Mapping[str, Any], source: str) -> ExperimentDocument | list[Fault]:
    try:
        return ExperimentDocument.model_validate(content)
    except ValidationError as error:
        return [told_where(fault) for fault in faults_from(error, _known_keys(content))]


def _known_keys(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Keys by the path of what holds them."""
    axes = tuple(Axes.model_fields)
    known = {
        "": tuple(ExperimentDocument.model_fields), "axes": axes, "sla": tuple(SlaAxes.model_fields),
        "report": tuple(ReportTable.model_fields), "refine": tuple(RefineRule.model_fields),
        "budget": tuple(BudgetRule.model_fields), "benchmark": tuple(BenchmarkRule.model_fields),
    }  # fmt: skip
    for block in ("zip", "grids"):
        items = content.get(block)
        known |= {f"{block}[{i}]": axes for i in range(len(items) if isinstance(items, list) else 0)}
    named = content.get("baselines")
    return known | {f"baselines.{name}": axes for name in (named if isinstance(named, dict) else ())}


Built = tuple[Space, Mapping[str, Mapping[str, Value]]]


def _built(document: ExperimentDocument) -> Built | list[Fault]:
    faults: list[Fault] = []
    axes = _axes(document.axes, "axes", faults) | _sla(document, faults)
    if document.do in REPEATED:
        axes["repeat"] = tuple(range(document.repeats))
    elif document.repeats > 1:
        faults.append(
            Fault(
                path="repeats",
                problem=f"nothing is random in {document.do}",
                remedy="drop it, or do: simulate",
            )
        )
    faults += benchmark_faults(document)
    zips = [_zipped(item, f"zip[{i}]", faults) for i, item in enumerate(document.zip)]
    grids = [_axes(item, f"grids[{i}]", faults) for i, item in enumerate(document.grids)] or [{}]
    faults += _twice([axes, *zips])
    baselines = _baselines(document, faults)
    where = _condition(document.where, "where", {name: name for name in POINT}, faults)
    _report_faults(document, faults)
    if faults:
        return faults
    made = [_grid(axes, zips, grid) for grid in grids]
    for grid in made:
        faults += axis_faults(document.do, {name: v for dimension in grid for name, v in dimension.items()})
    space = Space(
        do=document.do, grids=tuple(made), where=where, seed=document.seed, size=BLOCK_POINTS[document.do]
    )
    if space.most > MOST_POINTS:
        problem = f"{space.most:,} points; at most {MOST_POINTS:,} are taken"
        faults.append(Fault(path="axes", problem=problem, remedy="take fewer or coarser axes"))
    faults += [*_refine_faults(document, space), *_budget_faults(document.budget)]
    unique = list({str(fault): fault for fault in faults}.values())
    return unique or (space, baselines)


def _grid(
    axes: Mapping[str, Any], zips: Iterable[Mapping[str, Any]], grid: Mapping[str, Any]
) -> tuple[Dimension, ...]:
    """A grid's dimensions: what it states replaces the axis, or the whole zip that has it."""
    kept = [item for item in zips if not set(item) & set(grid)]
    single = {**axes, **grid}
    return ordered([*({name: values} for name, values in single.items()), *kept])


def _axes(given: Axes, path: str, faults: list[Fault]) -> dict[str, tuple[Value, ...]]:
    found = {}
    for name, value in given.stated().items():
        try:
            found[name] = values_of(name, AXES[name], value, f"{path}.{name}")
        except AxisError as error:
            faults.append(error.fault)
    return found


def _sla(document: ExperimentDocument, faults: list[Fault]) -> dict[str, tuple[Value, ...]]:
    found = {}
    for name, value in document.sla.stated().items():
        try:
            found[f"sla_{name}"] = values_of(name, "number", value, f"sla.{name}")
        except AxisError as error:
            faults.append(error.fault)
    return found


def _zipped(given: Axes, path: str, faults: list[Fault]) -> dict[str, tuple[Value, ...]]:
    found: dict[str, tuple[Value, ...]] = {}
    for name, value in given.stated().items():
        items = value if isinstance(value, list) else [value]
        try:  # values may repeat here: each is checked by itself
            found[name] = tuple(values_of(name, AXES[name], item, f"{path}.{name}")[0] for item in items)
        except AxisError as error:
            faults.append(error.fault)
    lengths = {len(values) for values in found.values()}
    if len(lengths) != 1 or len(found) < 2:
        told = ", ".join(f"{name} has {len(values)}" for name, values in found.items()) or "nothing"
        remedy = "give two axes or more with lists of one length"
        faults.append(
            Fault(
                path=path, problem=f"axes that move together need lists of one length; {told}", remedy=remedy
            )
        )
    return found


def _twice(blocks: Iterable[Mapping[str, Any]]) -> list[Fault]:
    seen: set[str] = set()
    faults = []
    for block in blocks:
        faults += [
            Fault(
                path=f"zip.{name}", problem="this axis is given twice", remedy="give it in axes or in one zip"
            )
            for name in block
            if name in seen
        ]
        seen |= set(block)
    return faults


def _baselines(document: ExperimentDocument, faults: list[Fault]) -> dict[str, dict[str, Value]]:
    found = {}
    for name, given in document.baselines.items():
        path = f"baselines.{name}"
        axes = _axes(given, path, faults)
        if not axes or any(len(values) != 1 for values in axes.values()):
            faults.append(
                Fault(path=path, problem="needs one value for each axis", remedy="write {gpu: h100_sxm}")
            )
        found[name] = {axis: values[0] for axis, values in axes.items()}
    return found


def _condition(
    text: str | None, path: str, columns: Mapping[str, str], faults: list[Fault]
) -> Condition | None:
    if text is None:
        return None
    try:
        return parse_condition(text, columns)
    except InputError as error:
        problem, _, remedy = str(error).rpartition("; ")
        faults.append(Fault(path=path, problem=problem, remedy=remedy))
        return None


def result_names(do: Do) -> dict[str, str]:
    """Every name that a condition on results may use, and the column it means."""
    whole = dataset_columns(do)
    short = {name.removeprefix(PREFIX[do]): name for name in whole if name.startswith(PREFIX[do])}
    return {**{name: column for name, column in short.items() if name not in whole}, **{n: n for n in whole}}


def _report_faults(document: ExperimentDocument, faults: list[Fault]) -> None:
    report = document.report
    if report is None:
        return
    known = result_names(document.do)
    for path, names in (("by", report.by), ("show", report.show), ("best", [report.best])):
        for name in names:
            if column_of(name, document.do) not in dataset_columns(document.do):
                faults.append(unknown_key(f"report.{path}", name, known))
    _condition(report.where, "report.where", known, faults)


def _refine_faults(document: ExperimentDocument, space: Space) -> list[Fault]:
    rule = document.refine
    if rule is None:
        return []
    faults = [unknown_key("refine.by", name, POINT) for name in rule.by if name not in POINT]
    if space.most > MOST_REFINED:
        problem = f"{space.most:,} points; at most {MOST_REFINED:,} are refined"
        faults.append(Fault(path="refine", problem=problem, remedy="take coarser axes, or drop refine"))
    if not rule.front and document.report is None:
        remedy = "add a report, or drop front: false"
        faults.append(Fault(path="refine.front", problem="nothing is left to look for", remedy=remedy))
    return faults


def _budget_faults(rule: BudgetRule | None) -> list[Fault]:
    if rule is None or rule.money is None or rule.worker_hour_price is not None:
        return []
    remedy = "add worker_hour_price"
    return [Fault(path="budget.money", problem="needs what a worker costs", remedy=remedy)]
