"""The recommendation as one self-contained HTML page and as Markdown: nothing is fetched, no script runs."""

from simkit.reports.context import environment, recommendation_context
from simkit.reports.document import Document
from simkit.reports.figures import figure_svg, pareto_figure
from simkit.reports.pareto_text import pareto_text


def recommendation_html(doc: Document) -> str:
    """report.html from a recommendation's document.

    The Pareto plot is inline SVG; light and dark follow the reader's settings.
    """
    from markupsafe import Markup

    plot = figure_svg(pareto_figure(doc)) if doc["candidates"] else ""
    template = environment().get_template("report.html.j2")
    svg = Markup(plot)  # noqa: S704 -- drawn here; its texts are escaped by the SVG writer
    return template.render(pareto_svg=svg, **recommendation_context(doc)).rstrip() + "\n"


def recommendation_markdown(doc: Document) -> str:
    """report.md: question, answer, reasons, candidates, limits. The first line says how to make it again."""
    template = environment().get_template("report.md.j2")
    return template.render(pareto=pareto_text(doc), **recommendation_context(doc)).rstrip() + "\n"
