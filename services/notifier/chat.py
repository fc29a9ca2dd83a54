"""The channel to a chat: every recipient is told once, however often an alert comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import AlertMessage

_REMEMBERED_ALERTS = 1000

_log = structlog.get_logger(__name__)


class Chat(Protocol):
    """What a chat can do for us."""

    def tell(self, account: str, text: str, picture: bytes | None) -> None:
        """Send Markdown and a JPEG to an account, or raise whatever the chat raises."""


class ChatChannel:
    """Delivers alerts to accounts of a chat.

    Remembers, in this process, who has heard of an alert that could not be delivered to everybody,
    so that its next attempt reaches the others only.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._reached: dict[str, set[str]] = {}

    def deliver(
        self, message: AlertMessage, picture: bytes | None, recipients: Sequence[str]
    ) -> None:
        """Tell every recipient.

        Raises
        ------
        DeliveryFailed
            Where somebody could not be told, or there is nobody to tell.
        """
        if not recipients:
            raise DeliveryFailed("there is nobody to tell: set USHER_CHAT_RECIPIENTS")
        reached = self._reached.pop(message.alert_id, set())
        failures = [
            failure
            for account in recipients
            if account not in reached
            and (failure := self._failure_to_tell(account, message, picture))
        ]
        if failures:
            self._remember(message.alert_id, set(recipients) - {account for account, _ in failures})
            raise DeliveryFailed("; ".join(f"{account}: {reason}" for account, reason in failures))

    def _failure_to_tell(
        self, account: str, message: AlertMessage, picture: bytes | None
    ) -> tuple[str, str] | None:
        try:
            self._chat.tell(account, message.text, picture)
        except Exception as error:  # noqa: BLE001  # chats raise anything; the others must hear
            # The error's text may hold the chat's token: requests puts the URL into it.
            _log.warning("account_not_reached", error=type(error).__name__)
            return account, type(error).__name__
        return None

    def _remember(self, alert_id: str, reached: set[str]) -> None:
        self._reached[alert_id] = reached
        if len(self._reached) > _REMEMBERED_ALERTS:
            del self._reached[next(iter(self._reached))]
