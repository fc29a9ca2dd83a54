from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.api.picture_links import PictureLinks
from tests.services.api.conftest import NOON, Api, check_problem, upload
from tests.services.api.routes.test_sessions import from_address
from usher.domain.identifiers import new_id
from usher.domain.records import AlertStatus, Delivery, DeliveryKind
from usher.storage.alerts import MAX_ATTEMPTS
from usher.wire import API_PREFIX


def delivery(to: str = "chat:@ann", **changes: Any) -> Delivery:
    channel, _, address = to.partition(":")
    fields = {"kind": DeliveryKind.ALERT, "not_before": NOON, **changes}
    return Delivery(id=new_id(), channel=channel, address=address, **fields)


async def claim(
    api: Api, channels: Sequence[str] = ("chat",), **body: Any
) -> tuple[str, list[dict[str, Any]]]:
    response = await api.notifier.post(
        "/alerts/deliveries/claim", json={"channels": list(channels), **body}
    )
    assert response.status_code == 200, response.text
    found = response.json()
    return found["claim_token"], found["items"]


async def settle(api: Api, token: str, error: str | None = None, **body: Any) -> dict[str, Any]:
    """The first of the alerts whose deliveries are settled."""
    response = await api.notifier.post(
        "/alerts/deliveries/settle", json={"claim_token": token, "error": error, **body}
    )
    assert response.status_code == 200, response.text
    alert: dict[str, Any] = response.json()["items"][0]
    return alert


async def test_alert_names_whom_its_picture_probably_shows(api: Api) -> None:
    detection_id, bob = await api.detection(), await api.person("Bob")
    stranger = await api.assigned(detection_id)
    await api.alert(stranger, detection_id=detection_id)
    (alert,) = (await api.manager.get("/alerts")).json()["items"]
    assert alert["candidate"] is None
    await api.database["detections"].update_one(
        {"_id": detection_id}, {"$set": {"candidate_id": bob}}
    )
    (alert,) = (await api.manager.get("/alerts")).json()["items"]
    assert (alert["candidate"]["id"], alert["candidate"]["name"]) == (bob, "Bob")


async def free_at(api: Api, alert_id: str) -> datetime:
    document = await api.database["alerts"].find_one({"_id": alert_id})
    assert document is not None
    moment: datetime = document["deliveries"][0]["available_at"]
    return moment


