"""What tokens cost."""

from typing import Any, TypeVar

_SECONDS_PER_HOUR = 3600.0

Amount = TypeVar("Amount", bound=Any)  # a number, or an array of them


def cost_per_million_tokens(gpu_hour_price: Amount, tokens_per_s_per_gpu: Amount) -> Amount:
    """Cost of a million tokens, in the unit of the price of a GPU hour; both broadcast together."""
    return gpu_hour_price / _SECONDS_PER_HOUR / tokens_per_s_per_gpu * 1e6  # type: ignore[no-any-return]
