"""What requests of the newer build executed, as it noted while it counted them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from perfops.budgets.deterministic.counts import Counts

FILE = "executed.json"


class Executed(msgspec.Struct, frozen=True):
    """Of a route: the project's ``files``, and its ``functions`` ("file function")."""

    files: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    def changed(self, through: Iterable[str], changed: Iterable[str]) -> tuple[str, ...]:
        """Return the ``changed`` files that a call came ``through``, else those executed."""
        those = set(changed)
        for among in (through, self.files):
            if found := tuple(file for file in dict.fromkeys(among) if file in those):
                return found
        return ()


NOTHING = Executed()


def write(file: Path, counts: Mapping[str, Counts]) -> None:
    rows = {name: Executed(each.executed, each.called) for name, each in counts.items()}
    file.write_bytes(msgspec.json.encode(rows))


def read(scratch: Path | None) -> dict[str, Executed]:
    """Return it by route, without queries; empty where no request was counted."""
    if scratch is None:
        return {}
    try:
        content = (scratch / FILE).read_bytes()
        rows = msgspec.json.decode(content, type=dict[str, Executed])
    except (OSError, msgspec.DecodeError):
        return {}
    found: dict[str, Executed] = {}
    for name, each in rows.items():
        route = name.partition("?")[0]
        found[route] = together([found.get(route, NOTHING), each])
    return found


def together(those: Iterable[Executed]) -> Executed:
    known = list(those)
    return Executed(
        tuple(dict.fromkeys(file for each in known for file in each.files)),
        tuple(dict.fromkeys(name for each in known for name in each.functions)),
    )
