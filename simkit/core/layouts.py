"""The short names of plans, read back: `tp4`, `2xtp8pp2`, `dep16`, `tep8`, `tp2dp4ep8`."""

import re

from perfmodels.parallel import ParallelPlan
from simkit.core.errors import InputError

_PATTERN = re.compile(
    r"(?:(?P<count>\d+)\s*[x*])?\s*(?:(?P<kind>dep|tep)(?P<width>\d+)|tp(?P<tp>\d+)(?:dp(?P<dp>\d+))?"
    r"(?:mtp(?P<moe_tp>\d+))?(?:ep(?P<ep>\d+))?)(?:pp(?P<pp>\d+))?",
    re.IGNORECASE,
)


def parse_layout(text: str, *, moe: bool = False) -> tuple[int, ParallelPlan]:
    """Number of workers and the plan of each.

    moe: experts are split by tensor parallelism unless the text says how. Raises InputError.
    """
    match = _PATTERN.fullmatch(text.strip())
    if not match:
        raise InputError(
            f"layout {text!r} is not understood; write it like tp4, 2xtp8, dep16, tep8 or tp2dp4ep8"
        )
    part = {name: int(value) for name, value in match.groupdict().items() if value and name != "kind"}
    pp = part.get("pp", 1)
    try:
        plan = _plan(match["kind"], part, pp, moe=moe)
    except ValueError as error:
        raise InputError(f"layout {text!r}: {error}") from error
    return part.get("count", 1), plan


def _plan(kind: str | None, part: dict[str, int], pp: int, *, moe: bool) -> ParallelPlan:
    if kind and kind.lower() == "dep":
        return ParallelPlan(attn_dp=part["width"], ep=part["width"], pp=pp)
    if kind:
        return ParallelPlan(tp=part["width"], ep=part["width"], pp=pp)
    tp, dp = part["tp"], part.get("dp", 1)
    ep = part.get("ep", tp * dp if dp > 1 and "moe_tp" not in part else 1)
    moe_tp = part.get("moe_tp", tp * dp // ep if moe and (tp * dp) % ep == 0 else 1)
    return ParallelPlan(tp=tp, attn_dp=dp, moe_tp=moe_tp, ep=ep, pp=pp)
