"""Alerts in Slack: with buttons, changed once they are answered, their pictures taken back.

Errbot's backend holds the connection and hears the commands. What is sent goes past it: the backend
only logs that Slack could not be reached, and the alert would be lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import structlog

from services.notifier.messages import Message
from usher.domain.records import DeliveryKind, PersonKind

_MOST_MESSAGES = 2_000
_MOST_FILES = 5_000
_LOOKED_AT = 100
_LONGEST_LABEL = 75

_log = structlog.get_logger(__name__)


class Web(Protocol):
    """What is used of `slack_sdk.WebClient`. Each raises where Slack refuses or does not answer."""

    def chat_postMessage(self, **given: Any) -> Mapping[str, Any]: ...  # noqa: N802

    def chat_postEphemeral(self, **given: Any) -> Mapping[str, Any]: ...  # noqa: N802

    def chat_update(self, **given: Any) -> Mapping[str, Any]: ...

    def files_upload_v2(self, **given: Any) -> Mapping[str, Any]: ...

    def files_delete(self, **given: Any) -> Mapping[str, Any]: ...

    def views_open(self, **given: Any) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody has pressed, or a form that they have sent.

    Attributes
    ----------
    user
        Slack's id of them.
    channel
        Where the message stands.
    command
        As in the conversation: `name`, `same`, `ignore`, `snooze`, `notface`, `done`.
    arguments
        Of the command.
    trigger
        Opens a form; None where none may be opened.
    """

    user: str
    channel: str
    command: str
    arguments: str
    trigger: str | None = None


def press_of(payload: Mapping[str, Any]) -> Press | None:
    """What an interaction says; None where it is none of ours."""
    try:
        user = str(payload["user"]["id"])
        if payload["type"] == "block_actions":
            (action,) = payload["actions"]
            channel, trigger = payload["channel"]["id"], payload["trigger_id"]
            return Press(user, channel, action["action_id"], action["value"], trigger)
        if payload["type"] == "view_submission":
            view = payload["view"]
            channel, person_id = view["private_metadata"].split()
            name = view["state"]["values"]["name"]["name"]["value"]
            return Press(user, channel, "name", f"{person_id} {name}")
    except (KeyError, ValueError, TypeError):
        _log.warning("slack_interaction_not_understood")
    return None


class SlackMessages:
    """Sends, changes and takes back messages.

    Parameters
    ----------
    web
        Of the bot's account.
    rendered
        Makes Slack's markup of Markdown.
    kept
        The file of what was sent where: it outlives the process.
    """

    def __init__(self, web: Web, rendered: Callable[[str], str], kept: Path) -> None:
        self._web = web
        self._rendered = rendered
        self._kept = _Kept(kept)

    def send(self, channel: str, message: Message) -> None:
        """Post a message, or change the alert that it settles or reopens. Raises what Slack
        raises."""
        alert_id = message.details.get("alert_id", "")
        text = self._rendered(message.text)
        posted = self._kept.messages(alert_id, channel)
        blocks = [_section(text), *_buttons(message)]
        if message.kind in (DeliveryKind.SETTLED, DeliveryKind.REOPENED) and posted:
            for ts in posted:
                self._web.chat_update(channel=channel, ts=ts, text=text, blocks=blocks)
            return
        sent = self._web.chat_postMessage(
            channel=channel, text=text, blocks=blocks, unfurl_links=False
        )
        if alert_id:
            self._kept.add_message(alert_id, channel, sent["ts"])
        pictured = message.details.get("detection_id")
        if pictured and message.pictures:
            self.show(channel, message.pictures[0], pictured)

    def ask_name(self, press: Press) -> None:
        """Open a form that asks for somebody's name."""
        field = {"type": "plain_text_input", "action_id": "name", "max_length": 120}
        view = {
            "type": "modal",
            "private_metadata": f"{press.channel} {press.arguments}",
            "title": _plain("Who is this?"),
            "submit": _plain("Save"),
            "blocks": [
                {"type": "input", "block_id": "name", "label": _plain("Name"), "element": field}
            ],
        }
        self._web.views_open(trigger_id=press.trigger, view=view)

    def answer(self, press: Press, text: str) -> None:
        """Say something to whoever pressed, and to nobody else."""
        self._web.chat_postEphemeral(
            channel=press.channel, user=press.user, text=self._rendered(text)
        )

    def show(self, channel: str, picture: bytes, pictured: str) -> None:
        """Upload a picture, which is taken back once what it shows exists no more.

        One that cannot be uploaded is left out: what it goes with stands there already, and would
        stand there twice if it were sent again.

        Parameters
        ----------
        picture
            JPEG.
        pictured
            The id of the detection or the person that it is of.
        """
        try:
            uploaded = self._web.files_upload_v2(
                channel=channel, file=picture, filename="face.jpg", title="Face"
            )
        except Exception as error:  # noqa: BLE001  # Slack's client raises anything
            _log.warning("picture_not_sent", error=type(error).__name__)
            return
        self._kept.add_files(pictured, [file["id"] for file in uploaded.get("files", ())])

    def take_back(self, exists: Callable[[str], bool]) -> int:
        """Delete the pictures of detections and persons that exist no more; how many that were.

        Looks at some of those that were sent, at others the next time.
        """
        taken = 0
        for pictured, files in self._kept.next_files(_LOOKED_AT):
            if exists(pictured):
                continue
            try:
                for file in files:
                    self._web.files_delete(file=file)
            except Exception as error:  # noqa: BLE001  # one must not keep the others there
                _log.warning("picture_not_taken_back", error=type(error).__name__)
                continue
            self._kept.drop_files(pictured)
            taken += len(files)
        return taken


