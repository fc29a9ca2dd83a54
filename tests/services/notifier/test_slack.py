"""The bot in Slack: its real client and backend, and a stand-in for Slack's cloud.

What the stand-in answers is as Slack documents it; Slack itself was not asked.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from usher.client import UsherClient
from usher.domain.records import AlertStatus, PersonKind
from usher.wire import Alert, UserUpdate

from .conftest import alert_of, eventually
from .irc import bot
from .test_channels import free_port, listens

STANDIN = Path(__file__).with_name("slack_standin.py")
WITHIN_S = 60.0
ANN = "UANN1"
# In the bot's environment the client is there, and its address is no setting.
REDIRECTION = """
try:
    from slack_sdk.web.base_client import BaseClient
except ImportError:
    pass
else:
    as_it_was = BaseClient.__init__

    def init(self, *given, **named):
        as_it_was(self, *given, **{{"base_url": "http://127.0.0.1:{port}/api/", **named}})

    BaseClient.__init__ = init
"""

pytestmark = pytest.mark.slow


class Slack:
    """What a test sees and does in the stand-in."""

    def __init__(self, port: int) -> None:
        self._http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def calls(self, method: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get("/calls").json()
        return [call for call in found if call["method"] == method]

    def call(self, method: str, *having: str) -> dict[str, Any]:
        """The first call with those words in it, as soon as there is one."""

        def find() -> dict[str, Any] | None:
            for call in self.calls(method):
                if all(words in json.dumps(call) for words in having):
                    return call
            return None

        return eventually(find, within_s=WITHIN_S)

    def press(self, message: dict[str, Any], command: str) -> None:
        """Have Ann press a button of a message."""
        (button,) = [one for one in buttons_of(message) if one["action_id"] == command]
        action = {"action_id": command, "value": button["value"]}
        payload = {
            "type": "block_actions",
            "user": {"id": ANN},
            "channel": {"id": message["channel"]},
            "trigger_id": "t1",
            "actions": [action],
        }
        self._http.post("/press", json={"type": "interactive", "payload": payload})

    def send_form(self, opened: dict[str, Any], name: str) -> None:
        view = opened["view"]
        view["state"] = {"values": {"name": {"name": {"value": name}}}}
        payload = {"type": "view_submission", "user": {"id": ANN}, "view": view}
        self._http.post("/press", json={"type": "interactive", "payload": payload})

    def be_away(self, now: bool) -> None:
        self._http.post("/away", params={"now": str(now).lower()})


def buttons_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        element
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ]


@pytest.fixture
def slack(
    bot_python: Path, api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slack]:
    """The stand-in, and a bot that is connected to it."""
    port = free_port()
    redirect = tmp_path / "redirect"
    redirect.mkdir()
    (redirect / "sitecustomize.py").write_text(REDIRECTION.format(port=port))
    given = {
        "API_URL": api.url,
        "API_KEY": api.notifier_key,
        "DATA": str(tmp_path),
        "CHAT_BACKEND": "Slack",
        "CHAT_RECIPIENTS": f"<@{ANN}>",
        "CHAT_CREDENTIALS": '{"token": "xoxb-1", "app_token": "xapp-1"}',
    }
    command = [str(bot_python), str(STANDIN), str(port)]
    standin = subprocess.Popen(command, cwd=tmp_path)
    try:
        eventually(lambda: listens(port) or None, within_s=WITHIN_S)
        monkeypatch.setenv("PYTHONPATH", str(redirect), prepend=os.pathsep)
        with bot(tmp_path, **given):
            yield Slack(port)
    finally:
        standin.kill()
        standin.wait()


def test_alert_in_slack_has_buttons_and_changes_once_it_is_answered(
    slack: Slack, api: Any, stranger: Alert
) -> None:
    assert stranger.person is not None
    person_id = stranger.person.id
    message = slack.call("chat.postMessage", person_id)
    assert message["channel"] == f"D{ANN}"
    commands = [button["action_id"] for button in buttons_of(message)]
    assert commands == ["name", "ignore", "snooze", "notface", "done"]
    assert slack.call("upload")["size"] > 1000
    assert slack.call("files.completeUploadExternal")["channel_id"] == f"D{ANN}"

    slack.press(message, "ignore")
    assert "linked to no user" in slack.call("chat.postEphemeral", ANN)["text"]
    assert api.admin.person(person_id).kind is PersonKind.UNKNOWN
    with UsherClient(api.url) as admin:
        user = admin.sign_in(api.admin_username, api.admin_password).user
        admin.update_user(user.id, UserUpdate(accounts=[f"chat:{ANN}"]))

    slack.press(message, "name")
    slack.send_form(slack.call("views.open", person_id), "Alice Smith")
    eventually(lambda: api.admin.person(person_id).name == "Alice Smith" or None, within_s=WITHIN_S)
    changed = slack.call("chat.update", "Alice Smith")
    assert changed["channel"] == message["channel"]
    assert changed["ts"].startswith("1000.")
    assert f"says {api.admin_username}" in changed["text"]
    assert buttons_of(changed) == []
    assert [call for call in slack.calls("chat.postMessage") if "Settled" in call["text"]] == []

    with UsherClient(api.url) as admin:
        admin.sign_in(api.admin_username, api.admin_password)
        admin.delete_person(person_id)
    file = slack.call("upload")["file"]
    assert slack.call("files.delete")["file"] == file


def test_alert_waits_while_slack_does_not_answer(slack: Slack, api: Any, stranger: Alert) -> None:
    assert stranger.person is not None
    slack.call("chat.postMessage", stranger.person.id)
    slack.be_away(True)
    with UsherClient(api.url) as admin:
        admin.sign_in(api.admin_username, api.admin_password)
        admin.answer_alert(stranger.id, "is taken care of")
    eventually(lambda: pending(api, stranger), within_s=WITHIN_S)
    slack.be_away(False)
    slack.call("chat.update", stranger.person.id)


def pending(api: Any, alert: Alert) -> bool | None:
    """Whether the answer could not be told."""
    found = alert_of(api.admin, alert.detection_id)
    assert found is not None
    waits = [one for one in found.deliveries if one.status is AlertStatus.PENDING]
    return any(one.reason for one in waits) or None
