"""The same answers as a Flask project has them: SQLAlchemy, and threads of gunicorn."""

from datetime import datetime
from uuid import UUID

import redis
import tables
from flask import Flask, Response, abort, jsonify, request
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

app = Flask(__name__)
engine = create_engine(tables.URL, pool_size=tables.POOL, max_overflow=0)
sessions = sessionmaker(engine, expire_on_commit=False)
cache = redis.Redis.from_url(tables.REDIS_URL)
if tables.TELEMETRY:
    from prometheus_flask_exporter import PrometheusMetrics

    PrometheusMetrics(app)
SUMMARY = (
    "id", "slug", "display_name", "title", "headline", "location", "avatar_url", "languages",
    "interests", "created_at", "updated_at",
)  # fmt: skip
DETAIL = (*SUMMARY, "summary", "website", "visibility")
FIRST = "1970-01-01T00:00:00Z"


def fields(profile: tables.Profile, names: tuple[str, ...]) -> dict[str, object]:
    return {name: getattr(profile, name) for name in names}


def remembered(key: str) -> Response | None:
    body = cache.get(key)
    return None if body is None else Response(body, mimetype="application/json")


def remember(key: str, response: Response) -> Response:
    cache.set(key, response.get_data(), ex=tables.TTL_S)
    return response


@app.get("/health")
def health() -> Response:
    return jsonify(status="ok")


@app.get("/api/v1/profiles")
def profiles() -> Response:
    limit = request.args.get("limit", 20, type=int)
    created_from = datetime.fromisoformat(request.args.get("created_from", FIRST))
    if not 1 <= limit <= 100:
        abort(400)
    key = f"flask:list:{limit}:{created_from.isoformat()}"
    if known := remembered(key):
        return known
    with sessions() as session:
        found = list(session.scalars(tables.listed(created_from, limit)))
    page = jsonify(
        items=[fields(each, SUMMARY) for each in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )
    return remember(key, page)


@app.get("/api/v1/profiles/<uuid:profile_id>")
def profile(profile_id: UUID) -> Response:
    key = f"flask:row:{profile_id}"
    if known := remembered(key):
        return known
    with sessions() as session:
        found = session.scalar(tables.one(profile_id))
    if found is None:
        abort(404)
    return remember(key, jsonify(fields(found, DETAIL)))
