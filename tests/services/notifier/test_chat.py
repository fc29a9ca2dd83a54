from __future__ import annotations

import pytest

from services.notifier.channels import DeliveryFailed
from services.notifier.channels.chat import ChatChannel
from services.notifier.messages import Message

from .conftest import a_message

BOTH = ("@ann", "@bob")


class SomeChat:
    """A chat in which some accounts cannot be reached."""

    def __init__(self, unreachable: set[str] | None = None) -> None:
        self.unreachable = unreachable or set()
        self.told: list[tuple[str, Message]] = []

    def tell(self, account: str, message: Message) -> None:
        if account in self.unreachable:
            raise ConnectionError("POST /bot-secret-token/send")
        self.told.append((account, message))

    @property
    def accounts(self) -> list[str]:
        return [account for account, _ in self.told]


@pytest.fixture
def message() -> Message:
    return a_message()


def test_chat_channel_tells_an_account(message: Message) -> None:
    chat = SomeChat()
    ChatChannel(chat, BOTH).deliver("@eve", message)
    assert chat.told == [("@eve", message)]


def test_chat_channel_tells_every_recipient_what_is_for_nobody_in_particular(
    message: Message,
) -> None:
    chat = SomeChat()
    ChatChannel(chat, BOTH).deliver("", message)
    assert chat.told == [("@ann", message), ("@bob", message)]


def test_chat_channel_tells_the_others_when_one_account_cannot_be_reached(
    message: Message,
) -> None:
    chat = SomeChat(unreachable={"@ann"})
    with pytest.raises(DeliveryFailed, match="@ann"):
        ChatChannel(chat, BOTH).deliver("", message)
    assert chat.accounts == ["@bob"]


def test_chat_channel_tells_nobody_twice_when_the_message_comes_again(message: Message) -> None:
    chat = SomeChat(unreachable={"@ann"})
    channel = ChatChannel(chat, BOTH)
    for _ in range(2):
        with pytest.raises(DeliveryFailed):
            channel.deliver("", message)
    chat.unreachable = set()
    channel.deliver("", message)
    assert chat.accounts == ["@bob", "@ann"]


def test_chat_channel_forgets_the_oldest_undeliverable_message_when_there_are_too_many() -> None:
    chat = SomeChat(unreachable={"@ann"})
    channel = ChatChannel(chat, BOTH)
    for number in range(1001):
        with pytest.raises(DeliveryFailed):
            channel.deliver("", a_message(id=f"a{number}"))
    for alert_id, told in (("a1000", 0), ("a0", 1)):
        before = len(chat.told)
        with pytest.raises(DeliveryFailed):
            channel.deliver("", a_message(id=alert_id))
        assert len(chat.told) - before == told


def test_chat_channel_keeps_the_words_of_a_chats_error_to_itself(message: Message) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        ChatChannel(SomeChat(unreachable={"@ann"}), ()).deliver("@ann", message)
    assert str(caught.value) == "@ann: ConnectionError"


def test_chat_channel_fails_when_there_is_nobody_to_tell(message: Message) -> None:
    with pytest.raises(DeliveryFailed, match="USHER_CHAT_RECIPIENTS"):
        ChatChannel(SomeChat(), ()).deliver("", message)
