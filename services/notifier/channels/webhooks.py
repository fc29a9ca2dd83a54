"""Messages as signed HTTP requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import Message

SIGNATURE_HEADER = "X-Usher-Signature"
DELIVERY_HEADER = "X-Usher-Delivery"
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to, and what to sign with."""

    url: str
    secret: str


class WebhookChannel:
    """Posts JSON to addresses that have names.

    The signature is `t=SECONDS,v1=HEX`: HMAC-SHA256, by the secret, of the time, a dot and the
    body. A receiver checks it, refuses what is older than some minutes, and knows a repetition by
    the delivery's identifier.
    """

    def __init__(self, webhooks: Mapping[str, Webhook]) -> None:
        self._webhooks = webhooks
        self._http = httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=False)

    def deliver(self, address: str, message: Message) -> None:
        """Post to one of them; any answer of 2xx will do. Raises DeliveryFailed."""
        webhook = self._webhooks.get(address)
        if webhook is None:
            raise DeliveryFailed(f"there is no webhook {address!r} in USHER_WEBHOOKS")
        pictures = [base64.b64encode(picture).decode() for picture in message.pictures]
        body = json.dumps({**message.facts(), "pictures": pictures}).encode()
        headers = {
            "Content-Type": "application/json",
            DELIVERY_HEADER: message.id,
            SIGNATURE_HEADER: signature(webhook.secret, body, at=int(time.time())),
        }
        try:
            response = self._http.post(webhook.url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise DeliveryFailed(f"the webhook {address}: {type(error).__name__}") from error
        if not response.is_success:
            raise DeliveryFailed(f"the webhook {address} answered {response.status_code}")


def signature(secret: str, body: bytes, *, at: int) -> str:
    """What stands in `SIGNATURE_HEADER`; `at` is in seconds since 1970."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"
