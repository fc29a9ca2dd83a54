"""The bot's plugin: joins Errbot to the sender and the conversation, which know no bot."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from html import unescape
from io import BytesIO
from threading import Event, Thread
from types import SimpleNamespace

import structlog
from errbot import BotPlugin, botcmd, cmdfilter
from errbot.backends.base import Identifier, Message, Room, RoomOccupant

from services.notifier.chat import ChatChannel
from services.notifier.conversation import Conversation, Reply, managers
from services.notifier.messages import NOT_A_MANAGER
from services.notifier.sender import API_TIMEOUT_S, Sender
from services.notifier.settings import NotifierSettings
from usher.client import UsherClient

_STOP_S = 8.0
# How backends take a picture. Text accepts one and shows nothing, IRC opens a port for each.
_BLIND_BACKENDS = ("text", "irc")
_STREAM_TYPES = {"telegram": "photo"}

_log = structlog.get_logger("services.notifier.errbot")


class Usher(BotPlugin):  # type: ignore[misc]  # Errbot is not installed where types are checked.
    """Unknown faces: who they are, and whom to ignore."""

    def activate(self) -> None:
        """Begin to send alerts; Errbot calls this once the chat is connected."""
        super().activate()
        self._settings = NotifierSettings()
        self._stop = Event()
        self._outbox = Thread(target=self._send_alerts, name="outbox", daemon=True)
        self._outbox.start()

    def deactivate(self) -> None:
        """Settle the alert in hand and send no more, until the chat is connected again."""
        self._stop.set()
        self._outbox.join(_STOP_S)
        super().deactivate()

    @botcmd(name="name", syntax="ID NAME")  # type: ignore[untyped-decorator]
    def name_person(self, message: Message, arguments: str) -> None:
        """Say who somebody is: !name p-7k3qxz Alice Smith"""
        words = unescape(arguments) if self.mode == "slackv3" else arguments
        self._answer(message, lambda conversation: conversation.name(words))

    @botcmd(syntax="ID")  # type: ignore[untyped-decorator]
    def ignore(self, message: Message, arguments: str) -> None:
        """Hear no more of somebody: !ignore p-7k3qxz"""
        self._answer(message, lambda conversation: conversation.ignore(arguments))

    @botcmd  # type: ignore[untyped-decorator]
    def last(self, message: Message, arguments: str) -> None:
        """Show the newest alert, with its picture"""
        self._answer(message, lambda conversation: conversation.last())

    @cmdfilter  # type: ignore[untyped-decorator]
    def managers_only(
        self, message: Message, command: str, arguments: str, dry_run: bool
    ) -> tuple[Message | None, str | None, str | None]:
        """Let through whom alerts go to: in person, or in a room that alerts go to."""
        if self._is_manager(message):
            return message, command, arguments
        if not dry_run:
            self._bot.send_simple_reply(message, NOT_A_MANAGER)
        return None, None, None

    def tell(self, account: str, text: str, picture: bytes | None) -> None:
        """Send to an account, as `services.notifier.chat.Chat` has it."""
        recipient = self.build_identifier(account)
        self.send(recipient, text)
        self._show(recipient, picture)

    def _send_alerts(self) -> None:
        settings = self._settings
        try:
            with self._client() as client:
                Sender(
                    client,
                    ChatChannel(self),
                    settings.panel(),
                    self._stop,
                    settings.chat_recipients,
                ).run()
        except Exception:  # noqa: BLE001  # a bot that sends nothing must not look alive
            _log.exception("sender_failed")
            os.kill(os.getpid(), signal.SIGTERM)

    def _answer(self, message: Message, ask: Callable[[Conversation], Reply]) -> None:
        with self._client() as client:
            reply = ask(Conversation(client, self._settings.panel()))
        self._bot.send_simple_reply(message, reply.text)
        self._show(message.frm, reply.picture)

    def _show(self, to: Identifier, picture: bytes | None) -> None:
        if picture is None or self.mode in _BLIND_BACKENDS:
            return
        if not hasattr(self._bot, "send_stream_request"):
            return
        if self.mode == "slackv3" and isinstance(to, Room):
            # A room's `channelid` is how to mention it; an upload needs its plain id.
            to = SimpleNamespace(channelid=to.id, channelname=to.name)
        kind = _STREAM_TYPES.get(self.mode, "image/jpeg")
        self.send_stream_request(to, BytesIO(picture), "face.jpg", len(picture), kind)

    def _is_manager(self, message: Message) -> bool:
        asking = {_account(message.frm)}
        if isinstance(message.frm, RoomOccupant):
            asking.add(_account(message.frm.room))
        with self._client() as client:
            accounts = managers(client, self._settings.chat_recipients)
        return any(self._known_account(account) in asking for account in accounts)

    def _known_account(self, written: str) -> str | None:
        """An account as the chat itself names it, or none where there is no such account."""
        try:
            return _account(self.build_identifier(written))
        except Exception as error:  # noqa: BLE001  # backends raise bare Exception
            _log.warning("account_unknown", error=type(error).__name__)
            return None

    def _client(self) -> UsherClient:
        return UsherClient(
            self._settings.api_url,
            self._settings.key(),
            timeout_s=API_TIMEOUT_S,
            ca_file=self._settings.ca_file,
        )


def _account(identifier: Identifier) -> str:
    """What Errbot's own access control compares."""
    if isinstance(identifier, Room):
        return str(getattr(identifier, "aclattr", identifier))
    return str(getattr(identifier, "aclattr", identifier.person))
