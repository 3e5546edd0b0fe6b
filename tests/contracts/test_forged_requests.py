"""What a client puts into headers and paths never shows in what others are answered."""

import http.client
import json
import os
import socket
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections

from profiles.models import Profile
from tests.serving import serving

pytestmark = [pytest.mark.e2e, pytest.mark.django_db]
LIST = "/api/v1/profiles?limit=1"


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker, tmp_path_factory):
    """gunicorn with the configuration of production, on loopback as behind a local proxy."""
    with django_db_blocker.unblock():
        owner = get_user_model().objects.create_user("forged")
        for number in range(3):
            Profile.objects.create(
                owner=owner, slug=f"forged-{number}", display_name="F", visibility="public"
            )
    about = connections["default"].settings_dict
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{about['NAME']}"
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "CORS_ALLOWED_ORIGINS": "https://app.example",
        "CACHE_PREFIX": f"forged-{os.getpid()}",
        "DJANGO_SETTINGS_MODULE": "midst.settings.test",
        "GUNICORN_CMD_ARGS": f"--config={settings.BASE_DIR / 'infra' / 'gunicorn.conf.py'}",
    }
    with serving(environment, tmp_path_factory.mktemp("forged") / "log", workers=1) as url:
        yield url
    with django_db_blocker.unblock():
        owner.delete()


def ask(server, method, target, body=None, **headers):
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=60)
    # The target goes out as it is: no library tidies it up.
    connection.putrequest(method, target)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("//evil.example/api/v1/profiles?limit=1", "SCRIPT_NAME"),
        ("//evil.example/api/v1/profiles?limit=1", "Script-Name"),
        ("/anything", "PATH_INFO"),
    ],
)
def test_no_header_chooses_the_path(server, target, name):
    value = "//evil.example" if "evil" in target else "/api/v1/profiles"
    answer = ask(server, "GET", target, **{name: value})
    # Answered by the path alone, or refused by the server: an odd name is no header to it.
    assert answer.status in {400, 404}
    listed = json.loads(ask(server, "GET", LIST).body)
    assert listed["next"].startswith("/api/v1/profiles?limit=1&cursor=")


def test_head_is_answered_as_get_without_the_body(server):
    read = ask(server, "GET", LIST)
    head = ask(server, "HEAD", LIST)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["ETag"] == read.headers["ETag"]
    assert head.headers["Content-Length"] == str(len(read.body))


def chunked(server, pieces):
    """Send a body without saying how long it is; return the status line."""
    host, port = urlsplit(server).hostname, urlsplit(server).port
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(
            b"POST /api/v1/auth/revoke HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in (*pieces, b""):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        return connection.makefile("rb").readline()


def test_a_chunked_body_is_read(server):
    assert b" 204 " in chunked(server, [b'{"refresh":', b' "unknown"}'])


def test_a_chunked_body_has_the_same_largest_size(server):
    assert b" 413 " in chunked(server, [b" " * 400_000] * 3)


def test_pages_of_allowed_origins_alone_may_read_answers(server):
    asked = {
        "Origin": "https://app.example", "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, if-match",
    }  # fmt: skip
    before = ask(server, "OPTIONS", LIST, **asked)
    assert before.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "if-match" in before.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in before.headers
    for path, status in ((LIST, 200), ("/api/v1/nothing", 404)):
        answer = ask(server, "GET", path, Origin="https://app.example")
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "origin" in answer.headers["Vary"].lower()
        other = ask(server, "GET", path, Origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in other.headers
    admin = ask(server, "GET", "/admin/login/", Origin="https://app.example")
    assert "Access-Control-Allow-Origin" not in admin.headers


def test_no_page_elsewhere_may_read_answers_unless_a_setting_says_so(client):
    answer = client.get("/api/v1/taxonomy/epochs", headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert "origin" not in answer.headers["Vary"].lower()
