"""A waiver: what it lets through and until when, in every report and on the pages."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from rich.console import Console

from perfops.budgets import alert_formats, alerts, verdicts, waivers, webhook_events
from perfops.budgets.against import comparing
from perfops.budgets.against.comparing import Compared
from perfops.budgets.selectors import against_before, of_run
from perfops.budgets.services import evaluate
from perfops.formatting import closed
from perfops.management import console, report
from perfops.management.budget_report import code_of
from perfops.models import Budget, Evaluation, LoadRun, Waiver
from perfops.rest import runs as rest_runs
from perfops.statistics.gate import Series, in_turn
from tests.perfops.budgets.test_verdicts import LATENCY, run_with

pytestmark = pytest.mark.django_db
P95 = "p95 latency"
WHY = "The new search costs this."


def slow_run():
    return run_with(intended_latency_ms={**LATENCY, "p95": 600.0})


def waiver(name, *, days):
    """A waiver from ten days ago that ends in so many days."""
    made = Waiver.objects.create(
        budget=name, reason=WHY, ends_at=timezone.now() + timedelta(days=days)
    )
    Waiver.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=10))
    return made


def check(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", *words)
    return ended.value.code, capsys.readouterr().out


@pytest.mark.parametrize("form", ["text", "json", "markdown", "junit", "sarif"])
def test_a_waived_violation_fails_no_report_and_stands_in_it_and_an_ended_one_fails(form, capsys):
    slow_run()
    kept = waiver(P95, days=1)
    code, out = check(capsys, "--format", form)
    assert code == 0
    assert "Waived until" in out
    assert WHY in out
    kept.ends_at = timezone.now() - timedelta(days=1)
    kept.save()
    code, out = check(capsys, "--format", form)
    assert code == 1
    assert "no longer counts" in out
    assert WHY in out


def page_of(run, client):
    return client.get(reverse("admin:perfops_loadrun_change", args=[run.pk])).content.decode()


def terminal_of(run, client):
    out = Console(file=StringIO(), width=400)
    report.run_as_text(run, out)
    return out.file.getvalue()


def alert_after_a_violation(run):
    """Return the alert of a run whose violation is waived, and was not in the run before it."""
    later = slow_run()
    evaluate(later)
    Evaluation.objects.filter(run=run).update(created_at=timezone.now() - timedelta(days=20))
    LoadRun.objects.update(verdict=LoadRun.Verdict.WARNED)
    later.refresh_from_db()
    return alerts.of_run(later)


SHOWN = {
    "page": page_of,
    "terminal": terminal_of,
    "run_load_test as JSON": lambda run, _: str(report.run_as_data(run)),
    "REST": lambda run, _: str(rest_runs.one(None, run.pk)),
    "webhook": lambda run, _: webhook_events.of_run(run)[0].body.decode(),
    "e-mail": lambda run, _: "\n".join(alert_after_a_violation(run).lines),
    "alert as JSON": lambda run, _: str(alert_formats.as_json(alert_after_a_violation(run))),
    "Slack": lambda run, _: str(alert_formats.as_slack(alert_after_a_violation(run))),
}


@pytest.mark.parametrize("shown", SHOWN)
def test_each_report_of_a_run_says_until_when_it_is_waived_and_why(shown, admin_client):
    run = slow_run()
    waiver(P95, days=1)
    evaluate(run)
    LoadRun.objects.update(verdict=LoadRun.Verdict.WARNED)
    run.refresh_from_db()
    text = SHOWN[shown](run, admin_client)
    assert "Waived until" in text
    assert WHY in text


def test_a_run_whose_violations_are_waived_is_a_warning_and_others_still_fail():
    run = slow_run()
    waiver(P95, days=1)
    assert verdicts.weigh(evaluate(run))[0] == LoadRun.Verdict.WARNED
    run.summary["error_rate"] = 0.5
    verdict, reasons = verdicts.weigh(evaluate(run))
    assert verdict == LoadRun.Verdict.FAILED
    assert not any(P95 in each for each in reasons)


def test_what_was_no_violation_shows_its_waiver_only_while_it_counts():
    run = run_with()
    kept = waiver(P95, days=1)
    evaluate(run)
    (told,) = [each for each in of_run(run) if each.name == P95]
    assert (told.outcome, told.is_waived) == ("met", False)
    assert told.reason.startswith("Waived until")
    # Another sentence may follow what a person wrote.
    assert [closed("known"), closed(WHY)] == ["known.", WHY]
    kept.reason = "known "
    kept.save()
    (told,) = [each for each in of_run(run) if each.name == P95]
    assert told.reason.endswith(": known.")
    kept.ends_at = timezone.now() - timedelta(days=1)
    kept.save()
    assert not any(each.reason for each in of_run(run) if each.name == P95)


def test_an_old_run_keeps_what_was_waived_in_its_time():
    run = slow_run()
    kept = waiver(P95, days=-1)
    evaluate(run)
    Evaluation.objects.update(created_at=kept.ends_at - timedelta(days=1))
    (told,) = [each for each in of_run(run) if each.name == P95]
    assert told.is_waived
    Evaluation.objects.update(created_at=timezone.now() - timedelta(days=20))
    (told,) = [each for each in of_run(run) if each.name == P95]
    assert not told.is_waived
    assert told.reason == ""


def test_two_builds_pass_where_all_that_is_slower_is_waived(capsys, monkeypatch):
    slower = [Series(route, "p95", (10.0,) * 8, (20.0,) * 8) for route in ("/a", "/b")]
    monkeypatch.setattr(comparing, "compare", lambda *_: Compared(in_turn(slower), 8))
    waiver("p95 of /a", days=1)
    code, out = check(capsys, "--against", "HEAD", "--format", "json")
    assert code == 1
    assert [each["is_waived"] for each in json.loads(out)["budgets"]] == [True, False]
    waiver("p95 of /b", days=1)
    assert check(capsys, "--against", "HEAD")[0] == 0


def test_errors_of_the_new_build_can_not_be_waived(capsys, monkeypatch):
    decision = comparing.Decision(comparing.Outcome.FAIL, ("50% are errors.",), ())
    monkeypatch.setattr(comparing, "compare", lambda *_: Compared(decision, 1))
    assert check(capsys, "--against", "HEAD")[0] == 1


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["violated"], console.FINE),
        (["violated", "unknown"], console.COULD_NOT_TELL),
        ([], console.COULD_NOT_TELL),
    ],
)
def test_counts_that_are_waived_fail_nothing_and_what_is_unknown_is_never_a_pass(outcomes, code):
    waiver("rows of /a", days=1)
    judgements = [
        against_before(
            "rows of /a", Evaluation.Outcome(each), before=1, most=1, now=2, text=str, reason="",
            waived=waivers.read(),
        )
        for each in outcomes
    ]  # fmt: skip
    assert code_of(judgements) == code


def filled_in(**changes):
    end = timezone.localtime(timezone.now() + timedelta(days=changes.pop("days", 7)))
    given = {"budget": P95, "reason": WHY, "ends_at_0": f"{end:%Y-%m-%d}", "ends_at_1": "12:00"}
    return {**given, **changes}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"budget": "p95"}, "No report names"),
        ({"budget": "speed of /a"}, "No report names"),
        ({"reason": " "}, "This field is required"),
        ({"days": -2}, "It must end in the future"),
        ({"days": 500}, "It must end within 366 days"),
    ],
)
def test_the_form_refuses_what_would_waive_nothing_or_for_ever(changes, refused, admin_client):
    page = admin_client.post(reverse("admin:perfops_waiver_add"), filled_in(**changes))
    assert refused in page.content.decode()
    assert not Waiver.objects.exists()


@pytest.mark.parametrize("name", [P95, "p95 latency of /api/orders", "statements of /api/orders"])
def test_a_waiver_is_made_ended_early_and_never_deleted_in_the_admin(
    name, admin_client, admin_user
):
    Budget.objects.create(
        metric="latency_p95", route="/api/orders", target=1, threshold=2, action="fail"
    )
    admin_client.post(reverse("admin:perfops_waiver_add"), filled_in(budget=name))
    made = Waiver.objects.get()
    assert (made.budget, made.reason, made.created_by) == (name, WHY, admin_user)
    changes = reverse("admin:perfops_waiver_changelist")
    assert "counts" in admin_client.get(changes).content.decode()
    admin_client.post(changes, {"action": "end_now", "_selected_action": [made.pk]})
    assert "has ended" in admin_client.get(changes).content.decode()
    made.refresh_from_db()
    assert made.ends_at <= timezone.now()
    delete = reverse("admin:perfops_waiver_delete", args=[made.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("performance viewer", 403),
        ("performance operator", 403),
        ("performance administrator", 200),
    ],
)
def test_all_roles_see_waivers_and_administrators_make_them(role, status, client):
    user = User.objects.create_user("someone", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    assert client.get(reverse("admin:perfops_waiver_changelist")).status_code == 200
    assert client.get(reverse("admin:perfops_waiver_add")).status_code == status
    budget = reverse("admin:perfops_budget_change", args=[Budget.objects.first().pk])
    assert client.get(budget).status_code == 200


def test_the_pages_of_the_run_and_of_budgets_show_the_waiver(admin_client):
    run = slow_run()
    waiver(P95, days=1)
    evaluate(run)
    page = admin_client.get(reverse("admin:perfops_loadrun_change", args=[run.pk]))
    assert "violated, waived" in page.content.decode()
    assert WHY in page.content.decode()
    home = admin_client.get(reverse("admin:app_list", args=["perfops"])).content.decode()
    assert "violated, waived" in home
    budgets = admin_client.get(reverse("admin:perfops_budget_changelist"))
    assert "violated, waived" in budgets.content.decode()
