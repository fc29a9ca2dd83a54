from __future__ import annotations

from typing import Any

import httpx2
import pytest

from services.notifier import messages
from services.notifier.conversation import Conversation, Reply
from usher.client import UsherClient
from usher.domain.records import AlertStatus, PersonKind
from usher.wire import Alert, PersonCreate, UserUpdate

from .conftest import JPEG, Seam, an_alert, page, problem

PANEL = "http://usher.test"
ACCOUNT = "chat:@ann"


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


@pytest.mark.parametrize("arguments", ["", "Alice", "../p-7k3qxz"])
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


def test_manager_names_and_ignores_a_stranger_of_the_running_system(
    api: Any, stranger: Alert
) -> None:
    assert stranger.person is not None
    person_id = stranger.person.id
    with linked(api) as client:
        talk = Conversation(client, api.url, ACCOUNT)
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
    with linked(api) as client:
        reply = Conversation(client, api.url, ACCOUNT).last()
    assert stranger.camera.name in reply.text
    assert reply.picture is not None
    assert reply.picture.startswith(b"\xff\xd8")


# ---- What the other commands do, on the running system -------------------------------------------


def linked(api: Any) -> UsherClient:
    """Asks for an account that is the first admin's."""
    with UsherClient(api.url) as admin:
        user = admin.sign_in(api.admin_username, api.admin_password).user
        admin.update_user(user.id, UserUpdate(accounts=["@ann"]))
    return UsherClient(api.url, api.notifier_key, account=ACCOUNT)


def test_unlinked_account_hears_how_it_is_linked(api: Any, stranger: Alert) -> None:
    assert stranger.person is not None
    with UsherClient(api.url, api.notifier_key, account="chat:@mallory") as client:
        talk = Conversation(client, api.url, "chat:@mallory")
        for reply in (talk.name(f"{stranger.person.id} Mallory"), talk.last(), talk.who("")):
            assert reply == Reply(messages.not_linked("chat:@mallory"))
    assert api.admin.person(stranger.person.id).kind is PersonKind.UNKNOWN


def test_answers_to_an_alert(api: Any, stranger: Alert) -> None:
    assert stranger.person is not None
    person_id = stranger.person.id
    with linked(api) as client:
        talk = Conversation(client, api.url, ACCOUNT)
        assert "very alike" not in talk.who_is_this(person_id).text
        assert talk.snooze(f"{person_id} 2h").text.startswith(
            f"You will hear nothing of `{person_id}`"
        )
        assert "take care" in talk.done(person_id).text
        name = f"Bob {person_id}"
        talk.name(f"{person_id} {name}")
        about = talk.person(name.upper())
        assert f"`{person_id}`" in about.text
        seen = talk.who("today")
        assert "seen today" in seen.text
        assert talk.not_a_face(person_id) == Reply(messages.NO_FACE)
        assert "without trouble" in talk.status().text
    answered = api.admin.detection(stranger.detection_id)
    assert answered.status == "not_a_face"


def test_same_merges_a_stranger_into_somebody_known(api: Any, stranger: Alert) -> None:
    assert stranger.person is not None
    person_id = stranger.person.id
    with linked(api) as client:
        talk = Conversation(client, api.url, ACCOUNT)
        ada = client.create_person(PersonCreate(name=f"Ada {person_id}"))
        reply = talk.same(f"{person_id} Ada {person_id}")
        assert reply == Reply(f"`{person_id}` is **Ada {person_id}** (`{ada.id}`) from now on.")
        assert talk.same(f"{person_id} Nobody here") == Reply("I know nobody called Nobody here.")
    assert api.admin.detection(stranger.detection_id).person.id == ada.id


def test_photographs_find_and_enrol(api: Any, photographs: Any) -> None:
    photograph = next(photographs).read_bytes()
    with linked(api) as client:
        talk = Conversation(client, api.url, ACCOUNT)
        assert "have not seen this face" in talk.find(photograph).text
        enrolled = talk.enrol("Cleo Unlikely", photograph)
        assert "**Cleo Unlikely**" in enrolled.text
        (cleo,) = client.persons(q="Cleo Unlikely").items
        assert cleo.faces == 1
        refused = talk.enrol("Dev Unlikely", b"no picture")
        assert client.persons(q="Dev Unlikely").items == []
        assert refused.text
        assert talk.find(None) == Reply(messages.FIND_USAGE)
        assert talk.enrol("Dev", None) == Reply(messages.ENROL_USAGE)


@pytest.mark.parametrize(
    ("arguments", "minutes", "text"),
    [
        ("", 60, "in the next 1 hour"),
        ("45", 45, "in the next 45 minutes"),
        ("2h", 120, "in the next 2 hours"),
        ("3d", 4320, "in the next 3 days"),
        ("off", 0, "of everything again"),
    ],
)
def test_mute_mutes_the_account_that_asks(arguments: str, minutes: int, text: str) -> None:
    seam = Seam(httpx2.Response(204))
    reply = Conversation(seam.client(), PANEL, ACCOUNT).mute(arguments)
    assert seam.body(0) == {"to": ACCOUNT, "minutes": minutes}
    assert text in reply.text


@pytest.mark.parametrize("arguments", ["8d", "0", "soon", "-1h", "1w", "99999h"])
def test_mute_and_snooze_explain_how_long_is_said(arguments: str) -> None:
    seam = Seam(httpx2.Response(204))
    talk = Conversation(seam.client(), PANEL, ACCOUNT)
    assert talk.mute(arguments) == Reply(messages.MUTE_USAGE)
    assert talk.snooze(f"p-7k3qxz {arguments}") == Reply(messages.SNOOZE_USAGE)
    assert seam.asked == []
