"""What an analysis could see: only of that it says that a problem is gone."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from perfops.analysis.collectors.records import UnavailableSource


@dataclass(frozen=True, slots=True)
class Coverage:
    """``complete``: the IDs of advisors that had all their sources; ``hidden``: for an ID the
    objects that they did not show it.
    """

    complete: frozenset[str] = frozenset()
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def covers(self, advisor: str, name: str) -> bool:
        """Say whether a finding of ``advisor`` about the object ``name`` would have been seen.

        An object is hidden with all its parts: a table with its columns and its indexes to make.
        """
        if advisor not in self.complete:
            return False
        return not any(
            name == each or name.startswith((f"{each}.", f"{each} "))
            for each in self.hidden.get(advisor, ())
        )

    def __or__(self, other: "Coverage") -> "Coverage":
        hidden = {
            id_: self.hidden.get(id_, frozenset()) | other.hidden.get(id_, frozenset())
            for id_ in {*self.hidden, *other.hidden}
        }
        return Coverage(self.complete | other.complete, hidden)

    def without(self, advisors: Collection[str]) -> "Coverage":
        """Return it where ``advisors`` failed."""
        return Coverage(self.complete - frozenset(advisors), self.hidden)

    def of(self, advisors: Collection[str]) -> "Coverage":
        """Return it for ``advisors`` alone; empty: for all."""
        return Coverage(self.complete & frozenset(advisors), self.hidden) if advisors else self


def hidden_of(sources: Iterable[str], missing: Iterable[UnavailableSource]) -> frozenset[str]:
    """Return the objects that ``sources`` lack, where they show the rest."""
    wanted = set(sources)
    return frozenset(name for each in missing if each.source in wanted for name in each.objects)
