from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

import httpx2
import pytest

from services.notifier import sender as sender_module
from services.notifier.channels import DeliveryFailed
from services.notifier.messages import AlertMessage
from services.notifier.sender import Sender
from usher.client import UsherClient
from usher.domain.errors import NotAuthenticated
from usher.domain.records import AlertStatus
from usher.wire import Alert, Camera

from .conftest import JPEG, Seam, alert_of, an_alert, page, problem

PICTURE = httpx2.Response(200, content=JPEG)
SETTLED = httpx2.Response(200, json=an_alert().model_dump(mode="json"))


class Inbox:
    """A channel that keeps what it is given, or fails as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.delivered: list[tuple[AlertMessage, bytes | None, list[str]]] = []
        self._failures = list(failures)

    def deliver(
        self, message: AlertMessage, picture: bytes | None, recipients: Sequence[str]
    ) -> None:
        failure = self._failures.pop(0) if self._failures else None
        if failure:
            raise failure
        self.delivered.append((message, picture, list(recipients)))


def a_sender(client: UsherClient, inbox: Inbox, stop: Event | None = None) -> Sender:
    return Sender(client, inbox, "http://usher.test", stop or Event(), ("@ann",), poll_s=0.01)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "_SETTLE_PAUSES_S", (0.0, 0.01, 0.01))


def test_sender_delivers_an_alert_with_its_picture_and_settles_it() -> None:
    seam, inbox = Seam(page(an_alert()), PICTURE, SETTLED), Inbox()
    assert a_sender(seam.client(), inbox).send_next()
    assert seam.asked == [
        "POST /alerts/claim",
        "GET /detections/d1/image",
        "POST /alerts/a1/settle",
    ]
    assert seam.body(0) == {"limit": 1, "lease_s": 60}
    assert seam.body(2) == {"claim_token": "t1", "error": None}
    ((message, picture, recipients),) = inbox.delivered
    assert (message.person_id, picture, recipients) == ("p-7k3qxz", JPEG, ["@ann"])


def test_sender_tells_the_cameras_managers_when_it_has_some() -> None:
    camera = Camera(id="door", name="Door", managers=["@bob", "@eve"])
    seam, inbox = Seam(page(an_alert(camera=camera)), PICTURE, SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    assert inbox.delivered[0][2] == ["@bob", "@eve"]


def test_sender_does_nothing_when_nothing_is_due() -> None:
    seam, inbox = Seam(page()), Inbox()
    assert not a_sender(seam.client(), inbox).send_next()
    assert seam.asked == ["POST /alerts/claim"]
    assert inbox.delivered == []


def test_sender_delivers_without_a_picture_when_it_has_been_deleted() -> None:
    seam, inbox = Seam(page(an_alert()), problem(404, "NotFound"), SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    assert inbox.delivered[0][1] is None


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (DeliveryFailed("@ann: ConnectionError"), "@ann: ConnectionError"),
        (DeliveryFailed("x" * 2000), "x" * 1000),
        # What is not ours may hold a secret: only its kind leaves.
        (RuntimeError("token=secret"), "RuntimeError"),
    ],
)
def test_sender_settles_with_the_reason_when_delivery_fails(
    failure: Exception, reason: str
) -> None:
    seam = Seam(page(an_alert()), PICTURE, SETTLED)
    a_sender(seam.client(), Inbox(failure)).send_next()
    assert seam.body(2) == {"claim_token": "t1", "error": reason}


def test_sender_goes_on_with_the_next_alert_when_one_fails() -> None:
    seam = Seam(
        page(an_alert()), PICTURE, SETTLED, page(an_alert(id="a2")), PICTURE, SETTLED, page()
    )
    inbox, stop = Inbox(RuntimeError()), Event()
    run_until(a_sender(seam.client(), inbox, stop), stop, lambda: len(inbox.delivered) == 1)
    assert inbox.delivered[0][0].alert_id == "a2"


def test_sender_settles_again_when_the_api_does_not_answer() -> None:
    refused = httpx2.ConnectError("refused")
    seam, inbox = Seam(page(an_alert()), PICTURE, refused, problem(503, "X"), SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    assert seam.asked[2:] == ["POST /alerts/a1/settle"] * 3
    assert len(inbox.delivered) == 1


@pytest.mark.parametrize("code", ["LeaseLost", "Conflict", "NotFound"])
def test_sender_leaves_an_alert_that_it_no_longer_holds(code: str) -> None:
    seam = Seam(page(an_alert()), PICTURE, problem(409, code))
    assert a_sender(seam.client(), Inbox()).send_next()
    assert seam.asked[2:] == ["POST /alerts/a1/settle"]


def test_sender_waits_and_goes_on_when_the_api_is_down() -> None:
    seam = Seam(
        httpx2.ConnectError("refused"),
        problem(503, "Unavailable"),
        page(an_alert()),
        PICTURE,
        SETTLED,
        page(),
    )
    inbox, stop = Inbox(), Event()
    run_until(a_sender(seam.client(), inbox, stop), stop, lambda: bool(inbox.delivered))
    assert seam.asked[:3] == ["POST /alerts/claim"] * 3


def test_sender_spends_no_attempt_when_the_api_goes_down_before_the_picture() -> None:
    seam = Seam(page(an_alert()), problem(503, "Unavailable"), page())
    inbox, stop = Inbox(), Event()
    run_until(a_sender(seam.client(), inbox, stop), stop, lambda: len(seam.requests) > 3)
    assert "POST /alerts/a1/settle" not in seam.asked
    assert inbox.delivered == []


def test_sender_waits_as_long_as_the_api_asks() -> None:
    busy = problem(429, "TooManyRequests")
    busy.headers["Retry-After"] = "60"
    seam, stop = Seam(busy), Event()
    run_until(a_sender(seam.client(), Inbox(), stop), stop, lambda: bool(seam.requests))
    assert seam.asked == ["POST /alerts/claim"]


def test_sender_gives_up_when_its_key_is_refused() -> None:
    seam = Seam(problem(401, "NotAuthenticated"))
    with pytest.raises(NotAuthenticated):
        a_sender(seam.client(), Inbox()).run()


def test_sender_settles_the_alert_in_hand_when_it_is_stopped() -> None:
    stop = Event()
    seam = Seam(page(an_alert()), PICTURE, SETTLED)

    class Stopping(Inbox):
        def deliver(self, *args: Any) -> None:
            stop.set()
            super().deliver(*args)

    a_sender(seam.client(), Stopping(), stop).run()
    assert seam.asked == [
        "POST /alerts/claim",
        "GET /detections/d1/image",
        "POST /alerts/a1/settle",
    ]


def test_sender_sends_the_alert_of_the_running_system(api: Any, stranger: Alert) -> None:
    inbox = Inbox()
    with UsherClient(api.url, api.notifier_key) as client:
        send_all(a_sender(client, inbox))
    sent = {message.alert_id: picture for message, picture, _ in inbox.delivered}
    assert sent[stranger.id] is not None
    assert sent[stranger.id].startswith(b"\xff\xd8")
    settled = alert_of(api.admin, stranger.detection_id)
    assert settled is not None
    assert (settled.status, settled.reason) == (AlertStatus.SENT, None)


def test_sender_leaves_the_running_system_an_alert_to_try_again_when_delivery_fails(
    api: Any, stranger: Alert
) -> None:
    class Broken(Inbox):
        def deliver(self, *args: Any) -> None:
            raise DeliveryFailed("the chat is down")

    with UsherClient(api.url, api.notifier_key) as client:
        send_all(a_sender(client, Broken()))
    settled = alert_of(api.admin, stranger.detection_id)
    assert settled is not None
    assert (settled.status, settled.reason) == (AlertStatus.PENDING, "the chat is down")
    assert settled.attempts == 1


def send_all(sender: Sender) -> None:
    while sender.send_next():
        pass


def run_until(sender: Sender, stop: Event, done: Any) -> None:
    thread = Thread(target=sender.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert done()
