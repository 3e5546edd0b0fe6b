# syntax=docker/dockerfile:1
# Midst in production: one image for web, worker, beat and the metrics server.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv
# The same release as the `k6` of the lock file's development group.
FROM grafana/k6:1.1.0 AS k6

FROM python:3.13.9-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
# The packages first: they change less often than the code.
COPY pyproject.toml uv.lock .python-version ./
RUN uv sync --locked --no-dev --no-default-groups
RUN uv export --quiet --locked --no-dev --no-default-groups --format cyclonedx1.5 \
    --output-file sbom.cdx.json
COPY manage.py ./
COPY infra ./infra
COPY midst ./midst
COPY perfops ./perfops
COPY profiles ./profiles
COPY taxonomy ./taxonomy
COPY templates ./templates
# Settings want their variables; nothing of these is kept, and no server is asked.
RUN SECRET_KEY=only-for-collectstatic \
    TOKEN_SIGNING_KEY=only-for-collectstatic-0123456789abcdef \
    ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgres://localhost:1/nowhere \
    REDIS_URL=redis://localhost:1 \
    DJANGO_SETTINGS_MODULE=midst.settings.prod \
    .venv/bin/python manage.py collectstatic --noinput --verbosity 0

FROM python:3.13.9-slim-bookworm
# docker build --build-arg REVISION=$(git rev-parse HEAD)
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Midst" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.revision=$REVISION \
    org.opencontainers.image.licenses="BSD-3-Clause"
RUN groupadd --gid 10001 midst && useradd --uid 10001 --gid midst --no-create-home midst
COPY --from=k6 /usr/bin/k6 /usr/local/bin/k6
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=midst.settings.prod \
    BIND=0.0.0.0:3001
USER midst
EXPOSE 3001 9464
CMD ["gunicorn", "-c", "infra/gunicorn.conf.py"]
