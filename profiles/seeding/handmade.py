"""Two profiles written by hand, as examples to look at: see ``handmade.toml``."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from profiles import narration
from profiles.collections import CV
from profiles.models import Narrative, Profile, Subscription, TimelineEvent
from profiles.seeding.people import NEWEST
from profiles.selectors import narratives
from taxonomy import selectors as taxonomy

_FILE = Path(__file__).with_name("handmade.toml")
_COLUMNS = (
    "slug", "display_name", "title", "headline", "summary", "location", "email", "phone",
    "website", "languages", "interests",
)  # fmt: skip


def handmade() -> list[str]:
    """Create the profiles that are missing; return their slugs."""
    people = tomllib.loads(_FILE.read_text())["person"]
    existing = set(
        Profile.objects.filter(slug__in=[person["slug"] for person in people]).values_list(
            "slug", flat=True
        )
    )
    missing = [person for person in people if person["slug"] not in existing]
    for person in missing:
        with transaction.atomic():
            _make(person)
    return [person["slug"] for person in missing]


def _make(person: dict[str, Any]) -> None:
    owner, created = get_user_model().objects.get_or_create(username=person["slug"])
    if created:
        owner.set_unusable_password()
        owner.save()
    profile = Profile.objects.create(
        owner=owner,
        visibility=Profile.Visibility.PUBLIC,
        default_mask_id=taxonomy.mask_id(person["mask"]),
        **{name: person[name] for name in _COLUMNS},
    )
    for collection in CV:
        for position, fields in enumerate(person["cv"].get(collection.path, [])):
            collection.model._default_manager.create(profile=profile, position=position, **fields)
    for event in person["timeline"]:
        _add_event(profile, **event)
    for slug in person["narratives"]:
        _add_narrative(profile, slug)
    Subscription.objects.create(
        profile=profile,
        tier=person["tier"],
        period_start=NEWEST,
        period_end=NEWEST + timedelta(days=3650),
    )


def _add_event(profile: Profile, *, epoch: str, stage: str, **fields: Any) -> None:
    TimelineEvent.objects.create(
        profile=profile,
        epoch_id=taxonomy.epoch_id(epoch),
        stage_id=taxonomy.stage_id(stage),
        **fields,
    )


def _add_narrative(profile: Profile, slug: str) -> None:
    mask = taxonomy.mask_view(slug)
    if mask is None:
        return
    Narrative.objects.create(
        profile=profile,
        mask_id=mask.id,
        blocks=narration.narrate(narratives.material(profile.pk), mask, as_of=NEWEST.date()),
        status=Narrative.Status.APPROVED,
        approved_at=datetime.now(UTC),
    )
