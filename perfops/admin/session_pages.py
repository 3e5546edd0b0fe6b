"""Pages of who is connected at this moment: all sessions, and one, with what ends it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.utils.translation import get_language

from perfops.admin import columns
from perfops.admin.columns import listing
from perfops.admin.pages import Fragment, MeasuredAdmin, SharedFragments, live_answer
from perfops.analysis import ending
from perfops.analysis import sessions as present
from perfops.analysis.collectors.states import Session
from perfops.analysis.ending import How
from perfops.analysis.sessions import Holder, Present
from perfops.formatting import count_text, time_text

# Who holds connections: the others hold few.
_HOLDERS = 15
_PERMISSION = "terminate_session"
# However many watch, a process looks once a second.
_WATCHED = SharedFragments()
_DONE = {
    How.CANCEL: "The statement of session {pid} was told to end.",
    How.TERMINATE: "Session {pid} has ended.",
}


class SessionPages(MeasuredAdmin):
    """What ``AnalysisAdmin`` shows of the moment."""

    def get_urls(self) -> list[Any]:
        name = "perfops_analysis_{}".format
        return [
            path("now/", self.looking(self.now_view), name=name("now")),
            path("now/live/", self.looking(self.now_live_view), name=name("now_live")),
            path("now/<int:pid>/", self.looking(self.session_view), name=name("session")),
            *super().get_urls(),
        ]

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Statements may hold anyone's data: with their values for those who may analyse."""
        database = self._database(request)
        return self.page(
            request,
            "perfops/now.html",
            "Connections and locks",
            databases=present.databases(),
            live_url=f"{self.url('now_live')}?{request.GET.urlencode()}",
            may_end=self.may(request, _PERMISSION),
            **self._now(database, request.GET, has_values=self._sees_values(request)),
        )

    def now_live_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with the part of the page that changes: one for all who see the same."""
        database, has_values = self._database(request), self._sees_values(request)

        def make() -> Fragment:
            context = self._now(database, request.GET, has_values=has_values)
            return Fragment(render_to_string("perfops/_now.html", context), is_active=True)

        zone = timezone.get_current_timezone_name()
        key = (database, has_values, request.GET.urlencode(), zone, get_language())
        return live_answer(request, _WATCHED.get(key, make))

    def session_view(self, request: HttpRequest, pid: int) -> HttpResponse:
        """Show a session; with POST end it, or its statement, and go back to all of them."""
        database = self._database(request)
        if request.method == "POST":
            return self._end(request, database, pid)
        found = self._present(database, has_values=self._sees_values(request))
        session = next((each for each in found.sessions if each.pid == pid), None)
        return self.page(
            request,
            "perfops/session.html",
            f"Session {pid}",
            database=database,
            session=session,
            facts=_facts(session) if session else (),
            behind=_behind(found, pid),
            may_end=self.may(request, _PERMISSION),
            now_url=_at(self.url("now"), database),
        )

    def _end(self, request: HttpRequest, database: str, pid: int) -> HttpResponse:
        self.require(request, _PERMISSION)
        how = request.POST.get("how", "")
        if how not in list(How):
            raise Http404("There is no such way to end a session.")
        wanted = request.POST.get("session", "")
        sessions = present.now(database).sessions
        session = next((e for e in sessions if (e.pid, e.session_id) == (pid, wanted)), None)
        back = HttpResponseRedirect(_at(self.url("now"), database))
        if session is None:
            messages.warning(request, f"Session {pid} had ended already.")
            return back
        try:
            ending.end(session, How(how), database=database, user=request.user, request=request)
        except ending.NotEnded as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, _DONE[How(how)].format(pid=pid))
        return back

    def _database(self, request: HttpRequest) -> str:
        """Return the one that is asked for. Raises ``Http404``, ``PermissionDenied``."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = present.databases()
        database = request.GET.get("database", known[0])
        if database not in known:
            raise Http404(f"There is no PostgreSQL {database!r} in DATABASES.")
        return database

    def _sees_values(self, request: HttpRequest) -> bool:
        return self.may(request, "run_analysis")

    def _present(self, database: str, *, has_values: bool) -> Present:
        found = present.now(database, whole=True)
        return found if has_values else present.without_values(found)

    def _now(self, database: str, asked: QueryDict, *, has_values: bool) -> dict[str, Any]:
        found = self._present(database, has_values=has_values)

        def url(session: Session) -> str:
            return _at(self.url("session", session.pid), database)

        return {
            "database": database,
            "present": found,
            "usage": _usage(found),
            "holders": [_holder(each) for each in present.holders(found.sessions)[:_HOLDERS]],
            "queue": [
                _waiting(depth, session) | {"url": url(session)} for depth, session in found.queue
            ],
            "listing": listing(
                found.sessions, columns.of_sessions(), asked,
                search=lambda s: f"{s.user} {s.application} {s.state} {s.text}",
                first="transaction", url=url,
            ),
        }  # fmt: skip


def _at(url: str, database: str) -> str:
    query = QueryDict(mutable=True)
    query["database"] = database
    return f"{url}?{query.urlencode()}"


def _facts(session: Session) -> list[tuple[str, str]]:
    def since(value: float | None) -> str:
        return "-" if value is None else time_text(value)

    waits = ", ".join(each for each in (session.waits_for, session.wanted) if each)
    holders = ", ".join(str(pid) for pid in session.blocked_by)
    return [
        ("Pid", str(session.pid)),
        ("User", session.user),
        ("Application", session.application or "(no name)"),
        ("From", session.client or "the same machine"),
        ("State", f"{session.state} for {since(session.state_s)}"),
        ("Transaction open for", since(session.transaction_s)),
        ("Waits for", waits or "-"),
        ("Held up by", f"pid {holders}" if holders else "-"),
        ("In the server's log (%c)", session.session_id),
    ]


def _behind(found: Present, pid: int) -> str:
    """Return who waits behind a session, in a sentence; "" for nobody."""
    waiting = sum(pid in each.blocked_by for each in found.sessions)
    verb = "waits" if waiting == 1 else "wait"
    return f"{count_text(waiting, 'session')} {verb} for it." if waiting else ""


def _usage(found: Present) -> list[tuple[str, Any]]:
    used = found.connections
    if used is None:
        return []
    return [
        ("In use", used.used_text),
        ("Idle", used.idle),
        ("max_connections", used.maximum),
        ("Reserved for superusers", used.reserved),
        ("Waiting for a lock", sum(bool(s.blocked_by) for s in found.sessions)),
        ("Idle in transaction", sum(s.state.startswith("idle in") for s in found.sessions)),
    ]


def _holder(each: Holder) -> dict[str, Any]:
    longest_s = each.longest_s
    return {
        "name": each.application or "(no name)",
        "cells": [
            ("User", each.user),
            ("Connections", each.connections),
            ("Idle", each.idle),
            ("Idle in transaction", each.in_transaction),
            ("Oldest transaction", "-" if longest_s is None else time_text(longest_s)),
        ],
    }


def _waiting(depth: int, session: Session) -> dict[str, Any]:
    return {
        "depth": min(depth, 5),
        "who": f"{session.user} {session.application}".strip(),
        "pid": session.pid,
        "state": session.state,
        "wanted": session.wanted,
        "seconds": time_text(session.state_s or 0.0),
        "text": " ".join(session.text.split())[:300],
    }
