"""The verbs as notebooks call them: by request or by keywords; answers show, draw and save themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simkit.catalog.problems import SearchOptions, build_problem
from simkit.closed_form.one_deployment import SingleEstimate
from simkit.core.deployment import Deployment
from simkit.core.errors import InputError
from simkit.core.estimate import Recommendation
from simkit.core.request import Request
from simkit.formats.dgdr.keywords import request_from_keywords
from simkit.reports.candidates_csv import candidate_rows
from simkit.reports.document import recommendation_document
from simkit.verbs import estimate as one_deployment
from simkit.verbs import recommend as search
from simkit.verbs import simulate as simulation
from simkit.verbs.estimate import Layouts, estimate_document
from simkit.verbs.simulate import SimulateOptions, SimulationResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Asked = Request | Mapping[str, Any] | str | Path
_SHOWN = (
    "layout", "backend", "num_gpus", "concurrency", "ttft_ms_mean", "ttft_ms_lo", "ttft_ms_hi", "itl_ms_mean",
    "itl_ms_lo", "itl_ms_hi", "output_tokens_per_s_per_gpu", "request_rate_per_s",
    "cost_per_million_output_tokens", "sla_probability", "meets_sla",
)  # fmt: skip
_LATENCIES = ("ttft", "itl", "e2e")
_FOUR_DIGITS = "{:,.4g}".format
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationInNotebook(Recommendation):
    """A recommendation that shows itself: latencies in ms, rates per second, costs in the price's unit."""

    def to_frame(self) -> "pd.DataFrame":
        """A row for each candidate, best first; the columns of candidates.csv, units in their names."""
        import pandas as pd

        return pd.DataFrame(candidate_rows(recommendation_document(self)))

    def save(self, folder: str | Path) -> list[Path]:
        """Write what `simkit recommend -o` writes, the DGD first; the files."""
        from simkit.verbs.answer_files.folder import FolderOptions, folder_texts, write_folder

        place = Path(folder)
        problem = build_problem(self.request)
        texts = folder_texts(self, problem=problem, options=FolderOptions(folder=place))
        return write_folder(place, texts)

    def plot(self) -> "Figure":
        """Tokens/s of one user against tokens/s of a GPU: the Pareto front, the candidates and the pick."""
        from simkit.reports.figures import figure_style, legend_below, new_figure

        layers = {
            "Pareto front": [item.estimate for item in self.pareto],
            "candidates": [item.estimate for item in self.candidates],
            "selected": [self.selected.estimate],
        }
        with figure_style():
            figure, axes = new_figure(6.4, 4.2)
            for (label, found), style in zip(layers.items(), ("-o", "x", "*"), strict=True):
                xs = [item.tokens_per_s_per_user for item in found]
                ys = [item.output_tokens_per_s_per_gpu for item in found]
                axes.plot(xs, ys, style, label=label, markersize=14 if style == "*" else 5)
            axes.set(xlabel="tokens/s of one user", ylabel="output tokens/s of a GPU")
            legend_below(figure, 3)
        return figure

    def _shown(self) -> "pd.DataFrame":
        frame = self.to_frame()
        return frame[[name for name in _SHOWN if name in frame and frame[name].notna().any()]]

    def _repr_html_(self) -> str:
        head = "".join(f"<p>{escape(line)}</p>" for line in self.explanation[:2])
        return head + self._shown().to_html(index=False, float_format=_FOUR_DIGITS, na_rep="")

    def __str__(self) -> str:
        """The answer in words and the table of candidates, for print."""
        table = self._shown().to_string(index=False, float_format=_FOUR_DIGITS, na_rep="")
        return "\n".join((*self.explanation[:2], "", table))


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateInNotebook(SingleEstimate):
    """An estimate that shows itself; request is the question it answers."""

    request: Request

    def to_frame(self) -> "pd.DataFrame":
        """A row for each latency in ms: mean, percentiles and the 90 % interval of the mean."""
        import pandas as pd

        document = estimate_document(self.request, self)
        rows = {f"{name}_ms": document[f"{name}_ms"] for name in _LATENCIES}
        return pd.DataFrame.from_dict(rows, orient="index")

    def _head(self) -> str:
        estimate = self.candidate.estimate
        return (
            f"{self.request.model}: {estimate.output_tokens_per_s_per_gpu:,.0f} output tokens/s of a GPU, "
            f"{estimate.request_rate_per_s:.3g} requests/s, {estimate.concurrency:,.0f} in flight"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._head())}</p>" + self.to_frame().to_html(float_format=_FOUR_DIGITS)

    def __str__(self) -> str:
        """What it gives and its latencies, for print."""
        return f"{self._head()}\n\n{self.to_frame().to_string(float_format=_FOUR_DIGITS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationInNotebook(SimulationResult):
    """A simulated run that shows, draws and saves itself."""

    def to_frame(self) -> "pd.DataFrame":
        """A row for each latency in ms: mean, standard deviation and percentiles over requests."""
        import pandas as pd

        found = self.run.summary.distributions
        rows = {
            f"{name}_ms": {
                "mean": 1e3 * item.mean,
                "std": 1e3 * item.std,
                **{f"p{at}": 1e3 * value for at, value in sorted(item.percentiles.items())},
            }
            for name in _LATENCIES
            if (item := found.get(f"{name}_s")) is not None
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def save(self, folder: str | Path) -> list[str]:
        """Write what `simkit simulate -o` writes; the names of the files."""
        from simkit.verbs.simulation_document import simulation_document, write_simulation

        return write_simulation(Path(folder), self, simulation_document(self))

    def plot(self) -> "Figure":
        """Requests in flight, throughput and cache over time."""
        from simkit.reports.timeline_figure import timeline_figure

        return timeline_figure(self.run.timeline, self.run.samples)

    def _head(self) -> str:
        summary = self.run.summary
        return f"{summary.requests:,} requests, {summary.output_tokens_per_s:,.0f} output tokens/s"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._head())}</p>" + self.to_frame().to_html(float_format=_FOUR_DIGITS)

    def __str__(self) -> str:
        """How many requests, and their latencies, for print."""
        return f"{self._head()}\n\n{self.to_frame().to_string(float_format=_FOUR_DIGITS)}"


