"""Experiment files as pydantic models, from which editors get their JSON Schema."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simkit.experiments.axes_model import Axes, SlaAxes

_STRICT = ConfigDict(extra="forbid", strict=True)


class ReportTable(BaseModel):
    """A small table of the answer: the best point of each group."""

    model_config = _STRICT
    by: list[str] = Field(description="Columns that make the groups.")
    best: str = Field(description="Result to be highest, or with `least: true` lowest.")
    least: bool = Field(default=False, description="Whether the lowest is best.")
    where: str | None = Field(default=None, description="Condition on points, results too.")
    show: list[str] = Field(default_factory=list, description="Further columns of the table.")


class RefineRule(BaseModel):
    """Adaptive refinement: of axes with an order only what bears on the front and on the report's table."""

    model_config = _STRICT
    by: list[str] = Field(default_factory=list, description="A front for each; left out: one of all points.")
    within: float = Field(
        default=0.01, ge=0.0001, le=0.5, description="How much better a missed point may be."
    )
    front: bool = Field(default=True, description="false: only what the report's table needs.")


class BenchmarkRule(BaseModel):
    """Where points are measured, and with which client."""

    model_config = _STRICT
    target: str = Field(default="local", description="local: mocked engines here; k8s: DGDs; url: a server.")
    url: str | None = Field(default=None, description="Server of target url, such as http://localhost:8000.")
    served_model: str | None = Field(default=None, description="Name that this server lists.")
    client: Literal["aiperf", "builtin"] = Field(default="aiperf", description="What sends requests.")
    warmup: int | None = Field(default=None, ge=0, description="Requests before those that count.")
    timeout_minutes: float = Field(default=60.0, gt=0, description="After which a measurement is given up.")


class BudgetRule(BaseModel):
    """What one call of a run may take; whoever reaches a limit begins no further block."""

    model_config = ConfigDict(extra="forbid")
    minutes: float | None = Field(default=None, gt=0, description="Time on the clock.")
    points: int | None = Field(default=None, ge=1, description="Points evaluated.")
    money: float | None = Field(default=None, gt=0, description="What the workers cost.")
    worker_hour_price: float | None = Field(default=None, gt=0, description="Of one worker; for money.")


class ExperimentDocument(BaseModel):
    """An experiment of simkit: one question, asked at every point of a space."""

    model_config = ConfigDict(**_STRICT, title="simkit experiment")
    question: Annotated[str, Field(min_length=10, description="What is asked, in a sentence.")]
    do: Literal["predict", "simulate", "recommend", "benchmark"] = Field(
        default="predict",
        description="Closed form, request by request, a search, or a measurement at every point.",
    )
    axes: Axes = Field(description="What varies: a value, a list, or a range. All combinations are asked.")
    zip: list[Axes] = Field(default_factory=list, description="Axes that move together: lists of one length.")
    grids: list[Axes] = Field(default_factory=list, description="Several grids; each replaces some axes.")
    where: str | None = Field(default=None, description="Only points for which this holds.")
    sla: SlaAxes = Field(
        default_factory=SlaAxes, description="Bounds on mean latencies [ms]; lists are axes, too."
    )
    baselines: dict[str, Axes] = Field(default_factory=dict, description="Named points to compare with.")
    seed: int = Field(default=0, ge=0, description="Seed of what is simulated, and of requests sent.")
    repeats: int = Field(default=1, ge=1, le=1000, description="Of a point that is simulated or measured.")
    calibration: str | None = Field(
        default=None, description="Your own runs that predictions are corrected by, beside this file."
    )
    benchmark: BenchmarkRule | None = Field(default=None, description="Where and how points are measured.")
    report: ReportTable | None = None
    budget: BudgetRule | None = Field(default=None, description="What one call of the run may take.")
    refine: RefineRule | None = Field(
        default=None, description="Ask near the answer only; left out: all points."
    )


def schema_text() -> str:
    """The JSON Schema of experiment files, as it ships in data/schemas/experiment.json."""
    schema = ExperimentDocument.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
