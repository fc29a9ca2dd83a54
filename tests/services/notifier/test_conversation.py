from __future__ import annotations

from typing import Any

import httpx2
import pytest

from services.notifier import messages
from services.notifier.conversation import Conversation, Reply, managers
from usher.client import UsherClient
from usher.domain.records import AlertStatus, PersonKind
from usher.wire import Alert, Camera

from .conftest import JPEG, Seam, an_alert, page, problem

PANEL = "http://usher.test"


def a_person(**changes: Any) -> httpx2.Response:
    fields = {
        "id": "p-7k3qxz",
        "name": "Alice Smith",
        "kind": "known",
        "notes": "",
        "created_at": "2026-11-22T13:03:12Z",
        "faces": 1,
        "detections": 1,
    }
    return httpx2.Response(200, json={**fields, **changes})


def conversation(seam: Seam) -> Conversation:
    return Conversation(seam.client(), PANEL)


@pytest.mark.parametrize(
    "arguments",
    [
        "p-7k3qxz Alice Smith",
        # As people type, and as chats mark code.
        "  P-7K3QXZ   Alice  Smith ",
        "`p-7k3qxz` Alice Smith",
        "p-7k3qxz\tAlice\nSmith",
    ],
)
def test_name_names_the_person(arguments: str) -> None:
    seam = Seam(a_person())
    reply = conversation(seam).name(arguments)
    assert seam.asked == ["PATCH /persons/p-7k3qxz"]
    assert seam.body(0) == {"name": "Alice Smith"}
    assert reply == Reply("`p-7k3qxz` is **Alice Smith** from now on.")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("", messages.NAME_USAGE),
        ("p-7k3qxz", messages.NAME_USAGE),
        ("Alice", messages.NAME_USAGE),
        ("Alice p-7k3qxz", messages.NAME_USAGE),
        # Nothing that means something in a URL gets into one.
        ("p-7k3qxz/../../alerts Alice", messages.NAME_USAGE),
        ("p-7k3qxz?x=1 Alice", messages.NAME_USAGE),
        ("p-7k3qxz " + "x" * 121, messages.NAME_LENGTH),
    ],
)
def test_name_explains_itself_when_the_arguments_cannot_be_right(
    arguments: str, answer: str
) -> None:
    seam = Seam(a_person())
    assert conversation(seam).name(arguments) == Reply(answer)
    assert seam.asked == []


def test_ignore_ignores_the_person() -> None:
    seam = Seam(a_person(name=None, kind="ignored"))
    reply = conversation(seam).ignore("p-7k3qxz")
    assert seam.asked == ["PATCH /persons/p-7k3qxz"]
    assert seam.body(0) == {"kind": "ignored"}
    assert reply == Reply("You will hear no more of `p-7k3qxz`.")


@pytest.mark.parametrize("arguments", ["", "Alice", "p-7k3qxz and more", "../p-7k3qxz"])
def test_ignore_explains_itself_when_the_arguments_cannot_be_right(arguments: str) -> None:
    seam = Seam(a_person())
    assert conversation(seam).ignore(arguments) == Reply(messages.IGNORE_USAGE)
    assert seam.asked == []


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (problem(404, "NotFound"), "I know no person `p-7k3qxz`."),
        (problem(409, "Conflict", "there is an *Alice* already"), r"there is an \*Alice\* already"),
        (problem(403, "PermissionDenied", "a viewer may not"), "a viewer may not"),
        (problem(503, "Unavailable"), messages.UNAVAILABLE),
        (httpx2.ConnectError("refused"), messages.UNAVAILABLE),
    ],
)
def test_commands_answer_readably_when_the_api_refuses(
    answer: httpx2.Response | Exception, text: str
) -> None:
    assert conversation(Seam(answer)).name("p-7k3qxz Alice") == Reply(text)
    assert conversation(Seam(answer)).ignore("p-7k3qxz") == Reply(text)


def test_last_shows_the_newest_alert_with_its_picture() -> None:
    seam = Seam(page(an_alert()), httpx2.Response(200, content=JPEG))
    reply = conversation(seam).last()
    assert seam.asked == ["GET /alerts", "GET /detections/d1/image"]
    assert seam.requests[0].url.params["limit"] == "1"
    assert "Unknown face p-7k3qxz" in reply.text
    assert reply.picture == JPEG


def test_last_shows_no_picture_when_it_has_been_deleted() -> None:
    reply = conversation(Seam(page(an_alert()), problem(404, "NotFound"))).last()
    assert "Unknown face p-7k3qxz" in reply.text
    assert reply.picture is None


def test_last_says_so_when_nobody_unknown_has_been_seen() -> None:
    assert conversation(Seam(page())).last() == Reply(messages.NO_ALERT_YET)


def test_last_answers_readably_when_the_api_does_not() -> None:
    assert conversation(Seam(problem(503, "Unavailable"))).last() == Reply(messages.UNAVAILABLE)


def test_managers_are_the_recipients_and_the_managers_of_recent_alerts_cameras() -> None:
    camera = Camera(id="door", name="Door", managers=["@cam1", "@cam2"])
    seam = Seam(page(an_alert(camera=camera), an_alert(id="a2")))
    assert managers(seam.client(), ("@ann",)) == {"@ann", "@cam1", "@cam2"}


def test_managers_are_the_recipients_alone_when_the_api_does_not_answer() -> None:
    assert managers(Seam(problem(503, "Unavailable")).client(), ("@ann",)) == {"@ann"}


def test_manager_names_and_ignores_a_stranger_of_the_running_system(
    api: Any, stranger: Alert
) -> None:
    assert stranger.person is not None
    person_id = stranger.person.id
    with UsherClient(api.url, api.notifier_key) as client:
        talk = Conversation(client, api.url)
        assert "Alice Smith" in talk.name(f"{person_id} Alice Smith").text
        named = client.person(person_id)
        talk.ignore(person_id)
        ignored = client.person(person_id)
        unknown = talk.name("p-000000 Nobody")
    assert (named.name, named.kind) == ("Alice Smith", PersonKind.KNOWN)
    assert ignored.kind is PersonKind.IGNORED
    assert unknown == Reply(messages.no_such_person("p-000000"))


def test_last_shows_the_stranger_of_the_running_system(api: Any, stranger: Alert) -> None:
    assert stranger.status in (AlertStatus.PENDING, AlertStatus.SENT)
    with UsherClient(api.url, api.notifier_key) as client:
        reply = Conversation(client, api.url).last()
    assert stranger.camera.name in reply.text
    assert reply.picture is not None
    assert reply.picture.startswith(b"\xff\xd8")
