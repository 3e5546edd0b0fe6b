"""Units of budget metrics: how a value is written, typed and bounded."""

import math
from dataclasses import dataclass

_SMALL_SHARE = 0.1
_SHORT_MS = 100


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
        return f"{value:,.1f} ms" if value < _SHORT_MS else f"{value:,.0f} ms"


@dataclass(frozen=True, slots=True)
class Rate(Unit):
    name: str = "req/s"

    def text(self, value: float) -> str:
        return f"{value:,.0f} req/s"


@dataclass(frozen=True, slots=True)
class Share(Unit):
    """From 0 to 1, written as percent: ``85%`` is 0.85, and a bare ``85`` is refused."""

    name: str = "share"

    def text(self, value: float) -> str:
        return f"{value:.2%}" if value < _SMALL_SHARE else f"{value:.1%}"

    def bound_text(self, bound: float) -> str:
        return f"{bound * 100:g}%"

    def check(self, value: float) -> None:
        Unit.check(self, value)
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
