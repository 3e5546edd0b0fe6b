"""Findings in the admin: open ones first, acts on many at once, who did what, and sorting."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from perfops.analysis import findings
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.models import Analysis, Finding, FindingEvent, LoadRun
from perfops.models.decisions import Waiver

pytestmark = pytest.mark.django_db


def url(name, *arguments):
    return reverse(f"admin:perfops_finding_{name}", args=arguments)


@pytest.fixture
def three():
    analysis = Analysis.objects.create(state="finished", window_s=7200.0)
    issues = [
        DetectedIssue("unused_indexes", f"public.{n}", "warning", f"Index {n} is unused", "w", "r")
        for n in "abc"
    ]
    findings.record(analysis, issues)
    return list(Finding.objects.order_by("object"))


def in_role(name, username="someone"):
    user = User.objects.create_user(username, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=f"performance {name}"))
    return user


def bulk(client, action, chosen, **fields):
    keys = [each.pk for each in chosen]
    """On the list of all, whatever their status."""
    form = {"action": action, "_selected_action": keys, **fields}
    return client.post(url("changelist") + "?status=all", form, follow=True).content.decode()


def statuses():
    return list(Finding.objects.order_by("object").values_list("status", flat=True))


def test_the_list_shows_open_ones_unless_asked_for_others(admin_client, three):
    bulk(admin_client, "acknowledge_selected", three[:1])
    shown = admin_client.get(url("changelist")).content.decode()
    assert "Index a is unused" not in shown
    assert "Index b is unused" in shown
    everything = admin_client.get(url("changelist"), {"status": "all"}).content.decode()
    assert "Index a is unused" in everything
    assert "acknowledged by admin" in everything
    Finding.objects.update(status="resolved")
    assert "No finding is open." in admin_client.get(url("changelist")).content.decode()


def test_many_are_acknowledged_muted_taken_and_opened_again_at_once(client, three):
    client.force_login(in_role("operator"))
    assert "Findings acknowledged: 2." in bulk(client, "acknowledge_selected", three[:2])
    assert statuses() == ["acknowledged", "acknowledged", "open"]
    asked = bulk(client, "mute_selected", three[1:])
    assert "Mute 2 findings" in asked
    assert statuses()[2] == "open"
    until = timezone.now().date() + timedelta(days=7)
    past = {"until": "2020-01-01", "reason": "known"}
    assert "not in the future" in bulk(client, "mute_selected", three[1:], **past)
    assert "required" in bulk(client, "mute_selected", three[1:], until=until, reason="")
    bulk(client, "mute_selected", three[1:], until=until, reason="known")
    assert statuses() == ["acknowledged", "muted", "muted"]
    assert "Findings opened again: 3." in bulk(client, "reopen_selected", three)
    assert statuses() == ["open"] * 3
    bulk(client, "take_selected", three)
    mine = client.get(url("changelist"), {"status": "mine"}).content.decode()
    assert mine.count(" is unused") >= 3
    done = FindingEvent.objects.filter(finding=three[1]).order_by("id")
    assert [(each.action, each.actor_name) for each in done] == [
        (action, "someone") for action in ("acknowledged", "muted", "reopened", "assigned")
    ]
    assert done[1].text == f"until {until}: known"


def test_a_viewer_reads_what_was_done_and_can_do_nothing(client, three):
    client.force_login(in_role("viewer"))
    shown = client.get(url("changelist")).content.decode()
    assert "Index a is unused" in shown
    assert "_selected_action" not in shown
    for action in ("acknowledge_selected", "mute_selected", "take_selected"):
        bulk(client, action, three, until="2999-01-01", reason="x")
    page = client.get(url("change", three[0].pk)).content.decode()
    assert "<form" not in page.partition('class="po-page"')[2].partition("</main>")[0]
    for act in ("acknowledge", "mute", "reopen", "assign", "comment"):
        assert client.post(url(act, three[0].pk), {"comment": "x"}).status_code == 403
    assert statuses() == ["open"] * 3
    assert not FindingEvent.objects.exists()


def test_a_finding_is_assigned_and_talked_about_and_keeps_who_did(client, three):
    chief, viewer = in_role("operator", "chief"), in_role("viewer", "reader")
    User.objects.create_user("nobody")
    client.force_login(chief)
    first = three[0]
    client.post(url("assign", first.pk), {"assignee": "reader"})
    first.refresh_from_db()
    assert first.assignee == viewer
    wrong = client.post(url("assign", first.pk), {"assignee": "nobody"}).content.decode()
    assert "no user who may see findings" in wrong
    client.post(url("comment", first.pk), {"comment": "Drop it <b>on Monday</b>"})
    assert "required" in client.post(url("comment", first.pk), {"comment": " "}).content.decode()
    chief.delete()
    client.force_login(viewer)
    page = client.get(url("change", first.pk)).content.decode()
    for part in (
        "<strong>chief</strong> commented: <span>Drop it &lt;b&gt;on Monday",
        "<strong>chief</strong> assigned: <span>to reader", "<dd>reader</dd>",
    ):  # fmt: skip
        assert part in page
    client.force_login(User.objects.create_superuser("admin"))
    client.post(url("assign", first.pk), {"assignee": ""})
    first.refresh_from_db()
    assert first.assignee is None


def test_the_page_of_an_analysis_shows_open_incidents_and_all_when_asked(admin_client, three):
    page = reverse("admin:perfops_analysis_change", args=[Analysis.objects.get().pk])
    assert "Not shown" not in admin_client.get(page).content.decode()
    bulk(admin_client, "acknowledge_selected", three[:1])
    shown = admin_client.get(page).content.decode()
    assert "Not shown: 1 finding" in shown
    assert "Index a is unused" not in shown
    assert "Index a is unused" in admin_client.get(page, {"show": "all"}).content.decode()
    bulk(admin_client, "acknowledge_selected", three)
    assert '<p class="po-empty">No problems found.' not in admin_client.get(page).content.decode()


def test_findings_are_listed_by_who_looks_after_them(admin_client, three):
    reader = in_role("viewer", "reader")
    Finding.objects.filter(pk=three[0].pk).update(assignee=reader)
    names = {"reader": {"a"}, "no one": {"b", "c"}, "stranger": set(), "": {"a", "b", "c"}}
    for name, expected in names.items():
        asked = {"assignee": name} if name else {}
        page = admin_client.get(reverse("admin:perfops_finding_changelist"), asked)
        found = {each for each in "abc" if f"Index {each} is unused" in page.content.decode()}
        assert found == expected, name
        assert "?assignee=reader" in page.content.decode()


def test_waivers_are_listed_by_whether_they_still_count(admin_client):
    page = reverse("admin:perfops_waiver_changelist")
    assert "No waiver yet." in admin_client.get(page).content.decode()
    now = timezone.now()
    for reason, days in (("goes on", 1), ("is over", -1)):
        Waiver.objects.create(budget="p95 latency", reason=reason, ends_at=now + timedelta(days))
    for asked, expected in (
        ({"state": "counts"}, {"goes on"}), ({"state": "ended"}, {"is over"}),
        ({}, {"goes on", "is over"}),
    ):  # fmt: skip
        shown = admin_client.get(page, asked).content.decode()
        assert {each for each in ("goes on", "is over") if each in shown} == expected, asked


@pytest.mark.parametrize("name", ["finding", "loadrun", "analysis", "querytemplate", "scopetotal"])
def test_every_column_that_has_a_link_sorts(admin_client, three, name):
    for n, p95 in enumerate((5.0, None, 10.0)):
        LoadRun.objects.create(
            scenario=f"s{n}", target="http://127.0.0.1:1", state="finished",
            summary={"intended_latency_ms": {"p95": p95}, "error_rate": 0.0},
        )  # fmt: skip
    page = reverse(f"admin:perfops_{name}_changelist")
    for column in range(8):
        for way in ("", "-"):
            assert admin_client.get(page, {"o": f"{way}{column}"}).status_code == 200
    if name == "loadrun":
        shown = admin_client.get(page, {"o": "-2"}).content.decode()
        assert shown.index("· s2") < shown.index("· s0") < shown.index("· s1")
