"""The recommendation behind a finding: its context, and its migration as a file."""

from typing import Any

from django.http import Http404, HttpResponse

from perfops.admin import statements
from perfops.admin.badges import Badge
from perfops.indexes import migration_files
from perfops.indexes.declaration import NotDjangos
from perfops.indexes.model_edits import ModelEdit
from perfops.models.analyses import Finding, Recommendation

Outcome = Recommendation.Outcome
_BADGES = {
    Outcome.FIXED: Badge("good", "✓", "It helped"),
    Outcome.NO_EFFECT: Badge("warning", "!", "It had no effect"),
    Outcome.WORSE: Badge("bad", "✗", "It made things worse"),
}


def context(finding: Finding, download_url: str) -> dict[str, Any] | None:
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


def migration_file(finding: Finding) -> HttpResponse:
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
