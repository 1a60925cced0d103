"""The recommendation as Markdown."""

from simkit.core.metrics import Recommendation
from simkit.reports.context import environment, recommendation_context
from simkit.reports.pareto_text import pareto_text


def recommendation_markdown(rec: Recommendation) -> str:
    """report.md: question, answer, reasons, candidates, limits. The first line says how to make it again."""
    template = environment().get_template("report.md.j2")
    return template.render(pareto=pareto_text(rec), **recommendation_context(rec)).rstrip() + "\n"
