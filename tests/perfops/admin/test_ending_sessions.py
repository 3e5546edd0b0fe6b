"""Sessions of the database are ended from their page: by whom may, and each for what it is."""

import threading
from contextlib import closing

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError, connection
from django.urls import reverse

from perfops import signals
from perfops.analysis import sessions as present
from tests.perfops.clusters import until

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
NAME = "night-report"


@pytest.fixture
def report():
    """A session in an open transaction."""
    names = ("dbname", "user", "password", "host", "port")
    wanted = {k: v for k, v in connection.get_connection_params().items() if k in names}
    with closing(psycopg.connect(**wanted, application_name=NAME)) as other:
        other.execute("SELECT 1")
        yield other


def found():
    return next((e for e in present.now("default").sessions if e.application == NAME), None)


def page(pid):
    return reverse("admin:perfops_analysis_session", args=[pid])


def end(client, session, how):
    form = {"how": how, "session": session.session_id}
    return client.post(page(session.pid), form, follow=True).content.decode()


def test_a_session_is_terminated_and_an_audit_log_hears_of_it(admin_client, report):
    heard = []

    def hear(**told):
        heard.append((told["action"], told["subject"], told["by"]))

    signals.written.connect(hear)
    session = found()
    answer = admin_client.get(page(session.pid)).content.decode()
    assert "Terminate the session" in answer
    # It executes nothing that could be canceled.
    assert "Cancel its statement" not in answer
    assert f"Session {session.pid} has ended." in end(admin_client, session, "terminate")
    assert found() is None
    with pytest.raises(psycopg.OperationalError):
        report.execute("SELECT 1")
    who = f"session {session.pid} of default ({session.user} {NAME})"
    assert heard == [("terminate a session", who, "admin")]
    assert "This session has ended." in admin_client.get(page(session.pid)).content.decode()


def test_a_statement_is_canceled_and_its_session_stays(admin_client, report):
    errors = []

    def sleep():
        try:
            report.execute("SELECT pg_sleep(60)")
        except psycopg.errors.QueryCanceled as error:
            errors.append(error)

    sleeping = threading.Thread(target=sleep)
    sleeping.start()
    try:
        until(lambda: found().state == "active", "It does not sleep.")
        session = found()
        assert "Cancel its statement" in admin_client.get(page(session.pid)).content.decode()
        assert "was told to end" in end(admin_client, session, "cancel")
    finally:
        # What was canceled already is no statement any more.
        report.cancel()
        sleeping.join()
    assert len(errors) == 1
    assert found().session_id == session.session_id


def test_another_session_that_has_the_pid_by_now_is_left_alone(admin_client, report):
    session = found()
    form = {"how": "terminate", "session": f"1.{session.pid:x}"}
    answer = admin_client.post(page(session.pid), form, follow=True).content.decode()
    assert f"Session {session.pid} had ended already." in answer
    assert report.execute("SELECT 1").fetchone() == (1,)


def test_a_viewer_sees_a_session_and_can_not_end_it(client, report):
    viewer = User.objects.create_user("viewer", password="x", is_staff=True)
    viewer.groups.add(Group.objects.get(name="performance viewer"))
    client.force_login(viewer)
    session = found()
    answer = client.get(page(session.pid)).content.decode()
    assert "ask an operator" in answer
    assert "Terminate the session" not in answer
    form = {"how": "terminate", "session": session.session_id}
    assert client.post(page(session.pid), form).status_code == 403
    assert found() is not None


def test_it_is_ended_though_every_connection_is_taken(admin_client, report, monkeypatch):
    session = found()

    def refused(*arguments, **options):
        raise OperationalError("FATAL:  sorry, too many clients already")

    monkeypatch.setattr("perfops.analysis.sessions.session.reading", refused)
    monkeypatch.setattr("perfops.analysis.ending.writing", refused)
    assert f"Session {session.pid} has ended." in end(admin_client, session, "terminate")


def test_the_session_that_answers_is_not_ended_by_itself(admin_client):
    User.objects.exists()
    pid = connection.connection.info.backend_pid
    session = next(e for e in present.now("default").sessions if e.pid == pid)
    assert "answered over that session" in end(admin_client, session, "terminate")


def test_the_live_part_follows_the_search_and_sorting_keeps_the_database(admin_client, report):
    url = reverse("admin:perfops_analysis_now_live")
    asked = {"database": "default", "q": NAME}
    answer = admin_client.get(url, asked)
    assert answer["X-Active"] == "1"
    content = answer.content.decode()
    assert "1 found" in content
    assert f'href="{page(found().pid)}?database=default"' in content
    assert '"?database=default&amp;q=night-report&amp;o=-transaction"' in content
    assert '<input type="hidden" name="database" value="default">' in content
