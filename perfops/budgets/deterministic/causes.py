"""Why a request costs more than in the file: statement, call site, index, migration, commits."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from perfops.budgets.against import attribution
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.checkouts import git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.deterministic import dropped
from perfops.budgets.deterministic.comparing import Verdict, most_of
from perfops.budgets.deterministic.counts import Counts, StatementCalls
from perfops.formatting import count_text

_CAUSES = 3


def causes(
    violated: Sequence[Verdict],
    before: Mapping[str, Counts],
    now: Mapping[str, Counts],
    file: Path,
) -> list[Cause]:
    """Return why each route of ``violated`` costs more, its worst statements first.

    Commits are those since ``file`` was last committed; none where there is no git.
    """
    if not violated:
        return []
    diff = _Diff(file)
    return [
        cause
        for route in dict.fromkeys(each.route for each in violated)
        for find in (_of_statements, _not_cached, _in_python)
        for cause in islice(find(route, before[route], now[route], diff), _CAUSES)
    ]


class _Diff:
    """What changed since the file of counts was committed."""

    def __init__(self, file: Path) -> None:
        self.ref = ""
        self.changed: tuple[str, ...] = ()
        try:
            self.ref = git("log", "-1", "--format=%H", "--", str(file))
            if self.ref:
                changed = git("diff", "--name-only", "--relative", self.ref).splitlines()
                new = git("ls-files", "--others", "--exclude-standard").splitlines()
                self.changed = (*changed, *new)
        except CouldNotCompare:
            pass

    def has(self, file: str) -> bool:
        return file in self.changed

    def files(self, through: Sequence[str]) -> tuple[str, ...]:
        return attribution.files_through(through, self.changed)

    def commits(self, files: tuple[str, ...]) -> tuple[str, ...]:
        return attribution.commits(files, self.ref) if self.ref else ()


def _of_statements(route: str, before: Counts, now: Counts, diff: _Diff) -> Iterator[Cause]:
    known = {each.text: each for each in before.sent}
    grown = sorted(now.sent, key=lambda each: _added(known.get(each.text), each), reverse=True)
    for sent in grown:
        was = known.get(sent.text, StatementCalls(sent.text, 0))
        if sent.calls > was.calls:
            what, through = f"more calls: {was.calls} to {sent.calls} a request", sent.through
        elif sent.blocks > most_of("blocks", was.blocks):
            more, migrations = _more_blocks(was, sent)
            what, through = more, (*migrations, *sent.through)
        else:
            continue
        files = diff.files(through)
        yield Cause(route, what, sent.text, sent.line, None, files, diff.commits(files))


def _not_cached(route: str, before: Counts, now: Counts, diff: _Diff) -> Iterator[Cause]:
    """The second of two equal requests sends more than before: what it asks is not cached."""
    if now.again is None or before.again is None or now.again <= before.again:
        return
    known = {each.text for each in before.sent}
    # What a first request sends as well, and a cache spared the second.
    for sent in sorted(now.sent_again, key=lambda each: each.text not in known):
        what = (
            f"not found in the cache: a second request sends {count_text(now.again, 'statement')}"
            f" instead of {before.again}"
        )
        files = diff.files(sent.through)
        yield Cause(route, what, sent.text, sent.line, None, files, diff.commits(files))
        return


def _in_python(route: str, before: Counts, now: Counts, diff: _Diff) -> Iterator[Cause]:
    """Python executes more, and most of it in one function: the project's if there is one."""
    if not before.steps or not now.steps or now.steps <= most_of("steps", before.steps):
        return
    least = min(before.functions.values(), default=0)
    grown = {
        name: steps - before.functions.get(name, least) for name, steps in now.functions.items()
    }
    names = sorted((n for n in grown if grown[n] > 0), key=lambda n: -grown[n])
    own = [name for name in names if diff.has(name.partition(" ")[0])]
    chosen = next(iter([*own, *names]), "")
    what = f"{now.steps:,} instructions of Python instead of {before.steps:,}"
    if chosen:
        old = before.functions.get(chosen, 0)
        what += f", most of them in {names[0]} (+{grown[names[0]]:,})"
        if chosen != names[0]:
            what += f"; of the changed files, in {chosen} ({old:,} to {now.functions[chosen]:,})"
    files = diff.files([name.partition(" ")[0] for name in names])
    yield Cause(route, what, "", chosen, None, files, diff.commits(files))


def _added(was: StatementCalls | None, now: StatementCalls) -> tuple[int, int]:
    calls, blocks = (was.calls, was.blocks) if was else (0, 0)
    return now.calls - calls, now.blocks - blocks


def _more_blocks(was: StatementCalls, now: StatementCalls) -> tuple[str, list[str]]:
    """Return what happened to its indexes, and the files of the migrations that dropped them."""
    what = f"{count_text(now.blocks, 'block')} a request instead of {was.blocks:,}"
    unused = [name for name in was.indexes if name not in now.indexes]
    if not unused:
        return f"{what}; it uses the same indexes", []
    gone = dropped.gone(unused)
    migrations = dropped.by_migrations(gone)
    sentences = []
    for name in unused:
        if name not in gone:
            sentences.append(f"index {name} is there and not used any more")
        elif name in migrations:
            sentences.append(f"index {name} is gone: {migrations[name].name} drops it")
        else:
            sentences.append(f"index {name} is gone, and no migration says so")
    return "; ".join([what, *sentences]), [each.file for each in migrations.values()]
