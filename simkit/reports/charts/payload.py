"""What the script in a report reads: the figures as JSON, the plotting library, and the script itself."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from simkit.reports.charts.model import Chart, Figure

LIBRARY = "chart.umd.min.js"
_ASSETS = "simkit.reports"
_MANY = 2_000


def payload_text(figures: Iterable[Figure]) -> str:
    """The charts by name and every text that points say once, as JSON that may stand in a <script>.

    No < and no & is in it.
    """
    texts: dict[str, int] = {}
    charts = {figure.name: _chart(figure, texts) for figure in figures if isinstance(figure, Chart)}
    text = json.dumps({"charts": charts, "texts": list(texts)}, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _chart(chart: Chart, texts: dict[str, int]) -> dict[str, Any]:
    """A chart, its names as places in `texts`; of many points by their parts, and values in four digits."""
    many = sum(len(series.x) for series in chart.series) > _MANY
    found: dict[str, Any] = _plain(asdict(chart), 4 if many else 6)
    for series in found["series"]:
        names = series.get("names", ())
        if many:
            series["names"] = [[_place(part, texts) for part in name.split(", ")] for name in names]
        else:
            series["names"] = [_place(name, texts) for name in names]
    return found


def _place(text: str, texts: dict[str, int]) -> int:
    return texts.setdefault(text, len(texts))


def library_text() -> str:
    """Chart.js as published, with its licence at its head; without the address of its source map."""
    whole = (files(_ASSETS) / "assets" / LIBRARY).read_text(encoding="utf-8")
    code = "\n".join(line for line in whole.splitlines() if not line.startswith("//# sourceMappingURL"))
    licence = (files(_ASSETS) / "assets" / "chart.LICENSE.md").read_text(encoding="utf-8")
    return f"/*\n{licence.strip()}\n*/\n{code}"


def style_text() -> str:
    """How pages look."""
    return (files(_ASSETS) / "templates" / "report.css").read_text(encoding="utf-8")


def script_text() -> str:
    """Our own script: makes of every chart one that can be pointed at."""
    return (files(_ASSETS) / "assets" / "report.js").read_text(encoding="utf-8")


def _plain(value: Any, digits: int) -> Any:
    """Numbers to so many digits and nothing that is empty: a report of ten thousand points stays small."""
    if isinstance(value, dict):
        return {key: _plain(item, digits) for key, item in value.items() if item not in ("", (), False)}
    if isinstance(value, list | tuple):
        return [_plain(item, digits) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{digits}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value
