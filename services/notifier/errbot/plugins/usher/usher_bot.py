"""The bot's plugin: joins Errbot to the sender and the conversation, which know no bot."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from html import unescape
from io import BytesIO
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from errbot import BotPlugin, botcmd
from errbot.backends.base import Identifier, Message, Room

from services.notifier.channels import Channel
from services.notifier.channels.chat import ChatChannel
from services.notifier.channels.slack import Press, SlackMessages, press_of
from services.notifier.conversation import Conversation, Reply
from services.notifier.daily import send_daily
from services.notifier.messages import Message as UsherMessage
from services.notifier.sender import API_TIMEOUT_S, Sender
from services.notifier.settings import NotifierSettings
from usher.client import UsherClient
from usher.domain.errors import NotFound
from usher.wire import Channel as ChannelName

_STOP_S = 8.0
# How backends take a picture. Text accepts one and shows nothing, IRC opens a port for each.
_BLIND_BACKENDS = ("text", "irc")
_SLACK = "slackv3"
_TAKES_BACK_EVERY_S = 15.0
_SLACK_FILES = ("files.slack.com",)
_MOST_BYTES = 10_000_000
_STREAM_TYPES = {"telegram": "photo"}

_log = structlog.get_logger("services.notifier.errbot")


class Usher(BotPlugin):  # type: ignore[misc]  # Errbot is not installed where types are checked.
    """Alerts about faces: who they are, who is here, and what to hear of."""

    def activate(self) -> None:
        """Begin to send alerts; Errbot calls this once the chat is connected."""
        super().activate()
        self._settings = NotifierSettings()
        self._stop = Event()
        self._deaf: Callable[[], None] = lambda: None
        self._slack = self._connected_slack()
        self._outbox = Thread(target=self._send_alerts, name="outbox", daemon=True)
        self._outbox.start()

    def deactivate(self) -> None:
        """Settle the alert in hand and send no more, until the chat is connected again."""
        self._stop.set()
        self._deaf()
        self._outbox.join(_STOP_S)
        super().deactivate()

    @botcmd(name="name", syntax="ID NAME")  # type: ignore[untyped-decorator]
    def name_person(self, message: Message, arguments: str) -> None:
        """Say who somebody is: !name p-7k3qxz Alice Smith"""
        words = self._words(arguments)
        self._answer(message, lambda conversation: conversation.name(words))

    @botcmd(syntax="ID WHO")  # type: ignore[untyped-decorator]
    def same(self, message: Message, arguments: str) -> None:
        """Say that somebody is one whom I know: !same p-7k3qxz Alice Smith"""
        words = self._words(arguments)
        self._answer(message, lambda conversation: conversation.same(words))

    @botcmd(syntax="ID")  # type: ignore[untyped-decorator]
    def ignore(self, message: Message, arguments: str) -> None:
        """Hear no more of somebody: !ignore p-7k3qxz"""
        self._answer(message, lambda conversation: conversation.ignore(arguments))

    @botcmd(syntax="ID [TIME]")  # type: ignore[untyped-decorator]
    def snooze(self, message: Message, arguments: str) -> None:
        """Hear nothing of somebody for a while: !snooze p-7k3qxz 2h"""
        self._answer(message, lambda conversation: conversation.snooze(arguments))

    @botcmd(syntax="[ID]")  # type: ignore[untyped-decorator]
    def notface(self, message: Message, arguments: str) -> None:
        """Say that an alert's picture shows no face: !notface p-7k3qxz"""
        self._answer(message, lambda conversation: conversation.not_a_face(arguments))

    @botcmd(syntax="[ID]")  # type: ignore[untyped-decorator]
    def done(self, message: Message, arguments: str) -> None:
        """Say that you take care of an alert: !done p-7k3qxz"""
        self._answer(message, lambda conversation: conversation.done(arguments))

    @botcmd(syntax="[ID]")  # type: ignore[untyped-decorator]
    def whois(self, message: Message, arguments: str) -> None:
        """Ask who of those I know looks like somebody: !whois p-7k3qxz"""
        self._answer(message, lambda conversation: conversation.who_is_this(arguments))

    @botcmd(syntax="[today]")  # type: ignore[untyped-decorator]
    def who(self, message: Message, arguments: str) -> None:
        """Who is here now, or was today: !who today"""
        self._answer(message, lambda conversation: conversation.who(arguments))

    @botcmd  # type: ignore[untyped-decorator]
    def last(self, message: Message, arguments: str) -> None:
        """Show the newest alert, with its picture"""
        self._answer(message, lambda conversation: conversation.last())

    @botcmd(syntax="WHO")  # type: ignore[untyped-decorator]
    def person(self, message: Message, arguments: str) -> None:
        """What I know of somebody: !person Alice Smith"""
        words = self._words(arguments)
        self._answer(message, lambda conversation: conversation.person(words))

    @botcmd  # type: ignore[untyped-decorator]
    def find(self, message: Message, arguments: str) -> None:
        """When the face of the photograph that you send with it was seen"""
        photograph = self._photograph(message)
        self._answer(message, lambda conversation: conversation.find(photograph))

    @botcmd(syntax="NAME")  # type: ignore[untyped-decorator]
    def enrol(self, message: Message, arguments: str) -> None:
        """Know somebody by the photograph that you send with it: !enrol Alice Smith"""
        photograph, words = self._photograph(message), self._words(arguments)
        self._answer(message, lambda conversation: conversation.enrol(words, photograph))

    @botcmd(syntax="[TIME]")  # type: ignore[untyped-decorator]
    def mute(self, message: Message, arguments: str) -> None:
        """Hear of nothing for a while: !mute 2h, !mute off"""
        self._answer(message, lambda conversation: conversation.mute(arguments))

    @botcmd(name="status")  # type: ignore[untyped-decorator]
    def how_it_is(self, message: Message, arguments: str) -> None:
        """How the cameras are, and what waits"""
        self._answer(message, lambda conversation: conversation.status())

    def tell(self, account: str, message: UsherMessage) -> None:
        """Send to an account, as `services.notifier.channels.chat.Chat` has it."""
        recipient = self.build_identifier(account)
        if self._slack is not None:
            self._slack.send(_slack_channel(recipient), message)
        elif not self._takes_pictures():
            self.send(recipient, message.text_with_links())
        else:
            self.send(recipient, message.text)
            self._show(recipient, message.pictures[0] if len(message.pictures) == 1 else None)

    def _takes_pictures(self) -> bool:
        """Whether the chat takes files; where not, the text has a link to the picture."""
        return self.mode not in _BLIND_BACKENDS and hasattr(self._bot, "send_stream_request")

    def _connected_slack(self) -> SlackMessages | None:
        """What sends to Slack, and hears its buttons, where that is the chat."""
        if self.mode != _SLACK:
            return None
        kept = self._settings.data / "errbot" / "slack.json"
        slack = SlackMessages(self._bot.slack_web, self._bot.md.convert, kept)

        def hear(_: object, request: Any) -> None:
            # The backend has acknowledged it.
            if request.type == "interactive" and (press := press_of(request.payload)):
                Thread(target=self._answer_press, args=(slack, press), daemon=True).start()

        if socket := getattr(self._bot, "slack_socket_mode", None):
            socket.socket_mode_request_listeners.append(hear)
            self._deaf = lambda: socket.socket_mode_request_listeners.remove(hear)
        Thread(target=self._take_back, args=(slack,), name="take back", daemon=True).start()
        return slack

    def _answer_press(self, slack: SlackMessages, press: Press) -> None:
        if press.command == "name" and press.trigger:
            slack.ask_name(press)
            return
        account = f"chat:{press.user}"
        with self._client(account) as client:
            conversation = Conversation(client, self._settings.panel(), account)
            if say := _BY_BUTTON.get(press.command):
                slack.answer(press, say(conversation, press.arguments).text)

    def _take_back(self, slack: SlackMessages) -> None:
        """Delete the pictures of whoever was deleted since, until told to stop."""
        while not self._stop.wait(_TAKES_BACK_EVERY_S):
            try:
                with self._client() as client:
                    slack.take_back(lambda id_: _exists(client, id_))
            except Exception as error:  # noqa: BLE001  # it is tried again
                _log.warning("pictures_not_taken_back", error=type(error).__name__)

    def _send_alerts(self) -> None:
        settings = self._settings
        try:
            with self._client() as client:
                chat = ChatChannel(self, settings.chat_recipients)
                channels: dict[ChannelName, Channel] = {"chat": chat, "default": chat}
                if settings.digest_at:
                    given = (settings, {"chat": chat}, self._stop)
                    Thread(target=send_daily, args=given, name="digest", daemon=True).start()
                Sender(client, channels, settings.panel(), self._stop).run()
        except Exception:  # noqa: BLE001  # a bot that sends nothing must not look alive
            _log.exception("sender_failed")
            os.kill(os.getpid(), signal.SIGTERM)

    def _answer(self, message: Message, ask: Callable[[Conversation], Reply]) -> None:
        account = f"chat:{_account(message.frm)}"
        with self._client(account) as client:
            reply = ask(Conversation(client, self._settings.panel(), account))
        self._bot.send_simple_reply(message, reply.text)
        if self._slack is not None and reply.picture is not None:
            self._slack.show(_slack_channel(message.frm), reply.picture, reply.pictured)
        else:
            self._show(message.frm, reply.picture)

    def _words(self, arguments: str) -> str:
        return unescape(arguments) if self.mode == _SLACK else arguments

    def _photograph(self, message: Message) -> bytes | None:
        """The picture that came with a message, where the backend hands it on (Slack)."""
        for attached in message.extras.get("slack_event", {}).get("files", ()):
            url = attached.get("url_private_download", "")
            if urlsplit(url).hostname in _SLACK_FILES and urlsplit(url).scheme == "https":
                return self._fetched(url)
        return None

    def _fetched(self, url: str) -> bytes | None:
        headers = {"Authorization": f"Bearer {self._settings.chat_identity().get('token', '')}"}
        with httpx2.stream("GET", url, headers=headers, timeout=API_TIMEOUT_S) as response:
            if not response.is_success:
                return None
            content = b""
            for part in response.iter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    return None
        return content

    def _show(self, to: Identifier, picture: bytes | None) -> None:
        if picture is None or not self._takes_pictures():
            return
        kind = _STREAM_TYPES.get(self.mode, "image/jpeg")
        self.send_stream_request(to, BytesIO(picture), "face.jpg", len(picture), kind)

    def _client(self, account: str | None = None) -> UsherClient:
        return UsherClient(
            self._settings.api_url,
            self._settings.key(),
            timeout_s=API_TIMEOUT_S,
            ca_file=self._settings.ca_file,
            account=account,
        )


_BY_BUTTON: dict[str, Callable[[Conversation, str], Reply]] = {
    "name": Conversation.name,
    "same": Conversation.same,
    "ignore": Conversation.ignore,
    "snooze": Conversation.snooze,
    "notface": Conversation.not_a_face,
    "done": Conversation.done,
}


def _slack_channel(recipient: Identifier) -> str:
    """A room's `channelid` is how to mention it; a person's is the conversation with them."""
    return str(recipient.id if isinstance(recipient, Room) else recipient.channelid)


def _exists(client: UsherClient, pictured: str) -> bool:
    look = client.person if pictured.startswith("p-") else client.detection
    try:
        look(pictured)
    except NotFound:
        return False
    return True


def _account(identifier: Identifier) -> str:
    """Who speaks, also in a room: what Errbot's own access control compares."""
    return str(getattr(identifier, "aclattr", identifier.person))
