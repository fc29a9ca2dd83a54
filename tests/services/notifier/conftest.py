"""What the notifier's tests share: alerts in words of the API, a client at its seam, a stranger."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from services.notifier.messages import Message, alert_message
from usher.client import UsherClient
from usher.domain.records import UNFINISHED, AlertStatus, DeliveryKind, PersonKind
from usher.wire import (
    Alert,
    Camera,
    ClaimedDeliveries,
    ClaimedDelivery,
    Delivery,
    Detection,
    PersonBrief,
)

# Runs in the bot's own environment: see test_errbot.py.
collect_ignore = ["errbot_suite"]

BOT_PYTHON = Path(__file__).resolve().parents[3] / ".venv-bot" / "bin" / "python"
JPEG = b"\xff\xd8 a face \xff\xd9"
_CLASSIFIED_WITHIN_S = 60.0
Found = TypeVar("Found")


def an_alert(**changes: Any) -> Alert:
    """An alert about a stranger at the front door."""
    moment = datetime(2026, 11, 22, 13, 3, 12, tzinfo=UTC)
    fields: dict[str, Any] = {
        "id": "a1",
        "status": AlertStatus.PENDING,
        "person": PersonBrief(id="p-7k3qxz", name=None, kind=PersonKind.UNKNOWN),
        "camera": Camera(id="door", name="Front door", managers=[]),
        "detection_id": "d1",
        "visit_id": "v1",
        "captured_at": moment,
        "created_at": moment,
        "attempts": 1,
    }
    return Alert(**{**fields, **changes})


def claimed(
    to: str = "chat:@ann", kind: DeliveryKind = DeliveryKind.ALERT, **changes: Any
) -> ClaimedDelivery:
    """A delivery of such an alert; its id is `a1-d`."""
    alert = an_alert(**changes)
    delivery = Delivery(
        id=f"{alert.id}-d",
        kind=kind,
        to=to,
        status=AlertStatus.PENDING,
        not_before=alert.created_at,
        attempts=1,
    )
    path = f"/api/v1/alerts/pictures/{alert.detection_id}?until=1&key=k"
    return ClaimedDelivery(alert=alert, delivery=delivery, picture_path=path)


def batch(*items: ClaimedDelivery, claim: str = "t1") -> httpx2.Response:
    """What the API answers to a claim."""
    body = ClaimedDeliveries(claim_token=claim, items=list(items))
    return httpx2.Response(200, json=body.model_dump(mode="json"))


def a_message(**changes: Any) -> Message:
    """That alert in words, with its picture."""
    return alert_message(claimed(**changes), panel_url="http://usher.test", picture=JPEG)


def problem(status: int, code: str, detail: str = "why") -> httpx2.Response:
    """An error as the API words it."""
    body = {"title": code, "status": status, "detail": detail, "code": code}
    return httpx2.Response(status, json=body)


def page(*items: Alert) -> httpx2.Response:
    return httpx2.Response(200, json={"items": [item.model_dump(mode="json") for item in items]})


class Seam:
    """The client's transport: notes each request and answers from a list, the last one for ever.

    An answer that is an exception is raised.
    """

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.requests: list[httpx2.Request] = []
        self._answers = list(answers)

    def client(self) -> UsherClient:
        return UsherClient(
            "http://usher.test", "a key", transport=httpx2.MockTransport(self._answer)
        )

    @property
    def asked(self) -> list[str]:
        return [
            f"{request.method} {request.url.path.removeprefix('/api/v1')}"
            for request in self.requests
        ]

    def body(self, index: int) -> Any:
        return json.loads(self.requests[index].content)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="session")
def bot_python() -> Path:
    """The Python of the bot's environment."""
    if not BOT_PYTHON.exists():
        missing = "the bot's environment is missing: run `make bot`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return BOT_PYTHON


@pytest.fixture(scope="session")
def photographs(test_data: Path) -> Iterator[Path]:
    """Of one person each, and each handed out once."""
    return iter(sorted((test_data / "lfw-dev" / "images").glob("*/*_0001.jpg"), reverse=True))


@pytest.fixture
def stranger(api: Any, photographs: Iterator[Path]) -> Alert:
    """The alert about somebody unknown, whom a camera of the running system has just seen."""
    return newly_seen(api, photographs)


def newly_seen(api: Any, photographs: Iterator[Path]) -> Alert:
    """Have a camera see somebody unknown; the alert about them."""
    for photograph in photographs:
        detection_id = api.upload(photograph, f"door-{uuid.uuid4().hex[:8]}")
        eventually(
            lambda id_=detection_id: classified(api.admin, id_), within_s=_CLASSIFIED_WITHIN_S
        )
        if alert := alert_of(api.admin, detection_id):
            return alert
    pytest.fail("everybody is known already")


def classified(client: UsherClient, detection_id: str) -> Detection | None:
    detection = client.detection(detection_id)
    return None if detection.status in UNFINISHED else detection


def alert_of(client: UsherClient, detection_id: str) -> Alert | None:
    """The alert that a detection caused, as the API has it now."""
    found = [alert for alert in client.alerts().items if alert.detection_id == detection_id]
    return found[0] if found else None


def eventually(find: Callable[[], Found | None], *, within_s: float) -> Found:
    """What `find` finds, as soon as it finds something."""
    deadline = time.monotonic() + within_s
    while (found := find()) is None:
        assert time.monotonic() < deadline, f"not within {within_s} seconds"
        time.sleep(0.1)
    return found
