"""What a budget metric is: its name, unit and direction, and where its values come from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from perfops.formatting import ms_text, percent_text

if TYPE_CHECKING:
    from perfops.models.budgets import Budget
    from perfops.models.runs import LoadRun, RouteResult
import math


class WrongValue(ValueError):
    """A bound that the unit does not allow; the message says what it could mean."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A plain number with ``name`` after it; the subclasses are ms, shares and rates."""

    name: str

    def text(self, value: float) -> str:
        """Return ``value`` as a person reads it."""
        return f"{value:,.2f} {self.name}".rstrip()

    def bound_text(self, bound: float) -> str:
        """Return ``bound`` with all its digits."""
        return f"{bound:g} {self.name}".rstrip()

    def check(self, value: float) -> None:
        """Raise ``WrongValue`` for a bound that can't be meant."""
        if not math.isfinite(value):
            raise WrongValue("It must be a number.")
        if value < 0:
            raise WrongValue("It must not be negative.")

    def parse(self, text: str) -> float:
        """Return the bound that ``text`` writes, the unit optional. Raises ``WrongValue``."""
        number = text.strip().removesuffix(self.name).strip()
        try:
            value = float(number)
        except ValueError as error:
            raise WrongValue(f"{text!r} is not a number of {self.name}.") from error
        self.check(value)
        return value


@dataclass(frozen=True, slots=True)
class Milliseconds(Unit):
    name: str = "ms"

    def text(self, value: float) -> str:
        return ms_text(value)


@dataclass(frozen=True, slots=True)
class Rate(Unit):
    name: str = "req/s"

    def text(self, value: float) -> str:
        return f"{value:,.0f} req/s"


_WHOLE_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Share(Unit):
    """From 0 to 1, written as percent: ``85%`` is 0.85, and a bare ``85`` is refused."""

    name: str = "share"

    def text(self, value: float) -> str:
        return percent_text(value)

    def bound_text(self, bound: float) -> str:
        return f"{bound * 100:g}%"

    def check(self, value: float) -> None:
        Unit.check(self, value)
        if value > _WHOLE_PERCENT:
            raise WrongValue("It is a share from 0 to 1: write 100% or less.")
        if value > 1:
            raise WrongValue(f"It is a share from 0 to 1: write {value:g}% or {value / 100:g}.")

    def parse(self, text: str) -> float:
        bare = text.strip()
        if not bare.endswith("%"):
            return Unit.parse(self, bare)
        value = round(Unit("%").parse(bare) / 100, 12)
        self.check(value)
        return value


MS, SHARE, PER_S = Milliseconds(), Share(), Rate()


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric read off a run; without a ``value``, ``reason`` says why."""

    value: float | None
    reason: str = ""

    @classmethod
    def known(cls, value: float | None, otherwise: str) -> "Reading":
        """Return ``value``, or ``otherwise`` as the reason where there is none."""
        return cls(value) if value is not None else cls(None, otherwise)


class BudgetMetric(ABC):
    """A subclass says what is measured; an instance in a module's ``METRICS`` is in the registry.

    ``key`` is stored in ``Budget.metric``. ``read`` and ``read_route`` are needed; the rest is
    for metrics that Prometheus or k6 know as well. See ``latency`` for one that has it all.
    """

    key: str
    title: str
    unit: Unit
    lower_is_better: bool
    # A generator without CPU makes this value worse: then a violation proves nothing.
    depends_on_generator: ClassVar[bool] = False
    # Decided by runs that seek the limit, and by no other.
    of_limit: ClassVar[bool] = False
    # As ``perfops.load.windows.Bound`` names it, where seconds of a run can be held against it.
    quantity: ClassVar[str] = ""
    # The alert's name, and how long the threshold must be crossed (Prometheus' spelling).
    alert: tuple[str, str] = ("BudgetBroken", "5m")
    # Whether Prometheus can tell the routes apart.
    prometheus_has_routes: ClassVar[bool] = True

    @abstractmethod
    def read(self, run: "LoadRun", budget: "Budget") -> Reading:
        """Read the metric off the whole of ``run``."""

    @abstractmethod
    def read_route(self, result: "RouteResult", run: "LoadRun", budget: "Budget") -> Reading:
        """Read the metric off one route of ``run``; ``result`` has requests."""

    def prometheus_value(self, budget: "Budget") -> str:
        """Return the PromQL expression of the present value; "" where Prometheus has none."""
        return ""

    def prometheus_bad_share(self, budget: "Budget", window: str) -> str:
        """Return the PromQL expression of the share of events in ``window`` that missed the
        target; "" where there are no such events: then no alert is made.
        """
        return ""

    def prometheus_requests(self, budget: "Budget") -> str:
        """Return the counter of the requests that the value is made of; "" where none count.

        Alerts wait until there were ``ALERT_MIN_REQUESTS`` of them.
        """
        return ""

    def allowance(self, budget: "Budget") -> float:
        """Return the share of events that may miss the target."""
        return 0.0

    def k6_threshold(self, bound: float) -> tuple[str, str] | None:
        """Return k6's metric and the expression of ``bound``; None where k6 can't judge it."""
        return None

    def holds(self, value: float, bound: float) -> bool:
        """Say whether ``value`` is strictly on the good side of ``bound``."""
        return value < bound if self.lower_is_better else value > bound

    def is_eased(self, target: float, threshold: float) -> bool:
        """Say whether ``target`` is easier to meet than ``threshold``: then neither says much."""
        return target != threshold and self.holds(threshold, target)

    def margin(self, value: float, threshold: float) -> float | None:
        """Return the room to the threshold as a share of it: 0.4 is 40 % to spare, < 0 violated."""
        if threshold == 0:
            return None
        room = threshold - value if self.lower_is_better else value - threshold
        return room / threshold

    def text(self, value: float | None) -> str:
        """Return ``value`` with its unit, as a person reads it."""
        return "-" if value is None else self.unit.text(value)

    def bound_text(self, bound: float) -> str:
        """Return a bound as the budget's table writes it: ``< 300 ms``."""
        return f"{'<' if self.lower_is_better else '>'} {self.unit.bound_text(bound)}"
