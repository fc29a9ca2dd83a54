"""What is sent to Slack and understood of it, without the bot; `test_slack` has the whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.notifier.channels.slack import Press, SlackMessages, press_of
from services.notifier.messages import Message, alert_message, digest_message
from usher.domain.records import DeliveryKind, PersonKind
from usher.wire import PersonBrief

from .conftest import JPEG, claimed

PRESSED = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "channel": {"id": "D1"},
    "trigger_id": "t",
    "actions": [{"action_id": "ignore", "value": "p-7k3qxz"}],
}


class Web:
    """Slack's client: notes what it is asked for, and fails as it is told."""

    def __init__(self, *failing: str) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._failing = failing

    def __getattr__(self, method: str) -> Any:
        def call(**given: Any) -> Mapping[str, Any]:
            if method in self._failing:
                raise ConnectionError(method)
            self.calls.append((method, given))
            return {"ts": f"{len(self.calls)}", "files": [{"id": f"F{len(self.calls)}"}]}

        return call

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


def slack(web: Web, folder: Path) -> SlackMessages:
    return SlackMessages(web, str, folder / "slack.json")


def a_message(kind: DeliveryKind = DeliveryKind.ALERT, **changes: Any) -> Message:
    given = claimed(kind=kind, **changes)
    return alert_message(given, panel_url="http://usher.test", picture=JPEG)


def commands(web: Web) -> list[str]:
    (posted,) = [given for method, given in web.calls if method == "chat_postMessage"]
    blocks = [block for block in posted["blocks"] if block["type"] == "actions"]
    return [element["action_id"] for block in blocks for element in block["elements"]]


def test_alert_about_somebody_probably_known_has_a_button_for_it(tmp_path: Path) -> None:
    web = Web()
    bob = PersonBrief(id="p-b0b000", name="Bob", kind=PersonKind.KNOWN)
    slack(web, tmp_path).send("D1", a_message(candidate=bob))
    assert commands(web) == ["same", "name", "ignore", "snooze", "notface", "done"]


def test_alert_about_somebody_known_asks_nothing(tmp_path: Path) -> None:
    web = Web()
    bob = PersonBrief(id="p-b0b000", name="Bob", kind=PersonKind.KNOWN)
    slack(web, tmp_path).send("D1", a_message(person=bob))
    assert commands(web) == []


def test_alert_is_changed_by_its_answer_after_a_restart_too(tmp_path: Path) -> None:
    web = Web()
    slack(web, tmp_path).send("D1", a_message())
    settled = a_message(DeliveryKind.SETTLED, answered_by="ann", answer="is Alice")
    slack(web, tmp_path).send("D1", settled)
    slack(web, tmp_path).send("D2", settled)
    assert web.methods == ["chat_postMessage", "files_upload_v2", "chat_update", "chat_postMessage"]
    assert (tmp_path / "slack.json").stat().st_mode & 0o077 == 0


def test_alert_asks_again_in_its_place_once_its_answer_was_taken_back(tmp_path: Path) -> None:
    web = Web()
    for kind in (DeliveryKind.ALERT, DeliveryKind.SETTLED, DeliveryKind.REOPENED):
        by = "ann" if kind is DeliveryKind.SETTLED else None
        slack(web, tmp_path).send("D1", a_message(kind, answered_by=by))
    assert web.methods == ["chat_postMessage", "files_upload_v2", "chat_update", "chat_update"]
    assert commands(web) == ["name", "ignore", "snooze", "notface", "done"]


@pytest.mark.parametrize("rubbish", ["", "[]", "{", "null"])
def test_file_that_is_rubbish_is_begun_anew(tmp_path: Path, rubbish: str) -> None:
    (tmp_path / "slack.json").write_text(rubbish)
    web = Web()
    slack(web, tmp_path).send("D1", a_message())
    assert web.methods == ["chat_postMessage", "files_upload_v2"]


def test_alert_is_not_sent_where_slack_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        slack(Web("chat_postMessage"), tmp_path).send("D1", a_message())


def test_alert_is_sent_where_its_picture_cannot_be(tmp_path: Path) -> None:
    web = Web("files_upload_v2")
    slack(web, tmp_path).send("D1", a_message())
    assert web.methods == ["chat_postMessage"]


def test_picture_is_taken_back_once_its_detection_is_gone(tmp_path: Path) -> None:
    web = Web()
    messages = slack(web, tmp_path)
    messages.send("D1", a_message())
    assert messages.take_back(lambda _: True) == 0
    assert messages.take_back(lambda _: False) == 1
    assert web.calls[-1] == ("files_delete", {"file": "F2"})
    assert slack(web, tmp_path).take_back(lambda _: False) == 0


def test_picture_of_an_answer_is_taken_back_once_who_it_shows_is_gone(tmp_path: Path) -> None:
    web = Web()
    messages = slack(web, tmp_path)
    messages.show("D1", JPEG, "p-7k3qxz")
    messages.show("D1", JPEG, "d1")
    assert messages.take_back(lambda pictured: pictured == "d1") == 1
    assert web.calls[-1] == ("files_delete", {"file": "F1"})


def test_digest_shows_no_picture_of_which_nobody_could_say_whose_it_is(tmp_path: Path) -> None:
    web = Web()
    digest = digest_message([claimed(), claimed()], panel_url="http://usher.test", pictures=[JPEG])
    slack(web, tmp_path).send("D1", digest)
    assert web.methods == ["chat_postMessage"]


def test_picture_that_cannot_be_taken_back_is_tried_again(tmp_path: Path) -> None:
    slack(Web(), tmp_path).send("D1", a_message())
    assert slack(Web("files_delete"), tmp_path).take_back(lambda _: False) == 0
    assert slack(Web(), tmp_path).take_back(lambda _: False) == 1


def test_press_says_who_pressed_what() -> None:
    assert press_of(PRESSED) == Press("U1", "D1", "ignore", "p-7k3qxz", "t")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "shortcut", "user": {"id": "U1"}},
        {**PRESSED, "actions": []},
        {**PRESSED, "user": None},
        {**PRESSED, "channel": "D1"},
        {"type": "view_submission", "user": {"id": "U1"}, "view": {"private_metadata": "D1"}},
    ],
)
def test_press_that_is_not_understood_is_none(payload: dict[str, Any]) -> None:
    assert press_of(payload) is None
