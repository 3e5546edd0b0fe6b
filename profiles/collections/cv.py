"""The collections of a CV. Their schemas are derived from their models."""

from typing import Any
from uuid import UUID

from midst.kernel.input import partial
from midst.kernel.pagination import Order, Position
from profiles import cache, models, samples
from profiles.collections.declaration import Collection, Narrated, Seeded
from profiles.schemas.entries import new_schema, shown_schema

_BY_POSITION = Order("position", "id", (Position, UUID), descending=False)


def _entries(
    path: str,
    noun: str,
    model: type[models.Entry],
    *,
    example: dict[str, Any],
    seeded: Seeded,
    narrated: Narrated | None = None,
    **options: Any,
) -> Collection:
    body = new_schema(model, example=example)
    return Collection(
        path=path,
        noun=noun,
        model=model,
        body=body,
        changes=partial(body),
        shown=shown_schema(model),
        order=_BY_POSITION,
        region=cache.PROFILES,
        key_prefix=f"cv:{path}",
        narrated=narrated,
        seeded=seeded,
        **options,
    )


CV = (
    _entries(
        "experience",
        "experience",
        models.Experience,
        example={
            "role": "Analyst",
            "organization": "Analytical Engines",
            "starts_on": "2019-04-01",
            "tags": ["analysis"],
        },
        narrated=Narrated(title=("role", "organization"), body=("description",)),
        seeded=Seeded(
            share=30,
            columns={
                "role": samples.role,
                "organization": samples.company,
                "location": samples.city,
                "description": samples.sentence,
            },
        ),
    ),
    _entries(
        "education",
        "education",
        models.Education,
        example={
            "institution": "University of London",
            "degree": "BSc",
            "field": "Mathematics",
        },
        narrated=Narrated(title=("degree", "field", "institution"), body=("description",)),
        seeded=Seeded(
            share=10,
            columns={
                "institution": samples.university,
                "degree": samples.degree,
                "field": samples.field,
            },
        ),
    ),
    _entries(
        "projects",
        "project",
        models.Project,
        example={"name": "Note G", "role": "Author", "external_id": "github:note-g"},
        narrated=Narrated(title=("name", "role"), body=("description", "url")),
        seeded=Seeded(share=18, columns={"name": samples.project, "description": samples.sentence}),
        conflicts={
            "profiles_project_external_id_once": "Another project has this external_id already."
        },
    ),
    _entries(
        "skills",
        "skill",
        models.Skill,
        example={"name": "Analysis", "category": "methods", "level": 5},
        narrated=Narrated(title=("name",), body=("category",)),
        is_searched=True,
        seeded=Seeded(share=22, columns={"name": samples.interest, "level": samples.level}),
    ),
    _entries(
        "publications",
        "publication",
        models.Publication,
        example={"title": "Sketch of the Analytical Engine", "starts_on": "1843-08-01"},
        narrated=Narrated(title=("title", "publisher"), body=("description", "url")),
        seeded=Seeded(
            share=5, columns={"title": samples.publication, "publisher": samples.company}
        ),
    ),
    _entries(
        "awards",
        "award",
        models.Award,
        example={"title": "Medal of honour", "issuer": "The Society"},
        narrated=Narrated(title=("title", "issuer"), body=("description",)),
        seeded=Seeded(share=4, columns={"title": samples.prize, "issuer": samples.company}),
    ),
    _entries(
        "certifications",
        "certification",
        models.Certification,
        example={"name": "Certified analyst", "issuer": "The Institute"},
        narrated=Narrated(title=("name", "issuer"), body=("url",)),
        seeded=Seeded(share=5, columns={"name": samples.certificate, "issuer": samples.company}),
    ),
    _entries(
        "social-links",
        "social link",
        models.SocialLink,
        example={"platform": "Mastodon", "url": "https://social.example/@ada"},
        seeded=Seeded(share=6, columns={"platform": samples.platform, "url": samples.social_url}),
    ),
)
