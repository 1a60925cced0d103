"""Do the README and the guides show what their commands print? Runs them and puts their real output in place.

python experiments/tour/readme.py      # part of `make reports`
"""

import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from pages import RUN, files_of

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ("docs/tutorial.md", "docs/tour.md", "docs/howto/calibrate.md")


@cache
def output_of(words: str, folder: Path) -> str:
    """What a command prints, as a terminal 100 columns wide shows it."""
    command = [sys.executable, "-m", *shlex.split(words)]
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{words}: {done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def block(words: str, most: int, folder: Path) -> str:
    """A command and its output as an indented Markdown block, long outputs cut and marked."""
    lines = output_of(words, folder).splitlines()
    if len(lines) > most:
        lines = [*lines[:most], f"... {len(lines) - most} more lines"]
    shown = "\n".join(f"    {line}".rstrip() for line in [f"$ {words}", *lines])
    return f"<!-- run, {most} lines -->\n\n{shown}\n\n<!-- end -->"


def with_outputs(text: str, folder: Path) -> str:
    """The text with the output of every command that it shows."""
    for name, content in files_of(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return RUN.sub(lambda match: block(match[2], int(match[1]), folder), text)


LEFT_OUT = {
    "family": "all runs of its family: its model and those with its architecture and size",
    "model": "all runs of its model",
    "gpu": "all runs on its GPU",
    "engine": "all runs of its engine",
    "split_group": "its group (model, GPU, engine, format, GPU count)",
}


def accuracy() -> str:
    """The accuracy table: errors and coverage by what was left out of the fit."""
    document = json.loads((ROOT / "data/calibration/errors.json").read_text())
    rows = [
        "| left out, then predicted | TTFT: median, p90 | ITL: median, p90 | request latency | 90 % held |",
        "|---|---:|---:|---:|---:|",
    ]
    for scheme, name in LEFT_OUT.items():
        scores = document["scores"][scheme]
        cells = [f"{scores[m]['mdape']:.1%}, {scores[m]['p90']:.0%}" for m in ("ttft", "itl", "e2e")]
        held = [f"{document['metrics'][m]['coverage90'][scheme]:.0%}" for m in ("ttft", "itl", "e2e")]
        rows.append(f"| {name} | {' | '.join(cells)} | {' / '.join(held)} |")
    groups = document["metrics"]["ttft"]["num_groups"]
    rows.append(f"\nn = {document['rows']:,} runs in {groups} groups.")
    return "\n".join(rows)


def with_accuracy(text: str) -> str:
    """The text with the accuracy table as it is now."""
    marked = f"<!-- accuracy -->\n\n{accuracy()}\n\n<!-- end -->"
    found, count = re.subn(r"<!-- accuracy -->(.*?<!-- end -->)?", lambda _: marked, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"README.md has {count} places for accuracy")
    return found


def main() -> None:
    """Rewrite the marked parts of README.md and of the guides."""
    readme = ROOT / "README.md"
    readme.write_text(with_accuracy(with_outputs(readme.read_text(), ROOT)))
    for name in GUIDES:
        path = ROOT / name
        folder = ROOT if name == "docs/tour.md" else ROOT / "out" / "guides" / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(with_outputs(path.read_text(), folder))


if __name__ == "__main__":
    main()
