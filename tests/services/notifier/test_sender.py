from __future__ import annotations

import time
from threading import Event, Thread
from typing import Any

import httpx2
import pytest
from rich.console import Console

from services.notifier import sender as sender_module
from services.notifier.channels import DeliveryFailed, Missing
from services.notifier.channels.console import ConsoleChannel
from services.notifier.messages import Message
from services.notifier.sender import AT_ONCE, Pacing, Sender
from usher.client import UsherClient
from usher.domain.errors import NotAuthenticated
from usher.domain.records import AlertStatus
from usher.wire import Alert

from .conftest import JPEG, Seam, alert_of, batch, claimed, page, problem

PICTURE = httpx2.Response(200, content=JPEG)
SETTLED = page()
CLAIM, SETTLE = "POST /alerts/deliveries/claim", "POST /alerts/deliveries/settle"


class Inbox:
    """A channel that keeps what it is given, or fails as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.delivered: list[tuple[str, Message]] = []
        self._failures = list(failures)

    def deliver(self, address: str, message: Message) -> None:
        failure = self._failures.pop(0) if self._failures else None
        if failure:
            raise failure
        self.delivered.append((address, message))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_sender(client: UsherClient, inbox: Inbox, stop: Event | None = None) -> Sender:
    channels: Any = {"chat": inbox, "default": inbox}
    return Sender(client, channels, "http://usher.test", stop or Event(), poll_s=0.01)


def many(number: int) -> list[Any]:
    return [claimed(id=f"a{nth}") for nth in range(number)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "_SETTLE_PAUSES_S", (0.0, 0.01, 0.01))


def test_sender_delivers_an_alert_with_its_picture_and_settles_it() -> None:
    seam, inbox = Seam(batch(claimed()), PICTURE, SETTLED), Inbox()
    assert a_sender(seam.client(), inbox).send_next()
    assert seam.asked == [CLAIM, "GET /detections/d1/image", SETTLE]
    assert seam.body(0)["channels"] == ["chat", "default"]
    assert seam.body(2) == {"claim_token": "t1", "delivery_ids": ["a1-d"], "error": None}
    ((address, message),) = inbox.delivered
    assert (address, message.id, message.pictures) == ("@ann", "a1-d", (JPEG,))


def test_sender_says_which_channels_are_set_up() -> None:
    seam = Seam(batch())
    channels: Any = {
        "chat": ConsoleChannel(Console()),
        "default": ConsoleChannel(Console()),
        "mail": Missing("set one up"),
        "webhook": Inbox(),
    }
    Sender(seam.client(), channels, "http://usher.test", Event(), poll_s=0.01).send_next()
    assert seam.body(0)["sends_by"] == ["console", "webhook"]


def test_sender_does_nothing_when_nothing_is_due() -> None:
    seam, inbox = Seam(batch()), Inbox()
    assert not a_sender(seam.client(), inbox).send_next()
    assert seam.asked == [CLAIM]
    assert inbox.delivered == []


def test_sender_delivers_without_a_picture_when_it_has_been_deleted() -> None:
    seam, inbox = Seam(batch(claimed()), problem(404, "NotFound"), SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    assert inbox.delivered[0][1].pictures == ()


# ---- Too many ------------------------------------------------------------------------------------


def test_few_are_sent_one_by_one() -> None:
    seam, inbox = Seam(batch(*many(2)), PICTURE, SETTLED, PICTURE, SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    assert [message.kind for _, message in inbox.delivered] == ["alert", "alert"]


def test_more_than_a_few_are_one_digest_with_some_pictures() -> None:
    number = AT_ONCE + 1
    seam, inbox = Seam(batch(*many(number)), *[PICTURE] * number, SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    ((_, message),) = inbox.delivered
    assert (message.kind, len(message.pictures)) == ("digest", 6)
    assert len(seam.body(-1)["delivery_ids"]) == number


def test_thousand_strangers_in_a_minute_are_a_few_messages() -> None:
    """One a time, as they come; the address is held as soon as it has heard enough."""
    clock, told = Clock(), 0
    pacing = Pacing(clock)
    waiting = 0
    for _ in range(1000):
        clock.now += 0.06
        waiting += 1
        if "chat:@ann" in pacing.held():
            continue
        pacing.sent("chat:@ann", everything=waiting > 1)
        told, waiting = told + 1, 0
    assert told == AT_ONCE
    clock.now += 60
    assert pacing.held() == []
    pacing.sent("chat:@ann", everything=True)
    assert pacing.held() == ["chat:@ann"]


def test_address_that_does_not_answer_is_left_alone_for_longer_and_longer() -> None:
    clock = Clock()
    pacing, pauses = Pacing(clock), []
    for _ in range(7):
        pacing.failed("chat:@ann")
        begun = clock.now
        while pacing.held():
            clock.now += 0.5
        pauses.append(clock.now - begun)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    pacing.sent("chat:@ann")
    pacing.failed("chat:@ann")
    clock.now += 2
    assert pacing.held() == []


def test_held_addresses_are_skipped() -> None:
    seam = Seam(batch(claimed()), PICTURE, SETTLED, batch())
    sender = a_sender(seam.client(), Inbox(DeliveryFailed("away")))
    sender.send_next()
    sender.send_next()
    assert seam.body(-1)["skip"] == ["chat:@ann"]


# ---- Failures ------------------------------------------------------------------------------------


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
    seam = Seam(batch(claimed()), PICTURE, SETTLED)
    a_sender(seam.client(), Inbox(failure)).send_next()
    assert seam.body(2)["error"] == reason


def test_rest_for_an_address_waits_when_one_cannot_be_delivered() -> None:
    seam = Seam(batch(*many(3)), PICTURE, SETTLED, PICTURE, SETTLED, SETTLED)
    inbox = Inbox(None, DeliveryFailed("away"))
    a_sender(seam.client(), inbox).send_next()
    assert [message.id for _, message in inbox.delivered] == ["a0-d"]
    settled = [seam.body(at) for at, asked in enumerate(seam.asked) if asked == SETTLE]
    assert [(one["delivery_ids"], bool(one["error"])) for one in settled] == [
        (["a0-d"], False),
        (["a1-d"], True),
        (["a2-d"], True),
    ]


def test_sender_goes_on_with_the_next_address_when_one_fails() -> None:
    seam = Seam(
        batch(claimed()), PICTURE, SETTLED, batch(claimed("chat:@bob")), PICTURE, SETTLED, batch()
    )
    inbox, stop = Inbox(RuntimeError()), Event()
    run_until(a_sender(seam.client(), inbox, stop), stop, lambda: len(inbox.delivered) == 1)
    assert inbox.delivered[0][0] == "@bob"


def test_sender_settles_again_when_the_api_does_not_answer() -> None:
    refused = httpx2.ConnectError("refused")
    seam, inbox = Seam(batch(claimed()), PICTURE, refused, problem(503, "X"), SETTLED), Inbox()
    a_sender(seam.client(), inbox).send_next()
    assert seam.asked[2:] == [SETTLE] * 3
    assert len(inbox.delivered) == 1


def test_what_was_delivered_and_not_settled_is_not_delivered_again() -> None:
    away = httpx2.ConnectError("refused")
    seam = Seam(batch(claimed()), PICTURE, away, away, away, batch(claimed(), claim="t2"), SETTLED)
    sender = a_sender(seam.client(), inbox := Inbox())
    sender.send_next()
    sender.send_next()
    assert len(inbox.delivered) == 1
    assert seam.body(-1) == {"claim_token": "t2", "delivery_ids": ["a1-d"], "error": None}


@pytest.mark.parametrize("code", ["LeaseLost", "Conflict", "NotFound"])
def test_sender_leaves_an_alert_that_it_no_longer_holds(code: str) -> None:
    seam = Seam(batch(claimed()), PICTURE, problem(409, code))
    assert a_sender(seam.client(), Inbox()).send_next()
    assert seam.asked[2:] == [SETTLE]


def test_sender_waits_and_goes_on_when_the_api_is_down() -> None:
    seam = Seam(
        httpx2.ConnectError("refused"),
        problem(503, "Unavailable"),
        batch(claimed()),
        PICTURE,
        SETTLED,
        batch(),
    )
    inbox, stop = Inbox(), Event()
    run_until(a_sender(seam.client(), inbox, stop), stop, lambda: bool(inbox.delivered))
    assert seam.asked[:3] == [CLAIM] * 3


def test_sender_spends_no_attempt_when_the_api_goes_down_before_the_picture() -> None:
    seam = Seam(batch(claimed()), problem(503, "Unavailable"), batch())
    inbox, stop = Inbox(), Event()
    run_until(a_sender(seam.client(), inbox, stop), stop, lambda: len(seam.requests) > 3)
    assert SETTLE not in seam.asked
    assert inbox.delivered == []


def test_sender_waits_as_long_as_the_api_asks() -> None:
    busy = problem(429, "TooManyRequests")
    busy.headers["Retry-After"] = "60"
    seam, stop = Seam(busy), Event()
    run_until(a_sender(seam.client(), Inbox(), stop), stop, lambda: bool(seam.requests))
    assert seam.asked == [CLAIM]


def test_sender_gives_up_when_its_key_is_refused() -> None:
    seam = Seam(problem(401, "NotAuthenticated"))
    with pytest.raises(NotAuthenticated):
        a_sender(seam.client(), Inbox()).run()


def test_sender_settles_the_message_in_hand_when_it_is_stopped() -> None:
    stop = Event()
    seam = Seam(batch(*many(3)), PICTURE, SETTLED)

    class Stopping(Inbox):
        def deliver(self, *args: Any) -> None:
            stop.set()
            super().deliver(*args)

    a_sender(seam.client(), Stopping(), stop).run()
    assert seam.asked == [CLAIM, "GET /detections/d1/image", SETTLE]


# ---- The running system --------------------------------------------------------------------------


def test_sender_sends_the_alert_of_the_running_system(api: Any, stranger: Alert) -> None:
    inbox = Inbox()
    with UsherClient(api.url, api.notifier_key) as client:
        send_all(a_sender(client, inbox))
    assert any(message.details.get("alert_id") == stranger.id for _, message in inbox.delivered)
    assert all(message.pictures[0].startswith(b"\xff\xd8") for _, message in inbox.delivered)
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
