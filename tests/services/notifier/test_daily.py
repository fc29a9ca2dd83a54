from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.notifier.channels import DeliveryFailed
from services.notifier.daily import DailyDigest
from services.notifier.messages import Message, daily_message
from usher.client import UsherClient
from usher.domain.records import CameraState, PersonKind
from usher.wire import Alert, Camera, PersonBrief, Visit

from .conftest import JPEG, Seam, page

CET = timezone(timedelta(hours=1), "CET")
EVENING = datetime(2026, 11, 22, 18, 0, tzinfo=CET)
ADA = PersonBrief(id="p-2m9rtb", name="Ada", kind=PersonKind.KNOWN)
STRANGER = PersonBrief(id="p-7k3qxz", name=None, kind=PersonKind.UNKNOWN)


def visit(person: PersonBrief, hour: int, minutes: int = 20, camera_id: str = "door") -> Visit:
    begun = datetime(2026, 11, 22, hour, tzinfo=CET)
    last = begun + timedelta(minutes=minutes)
    return Visit(
        id=f"{person.id}-{hour}",
        person=person,
        camera_id=camera_id,
        started_at=begun,
        last_at=last,
        detections=2,
        detection_id=f"d-{hour}",
    )


class Inbox:
    def __init__(self, *failures: Exception) -> None:
        self.told: list[tuple[str, Message]] = []
        self._failures = list(failures)

    def deliver(self, address: str, message: Message) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.told.append((address, message))


def a_digest(client: UsherClient, kept: Path, inbox: Inbox, **changes: Any) -> DailyDigest:
    given: dict[str, Any] = {
        "client": client,
        "channels": {"mail": inbox},
        "to": ["mail:ann@example.org", "@bob"],
        "at": time(18),
        "panel_url": "http://usher.test",
        "kept": kept / "digests.json",
        "now": lambda: EVENING,
    }
    return DailyDigest(**{**given, **changes})


def test_digest_says_who_came_first_and_last_and_what_is_down() -> None:
    cameras = [
        Camera(id="door", name="Front door", managers=[], state=CameraState.LIVE),
        Camera(id="yard", name="Yard", managers=[], state=CameraState.GONE, state_since=EVENING),
    ]
    visits = [
        visit(ADA, 8),
        visit(STRANGER, 9, minutes=0),
        visit(ADA, 16, camera_id="yard"),
        visit(STRANGER.model_copy(update={"kind": PersonKind.IGNORED}), 11),
    ]
    message = daily_message(
        visits[:3], cameras, now=EVENING, id_="i", panel_url="http://usher.test"
    )
    assert message.plain.splitlines() == [
        "Sunday, 22 November: 1 person known, 1 stranger",
        "Ada: 08:00 to 16:20, Front door, Yard",
        "Unknown face p-7k3qxz: 09:00, Front door",
        "Camera Yard is gone since 2026-11-22 18:00:00 CET",
        "http://usher.test",
    ]


def test_digest_is_sent_once_a_day_to_each_address_of_this_process(tmp_path: Path) -> None:
    visits = httpx2.Response(
        200, json={"items": [visit(STRANGER, 9).model_dump(mode="json")], "next_cursor": None}
    )
    answers = [visits, httpx2.Response(200, content=JPEG), page()]
    inbox = Inbox()
    seam = Seam(*answers, *answers)
    assert a_digest(seam.client(), tmp_path, inbox).send_due() == 1
    ((address, message),) = inbox.told
    assert (address, message.kind, message.pictures) == ("ann@example.org", "daily", (JPEG,))
    asked = seam.requests[0].url.params["from"]
    assert datetime.fromisoformat(asked) == datetime(2026, 11, 21, 23, tzinfo=UTC)

    # A restart, the same day.
    assert a_digest(seam.client(), tmp_path, inbox).send_due() == 0
    tomorrow = EVENING + timedelta(days=1)
    assert a_digest(seam.client(), tmp_path, inbox, now=lambda: tomorrow).send_due() == 1


def test_digest_waits_for_its_time(tmp_path: Path) -> None:
    early = EVENING - timedelta(minutes=1)
    digest = a_digest(Seam(page()).client(), tmp_path, Inbox(), now=lambda: early)
    assert digest.send_due() == 0


def test_digest_comes_again_when_it_could_not_be_sent(tmp_path: Path) -> None:
    inbox = Inbox(DeliveryFailed("away"))
    digest = a_digest(Seam(page()).client(), tmp_path, inbox)
    assert digest.send_due() == 0
    assert digest.send_due() == 1


@pytest.mark.parametrize("kept", ["", "no json", "[]"])
def test_digest_is_sent_when_what_was_kept_is_damaged(tmp_path: Path, kept: str) -> None:
    (tmp_path / "digests.json").write_text(kept)
    assert a_digest(Seam(page()).client(), tmp_path, Inbox()).send_due() == 1


def test_digest_of_the_running_system_tells_of_its_stranger(
    api: Any, stranger: Alert, tmp_path: Path
) -> None:
    inbox = Inbox()
    with UsherClient(api.url, api.notifier_key) as client:
        now = datetime.now(UTC)
        digest = a_digest(client, tmp_path, inbox, at=time(0), now=lambda: now)
        assert digest.send_due() == 1
    ((_, message),) = inbox.told
    assert stranger.person is not None
    assert stranger.person.id in message.plain
    assert message.pictures[0].startswith(b"\xff\xd8")
