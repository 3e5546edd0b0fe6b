"""What an export of a profile holds, and the schemas that read it back.

They are made from the declarations. Ids and the times of creation and change may be there, as an
export has them; an import takes none of them over, for the server makes them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, create_model

from midst.kernel.input import Input, Moment
from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE, Collection
from profiles.schemas.profile import ExportedProfile

MOST_ROWS = 1000
OF_THE_SERVER = frozenset({"id", "created_at", "updated_at"})
OTHERS = {"timeline": TIMELINE, "narratives": NARRATIVES, "applications": APPLICATIONS}


class _OfTheServer(Input):
    id: UUID | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class _Profile(_OfTheServer, ExportedProfile):
    pass


def _row_schema(collection: Collection) -> type[Input]:
    bases = (_OfTheServer, collection.exported or collection.body)
    made: type[Input] = create_model(f"Exported{collection.shown.__name__}Row", __base__=bases)
    return made


ROWS = {each.path: _row_schema(each) for each in (*CV, *OTHERS.values())}


def _rows(collection: Collection) -> Any:
    row: Any = ROWS[collection.path]
    return Annotated[list[row], Field(max_length=MOST_ROWS)] | None


# What is left out stays as it is. An attribute has no hyphen in its name.
_CV_FIELDS: dict[str, Any] = {
    each.path.replace("-", "_"): (_rows(each), Field(None, alias=each.path)) for each in CV
}
_CV: Any = create_model("ExportedCV", __base__=Input, **_CV_FIELDS)


class ProfileImport(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "profile": {"slug": "ada-restored", "display_name": "Ada Lovelace"},
                    "cv": {"skills": [{"name": "Analysis", "level": 5}]},
                }
            ]
        }
    )
    exported_at: Moment | None = None
    profile: _Profile
    cv: _CV | None = None
    timeline: _rows(TIMELINE) = None  # type: ignore[valid-type]
    narratives: _rows(NARRATIVES) = None  # type: ignore[valid-type]
    applications: _rows(APPLICATIONS) = None  # type: ignore[valid-type]


class ImportResult(Schema):
    outcome: Literal["created", "restored", "unchanged"]
    id: UUID
    slug: str
    added: dict[str, int]
    """Rows, by collection."""
    removed: dict[str, int]
    """Rows, by collection."""


class Export(Schema):
    exported_at: datetime
    profile: dict[str, Any]
    cv: dict[str, list[dict[str, Any]]]
    timeline: list[dict[str, Any]]
    narratives: list[dict[str, Any]]
    applications: list[dict[str, Any]]


def rows_of(data: ProfileImport) -> list[tuple[Collection, str, list[Input]]]:
    """Return each collection that ``data`` names, where it stands there, and its rows."""
    found = [
        (each, f"cv.{each.path}", getattr(data.cv, each.path.replace("-", "_"), None))
        for each in CV
    ]
    found += [(each, name, getattr(data, name)) for name, each in OTHERS.items()]
    return [(each, place, rows) for each, place, rows in found if rows is not None]
