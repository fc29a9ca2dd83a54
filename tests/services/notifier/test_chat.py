from __future__ import annotations

import pytest

from services.notifier.channels import DeliveryFailed
from services.notifier.chat import ChatChannel
from services.notifier.messages import AlertMessage, alert_message

from .conftest import JPEG, an_alert


class SomeChat:
    """A chat in which some accounts cannot be reached."""

    def __init__(self, unreachable: set[str] | None = None) -> None:
        self.unreachable = unreachable or set()
        self.told: list[tuple[str, str, bytes | None]] = []

    def tell(self, account: str, text: str, picture: bytes | None) -> None:
        if account in self.unreachable:
            raise ConnectionError("POST /bot-secret-token/send")
        self.told.append((account, text, picture))

    @property
    def accounts(self) -> list[str]:
        return [account for account, _, _ in self.told]


@pytest.fixture
def message() -> AlertMessage:
    return alert_message(an_alert(), panel_url="http://usher.test")


def test_chat_channel_tells_every_recipient_text_and_picture(message: AlertMessage) -> None:
    chat = SomeChat()
    ChatChannel(chat).deliver(message, JPEG, ["@ann", "@bob"])
    assert chat.told == [("@ann", message.text, JPEG), ("@bob", message.text, JPEG)]


def test_chat_channel_tells_the_others_when_one_account_cannot_be_reached(
    message: AlertMessage,
) -> None:
    chat = SomeChat(unreachable={"@ann"})
    with pytest.raises(DeliveryFailed, match="@ann"):
        ChatChannel(chat).deliver(message, JPEG, ["@ann", "@bob"])
    assert chat.accounts == ["@bob"]


def test_chat_channel_tells_nobody_twice_when_the_alert_comes_again(message: AlertMessage) -> None:
    chat = SomeChat(unreachable={"@ann"})
    channel = ChatChannel(chat)
    for _ in range(2):
        with pytest.raises(DeliveryFailed):
            channel.deliver(message, JPEG, ["@ann", "@bob"])
    chat.unreachable = set()
    channel.deliver(message, JPEG, ["@ann", "@bob"])
    assert chat.accounts == ["@bob", "@ann"]


def test_chat_channel_forgets_the_oldest_undeliverable_alert_when_there_are_too_many() -> None:
    chat = SomeChat(unreachable={"@ann"})
    channel = ChatChannel(chat)
    for number in range(1001):
        message = alert_message(an_alert(id=f"a{number}"), panel_url="http://usher.test")
        with pytest.raises(DeliveryFailed):
            channel.deliver(message, None, ["@ann", "@bob"])
    for alert_id, told in (("a1000", 0), ("a0", 1)):
        before = len(chat.told)
        message = alert_message(an_alert(id=alert_id), panel_url="http://usher.test")
        with pytest.raises(DeliveryFailed):
            channel.deliver(message, None, ["@ann", "@bob"])
        assert len(chat.told) - before == told


def test_chat_channel_keeps_the_words_of_a_chats_error_to_itself(message: AlertMessage) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        ChatChannel(SomeChat(unreachable={"@ann"})).deliver(message, JPEG, ["@ann"])
    assert str(caught.value) == "@ann: ConnectionError"


def test_chat_channel_fails_when_there_is_nobody_to_tell(message: AlertMessage) -> None:
    with pytest.raises(DeliveryFailed, match="USHER_CHAT_RECIPIENTS"):
        ChatChannel(SomeChat()).deliver(message, JPEG, [])
