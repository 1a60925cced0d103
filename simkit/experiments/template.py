"""The experiment that `simkit experiment new` writes: it runs as it stands."""

from simkit.engines.registry import engine_names

_TEMPLATE = """\
# An experiment asks one question at many points.
# Check it:  simkit experiment validate {name}
# Its size:  simkit experiment run {name} --dry-run
# Run it:    simkit experiment run {name} -o out/{stem}
question: Which engine and how many GPUs per engine give Qwen3 32B the cheapest tokens?

# predict: closed form, thousands of points a second; simulate: request by request; recommend: a search each;
# benchmark: measured on a target, such as benchmark: {{target: local, client: builtin}}
do: predict

# All combinations are asked. An axis is a value, a list, or a range: {{start: 1, stop: 9, step: 2}}, factor.
# Also precision, kv_dtype, prefill and decode or tp, pp, attn_dp, moe_tp, ep (instead of plan), num_gpus,
# request_rate_per_s (instead of concurrency), protocol, rdma, max_num_seqs; docs/experiments.md has all.
axes:
  model: Qwen/Qwen3-32B-FP8
  backend: [{first}, {last}]
  plan: [tp1, tp2, 2xtp1+1xtp2]  # as --worker takes them; prefill + decode
  isl_tokens: 2000
  osl_tokens: 300
  concurrency: {{start: 1, stop: 128, factor: 2}}

# Axes that move together: lists of one length.
zip:
  - gpu: [h100_sxm, h200_sxm]
    gpu_hour_price: [2.5, 3.5]

# Only points for which this holds: columns, numbers, texts, and or not in, + - * /
where: "not (gpu == 'h100_sxm' and tp == 1)"

# Bounds on mean latencies [ms]; a list of bounds is an axis, too.
sla:
  ttft_ms: 1000
  itl_ms: 30

# Named points that the table compares with.
baselines:
  {first}: {{backend: {first}}}

# The answer in a small table: the best point of each group.
report:
  by: [gpu, backend, plan]
  best: cost_per_million_output_tokens
  least: true
  where: meets_sla
  show: [concurrency, ttft_ms_mean, itl_ms_mean, output_tokens_per_s_per_gpu, sla_probability]

# Ask only near the answer: fine axes then cost little (docs/experiments.md). One front for each GPU:
# refine: {{by: [gpu]}}

# What one call may take; --max-minutes, --max-points, --max-money replace it.
# budget: {{minutes: 30}}

seed: 0  # of what is simulated; `repeats: 3` simulates each point three times
"""


def template(name: str, stem: str) -> str:
    """The text, for a file of that name whose runs go to out/stem."""
    first, *_, last = engine_names()
    return _TEMPLATE.format(name=name, stem=stem, first=first, last=last)