def recommend(
    request: Asked | None = None,
    options: SearchOptions | None = None,
    *,
    finalists: int = 0,
    seed: int = 0,
    **asked: Any,
) -> RecommendationInNotebook:
    """The best deployments for a request, best first; as `simkit.verbs.recommend.recommend`.

    In place of a request keywords may say it: model, gpu, total_gpus, isl, osl, concurrency or request_rate
    (per second), ttft_ms, itl_ms, e2e_latency_ms and so on (simkit.formats.dgdr.keywords).
    """
    found = search.recommend(_request(request, asked), options, finalists=finalists, seed=seed)
    return _as(RecommendationInNotebook, found)


def estimate(
    request: Asked | None = None, deployment: Deployment | Layouts | None = None, **asked: Any
) -> EstimateInNotebook:
    """Latency, throughput and memory of one deployment; as `simkit.verbs.estimate.estimate`.

    Keywords say the request as for `recommend`; worker="2xtp2", or prefill and decode, the layout.
    """
    chosen, rest = _layout(deployment, asked)
    problem, found = one_deployment.estimate_problem(_request(request, rest), chosen)
    return _as(EstimateInNotebook, found, request=problem.request)


def simulate(
    request: Asked | None = None,
    deployment: Deployment | Layouts | None = None,
    options: SimulateOptions | None = None,
    **asked: Any,
) -> SimulationInNotebook:
    """One deployment under one load, request by request; as `simkit.verbs.simulate.simulate`.

    Keywords as for `estimate`.
    """
    chosen, rest = _layout(deployment, asked)
    return _as(SimulationInNotebook, simulation.simulate(_request(request, rest), chosen, options))


def _request(request: Asked | None, asked: Mapping[str, Any]) -> Request:
    if request is None:
        return request_from_keywords(asked)
    if asked:
        raise InputError(
            f"{', '.join(asked)}: the request says everything; change it, or give keywords alone"
        )
    return search.as_request(request)


def _layout(
    deployment: Deployment | Layouts | None, asked: Mapping[str, Any]
) -> tuple[Deployment | Layouts | None, dict[str, Any]]:
    """The deployment, by its keywords where given, and the other keywords."""
    names = {field.name for field in fields(Layouts)}
    said = {name: value for name, value in asked.items() if name in names and value is not None}
    if said and deployment is not None:
        raise InputError(f"{', '.join(said)}: the deployment says the layout; drop one of them")
    rest = {name: value for name, value in asked.items() if name not in names}
    return (Layouts(**said) if said else deployment), rest


def _as(kind: type[Kind], found: Any, **more: Any) -> Kind:
    """The same record as another kind of it."""
    known = {field.name: getattr(found, field.name) for field in fields(found)}
    return kind(**known, **more)
