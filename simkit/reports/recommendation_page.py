"""The recommendation as one self-contained HTML page and as Markdown: nothing is fetched, no script runs."""

from simkit.core.estimate import Recommendation
from simkit.reports.context import environment, recommendation_context
from simkit.reports.figures import figure_svg, pareto_figure
from simkit.reports.pareto_text import pareto_text


def recommendation_html(rec: Recommendation) -> str:
    """report.html. The Pareto plot is inline SVG; light and dark follow the reader's settings."""
    from markupsafe import Markup

    plot = figure_svg(pareto_figure(rec)) if rec.candidates else ""
    template = environment().get_template("report.html.j2")
    svg = Markup(plot)  # noqa: S704 -- drawn here; its texts are escaped by the SVG writer
    return template.render(pareto_svg=svg, **recommendation_context(rec)).rstrip() + "\n"


def recommendation_markdown(rec: Recommendation) -> str:
    """report.md: question, answer, reasons, candidates, limits. The first line says how to make it again."""
    template = environment().get_template("report.md.j2")
    return template.render(pareto=pareto_text(rec), **recommendation_context(rec)).rstrip() + "\n"
