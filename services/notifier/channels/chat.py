"""The channel to a chat."""

from __future__ import annotations

from typing import Protocol

import structlog

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import Message

_REMEMBERED = 1000

_log = structlog.get_logger(__name__)


class Chat(Protocol):
    """What a chat can do for us."""

    def tell(self, account: str, message: Message) -> None:
        """Send a message to an account, or raise whatever the chat raises."""


class ChatChannel:
    """Delivers to accounts of a chat; what is for nobody in particular, to all `recipients`.

    Remembers, in this process, whom of them it has told already when not all could be told, so that
    the next attempt reaches the others only.
    """

    def __init__(self, chat: Chat, recipients: tuple[str, ...]) -> None:
        self._chat = chat
        self._recipients = recipients
        self._reached: dict[str, set[str]] = {}

    def deliver(self, address: str, message: Message) -> None:
        """Tell an account, or every recipient.

        Raises
        ------
        DeliveryFailed
            Where somebody could not be told, or there is nobody to tell.
        """
        accounts = (address,) if address else self._recipients
        if not accounts:
            raise DeliveryFailed("there is nobody to tell: set USHER_CHAT_RECIPIENTS")
        reached = self._reached.pop(message.id, set())
        failures = [
            (account, reason)
            for account in accounts
            if account not in reached and (reason := self._failure_to_tell(account, message))
        ]
        if failures:
            self._remember(message.id, set(accounts) - {account for account, _ in failures})
            raise DeliveryFailed("; ".join(f"{account}: {reason}" for account, reason in failures))

    def _failure_to_tell(self, account: str, message: Message) -> str | None:
        try:
            self._chat.tell(account, message)
        except Exception as error:  # noqa: BLE001  # chats raise anything; the others must hear
            # The error's text may hold the chat's token: requests puts the URL into it.
            _log.warning("account_not_reached", error=type(error).__name__)
            return type(error).__name__
        return None

    def _remember(self, message_id: str, reached: set[str]) -> None:
        self._reached[message_id] = reached
        if len(self._reached) > _REMEMBERED:
            del self._reached[next(iter(self._reached))]
