"""Asking Prometheus over its HTTP API (v1)."""

import json
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

# No answer we ask for comes near this (bytes).
_MOST_BYTES = 5_000_000


class NoAnswer(Exception):
    """Prometheus gave none that can be used; the message says why."""


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """``last_scrape`` lies in the year 1 before the first one; ``health``: up, down, unknown."""

    labels: dict[str, str]
    health: str
    last_scrape: datetime
    last_error: str = ""


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """``state``: pending or firing."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    active_at: datetime


class Sample(msgspec.Struct, frozen=True):
    """One series of an instant query: its labels, and (time, value as text)."""

    metric: dict[str, str]
    value: tuple[float, str]

    @property
    def number(self) -> float:
        return float(self.value[1])


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class _Targets(msgspec.Struct, rename="camel"):
    active_targets: list[Target]


class _Alerts(msgspec.Struct):
    alerts: list[Alert]


class _Result(msgspec.Struct):
    result: list[Sample]


class Prometheus:
    """A server at ``url``; an answer that takes longer than ``timeout_s`` is none."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s

    @property
    def address(self) -> str:
        """HOST:PORT: what may be shown of the URL."""
        return urlsplit(self.url).netloc.rpartition("@")[2] or self.url

    def targets(self) -> list[Target]:
        """Return what is scraped now. Raises ``NoAnswer``, like all here."""
        return self._ask("targets", _Targets, state="active").active_targets

    def alerts(self) -> list[Alert]:
        """Return the alerts that fire, and those that soon may."""
        return self._ask("alerts", _Alerts).alerts

    def query(self, expr: str) -> list[Sample]:
        """Return the series that ``expr`` gives at this moment."""
        return self._ask("query", _Result, query=expr).result

    def _ask[T](self, path: str, kind: type[T], **parameters: str) -> T:
        body = self._get(f"{self.url}/api/v1/{path}?{urlencode(parameters)}")
        try:
            return msgspec.json.decode(msgspec.json.decode(body, type=_Answer).data, type=kind)
        except msgspec.DecodeError as error:
            raise NoAnswer(f"what {self.address} says is not Prometheus' ({error})") from error

    def _get(self, url: str) -> bytes:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise NoAnswer(f"{self.url!r} is no address: it must begin with http:// or https://")
        try:
            with urlopen(Request(url), timeout=self.timeout_s) as answer:  # noqa: S310 -- checked
                body: bytes = answer.read(_MOST_BYTES)
        except HTTPError as error:
            raise NoAnswer(f"{self.address} answers {error.code}: {_reason(error)}") from error
        except TimeoutError as error:
            raise NoAnswer(f"{self.address} did not answer in {self.timeout_s:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            reason: Any = getattr(error, "reason", error)
            raise NoAnswer(f"{self.address} can't be reached: {reason}") from error
        return body


def _reason(error: HTTPError) -> str:
    """Prometheus says in JSON what it did not understand; a proxy before it says anything."""
    try:
        return str(json.loads(error.read(_MOST_BYTES))["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)
