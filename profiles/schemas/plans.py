"""A profile's plan and its usage."""

from datetime import datetime
from typing import Literal

from ninja import Schema

from midst.kernel.input import Input, Moment, partial

Tier = Literal["free", "pro", "enterprise"]
Status = Literal["active", "trialing", "past_due", "canceled"]


class SubscriptionTerms(Input):
    tier: Tier = "free"
    status: Status = "active"
    period_start: Moment | None = None
    period_end: Moment | None = None
    cancel_at: Moment | None = None


SubscriptionChanges = partial(SubscriptionTerms)


class Subscription(Schema):
    tier: str
    status: str
    effective_tier: str
    period_start: datetime | None
    period_end: datetime | None
    cancel_at: datetime | None


class Usage(Schema):
    feature: str
    limit: int | None
    """null: as much as one likes; 0: not in this plan."""
    used: int
    period_start: datetime | None
    period_end: datetime | None


class UsageList(Schema):
    tier: str
    results: list[Usage]


class ScoredMask(Schema):
    slug: str
    name: str
    ontology: str
    score: float


class MaskSelection(Schema):
    contexts: list[str]
    results: list[ScoredMask]
