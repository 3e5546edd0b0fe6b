"""What the taxonomy's endpoints send."""

from datetime import datetime

from ninja import Schema


class Redaction(Schema):
    private_tags: list[str]
    excluded_entities: list[str]
    obfuscate_dates: bool


class Mask(Schema):
    slug: str
    name: str
    ontology: str
    functional_scope: str
    tone: str
    rhetorical_mode: str
    compression_ratio: float
    contexts: list[str]
    triggers: list[str]
    include_tags: list[str]
    exclude_tags: list[str]
    priority_weights: dict[str, float]
    redaction: Redaction
    created_at: datetime
    updated_at: datetime


class Stage(Schema):
    slug: str
    title: str
    summary: str
    tags: list[str]


class Epoch(Schema):
    slug: str
    name: str
    summary: str
    position: int
    stages: list[Stage]


class MaskList(Schema):
    results: list[Mask]
    count: int


class EpochList(Schema):
    results: list[Epoch]
    count: int


class StageList(Schema):
    results: list[Stage]
    count: int
