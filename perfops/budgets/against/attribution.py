"""Why a route got slower: statement, call site, files of the diff, commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfops.budgets.against import blame, counted, executed
from perfops.budgets.against.cache_use import CacheUse, fall, files_of_key
from perfops.budgets.against.checkouts import Side, git
from perfops.budgets.against.counted import Counted
from perfops.budgets.against.executed import NOTHING, Executed
from perfops.budgets.against.server_cpu import ALL_ROUTES
from perfops.formatting import cut

# More than a fifth slower or more often, and so often that it counts.
_CHANGED, _LEAST_CALLS, _MIN_CALLS = 1.2, 0.02, 20
_CAUSES, _COMMITS, _FILES = 3, 5, 5
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Cause:
    """``what``: more calls, slower calls or changed plan; ``ms``: what it adds to a request, None
    where no time was taken.
    """

    route: str
    what: str
    statement: str
    site: str
    ms: float | None
    files: tuple[str, ...]
    commits: tuple[str, ...]


def attribute(
    slower: list[str],
    pair: tuple[Side, Side],
    requests: Mapping[str, Mapping[str, int]],
    cached: Mapping[str, CacheUse],
    ref: str,
) -> list[Cause]:
    """Return why each of the routes ``slower`` is slower; ``requests``: by build and route.

    All routes together are slower by what the costliest of them send.
    """
    if not slower:
        return []
    old, new = ({} if (its := counted.counts(side)) is None else its for side in pair)
    changed = tuple(git("diff", "--name-only", "--relative", ref).splitlines())
    known = executed.read(pair[1].scratch)
    found = []
    for route in slower:
        causes = []
        names = sorted(requests[pair[1].name]) if route == ALL_ROUTES else [route]
        for name in names:
            sent = [requests[side.name].get(name, 0) for side in pair]
            before = counted.of_route(old, name, sent[0])
            after = counted.of_route(new, name, sent[1])
            missed = fall(name, *(cached[side.name] for side in pair))
            causes += of_statements(
                name, before, after, pair, changed, ref,
                missed=missed, its=known.get(name, NOTHING),
            )  # fmt: skip
        causes.sort(key=lambda cause: -(cause.ms or 0))
        ran = executed.together(known.get(name, NOTHING) for name in names)
        found += causes[:_CAUSES] or [_in_python(route, changed, ref, ran)]
    return list(dict.fromkeys(found))


def of_statements(
    route: str,
    before: dict[str, Counted],
    after: dict[str, Counted],
    pair: Sequence[Side],
    changed: tuple[str, ...],
    ref: str,
    *,
    missed: str = "",
    its: Executed = NOTHING,
) -> list[Cause]:
    """Return the statements (by text) that made the route slower, the costliest first.

    ``missed``: what became of its cache, where less is found there: its key may have changed.
    ``its``: what a request of the route executes.
    """
    found = []
    for text, now in after.items():
        was = before.get(text, Counted("", "", 0.0, now.ms, 0))
        added = now.per_request * now.ms - was.per_request * was.ms
        if now.calls < _MIN_CALLS or added <= 0:
            continue
        more = now.per_request - was.per_request
        if more > _LEAST_CALLS and now.per_request > was.per_request * _CHANGED:
            what = f"more calls: {was.per_request:,.2f} to {now.per_request:,.2f} a request"
        elif now.ms > was.ms * _CHANGED:
            plan = "changed plan" if counted.has_other_plan(text, pair) else "slower calls"
            what = f"{plan}: {was.ms:,.2f} to {now.ms:,.2f} ms a call"
        else:
            continue
        through = _through(now)
        files = its.changed(through, changed)[:_FILES] or changed[:_FILES]
        said = commits(files, ref, now.site if "calls:" in what else "", its.functions)
        if missed:
            near = tuple(file for file in its.files if file not in through and file in changed)
            files = (near or files_of_key(through, changed))[:_FILES] or files
            said = ranked(files, ref, its.functions)
            what = f"{missed}; {what}"
            what += f"; {len(said)} commits may be it, the likeliest first" * (len(said) > 1)
        found.append(Cause(route, what, cut(text, _LONGEST), now.site, added, files, said))
    return sorted(found, key=lambda cause: -(cause.ms or 0))[:_CAUSES]


def _in_python(route: str, changed: tuple[str, ...], ref: str, its: Executed) -> Cause:
    what = "its statements are as before: the time is spent elsewhere, in Python or waiting"
    files = its.changed((), changed)[:_FILES]
    if its.files and changed and not files:
        what += "; no changed file was executed by the request"
    files = files or changed[:_FILES]
    return Cause(route, what, "", "", 0.0, files, commits(files, ref, executed=its.functions))


def _through(sent: Counted) -> list[str]:
    frames = [sent.site, *sent.stack.splitlines()]
    return [frame.partition(":")[0] for frame in frames]


def files_through(through: Sequence[str], changed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files of the diff that the statement came through, innermost first; else all."""
    found = tuple(file for file in dict.fromkeys(through) if file in changed)
    return found or changed[:_FILES]


def ranked(files: Sequence[str], ref: str, executed: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the commits since ``ref`` that touched the files, those of the first file first.

    Of each file's, those first that changed functions that were ``executed``.
    """
    found = (commits((file,), ref, executed=executed) for file in files)
    return tuple(dict.fromkeys(commit for its in found for commit in its))


def commits(
    files: tuple[str, ...], ref: str, site: str = "", executed: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the commits since ``ref`` that touched the files, newest first.

    ``site``: those that changed this line are first, then its function, then functions that were
    ``executed`` ("file function").
    """
    if not files:
        return ()
    log = git("log", "--format=%h %s", f"{ref}..HEAD", "--", *files).splitlines()
    uncommitted = git("status", "--porcelain", "--", *files)
    found = [*([blame.UNCOMMITTED] if uncommitted else []), *log]
    within = [name for name in executed if name.partition(" ")[0] in files]
    return tuple(blame.likeliest(found, ref, site, within)[:_COMMITS])
