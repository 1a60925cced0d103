"""What a run may take: time, points, money. At a limit no further block begins; what is begun ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simkit.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBudget:
    """Limits of one call; None: none. Money is what the workers cost: price by the hour times the time."""

    minutes: float | None = None
    points: int | None = None
    money: float | None = None
    worker_hour_price: float | None = None

    def __post_init__(self) -> None:
        if self.money is not None and self.worker_hour_price is None:
            raise InputError(
                "a budget of money needs what a worker costs; add worker_hour_price (--worker-hour-price)"
            )

    def changed(self, other: "RunBudget") -> "RunBudget":
        """The same with what `other` states."""
        stated = {name: getattr(other, name) for name in RunBudget.__dataclass_fields__}
        both = {name: getattr(self, name) if value is None else value for name, value in stated.items()}
        return RunBudget(**both)


@dataclass(slots=True, kw_only=True)
class Spending:
    """What a call has taken so far, beside what it may; stopped names the limit that was reached."""

    budget: RunBudget
    workers: int
    clock: Callable[[], float] = time.monotonic
    points: int = 0
    stopped: str = ""
    _begun: float = field(init=False)

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def seconds(self) -> float:
        """Since the call began."""
        return self.clock() - self._begun

    @property
    def money(self) -> float | None:
        """What the workers have cost; None without a price."""
        price = self.budget.worker_hour_price
        return None if price is None else self.workers * price * self.seconds / 3600.0

    def lets_begin(self, points: int) -> bool:
        """Whether a block of so many points may begin; it counts as begun then."""
        self.stopped = self.stopped or self._reached()
        if not self.stopped:
            self.points += points
        return not self.stopped

    def _reached(self) -> str:
        budget, money = self.budget, self.money
        spent = {"minutes": self.seconds / 60.0, "points": self.points, "money": money or 0.0}
        limits = {name: getattr(budget, name) for name in spent}
        return next((n for n, most in limits.items() if most is not None and spent[n] >= most), "")
