"""How a setting is changed where this server runs: by SQL, at its start, or by its service."""

from dataclasses import dataclass

from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Server
from perfops.analysis.collectors.states import Setting
from perfops.conf import Conf
from perfops.formatting import identifier, literal

UNITS = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": 1024**3}
# Those whose change waits for a restart, of the settings that advice is given about.
_AT_START = {"shared_buffers", "shared_preload_libraries", "max_connections", "wal_buffers"}
# By the name that ``collectors.database`` gives a service: its command for one setting.
_SERVICES = {
    "rds": (
        "Amazon RDS and Aurora refuse ALTER SYSTEM: change the DB parameter group.",
        (
            "aws rds modify-db-parameter-group --db-parameter-group-name GROUP --parameters "
            '"ParameterName={name},ParameterValue={value},ApplyMethod={when}"'
        ),
    ),
    "cloudsql": (
        (
            "Cloud SQL refuses ALTER SYSTEM: it is a database flag. The command replaces all "
            "flags, so name the others that are set as well."
        ),
        "gcloud sql instances patch INSTANCE --database-flags={name}={value}",
    ),
    "azure": (
        "Azure Database for PostgreSQL refuses ALTER SYSTEM: it is a server parameter.",
        (
            "az postgres flexible-server parameter set --resource-group GROUP --server-name SERVER "
            "--name {name} --value {value}"
        ),
    ),
    "supabase": (
        "Supabase refuses ALTER SYSTEM: use its command line.",
        (
            "supabase --experimental --project-ref PROJECT postgres-config update "
            "--config {name}={value}"
        ),
    ),
    "neon": (
        (
            "Neon refuses ALTER SYSTEM and sizes shared memory by the compute: choose another size "
            "there. What a session may set is set for the database or the role."
        ),
        "",
    ),
}


@dataclass(frozen=True, slots=True)
class Change:
    """``how``: a sentence; ``statement``: SQL, or a service's command; "" where there is none."""

    how: str
    statement: str


def size_of(setting: Setting) -> float:
    """Return a setting's size in bytes."""
    return setting.number * UNITS.get(setting.unit, 1)


def memory(window: Window, limits: Conf) -> int:
    """Return the memory (bytes) of the server's machine; 0 where nobody has told it."""
    return limits.DATABASE_MEMORY_MB.get(window.alias, 0) * 1024**2


def change(setting: Setting, value: float | str, server: Server) -> Change:
    """Return how ``setting`` becomes ``value``: text, or a number in the setting's own unit.

    The sources are those of pg_settings; what is set for a role or a database is taken away
    there, as it stands above the server's own value.
    """
    text = value if isinstance(value, str) else f"{value:g}" if value % 1 else f"{value:.0f}"
    name = setting.name
    if setting.source in _SCOPES:
        statement = _SCOPES[setting.source].format(
            role=identifier(server.role), database=identifier(server.database), name=name
        )
        return Change(f"It is set for the {setting.source}, above the server's own.", statement)
    if setting.source == "client":
        return Change("The connection sets it: see OPTIONS of the alias in DATABASES.", "")
    waits = name in _AT_START
    if server.service in _SERVICES:
        how, command = _SERVICES[server.service]
        when = "pending-reboot" if waits else "immediate"
        return Change(how, command.format(name=name, value=text, when=when))
    if setting.source in {"command line", "environment variable"}:
        return Change(
            f"It is set by the server's {setting.source}, which ALTER SYSTEM does not change: "
            f"say {name}={text} there (Compose: command, Kubernetes: args) and restart.",
            "",
        )
    end = "  -- then restart" if waits else " SELECT pg_reload_conf();"
    shown = f"{text}{setting.unit}" if setting.unit in _WRITTEN else text
    if setting.unit == "8kB":
        shown = f"{float(text) * 8:.0f}kB"
    return Change("It needs a superuser.", f"ALTER SYSTEM SET {name} = {literal(shown)};{end}")


_WRITTEN = {"B", "kB", "MB", "GB", "ms", "s", "min"}
_SCOPES = {
    "database": "ALTER DATABASE {database} RESET {name};",
    "user": "ALTER ROLE {role} RESET {name};",
    "database user": "ALTER ROLE {role} IN DATABASE {database} RESET {name};",
}
