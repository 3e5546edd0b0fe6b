"""What a database is like at the moment of looking, frozen. Ages in seconds, sizes in bytes."""

import msgspec


class Bloat(msgspec.Struct, frozen=True):
    """Room that holds nothing: ``wasted`` of ``bytes``. ``exact``: measured by pgstattuple."""

    kind: str  # table or index
    schema: str
    name: str
    bytes: int
    wasted: int
    exact: bool = False

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def share(self) -> float:
        return self.wasted / self.bytes if self.bytes else 0.0


class Numbering(msgspec.Struct, frozen=True):
    """A column that is filled by counting: how far it is, and what it can hold.

    ``sequence`` is empty for a plain integer key, whose greatest value was looked up.
    ``blocked_by``: what PostgreSQL wants to be gone before the column's type can change.
    """

    schema: str
    table: str
    column: str
    type: str
    sequence: str
    last: int
    limit: int
    sequence_schema: str = ""
    blocked_by: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


class Unvalidated(msgspec.Struct, frozen=True):
    """A constraint that was added NOT VALID: old rows may break it."""

    schema: str
    table: str
    name: str
    kind: str  # foreign key or check
    definition: str = ""


class Age(msgspec.Struct, frozen=True):
    """How old a database of the server is in transactions, and in groups of row lockers."""

    database: str
    xids: int
    mxids: int


class Session(msgspec.Struct, frozen=True):
    """Someone connected. ``blocked_by``: pids that must end or commit first."""

    pid: int
    database: str
    user: str
    application: str
    client: str
    state: str
    transaction_s: float | None
    query_s: float | None
    state_s: float | None
    waits_for: str
    text: str
    blocked_by: tuple[int, ...] = ()
    # The table, and the lock on it, that it waits for.
    wanted: str = ""
    # When its process began, and its pid: no two sessions have the same.
    session_id: str = ""


class Prepared(msgspec.Struct, frozen=True):
    """A two-phase transaction that nobody has finished."""

    name: str
    owner: str
    age_s: float


class Connections(msgspec.Struct, frozen=True):
    """``aliases``: how many of Django's DATABASES lead to this server."""

    maximum: int
    reserved: int
    used: int
    idle: int
    aliases: int = 1

    @property
    def available(self) -> int:
        return self.maximum - self.reserved

    @property
    def used_text(self) -> str:
        """How many are used of those there are: superusers may use the reserved ones too."""
        if self.used <= self.available:
            return f"{self.used} of {self.available}"
        return f"{self.used} of {self.maximum} ({self.reserved} of them reserved for superusers)"


class Replica(msgspec.Struct, frozen=True):
    """A standby as its primary sees it, or (``name`` empty) as it sees itself.

    Of itself the state is its WAL receiver's, ``CUT_OFF`` where a primary is named and no receiver
    runs, or "archive" where none is named. ``silent_s``: since the primary's last message, None
    where it is not known.
    """

    name: str
    state: str
    lag_bytes: int
    lag_s: float | None
    silent_s: float | None = None


CUT_OFF = "cut off"


class Slot(msgspec.Struct, frozen=True):
    """A replication slot: WAL is kept for it, whether someone reads it or not."""

    name: str
    kind: str
    active: bool
    kept_bytes: int
    wal_status: str
    xmin_age: int


class Setting(msgspec.Struct, frozen=True):
    """One row of pg_settings; ``unit`` is what ``value`` counts, if anything."""

    name: str
    value: str
    unit: str
    source: str
    needs_restart: bool = False

    @property
    def number(self) -> float:
        return float(self.value)
