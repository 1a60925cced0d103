"""A small experiment, and a finished run of one."""

from simkit.experiments.document import parse_experiment
from simkit.experiments.runner import run
from simkit.experiments.store import RunFolder

SMALL = """\
question: Which of two plans serves a small model better?
axes:
  model: Qwen/Qwen3-8B
  gpu: [h100_sxm, h200_sxm]
  backend: [vllm, trtllm]
  plan: [tp1, tp2, 1xtp1+1xtp1]
  isl_tokens: 1000
  osl_tokens: 200
  concurrency: {start: 1, stop: 64, factor: 4}
sla: {ttft_ms: 500, itl_ms: 20}
"""


def completed(folder, text=SMALL):
    """A finished run of an experiment."""
    found = RunFolder(path=folder)
    list(run(parse_experiment(text, "small.yaml"), found, ["test"]))
    return found
