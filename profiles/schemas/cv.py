"""The entries of a CV. Each kind: its own fields, once to be sent in and once to be shown."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from midst.kernel.input import Day, Input, Tags, Whole, link, number, text

LARGEST = 2**31 - 1


class NewEntry(Input):
    position: Whole | None = Field(None, ge=0, le=LARGEST)
    """Left out: at the end."""
    starts_on: Day | None = None
    ends_on: Day | None = None
    tags: Tags = []


class Entry(Schema):
    id: UUID
    position: int
    starts_on: date | None
    ends_on: date | None
    tags: list[str]
    created_at: datetime
    updated_at: datetime


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class _Experience(Schema):
    role: str = text(120)
    organization: str = text(120)
    location: str = text(120, default="")
    description: str = text(10_000, default="")


class NewExperience(_Experience, NewEntry):
    model_config = _example(
        role="Analyst", organization="Analytical Engines", starts_on="2019-04-01", tags=["analysis"]
    )


class Experience(_Experience, Entry):
    pass


class _Education(Schema):
    institution: str = text(160)
    degree: str = text(120, default="")
    field: str = text(120, default="")
    description: str = text(10_000, default="")


class NewEducation(_Education, NewEntry):
    model_config = _example(institution="University of London", degree="BSc", field="Mathematics")


class Education(_Education, Entry):
    pass


class _Project(Schema):
    name: str = text(160)
    role: str = text(120, default="")
    url: str = link(default="")
    description: str = text(10_000, default="")
    external_id: str = text(100, default="")


class NewProject(_Project, NewEntry):
    model_config = _example(name="Note G", role="Author", external_id="github:note-g")


class Project(_Project, Entry):
    pass


class _Skill(Schema):
    name: str = text(100)
    category: str = text(100, default="")
    level: Whole = number(1, 5, default=3)


class NewSkill(_Skill, NewEntry):
    model_config = _example(name="Analysis", category="methods", level=5)


class Skill(_Skill, Entry):
    pass


class _Publication(Schema):
    title: str = text(200)
    publisher: str = text(160, default="")
    url: str = link(default="")
    description: str = text(10_000, default="")


class NewPublication(_Publication, NewEntry):
    model_config = _example(title="Sketch of the Analytical Engine", starts_on="1843-08-01")


class Publication(_Publication, Entry):
    pass


class _Award(Schema):
    title: str = text(200)
    issuer: str = text(160, default="")
    description: str = text(10_000, default="")


class NewAward(_Award, NewEntry):
    model_config = _example(title="Medal of honour", issuer="The Society")


class Award(_Award, Entry):
    pass


class _Certification(Schema):
    name: str = text(200)
    issuer: str = text(160, default="")
    credential_id: str = text(100, default="")
    url: str = link(default="")


class NewCertification(_Certification, NewEntry):
    model_config = _example(name="Certified analyst", issuer="The Institute")


class Certification(_Certification, Entry):
    pass


class _SocialLink(Schema):
    platform: str = text(50)
    url: str = link()


class NewSocialLink(_SocialLink, NewEntry):
    model_config = _example(platform="Mastodon", url="https://social.example/@ada")


class SocialLink(_SocialLink, Entry):
    pass
