"""Settings that are out of line: dangerous ones, and defaults that a grown database outgrew."""

from collections.abc import Iterator

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.advisors.setting_changes import UNITS, change, memory, size_of
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Setting
from perfops.conf import Conf
from perfops.formatting import size_text

ID = "server_settings"
TITLE = "Settings out of line"
NEEDS = ("pg_settings",)

# (setting, severity, why, what to do): whoever turned them off took a risk that rarely pays.
_MUST_BE_ON: tuple[tuple[str, SeverityName, str, str], ...] = (
    ("fsync", "error",
     "A crash of the machine can leave the data broken beyond repair.",
     "Turn it on. For quicker commits synchronous_commit = off breaks nothing."),
    ("full_page_writes", "error",
     "A page that was half written when the power went stays broken.",
     "Turn it on, unless the file system itself never writes half a page (ZFS)."),
    ("autovacuum", "error",
     "Dead rows stay, tables grow, statistics grow old, and transaction numbers run out.",
     "Turn it on. If it is in the way, make it gentler for one table, not off for all."),
    ("track_counts", "error",
     "Autovacuum does not know where to go, and this analysis sees nothing.",
     "Turn it on."),
    ("track_activities", "warning",
     "Nobody can see which statement a session runs.",
     "Turn it on."),
    ("track_io_timing", "info",
     "Plans and statistics can't tell waiting for the disk from work.",
     "Turn it on; pg_test_timing shows what reading the clock costs (mostly under 50 ns)."),
)  # fmt: skip
_PLANNER = ("enable_hashjoin", "enable_indexscan", "enable_mergejoin", "enable_nestloop")
_MB = 1024**2
# PostgreSQL's defaults, made for the smallest machine that starts it (bytes).
_SMALL_BUFFERS, _SMALL_WAL, _SMALL_WORK_MEM = 128 * _MB, 1024 * _MB, 4 * _MB
_DISK_PAGE_COST, _SSD_PAGE_COST = 4.0, 1.1
# Each sort of each connection may take work_mem: all of them a quarter of the machine at most.
_LARGEST_WORK_MEM = 64 * _MB


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [*_turned_off(window), *_outgrown(window, limits), *_waiting(window)]


def _turned_off(window: Window) -> Iterator[DetectedIssue]:
    for name, severity, why, remedy in _MUST_BE_ON:
        setting = window.after.setting(name)
        if setting is not None and setting.value == "off":
            yield _issue(window, setting, severity, why, remedy, "on")
    for name in (*_PLANNER, "enable_seqscan"):
        setting = window.after.setting(name)
        if setting is not None and setting.value == "off":
            why = "The planner may not take the best way even where it sees it."
            remedy = "Turn it on for everyone; turn it off inside one transaction if you must."
            yield _issue(window, setting, "warning", why, remedy, "on")


def _outgrown(window: Window, limits: Conf) -> Iterator[DetectedIssue]:
    """What a small database does well with costs a large or busy one."""
    database = window.database
    if database is None:
        return
    large = database.bytes >= limits.SETTINGS_MIN_DATABASE_BYTES
    buffers = window.after.setting("shared_buffers")
    if large and buffers is not None and size_of(buffers) <= _SMALL_BUFFERS:
        yield from _buffers(window, buffers, size_text(database.bytes), limits)
    work_mem = window.after.setting("work_mem")
    hours = max(1.0, window.seconds_of("pg_stat_database") / 3600)
    busy = database.temp_bytes >= limits.TEMP_BYTES_PER_HOUR * hours
    if busy and work_mem is not None and size_of(work_mem) <= _SMALL_WORK_MEM:
        yield _work_mem(window, work_mem, database.temp_bytes, limits)
    cost = window.after.setting("random_page_cost")
    if large and cost is not None and cost.number >= _DISK_PAGE_COST:
        why = "It says that a random read costs four times one in order: true of turning disks."
        remedy = "On SSD or network storage 1.1 is right: the planner then trusts indexes more."
        yield _issue(window, cost, "info", why, remedy, _SSD_PAGE_COST)


def _buffers(window: Window, setting: Setting, size: str, limits: Conf) -> Iterator[DetectedIssue]:
    """A quarter of the memory, as PostgreSQL's documentation advises (20.4.1)."""
    quarter = memory(window, limits) / 4
    if quarter and quarter <= size_of(setting):
        return
    why = f"The database has {size}: most reads leave PostgreSQL's memory."
    remedy = "A quarter of the machine's memory is a good start."
    value = quarter // UNITS.get(setting.unit, 1) if quarter else None
    yield _issue(window, setting, "warning", why, remedy, value)


def _work_mem(window: Window, setting: Setting, spilled: int, limits: Conf) -> DetectedIssue:
    why = f"{size_text(spilled)} were sorted and joined on disk in the window."
    remedy = "Raise it with care: each sort of each connection may take so much."
    connections = window.after.setting("max_connections")
    known = memory(window, limits)
    value = None
    if known and connections is not None:
        most = min(_LARGEST_WORK_MEM, known / 4 / max(1.0, connections.number))
        if most >= 2 * size_of(setting):
            value = most // UNITS.get(setting.unit, 1)
        else:
            remedy = (
                f"The machine's memory has no room for more in each of {connections.value} "
                "connections: allow fewer, or set it for the few statements that need it "
                "(SET LOCAL work_mem)."
            )
            return _issue(window, setting, "warning", why, remedy, None, sized=True)
    return _issue(window, setting, "warning", why, remedy, value)


def _waiting(window: Window) -> Iterator[DetectedIssue]:
    for setting in window.after.settings:
        if setting.needs_restart:
            why = "The file says something else than what is in force: a restart will change it."
            remedy = "Restart the server, or undo the change."
            yield _issue(window, setting, "info", why, remedy, None, sized=True)


def _issue(
    window: Window,
    setting: Setting,
    severity: SeverityName,
    why: str,
    remedy: str,
    value: float | str | None,
    *,
    sized: bool = False,
) -> DetectedIssue:
    """``value``: in the setting's unit; None where it depends on what we don't know, or, with
    ``sized``, where none is to be set.
    """
    statement = ""
    if value is not None:
        found = change(setting, value, window.after.server)
        remedy, statement = f"{remedy} {found.how}", found.statement
    elif not sized:
        remedy += (
            ' How much memory the machine has is not known here: with PERFOPS["'
            'DATABASE_MEMORY_MB"] the next analysis writes the statement.'
        )
    shown = f"{setting.value} {setting.unit}".strip()
    return DetectedIssue(
        advisor=ID,
        object=setting.name,
        severity=severity,
        title=f"{setting.name} is {shown}",
        evidence={"value": shown, "set by": setting.source},
        why=why,
        remedy=remedy,
        statement=statement,
    )
