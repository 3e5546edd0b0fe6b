"""Webhooks of the settings: who wants which events, and signed delivery.

Only the URLs of ``PERFOPS["WEBHOOKS"]`` are asked, and no redirect is followed.
"""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from perfops.budgets import receivers
from perfops.budgets.webhook_events import EVENTS, Event
from perfops.conf import conf


class UnusableWebhook(ValueError):
    """An entry of ``PERFOPS["WEBHOOKS"]`` can't be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver: ``url`` and ``secret`` are secrets; ``events``: those that it wants."""

    url: str
    secret: str
    events: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return a digest that tells webhooks apart and gives no address away."""
        return sha256(self.url.encode()).hexdigest()


def webhooks() -> list[Webhook]:
    """Return the webhooks of the settings. Raises ``UnusableWebhook``."""
    return [_webhook(place, each) for place, each in enumerate(conf().WEBHOOKS)]


def _webhook(place: int, given: Mapping[str, Any]) -> Webhook:
    of_it = f'PERFOPS["WEBHOOKS"][{place}]'
    if unknown := sorted(given.keys() - {"url", "secret", "events"}):
        raise UnusableWebhook(f"{of_it} has unknown keys {unknown}: url, secret and events exist.")
    if not str(given.get("url", "")).startswith(("http://", "https://")):
        raise UnusableWebhook(f"{of_it} needs a url that begins with https:// or http://.")
    if not given.get("secret"):
        raise UnusableWebhook(f"{of_it} needs a secret: take it from the environment.")
    events = tuple(given.get("events", EVENTS))
    if wrong := sorted(set(events) - set(EVENTS)):
        raise UnusableWebhook(f"{of_it} wants {wrong}; there are: {', '.join(EVENTS)}.")
    return Webhook(given["url"], given["secret"], events)


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the HMAC-SHA256 of "TIME.BODY" in hexadecimal: an old request can't be sent again."""
    return hmac.new(secret.encode(), b"%d." % at + body, sha256).hexdigest()


def send(event: Event, webhook: Webhook) -> str:
    """Send ``event``; return a sentence that says what failed, or "". The URL is never named."""
    at = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "X-Perfops-Id": event.id,
        "X-Perfops-Event": event.name,
        "X-Perfops-Time": str(at),
        "X-Perfops-Signature": f"sha256={signature(webhook.secret, at, event.body)}",
    }
    return receivers.post(webhook.url, event.body, headers, about=event.id)