async def make_due(api: Api) -> None:
    """Let all leases and pauses run out."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    await api.database["alerts"].update_many({}, {"$set": {"deliveries.$[].available_at": past}})


def ids(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["alert"]["id"] for item in items]


# ---- The outbox ----------------------------------------------------------------------------------


async def test_claim_gives_all_of_one_address_in_order_of_capture_and_to_one_alone(
    api: Api,
) -> None:
    stranger = await api.person()
    later = await api.alert(stranger, captured_at=NOON + timedelta(seconds=1))
    first = await api.alert(stranger)
    _, items = await claim(api)
    assert ids(items) == [first, later]
    assert items[0]["alert"]["person"]["id"] == stranger
    assert items[0]["alert"]["camera"]["id"] == "door"
    assert (items[0]["delivery"]["to"], items[0]["delivery"]["attempts"]) == ("chat:@ann", 1)
    assert (await claim(api))[1] == []


async def test_claim_is_of_one_address_and_of_the_senders_channels(api: Api) -> None:
    stranger = await api.person()
    both = await api.alert(stranger, deliveries=(delivery("mail:a@b.example"), delivery()))
    _, by_mail = await claim(api, ["mail", "mqtt"])
    _, by_chat = await claim(api, ["chat"])
    assert (ids(by_mail), by_mail[0]["delivery"]["to"]) == ([both], "mail:a@b.example")
    assert (ids(by_chat), by_chat[0]["delivery"]["to"]) == ([both], "chat:@ann")


async def test_claim_passes_over_addresses_that_are_to_be_skipped(api: Api) -> None:
    stranger = await api.person()
    await api.alert(stranger)
    other = await api.alert(stranger, deliveries=(delivery("chat:@bob"),))
    _, items = await claim(api, skip=["chat:@ann"])
    assert ids(items) == [other]


async def test_claim_takes_no_more_than_asked_for(api: Api) -> None:
    stranger = await api.person()
    for _ in range(3):
        await api.alert(stranger)
    assert len((await claim(api, limit=2))[1]) == 2
    assert len((await claim(api, limit=2))[1]) == 1


async def test_delivery_is_not_due_before_its_time(api: Api) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    stranger = await api.person()
    now = await api.alert(stranger)
    await api.alert(stranger, deliveries=(delivery(not_before=later),))
    assert ids((await claim(api))[1]) == [now]


async def test_claim_goes_to_another_when_the_lease_runs_out(api: Api) -> None:
    alert_id = await api.alert(await api.person())
    first, _ = await claim(api, lease_s=5)
    assert await free_at(api, alert_id) > datetime.now(UTC) + timedelta(seconds=3)
    await make_due(api)
    second, (item,) = await claim(api)
    assert item["delivery"]["attempts"] == 2
    late = {"claim_token": first}
    check_problem(await api.notifier.post("/alerts/deliveries/settle", json=late), 409, "LeaseLost")
    assert (await settle(api, second))["status"] == "sent"


async def test_claim_that_waits_is_answered_when_an_alert_comes(api: Api) -> None:
    waiting = asyncio.create_task(claim(api, wait_s=20))
    await asyncio.sleep(0.3)
    alert_id = await api.alert(await api.person())
    _, items = await asyncio.wait_for(waiting, 10)
    assert ids(items) == [alert_id]


async def test_alert_is_sent_once_everybody_has_been_told(api: Api) -> None:
    await api.alert(await api.person(), deliveries=(delivery(), delivery("chat:@bob")))
    token, _ = await claim(api)
    assert (await settle(api, token))["status"] == "pending"
    token, (item,) = await claim(api)
    assert item["delivery"]["to"] == "chat:@bob"
    settled = await settle(api, token)
    assert settled["status"] == "sent"
    assert settled["sent_at"] is not None
    again = {"claim_token": token}
    check_problem(await api.notifier.post("/alerts/deliveries/settle", json=again), 409)
    await make_due(api)
    assert (await claim(api))[1] == []


async def test_some_of_what_is_held_can_be_settled(api: Api) -> None:
    stranger = await api.person()
    first, second = await api.alert(stranger), await api.alert(stranger)
    token, items = await claim(api)
    await settle(api, token, delivery_ids=[items[0]["delivery"]["id"]])
    await make_due(api)
    assert set(ids((await claim(api))[1])) == {first, second} - {items[0]["alert"]["id"]}


async def test_delivery_waits_longer_after_each_error(api: Api) -> None:
    alert_id = await api.alert(await api.person())
    pauses = []
    for attempt in range(1, 11):
        token, (item,) = await claim(api)
        assert item["delivery"]["attempts"] == attempt
        before = datetime.now(UTC)
        settled = await settle(api, token, "chat is down: $where")
        assert (settled["status"], settled["reason"]) == ("pending", "chat is down: $where")
        pauses.append((await free_at(api, alert_id) - before).total_seconds())
        assert (await claim(api))[1] == []
        await make_due(api)
    assert pauses[0] == pytest.approx(4, abs=1.5)
    assert all(longer > 1.5 * pause for pause, longer in pairwise(pauses[:8]))
    assert pauses[-1] == pytest.approx(600, abs=5)


async def test_backlog_comes_at_once_when_the_address_is_reached_again(api: Api) -> None:
    stranger = await api.person()
    old = await api.alert(stranger)
    token, _ = await claim(api)
    await settle(api, token, "chat is down")
    assert (await claim(api))[1] == []
    new = await api.alert(stranger, captured_at=NOON + timedelta(seconds=1))
    assert ids((await claim(api))[1]) == [old, new]


async def test_delivery_fails_when_its_last_attempt_does_and_can_be_tried_again(api: Api) -> None:
    last = delivery(attempts=MAX_ATTEMPTS - 2)
    alert_id = await api.alert(await api.person(), deliveries=(last,))
    statuses = []
    for _ in range(2):
        token, _ = await claim(api)
        statuses.append((await settle(api, token, "chat is down"))["status"])
        await make_due(api)
    assert statuses == ["pending", "failed"]
    assert (await claim(api))[1] == []
    (failed,) = (await api.viewer.get("/alerts", params={"status": "failed"})).json()["items"]
    assert (failed["id"], failed["reason"]) == (alert_id, "chat is down")

    retried = await api.manager.post(f"/alerts/{alert_id}/retry")
    assert retried.json()["status"] == "pending"
    assert ids((await claim(api))[1]) == [alert_id]
    check_problem(await api.manager.post(f"/alerts/{alert_id}/retry"), 409, "Conflict")


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 501},
        {"lease_s": 4},
        {"lease_s": 601},
        {"wait_s": 21},
        {"channels": []},
        {"channels": ["pigeon"]},
    ],
)
async def test_claim_is_refused_when_it_is_out_of_bounds(api: Api, body: dict[str, Any]) -> None:
    asked = {"channels": ["chat"], **body}
    check_problem(await api.notifier.post("/alerts/deliveries/claim", json=asked), 422)


# ---- Answers -------------------------------------------------------------------------------------


async def test_answer_stops_the_escalation_and_is_told_to_whom_the_chat_told(api: Api) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    escalation = delivery("chat:@boss", kind=DeliveryKind.ESCALATION, not_before=later)
    told = delivery(status=AlertStatus.SENT, sent_at=datetime.now(UTC))
    by_mail = delivery("mail:a@b.example", status=AlertStatus.SENT, sent_at=datetime.now(UTC))
    stranger = await api.person()
    alert_id = await api.alert(stranger, deliveries=(told, by_mail, escalation))

    named = await api.manager.patch(f"/persons/{stranger}", json={"name": "Eve"})
    assert named.status_code == 200

    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert (alert["answered_by"], alert["answer"]) == ("manager", "is Eve")
    assert [(one["kind"], one["to"]) for one in alert["deliveries"]] == [
        ("alert", "chat:@ann"),
        ("alert", "mail:a@b.example"),
        ("settled", "chat:@ann"),
    ]
    _, (item,) = await claim(api, ["chat", "mail"])
    assert (ids([item]), item["delivery"]["kind"]) == ([alert_id], "settled")


async def test_whoever_was_told_of_an_answer_is_asked_again_where_it_is_undone(api: Api) -> None:
    now = datetime.now(UTC)
    told = [delivery(to, status=AlertStatus.SENT, sent_at=now) for to in ("chat:@ann", "chat:@bob")]
    stranger = await api.person()
    await api.alert(stranger, deliveries=tuple(told))

    for name in ("Eve", "Mia"):
        await api.manager.patch(f"/persons/{stranger}", json={"name": name})
        assert await sent_to_ann(api) == "settled"
        await undo_newest(api)
        assert await sent_to_ann(api) == "reopened"
    await api.manager.patch(f"/persons/{stranger}", json={"name": "Ida"})

    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert len({one["id"] for one in alert["deliveries"]}) == len(alert["deliveries"])
    assert [(one["kind"], one["status"], one["to"]) for one in alert["deliveries"]] == [
        ("alert", "sent", "chat:@ann"),
        ("alert", "sent", "chat:@bob"),
        ("settled", "sent", "chat:@ann"),
        ("reopened", "sent", "chat:@ann"),
        ("settled", "sent", "chat:@ann"),
        ("reopened", "sent", "chat:@ann"),
        ("settled", "pending", "chat:@ann"),
        ("settled", "pending", "chat:@bob"),
    ]


async def sent_to_ann(api: Api) -> str:
    """What kind of delivery waits for her; it is sent."""
    token, (item,) = await claim(api, ["chat"], skip=["chat:@bob"])
    await settle(api, token)
    return str(item["delivery"]["kind"])


async def undo_newest(api: Api) -> None:
    change = (await api.manager.get("/identity/changes")).json()["items"][0]
    undone = await api.manager.post("/identity/undo", json={"change_id": change["id"]})
    assert undone.status_code == 200, undone.text


async def test_answer_is_given_once(api: Api) -> None:
    alert_id = await api.alert(await api.person())
    path = f"/alerts/{alert_id}/answer"
    first = await api.manager.post(path, json={"answer": "is the postman"})
    second = await api.admin.post(path, json={"answer": "is a friend"})
    assert first.json()["answer"] == second.json()["answer"] == "is the postman"


@pytest.mark.parametrize("change", [{"kind": "ignored"}, {"snoozed_until": "2027-01-01T00:00:00Z"}])
async def test_ignoring_and_snoozing_are_answers(api: Api, change: dict[str, str]) -> None:
    stranger = await api.person()
    await api.alert(stranger)
    assert (await api.manager.patch(f"/persons/{stranger}", json=change)).status_code == 200
    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert alert["answer"] in ("is ignored", "is snoozed")


async def test_merging_a_stranger_is_an_answer(api: Api) -> None:
    stranger, ada = await api.person(), await api.person("Ada")
    await api.alert(stranger)
    merged = await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [stranger]})
    assert merged.status_code == 200, merged.text
    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert (alert["person"]["id"], alert["answer"]) == (ada, "is Ada")


# ---- Whoever asks by chat ------------------------------------------------------------------------


async def link(api: Api, username: str, account: str) -> None:
    users = (await api.admin.get("/users")).json()["items"]
    (user,) = [user for user in users if user["username"] == username]
    changed = await api.admin.patch(f"/users/{user['id']}", json={"accounts": [account]})
    assert changed.json()["accounts"] == [f"chat:{account}"], changed.text


async def test_account_of_an_admin_is_a_managers_in_a_chat(api: Api) -> None:
    await link(api, "admin", "@ann")
    asks = {"X-Usher-Account": "chat:@ann"}
    kept = {"strangers_kept_days": 1, "known_kept_days": 1}
    refused = await api.notifier.patch("/settings", json=kept, headers=asks)
    check_problem(refused, 403, "PermissionDenied")
    stranger = f"/persons/{await api.person()}"
    named = await api.notifier.patch(stranger, json={"name": "Eve"}, headers=asks)
    assert named.status_code == 200


async def test_account_may_what_its_linked_user_may(api: Api) -> None:
    stranger = await api.person()
    path, asks = f"/persons/{stranger}", {"X-Usher-Account": "chat:@ann"}
    name = {"name": "Eve"}

    refused = await api.notifier.patch(path, json=name, headers=asks)
    check_problem(refused, 403, "PermissionDenied")
    assert "linked to no user" in refused.json()["detail"]

    await link(api, "viewer", "@ann")
    check_problem(await api.notifier.patch(path, json=name, headers=asks), 403, "PermissionDenied")
    assert (await api.notifier.get(path, headers=asks)).status_code == 200

    await link(api, "viewer", "@vic")
    await link(api, "manager", "@ann")
    assert (await api.notifier.patch(path, json=name, headers=asks)).json()["name"] == "Eve"


async def test_notifier_itself_names_nobody(api: Api) -> None:
    stranger = await api.person()
    refused = await api.notifier.patch(f"/persons/{stranger}", json={"name": "Eve"})
    check_problem(refused, 403, "PermissionDenied")


async def test_device_cannot_speak_for_an_account(api: Api) -> None:
    await link(api, "admin", "@ann")
    headers = {"X-Usher-Account": "chat:@ann"}
    check_problem(await api.device.get("/persons", headers=headers), 403, "PermissionDenied")


async def test_one_account_is_of_one_user(api: Api) -> None:
    await link(api, "manager", "@ann")
    users = (await api.admin.get("/users")).json()["items"]
    (viewer,) = [user for user in users if user["username"] == "viewer"]
    taken = await api.admin.patch(f"/users/{viewer['id']}", json={"accounts": ["@ann"]})
    check_problem(taken, 409, "Conflict")


async def test_one_mutes_ones_own_account_and_an_admin_anybodys(api: Api) -> None:
    body = {"to": "@ann", "minutes": 30}
    check_problem(await api.manager.post("/alerts/mute", json=body), 403, "PermissionDenied")
    await link(api, "manager", "@ann")
    assert (await api.manager.post("/alerts/mute", json=body)).status_code == 204
    assert (await api.admin.post("/alerts/mute", json={**body, "to": "@bob"})).status_code == 204


# ---- Lists and pictures --------------------------------------------------------------------------


async def test_page_is_the_newest_first_and_of_one_status(api: Api) -> None:
    stranger = await api.person()
    old = await api.alert(stranger)
    new = await api.alert(stranger, captured_at=NOON + timedelta(seconds=1))
    token, items = await claim(api)
    await settle(api, token, delivery_ids=[items[0]["delivery"]["id"]])

    async def found(**params: str) -> list[str]:
        page = (await api.viewer.get("/alerts", params=params)).json()
        return [item["id"] for item in page["items"]]

    assert await found() == [new, old]
    assert await found(status="sent") == [old]
    assert await found(status="pending") == [new]


async def test_alert_still_shows_when_its_person_is_gone(api: Api) -> None:
    await api.alert("p-gone")
    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert (alert["person"], alert["camera"]["name"]) == (None, "door")


async def test_link_opens_one_picture_without_signing_in_for_a_day(api: Api) -> None:
    detection_id = (await upload(api.device)).json()["id"]
    await api.alert(await api.person(), detection_id=detection_id)
    _, (item,) = await claim(api)
    path = item["picture_path"]

    opened = await api.nobody.get(f"http://usher.test{path}")
    assert (opened.status_code, opened.headers["content-type"]) == (200, "image/jpeg")

    query = parse_qs(urlsplit(path).query)
    until = int(query["until"][0])
    assert until == pytest.approx(datetime.now(UTC).timestamp() + 86_400, abs=60)
    longer = path.replace(str(until), str(until + 1))
    check_problem(await api.nobody.get(f"http://usher.test{longer}"), 404, "NotFound")
    another = path.replace(detection_id, new_id())
    check_problem(await api.nobody.get(f"http://usher.test{another}"), 404, "NotFound")


async def test_address_has_to_wait_when_it_guessed_ten_links(api: Api) -> None:
    detection_id = await api.detection()
    links = await PictureLinks.of(api.database)
    right = links.path(detection_id, datetime.now(UTC)).removeprefix(API_PREFIX)
    over = links.path(detection_id, NOON - timedelta(days=2)).removeprefix(API_PREFIX)
    async with from_address(api, "10.0.0.1") as guesser, from_address(api, "10.0.0.2") as other:
        for _ in range(12):
            assert (await guesser.get(right)).status_code == 200
            assert "has ended" in check_problem(await guesser.get(over), 404)
        for n in range(10):
            check_problem(await guesser.get(f"{right[:-2]}x{n}"), 404)
        response = await guesser.get(f"{right[:-2]}yy")
        check_problem(response, 429, "TooManyRequests")
        assert 0 < int(response.headers["retry-after"]) <= 900
        check_problem(await other.get(f"{right[:-2]}yy"), 404)
        # A message may show many at once, and wrong ones may have come from the same chat server.
        found = await asyncio.gather(*(guesser.get(right) for _ in range(20)))
        assert {response.status_code for response in found} == {200}


async def test_link_ends_when_the_person_is_deleted(api: Api) -> None:
    detection_id = await api.detection()
    stranger = await api.assigned(detection_id)
    await api.alert(stranger, detection_id=detection_id)
    _, (item,) = await claim(api)
    address = f"http://usher.test{item['picture_path']}"
    assert (await api.nobody.get(address)).status_code == 200
    assert (await api.admin.delete(f"/persons/{stranger}")).status_code == 200
    check_problem(await api.nobody.get(address), 404, "NotFound")
