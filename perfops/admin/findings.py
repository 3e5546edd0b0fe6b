"""Findings: list, page, and what people do with them: acknowledge, mute, assign, comment."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from perfops.admin import badges, recommendations, statements
from perfops.admin.badges import card
from perfops.admin.pages import MeasuredAdmin, minute
from perfops.analysis import selectors, triage
from perfops.formatting import count_text
from perfops.models.analyses import Analysis, Finding
from perfops.models.decisions import FindingEvent

_USUAL_MUTE = timedelta(days=30)
_PERMISSION = "mute_finding"
_EVENTS = 100
_ASSIGNEES = 50
# Not the name of a user: Django's have no space.
_NOBODY = "no one"


class MuteForm(forms.Form):
    until = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(max_length=300)


class AssigneeForm(forms.Form):
    """Who looks after it, by name; an empty name is nobody."""

    assignee = forms.CharField(max_length=150, required=False, help_text="A user; empty: nobody.")

    def clean_assignee(self) -> Any:
        name = self.cleaned_data["assignee"]
        if not name:
            return None
        users = get_user_model()
        user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()
        if user is None or not user.has_perm("perfops.view_finding"):
            raise forms.ValidationError(f"{name} is no user who may see findings.")
        return user


class CommentForm(forms.Form):
    comment = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=5000)


class StatusFilter(admin.SimpleListFilter):
    """Open ones unless asked otherwise."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        others = [(s.value, str(s.label)) for s in Finding.Status if s != Finding.Status.OPEN]
        return [*others, ("mine", "assigned to me"), ("all", "all")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value() or Finding.Status.OPEN
        if wanted == "mine":
            return queryset.filter(assignee=request.user.pk)
        return queryset if wanted == "all" else queryset.filter(status=wanted)

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": str(Finding.Status.OPEN.label)}, *others]


class AssigneeFilter(admin.SimpleListFilter):
    """Findings of one person, or of nobody."""

    title = "assignee"
    parameter_name = "assignee"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        users = get_user_model()
        name = users.USERNAME_FIELD
        assigned = users._default_manager.filter(
            Exists(Finding.objects.filter(assignee=OuterRef("pk")))
        )
        names = assigned.order_by(name).values_list(name, flat=True)[:_ASSIGNEES]
        return [(_NOBODY, "nobody"), *((each, each) for each in names)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if (name := self.value()) is None:
            return queryset
        if name == _NOBODY:
            return queryset.filter(assignee=None)
        return queryset.filter(**{f"assignee__{get_user_model().USERNAME_FIELD}": name})


@admin.register(Finding)
class FindingAdmin(MeasuredAdmin):
    what = "A problem that an analysis detected, and what to do. Resolved when one no longer does."
    list_display = ["title", "level", "state", "handled", "cared_for", "seen"]
    list_filter = [StatusFilter, AssigneeFilter, "severity", "advisor", "database"]
    search_fields = ["title", "object"]
    sortable_by = ("title", "level", "state", "cared_for", "seen")
    only_on_page = ("evidence", "why", "remedy", "statement")
    empty_text = "No finding yet: they come with the first analysis (manage.py analyze_db)."
    actions = ("acknowledge_selected", "mute_selected", "take_selected", "reopen_selected")

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        acts = {
            "acknowledge": self.acknowledge_view,
            "mute": self.mute_view,
            "reopen": self.reopen_view,
            "assign": self.assign_view,
            "comment": self.comment_view,
        }
        ours = [
            path(
                f"<int:finding_id>/{name}/",
                wrap(require_POST(view)),
                name=f"perfops_finding_{name}",
            )
            for name, view in acts.items()
        ]
        ours.append(
            path(
                "<int:finding_id>/migration/",
                wrap(self.migration_view),
                name="perfops_finding_migration",
            )
        )
        return [*ours, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Open ones first, the worst of them at the top; each with what was done with it last."""
        events = FindingEvent.objects.filter(finding=OuterRef("pk")).exclude(
            action=FindingEvent.Action.COMMENTED
        )
        last = events.order_by("-id")
        return selectors.worst_first(
            Finding.objects.select_related("assignee").annotate(
                handled_how=Subquery(last.values("action")[:1]),
                handled_by=Subquery(last.values("actor_name")[:1]),
                handled_at=Subquery(last.values("created_at")[:1]),
            )
        )

    def has_mute_permission(self, request: HttpRequest) -> bool:
        return self.may(request, _PERMISSION)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        ended = Analysis.objects.filter(state=Analysis.State.FINISHED)
        is_known = Finding.objects.exists() or ended.exists()
        context = {
            "title": "Findings",
            **(extra_context or {}),
            "empty_text": "No finding is open." if is_known else self.empty_text,
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._page(request, self.viewed(request, object_id))

    def migration_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        return recommendations.migration_file(self.viewed(request, str(finding_id)))

    def acknowledge_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        return self._act(request, finding_id, triage.acknowledge)

    def reopen_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        return self._act(request, finding_id, triage.reopen)

    def mute_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        def act(finding: Finding, form: forms.Form) -> None:
            triage.mute([finding.pk], by=request.user, **form.cleaned_data)

        return self._typed(request, finding_id, MuteForm, act)

    def assign_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        def act(finding: Finding, form: forms.Form) -> None:
            triage.assign([finding.pk], form.cleaned_data["assignee"], by=request.user)

        return self._typed(request, finding_id, AssigneeForm, act)

    def comment_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        def act(finding: Finding, form: forms.Form) -> None:
            triage.comment(finding.pk, form.cleaned_data["comment"], by=request.user)

        return self._typed(request, finding_id, CommentForm, act)

    def _act(self, request: HttpRequest, finding_id: int, act: Callable[..., int]) -> HttpResponse:
        self.require(request, _PERMISSION)
        finding = self.viewed(request, str(finding_id))
        if not act([finding.pk], by=request.user):
            messages.warning(request, f"It is {finding.get_status_display()} already.")
        return self.back_to(finding.pk)

    def _typed(
        self,
        request: HttpRequest,
        finding_id: int,
        form_class: type[forms.Form],
        act: Callable[[Finding, forms.Form], None],
    ) -> HttpResponse:
        self.require(request, _PERMISSION)
        finding = self.viewed(request, str(finding_id))
        form = form_class(request.POST)
        if form.is_valid():
            try:
                act(finding, form)
            except (triage.NotMuted, triage.NothingSaid) as error:
                form.add_error(None, str(error))
            else:
                return self.back_to(finding.pk)
        return self._page(request, finding, form)

    def _page(
        self, request: HttpRequest, finding: Finding, wrong: forms.Form | None = None
    ) -> HttpResponse:
        """``wrong``: the form that was refused; it keeps what was typed."""
        until = timezone.now().date() + _USUAL_MUTE
        name = finding.assignee.get_username() if finding.assignee else ""
        facts = [
            ("Advisor", finding.advisor),
            ("Database", finding.database),
            ("First seen", minute(finding.first_seen_at)),
            ("Last seen", minute(finding.last_seen_at)),
            ("Reopened", count_text(finding.reopened, "time")),
            ("Assigned to", name or "nobody"),
        ]
        shown = {
            "form": MuteForm(initial={"until": until}),
            "assignee_form": AssigneeForm(initial={"assignee": name or _name_of(request)}),
            "comment_form": CommentForm(),
        }
        for key, form in shown.items():
            if wrong is not None and type(form) is type(wrong):
                shown[key] = wrong
        return self.page(
            request,
            "perfops/finding.html",
            f"Finding {finding.pk}",
            statements=statements.links(finding.database, finding.queryids),
            is_about_statements=bool(finding.queryids),
            finding=card(finding, severity=finding.severity, evidence=finding.evidence),
            facts=facts,
            recommendation=recommendations.context(finding, self.url("migration", finding.pk)),
            events=_events(finding),
            can_mute=self.may(request, _PERMISSION),
            **shown,
            **{f"{act}_url": self.url(act, finding.pk) for act in _ACTS},
        )

    @admin.action(description="Acknowledge", permissions=["mute"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[Finding]) -> None:
        self._say(request, "acknowledged", triage.acknowledge(_keys(queryset), by=request.user))

    @admin.action(description="Assign to me", permissions=["mute"])
    def take_selected(self, request: HttpRequest, queryset: QuerySet[Finding]) -> None:
        number = triage.assign(_keys(queryset), request.user, by=request.user)
        self._say(request, "assigned to you", number)

    @admin.action(description="Open again", permissions=["mute"])
    def reopen_selected(self, request: HttpRequest, queryset: QuerySet[Finding]) -> None:
        self._say(request, "opened again", triage.reopen(_keys(queryset), by=request.user))

    @admin.action(description="Mute...", permissions=["mute"])
    def mute_selected(
        self, request: HttpRequest, queryset: QuerySet[Finding]
    ) -> HttpResponse | None:
        """Ask for the reason and the end, then mute."""
        is_asked = "until" in request.POST
        until = timezone.now().date() + _USUAL_MUTE
        form = MuteForm(request.POST) if is_asked else MuteForm(initial={"until": until})
        keys = _keys(queryset)
        if is_asked and form.is_valid():
            try:
                number = triage.mute(keys, by=request.user, **form.cleaned_data)
            except triage.NotMuted as error:
                form.add_error(None, str(error))
            else:
                self._say(request, "muted", number)
                return None
        titles = list(Finding.objects.filter(pk__in=keys).values_list("pk", "title"))
        title = f"Mute {count_text(len(titles), 'finding')}"
        return self.page(request, "perfops/mute_findings.html", title, form=form, titles=titles)

    def _say(self, request: HttpRequest, what: str, number: int) -> None:
        level = messages.SUCCESS if number else messages.WARNING
        self.message_user(request, f"Findings {what}: {number}.", level)

    @admin.display(description="Last seen", ordering="last_seen_at")
    def seen(self, finding: Finding) -> str:
        return minute(finding.last_seen_at)

    @admin.display(description="Severity", ordering="rank")
    def level(self, finding: Finding) -> SafeString:
        return badges.of_severity(finding.severity).html()

    @admin.display(description="Status", ordering="status_rank")
    def state(self, finding: Finding) -> SafeString:
        return badges.of_status(finding).html()

    @admin.display(description="Assigned to", ordering=F("assignee").asc(nulls_first=True))
    def cared_for(self, finding: Finding) -> str:
        return finding.assignee.get_username() if finding.assignee else "-"

    @admin.display(description="Last handled")
    def handled(self, finding: Any) -> SafeString | str:
        if finding.handled_at is None:
            return "-"
        how = FindingEvent.Action(finding.handled_how).label
        by = f" by {finding.handled_by}" if finding.handled_by else ""
        return format_html("{}{}, {}", how, by, minute(finding.handled_at))


_ACTS = ("acknowledge", "mute", "reopen", "assign", "comment")


def _name_of(request: HttpRequest) -> str:
    return str(request.user.get_username())


def _keys(queryset: QuerySet[Finding]) -> list[int]:
    return list(queryset.order_by("pk").values_list("pk", flat=True))


def _events(finding: Finding) -> list[dict[str, Any]]:
    """Return what was done and said, the newest first."""
    rows = FindingEvent.objects.filter(finding=finding).order_by("-id")[:_EVENTS]
    return [
        {
            "who": each.actor_name or "somebody",
            "what": str(each.get_action_display()),
            "text": each.text,
            "at": minute(each.created_at),
        }
        for each in rows
    ]
