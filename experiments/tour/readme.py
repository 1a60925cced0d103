"""Does the README's tour do what it shows? Runs its commands and puts their real output in place.

python experiments/tour/readme.py      # part of `make reports`
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOUR = {
    "tour:recommend": (
        "recommend experiments/guide/llama-70b.yaml --gpu h100_sxm --total-gpus 40 -o out/llama-70b"
    ),
    "tour:estimate": "estimate out/llama-70b/dgd.yaml --gpu h100_sxm --concurrency 100",
    "tour:simulate": (
        "simulate out/llama-70b/dgd.yaml --gpu h100_sxm --isl 4000 --osl 1000 --concurrency 100 "
        "--protocol inferencex"
    ),
}
MAX_LINES = 62


def output_of(words: str) -> str:
    """What a command prints, as a terminal 100 columns wide shows it."""
    command = [sys.executable, "-m", "simkit", *shlex.split(words)]
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"simkit {words}: {done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def block(words: str) -> str:
    """A command and its output as an indented Markdown block, long outputs cut and marked."""
    lines = output_of(words).splitlines()
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"... {len(lines) - MAX_LINES} more lines"]
    return "\n".join(f"    {line}".rstrip() for line in [f"$ simkit {words}", *lines])


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


def main() -> None:
    """Rewrite the marked parts of README.md."""
    path = ROOT / "README.md"
    text = path.read_text()
    parts = {**{mark: block(words) for mark, words in TOUR.items()}, "accuracy": accuracy()}
    for mark, content in parts.items():
        pattern = rf"<!-- {mark} -->(.*?<!-- end -->)?"
        marked = f"<!-- {mark} -->\n\n{content}\n\n<!-- end -->"
        text, count = re.subn(pattern, lambda _, new=marked: new, text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"README.md has {count} places for {mark}")
    path.write_text(text)


if __name__ == "__main__":
    main()
