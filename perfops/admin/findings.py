"""Findings: list, page, acknowledge, mute, open again; the recommendation behind one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from perfops.admin import badges, statements
from perfops.admin.badges import Badge, card
from perfops.admin.pages import MeasuredAdmin, minute
from perfops.analysis import findings, selectors
from perfops.indexes import migration_files
from perfops.indexes.declaration import NotDjangos
from perfops.indexes.model_edits import ModelEdit
from perfops.models.analyses import Finding, Recommendation

_USUAL_MUTE = timedelta(days=30)
_PERMISSION = "mute_finding"


class MuteForm(forms.Form):
    until = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(max_length=300)


@admin.register(Finding)
class FindingAdmin(MeasuredAdmin):
    list_display = ["title", "level", "state", "seen"]
    list_filter = ["status", "severity", "advisor", "database"]
    search_fields = ["title", "object"]
    sortable_by = ()
    only_on_page = ("evidence", "why", "remedy", "statement")
    empty_text = "No finding yet: they come with the first analysis (manage.py analyze_db)."

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        acts = {
            "acknowledge": self.acknowledge_view,
            "mute": self.mute_view,
            "reopen": self.reopen_view,
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
        """Open ones first, the worst of them at the top."""
        return selectors.worst_first(Finding.objects.all())

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"title": "Findings", **(extra_context or {}), "empty_text": self.empty_text}
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        finding = self.viewed(request, object_id)
        until = timezone.now().date() + _USUAL_MUTE
        return self._page(request, finding, MuteForm(initial={"until": until}))

    def migration_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        return _migration_file(self.viewed(request, str(finding_id)))

    def acknowledge_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        return self._act(request, finding_id, findings.acknowledge)

    def reopen_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        return self._act(request, finding_id, findings.reopen)

    def mute_view(self, request: HttpRequest, finding_id: int) -> HttpResponse:
        self.require(request, _PERMISSION)
        finding = self.viewed(request, str(finding_id))
        form = MuteForm(request.POST)
        if form.is_valid():
            try:
                findings.mute(finding.pk, **form.cleaned_data)
            except findings.NotMuted as error:
                form.add_error(None, str(error))
            else:
                return self.back_to(finding.pk)
        return self._page(request, finding, form)

    def _act(
        self, request: HttpRequest, finding_id: int, act: Callable[[int], bool]
    ) -> HttpResponse:
        self.require(request, _PERMISSION)
        finding = self.viewed(request, str(finding_id))
        if not act(finding.pk):
            messages.warning(request, f"It is {finding.get_status_display()} already.")
        return self.back_to(finding.pk)

    def _page(self, request: HttpRequest, finding: Finding, form: MuteForm) -> HttpResponse:
        facts = [
            ("Advisor", finding.advisor),
            ("Database", finding.database),
            ("First seen", minute(finding.first_seen_at)),
            ("Last seen", minute(finding.last_seen_at)),
            ("Reopened", f"{finding.reopened} times"),
        ]
        return self.page(
            request,
            "perfops/finding.html",
            f"Finding {finding.pk}",
            statements=statements.links(finding.database, finding.queryids),
            is_about_statements=bool(finding.queryids),
            finding=card(finding, severity=finding.severity, evidence=finding.evidence),
            facts=facts,
            recommendation=recommendation_context(finding, self.url("migration", finding.pk)),
            form=form,
            can_mute=self.may(request, _PERMISSION),
            acknowledge_url=self.url("acknowledge", finding.pk),
            mute_url=self.url("mute", finding.pk),
            reopen_url=self.url("reopen", finding.pk),
        )

    @admin.display(description="Last seen")
    def seen(self, finding: Finding) -> str:
        return minute(finding.last_seen_at)

    @admin.display(description="Severity")
    def level(self, finding: Finding) -> SafeString:
        return badges.of_severity(finding.severity).html()

    @admin.display(description="Status")
    def state(self, finding: Finding) -> SafeString:
        return badges.of_status(finding).html()


Outcome = Recommendation.Outcome
_BADGES = {
    Outcome.FIXED: Badge("good", "✓", "It helped"),
    Outcome.NO_EFFECT: Badge("warning", "!", "It had no effect"),
    Outcome.WORSE: Badge("bad", "✗", "It made things worse"),
}


def recommendation_context(finding: Finding, download_url: str) -> dict[str, Any] | None:
    """Return the context of ``perfops/_recommendation.html``, None where there is none."""
    recommendation = Recommendation.objects.filter(finding=finding).first()
    if recommendation is None:
        return None
    effects = [each for each in recommendation.effects if "before" in each]
    urls = statements.urls(finding.database, (each["queryid"] for each in effects))
    return {
        "proof": recommendation.proof,
        "unit": "planner's cost" if recommendation.unit == "cost" else "ms",
        "effects": [_effect(each, urls.get(each["queryid"], "")) for each in effects],
        "meta": recommendation.meta,
        "edit": _edit(recommendation),
        "migration": recommendation.migration,
        "file": f"{recommendation.app_label}/migrations/{recommendation.migration_name}.py",
        "download_url": download_url if recommendation.migration else "",
        "applied_at": recommendation.applied_at,
        "outcome": _BADGES.get(Outcome(recommendation.outcome)),
        "measured": [(label, _figure(value)) for label, value in recommendation.measured],
    }


def _edit(recommendation: Recommendation) -> ModelEdit | None:
    """Return the model's edit; None where its file can't be read here, or there is none."""
    try:
        return migration_files.edit_of(recommendation) if recommendation.migration else None
    except NotDjangos:
        return None


def _effect(effect: dict[str, Any], url: str) -> dict[str, Any]:
    before, after = effect["before"], effect["after"]
    blocks = effect["blocks_before"], effect["blocks_after"]
    return {
        "text": effect["text"],
        "url": url,
        "calls": f"{effect['calls']:,}",
        "before": _figure(before),
        "after": _figure(after),
        "blocks": "-" if blocks[0] is None else f"{blocks[0]:,.0f} → {blocks[1]:,.0f}",
        "times": f"{before / after:,.1f} times" if after else "-",
    }


def _figure(value: float | str) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:,.3g}"


def _migration_file(finding: Finding) -> HttpResponse:
    """Return the migration as a file to put into the app. Raises ``Http404``."""
    recommendation = Recommendation.objects.filter(finding=finding).first()
    if recommendation is None or not recommendation.migration:
        raise Http404(f"Finding {finding.pk} has no migration.")
    return HttpResponse(
        recommendation.migration,
        content_type="text/x-python; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{recommendation.migration_name}.py"'
        },
    )
