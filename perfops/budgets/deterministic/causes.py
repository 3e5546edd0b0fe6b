"""Why a request costs more than in the file: statement, call site, index, migration, commits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from perfops.budgets.against import attribution
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.checkouts import git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.deterministic import dropped, steps
from perfops.budgets.deterministic.comparing import FIELDS, Verdict, most_of
from perfops.budgets.deterministic.counts import Counts, StatementCalls
from perfops.formatting import count_text

_CAUSES, _FILES = 3, 5


def causes(
    violated: Sequence[Verdict],
    before: Mapping[str, Counts],
    now: Mapping[str, Counts],
    diff: "Diff",
) -> list[Cause]:
    """Return why each route of ``violated`` costs more, its worst statements first."""
    return [
        cause
        for route in dict.fromkeys(each.route for each in violated)
        for cause in of_route(route, before[route], now[route], diff)
    ]


def of_route(route: str, before: Counts, now: Counts, diff: "Diff") -> list[Cause]:
    """Return why ``route`` costs more. What more statements explain is no cause of its own."""
    return [
        cause
        for find in (_of_statements, _not_cached, _in_python)
        for cause in islice(find(route, before, now, diff), _CAUSES)
    ]


def of_count(found: Verdict, before: Counts, now: Counts, diff: "Diff") -> str:
    """Return the likeliest cause of one count that grew, for its line of a table; or ""."""
    find = _FINDERS.get(FIELDS.get(found.what, found.what))
    cause = next(find(found.route, before, now, diff), None) if find else None
    if cause is None:
        return ""
    where = f" at {cause.site}" if cause.site and cause.site not in cause.what else ""
    return f"{cause.what}{where}"


class Diff:
    """What changed since a commit, or since the file of counts was committed.

    Nothing where there is no git.
    """

    def __init__(self, file: Path, since: str = "") -> None:
        self.ref = ""
        self.changed: tuple[str, ...] = ()
        try:
            self.ref = since or git("log", "-1", "--format=%H", "--", str(file))
            if self.ref:
                changed = git("diff", "--name-only", "--relative", self.ref).splitlines()
                new = git("ls-files", "--others", "--exclude-standard").splitlines()
                self.changed = (*changed, *new)
        except CouldNotCompare:
            pass

    def files(self, through: Sequence[str], executed: Sequence[str]) -> tuple[str, ...]:
        """Return the changed files that a call came ``through``; else those that were executed."""
        for among in (through, executed):
            found = tuple(file for file in dict.fromkeys(among) if file in self.changed)
            if found:
                return found[:_FILES]
        return ()

    def none_of(self, files: tuple[str, ...]) -> str:
        """Return that none of the changed files was executed, where there are some; or ""."""
        return "" if files or not self.changed else "; no changed file was executed by the request"

    def ranked(self, files: tuple[str, ...], now: Counts) -> tuple[str, ...]:
        return attribution.ranked(files, self.ref, now.called) if self.ref else ()

    def commits(self, files: tuple[str, ...], site: str, now: Counts) -> tuple[str, ...]:
        return attribution.commits(files, self.ref, site, now.called) if self.ref else ()


def _of_statements(route: str, before: Counts, now: Counts, diff: Diff) -> Iterator[Cause]:
    known = {each.text: each for each in before.sent}
    grown = sorted(now.sent, key=lambda each: _added(known.get(each.text), each), reverse=True)
    explained = _with_statements(before, now)
    for sent in grown:
        was = known.get(sent.text, StatementCalls(sent.text, 0))
        if sent.calls > was.calls:
            what = f"more calls: {was.calls} to {sent.calls} a request"
            files = diff.files(sent.through, now.executed)
            commits = diff.commits(files, sent.line, now)
        elif sent.blocks > most_of("blocks", was.blocks):
            what, migrations = _more_blocks(was, sent)
            files = diff.files((*migrations, *sent.through), now.executed)
            # What dropped its index is likelier than whatever else it came through.
            commits = diff.ranked(files, now) if migrations else diff.commits(files, "", now)
        else:
            continue
        what += explained + diff.none_of(files)
        yield Cause(route, what, sent.text, sent.line, None, files, commits)
        explained = ""


def _not_cached(route: str, before: Counts, now: Counts, diff: Diff) -> Iterator[Cause]:
    """The second of two equal requests sends more than before: what it asks is not cached.

    A key is made before the statement is sent, and elsewhere: whatever was executed may be it.
    """
    if now.again is None or before.again is None or now.again <= before.again:
        return
    if now.again - before.again <= now.statements - before.statements:
        # The first request sends as many more: nothing was cached before either.
        return
    known = {each.text for each in before.sent}
    # What a first request sends as well, and a cache spared the second.
    for sent in sorted(now.sent_again, key=lambda each: each.text not in known):
        what = (
            f"not found in the cache: a second request sends {count_text(now.again, 'statement')}"
            f" instead of {before.again}"
        )
        if now.region:
            what += f"; cache of region {now.region}: a hit before, a miss now"
            what += f", declared in {now.declared_in}" * bool(now.declared_in)
        likely = [now.declared_in, *(each for each in now.executed if each not in sent.through)]
        files = diff.files([*likely, *sent.through], ())
        commits = diff.ranked(files, now)
        if len(commits) > 1:
            what += f"; {len(commits)} commits may be it, the likeliest first"
        what += diff.none_of(files)
        yield Cause(route, what, sent.text, sent.line, None, files, commits)
        return


def _with_statements(before: Counts, now: Counts) -> str:
    """Return that more statements explain the more instructions of Python, or ""."""
    if not _more_python(before, now) or not _explained(before, now):
        return ""
    return f"; this explains {now.steps:,} instructions of Python instead of {before.steps:,}"


def _more_python(before: Counts, now: Counts) -> bool:
    return bool(before.steps and now.steps and now.steps > most_of("steps", before.steps))


def _explained(before: Counts, now: Counts) -> bool:
    """Say whether more statements explain that Python executes more.

    A statement costs thousands of instructions in Django and the driver, and some in the files
    that send it. What grew in other files of the project is no work of statements.
    """
    known = {each.text: each.calls for each in before.sent}
    grown = [each for each in now.sent if each.calls > known.get(each.text, 0)]
    if not grown or before.steps is None:
        return False
    senders = {file for each in grown for file in each.through}
    unnamed = before.steps * steps.SHARE
    times = now.statements / max(1, before.statements)
    others = sum(
        more
        for name, more in _grown_functions(before, now)
        if _file(name) in now.executed
        and _file(name) not in senders
        # What is executed for each statement, such as the counting of them, grows as they do.
        and now.functions[name] > times * before.functions.get(name, unnamed)
    )
    return others <= most_of("steps", before.steps) - before.steps


def _grown_functions(before: Counts, now: Counts) -> list[tuple[str, int]]:
    """Return by how many instructions each function grew, most first."""
    least = min(before.functions.values(), default=0)
    grown = ((name, n - before.functions.get(name, least)) for name, n in now.functions.items())
    return sorted((pair for pair in grown if pair[1] > 0), key=lambda pair: -pair[1])


def _file(function: str) -> str:
    return function.partition(" ")[0]


def _in_python(route: str, before: Counts, now: Counts, diff: Diff) -> Iterator[Cause]:
    """Python executes more, and most of it in one function: the project's if there is one."""
    if not _more_python(before, now) or _explained(before, now):
        return
    grown = _grown_functions(before, now)
    names = [name for name, _ in grown]
    own = [name for name in names if _file(name) in diff.changed]
    chosen = next(iter([*own, *names]), "")
    what = f"{now.steps:,} instructions of Python instead of {before.steps:,}"
    if chosen:
        old = before.functions.get(chosen, 0)
        what += f", most of them in {names[0]} (+{grown[0][1]:,})"
        if chosen != names[0]:
            what += f"; of the changed files, in {chosen} ({old:,} to {now.functions[chosen]:,})"
    files = diff.files([_file(name) for name in names], now.executed)
    what += diff.none_of(files)
    yield Cause(route, what, "", chosen, None, files, diff.commits(files, chosen, now))


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


# What finds the cause of a count, where the statements that are sent more often are none.
_FINDERS: Mapping[str, Callable[[str, Counts, Counts, Diff], Iterator[Cause]]] = {
    "blocks": _of_statements,
    "again": _not_cached,
    "steps": _in_python,
}
