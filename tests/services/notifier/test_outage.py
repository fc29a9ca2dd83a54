"""A chat that is away for an hour, and a thousand strangers: the outbox of the running API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from services.notifier import sender as sender_module
from services.notifier.channels.webhooks import Webhook, WebhookChannel
from services.notifier.sender import AT_ONCE, Pacing, Sender
from tests.running import RunningSystem, run_system
from tests.unit.storage.making import detection, person
from usher.client import UsherClient
from usher.domain.identifiers import new_id
from usher.storage.database import connected, in_transaction
from usher.storage.documents import to_document
from usher.storage.visits import Arrival, Visits
from usher.wire import AlertRuleBody

from .test_channels import Receiver
from .test_sender import Clock, send_all

MINUTES = 60


@pytest.fixture(scope="module")
def api(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The API alone: who comes is written as the classifier writes it."""
    with run_system(mongodb_uri, tmp_path_factory.mktemp("system"), classify=False) as system:
        with UsherClient(system.url) as admin:
            admin.sign_in(system.admin_username, system.admin_password)
            (rule,) = admin.alert_rules()
            admin.replace_alert_rule(rule.id, AlertRuleBody(name=rule.name, to=["webhook:ops"]))
        yield system


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is due now, nothing will be until the clocks are put forward."""
    monkeypatch.setattr(sender_module, "_WAIT_S", 0)


class Manager:
    """Somebody with a webhook, and a notifier that sends to it."""

    def __init__(self, api: RunningSystem, receiver: Receiver) -> None:
        self._api = api
        self._receiver = receiver
        self.clock = Clock()
        self._pacing = Pacing(self.clock)

    def send(self) -> None:
        """Send what may be sent now, by a notifier that has just started."""
        channels: Any = {"webhook": WebhookChannel({"ops": Webhook(self._receiver.url, "s")})}
        with UsherClient(self._api.url, self._api.notifier_key) as client:
            sender = Sender(client, channels, "http://usher.test", Event(), pacing=self._pacing)
            send_all(sender)

    def restart(self) -> None:
        self._pacing = Pacing(self.clock)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What arrived."""
        return [json.loads(body) for _, body in self._receiver.requests]

    @property
    def told(self) -> list[str]:
        """The alerts that those messages tell of."""
        found = []
        for message in self.messages:
            parts = message["alerts"] if message["event_type"] == "digest" else [message]
            found += [part["alert_id"] for part in parts]
        return found


def come(api: RunningSystem, number: int) -> None:
    """So many strangers, each at a camera for the first time."""

    async def write() -> None:
        now = datetime.now(UTC)
        async with connected(api.mongodb_uri, api.database) as database:
            people = [person(f"p-{new_id()[:8]}") for _ in range(number)]
            seen = [detection(captured_at=now, person_id=one.id) for one in people]
            await database["persons"].insert_many([to_document(one) for one in people])
            await database["detections"].insert_many([to_document(one) for one in seen])
            arrivals = [Arrival(one.person_id or "", (one,)) for one in seen]
            visits = Visits(database, gap_s=300)
            await in_transaction(
                database, lambda session: visits.join(arrivals, session, alert=True)
            )

    asyncio.run(write())


def let_pass(api: RunningSystem, manager: Manager, minutes: int) -> None:
    """Put the clocks forward: all that is in the database becomes older by so much."""
    moved = {
        "$map": {
            "input": "$deliveries",
            "as": "one",
            "in": {
                "$mergeObjects": [
                    "$$one",
                    {
                        name: {
                            "$dateSubtract": {
                                "startDate": f"$$one.{name}",
                                "unit": "minute",
                                "amount": minutes,
                            }
                        }
                        for name in ("not_before", "available_at")
                    },
                ]
            },
        }
    }

    async def write() -> None:
        async with connected(api.mongodb_uri, api.database) as database:
            await database["alerts"].update_many({"due": True}, [{"$set": {"deliveries": moved}}])

    manager.clock.now += timedelta(minutes=minutes).total_seconds()
    asyncio.run(write())


def all_alerts(api: RunningSystem) -> Sequence[str]:
    """Their ids, of every page."""
    found, cursor = [], None
    while True:
        page = api.admin.alerts(limit=200, **({"cursor": cursor} if cursor else {}))
        found += [one.id for one in page.items]
        if (cursor := page.next_cursor) is None:
            return found


def test_nothing_is_lost_or_doubled_when_a_chat_is_away_for_an_hour(api: RunningSystem) -> None:
    with Receiver() as receiver:
        manager = Manager(api, receiver)
        receiver.status = 503
        for minute in range(0, MINUTES, 5):
            come(api, 4)
            manager.send()
            let_pass(api, manager, 5)
            if minute == 30:
                manager.restart()
        assert len(receiver.requests) == MINUTES // 5
        receiver.requests.clear()
        receiver.status = 204
        manager.send()
    assert sorted(manager.told) == sorted(all_alerts(api))
    assert len(manager.told) == 4 * MINUTES // 5
    (message,) = manager.messages
    assert message["event_type"] == "digest"
    assert api.admin.stats().alerts_unsent == 0


def test_thousand_strangers_in_a_minute_are_no_thousand_messages(api: RunningSystem) -> None:
    before = set(all_alerts(api))
    with Receiver() as receiver:
        manager = Manager(api, receiver)
        for _ in range(100):
            come(api, 10)
            manager.send()
            manager.clock.now += 0.6
        assert 0 < len(manager.messages) <= AT_ONCE
        minutes = 0
        while api.admin.stats().alerts_unsent:
            let_pass(api, manager, 1)
            manager.send()
            minutes += 1
            assert minutes <= 5
        assert len(manager.messages) <= AT_ONCE + minutes
    told = manager.told
    assert len(told) == 1000
    assert set(told) == set(all_alerts(api)) - before
