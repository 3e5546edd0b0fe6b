"""The same answers as a FastAPI project has them: SQLAlchemy, asyncio, pydantic, uvicorn."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import redis.asyncio
import tables
from fastapi import FastAPI, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

app = FastAPI()
engine = create_async_engine(tables.URL, pool_size=tables.POOL, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
cache = redis.asyncio.Redis.from_url(tables.REDIS_URL)
if tables.TELEMETRY:
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app).expose(app)


class Summary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str
    display_name: str
    title: str
    headline: str
    location: str
    avatar_url: str
    languages: list[str]
    interests: list[str]
    created_at: datetime
    updated_at: datetime


class Detail(Summary):
    summary: str
    website: str
    visibility: str


class Page(BaseModel):
    items: list[Summary]
    next: UUID | None


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/api/v1/profiles", response_model=Page)
async def profiles(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    created_from: datetime = datetime(1970, 1, 1, tzinfo=UTC),
) -> Any:
    key = f"fastapi:list:{limit}:{created_from.isoformat()}"
    body = await cache.get(key)
    if body is None:
        async with sessions() as session:
            found = list(await session.scalars(tables.listed(created_from, limit)))
        page = Page(
            items=[Summary.model_validate(each) for each in found[:limit]],
            next=found[limit - 1].id if len(found) > limit else None,
        )
        body = page.model_dump_json().encode()
        await cache.set(key, body, ex=tables.TTL_S)
    return Response(body, media_type="application/json")


@app.get("/api/v1/profiles/{profile_id}", response_model=Detail)
async def profile(profile_id: UUID) -> Any:
    key = f"fastapi:row:{profile_id}"
    body = await cache.get(key)
    if body is None:
        async with sessions() as session:
            found = await session.scalar(tables.one(profile_id))
        if found is None:
            raise HTTPException(404)
        body = Detail.model_validate(found).model_dump_json().encode()
        await cache.set(key, body, ex=tables.TTL_S)
    return Response(body, media_type="application/json")
