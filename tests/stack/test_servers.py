"""The embedded servers: started from their wheels, ended for certain, nothing lost."""

import os
import signal
import stat
import threading
import time
from contextlib import suppress

import psutil
import psycopg
import pytest
import redis

from midst.stack import ports, process, servers
from midst.stack.postgres import Postgres
from midst.stack.state import StackError
from midst.stack.valkey import Valkey


@pytest.fixture
def folder(tmp_path):
    """A folder that PostgreSQL's user can reach."""
    for parent in [tmp_path, *tmp_path.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    return tmp_path


@pytest.fixture
def running():
    """Children to end after the test, whatever became of it."""
    children = []
    yield children
    for child in children:
        process.stop(child)


def test_postgres_has_statistics_and_listens_on_loopback_with_a_password(folder, running):
    child, url = Postgres(folder / "pg", folder / "pg.log").start(death=signal.SIGINT)
    running.append(child)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_statements").fetchone()
        assert connection.execute("SHOW server_version_num").fetchone()[0] >= "180000"
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        connection.execute("CREATE TABLE people (email text PRIMARY KEY)")
        add = "INSERT INTO people VALUES ('ada@example.org')"
        connection.execute(add)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(add)
    assert "duplicate key" in (folder / "pg.log").read_text()
    assert "example.org" not in (folder / "pg.log").read_text()
    without = url.replace(url.split(":")[2].split("@")[0], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(without)
    server = psutil.Process(child.pid)
    assert server.uids().real != 0
    assert stat.S_IMODE((folder / "pg.log").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "pg" / "password").stat().st_mode) == 0o600


def test_data_and_port_survive_kill_9(folder, running):
    postgres = Postgres(folder / "pg", folder / "pg.log")
    first, url = postgres.start(death=signal.SIGINT)
    running.append(first)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    os.kill(first.pid, signal.SIGKILL)
    process.stop(first)
    second, again = postgres.start(death=signal.SIGINT)
    running.append(second)
    assert again == url
    with psycopg.connect(again) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


@pytest.mark.slow
def test_a_killed_server_is_started_again_once_its_sessions_have_ended(folder, running):
    postgres = Postgres(folder / "pg", folder / "pg.log")
    first, url = postgres.start(death=signal.SIGINT)
    running.append(first)
    connection = psycopg.connect(url)
    session = connection.info.backend_pid
    os.kill(session, signal.SIGSTOP)
    os.kill(first.pid, signal.SIGKILL)
    later = threading.Timer(1.0, os.kill, [session, signal.SIGCONT])
    later.start()
    second, _ = postgres.start(death=signal.SIGINT)
    running.append(second)
    later.join()
    connection.close()
    assert second.is_running()


@pytest.mark.slow
def test_a_half_made_cluster_is_made_anew(folder, running):
    (folder / "pg" / "data").mkdir(parents=True)
    (folder / "pg" / "data" / "base").mkdir()
    child, _ = Postgres(folder / "pg", folder / "pg.log").start(death=signal.SIGINT)
    running.append(child)
    assert child.is_running()


@pytest.mark.slow
def test_a_server_that_does_not_start_shows_the_end_of_its_log(folder):
    postgres = Postgres(folder / "pg", folder / "pg.log", {"shared_buffers": "nonsense"})
    with pytest.raises(StackError, match="shared_buffers"):
        postgres.start(death=signal.SIGINT)


def test_valkey_is_bounded_and_evicts_only_what_expires(folder, running):
    child, url = Valkey(folder / "valkey", folder / "valkey.log").start(death=signal.SIGTERM)
    running.append(child)
    client = redis.Redis.from_url(url, decode_responses=True)
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-lru"
    assert int(client.config_get("maxmemory")["maxmemory"]) == 256 * 1024**2
    client.close()


def test_a_restarted_valkey_is_found_where_it_was(folder, running):
    valkey = Valkey(folder / "valkey", folder / "valkey.log")
    first, url = valkey.start(death=signal.SIGTERM)
    running.append(first)
    os.kill(first.pid, signal.SIGKILL)
    process.stop(first)
    second, again = valkey.start(death=signal.SIGTERM)
    running.append(second)
    assert again == url
    assert stat.S_IMODE((folder / "valkey" / "password").stat().st_mode) == 0o600


def test_servers_that_the_environment_names_are_not_started(folder, running):
    outside = {"DATABASE_URL": "postgres://a@b/c"}
    started = servers.start(folder, outside=outside, death=signal.SIGINT)
    running.extend(started.children)
    assert [child.name for child in started.children] == ["valkey"]
    assert started.urls["DATABASE_URL"] == "postgres://a@b/c"


def test_an_odd_url_is_named():
    with pytest.raises(StackError, match="DATABASE_URL must start with"):
        servers.outside({"DATABASE_URL": "mysql://x"})
    assert servers.outside({"DATABASE_URL": ""}) == {}


def sleeper(folder, seconds=60):
    code = (
        f"import subprocess, time; subprocess.Popen(['sleep', '{seconds}']); time.sleep({seconds})"
    )
    return process.spawn(
        "sleeper",
        ["python3", "-c", code],
        environment=os.environ,
        folder=folder,
        log=folder / "sleeper.log",
    )


def wait_for_children(child):
    """A child that is forked but has not become its program yet would die with its parent."""
    deadline = time.monotonic() + 60
    while True:
        found = psutil.Process(child.pid).children()
        # The interpreter may have other children as it starts, which end meanwhile.
        with suppress(psutil.NoSuchProcess):
            if found and all(each.name() == "sleep" for each in found):
                return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_successor_ends_what_was_left_and_its_children_too(folder):
    child = sleeper(folder)
    (grandchild,) = wait_for_children(child)
    process.remember([child], folder / "processes.json")
    os.kill(child.pid, signal.SIGKILL)
    assert process.stop_remembered(folder / "processes.json") == ["sleeper"]
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE
    assert process.stop_remembered(folder / "processes.json") == []


def test_a_number_that_has_a_new_holder_is_left_alone(folder, running):
    child = sleeper(folder)
    running.append(child)
    earlier = process.Child("old", child.pid, child.created - 100, child.log)
    process.remember([earlier], folder / "processes.json")
    assert process.stop_remembered(folder / "processes.json") == []
    assert child.is_running()


@pytest.mark.parametrize("text", ["", "nonsense", "[{}]", "7"])
def test_a_damaged_record_is_no_obstacle(folder, text):
    (folder / "processes.json").write_text(text)
    assert process.remembered(folder / "processes.json") == []


def test_a_port_in_use_is_named_with_its_holder():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port} \(the API\) is in use by .*pid"):
            ports.require(port, purpose="the API", variable="MIDST_PORT")
        assert ports.choose(port) != port
    assert ports.choose(port) == port