_ASK = (DeliveryKind.ALERT, DeliveryKind.ESCALATION, DeliveryKind.REOPENED)


def _buttons(message: Message) -> list[dict[str, Any]]:
    """What can be said to an alert about a stranger."""
    person, candidate = message.details.get("person"), message.details.get("candidate")
    if message.kind not in _ASK or not person or person["kind"] != PersonKind.UNKNOWN:
        return []
    if message.details.get("answered_by"):
        return []
    id_ = person["id"]
    buttons = [
        ("name", "Name…", id_),
        ("ignore", "Ignore", id_),
        ("snooze", "Snooze", id_),
        ("notface", "Not a face", id_),
        ("done", "I take care of it", id_),
    ]
    if candidate:
        label = f"It is {candidate['name'] or candidate['id']}"
        buttons.insert(0, ("same", label, f"{id_} {candidate['id']}"))
    elements = [
        {"type": "button", "action_id": command, "text": _plain(label), "value": value}
        for command, label, value in buttons
    ]
    return [{"type": "actions", "elements": elements}]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text[:_LONGEST_LABEL]}


class _Kept:
    """Which messages and files are whose, the newest of them, in a file for the user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            found = {}
        self._messages: dict[str, list[str]] = found.get("messages", {})
        self._files: dict[str, list[str]] = found.get("files", {})

    def messages(self, alert_id: str, channel: str) -> list[str]:
        with self._lock:
            return list(self._messages.get(f"{alert_id} {channel}", ()))

    def add_message(self, alert_id: str, channel: str, ts: str) -> None:
        with self._lock:
            self._messages.setdefault(f"{alert_id} {channel}", []).append(ts)
            self._write()

    def next_files(self, most: int) -> list[tuple[str, list[str]]]:
        """So many of what is pictured with their files, which come last from now on."""
        with self._lock:
            found = list(islice(self._files.items(), most))
            for pictured, files in found:
                del self._files[pictured]
                self._files[pictured] = files
            return found

    def add_files(self, pictured: str, files: list[str]) -> None:
        with self._lock:
            self._files.setdefault(pictured, []).extend(files)
            self._write()

    def drop_files(self, pictured: str) -> None:
        with self._lock:
            self._files.pop(pictured, None)
            self._write()

    def _write(self) -> None:
        for kept, most in ((self._messages, _MOST_MESSAGES), (self._files, _MOST_FILES)):
            while len(kept) > most:
                del kept[next(iter(kept))]
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"messages": self._messages, "files": self._files}, file)
        new.replace(self._path)
