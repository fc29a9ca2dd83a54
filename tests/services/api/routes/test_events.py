from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from services.api.throttle import Rates
from tests.services.api import pictures
from tests.services.api.conftest import Api, Served, check_problem, upload
from tests.services.api.processes import Place, command, wait_until_ready
from tests.services.api.routes.test_cameras import report
from usher.storage.changes import Change
from usher.storage.embeddings import Embeddings
from usher.wire import API_PREFIX, CSRF_HEADER

Event = tuple[str, dict[str, object]]


def events_in(text: str) -> list[Event]:
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def listened(api: Api, client: httpx2.AsyncClient) -> asyncio.Task[httpx2.Response]:
    """A stream that changes reach already."""
    stream = asyncio.create_task(client.get("/events"))
    reached = asyncio.Event()

    async def witness() -> None:
        async for _ in api.state.hub.listen():
            reached.set()

    watching = asyncio.create_task(witness())
    while not reached.is_set():
        # Of what is embedded no stream tells.
        await api.database["detections"].insert_one({"_id": "probe", "status": "embedded"})
        await api.database["detections"].delete_one({"_id": "probe"})
        await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return stream


async def ended(api: Api, stream: asyncio.Task[httpx2.Response]) -> list[Event]:
    """What came, once everything that happened until now has been passed on."""
    await asyncio.sleep(0.5)
    api.state.hub.close()
    response = await asyncio.wait_for(stream, 10)
    assert response.headers["content-type"].startswith("text/event-stream")
    return events_in(response.text)


async def test_events_tell_of_detections_persons_and_alerts(own_api: Api) -> None:
    stream = await listened(own_api, own_api.viewer)
    detection_id = await own_api.detection()
    person_id = await own_api.assigned(detection_id)
    alert_id = await own_api.alert(person_id)
    await own_api.manager.patch(f"/persons/{person_id}", json={"name": "Ada"})
    await asyncio.sleep(0.5)  # what is deleted cannot be looked up any more
    await own_api.manager.delete(f"/persons/{person_id}")
    events = await ended(own_api, stream)
    kinds = [(kind, body["id"]) for kind, body in events]
    for expected in (
        ("detection", detection_id),
        ("person", person_id),
        ("alert", alert_id),
        ("person_removed", person_id),
    ):
        assert expected in kinds
    names = [body["name"] for kind, body in events if kind == "person"]
    assert names[-1] == "Ada"
    assert not any("vector" in json.dumps(body) for _, body in events)


async def test_events_are_no_requests_of_whoever_listens(
    own_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = []
    monkeypatch.setattr(Rates, "take", lambda _, principal_id: takes.append(principal_id))
    stream = await listened(own_api, own_api.viewer)
    person_id = await own_api.person("Ada")
    events = await ended(own_api, stream)
    assert [body["id"] for kind, body in events if kind == "person"] == [person_id]
    viewer = await own_api.state.users.by_name("viewer")
    assert viewer is not None and takes.count(viewer.id) == 1


async def test_events_are_silent_when_another_model_is_prepared_and_serves(own_api: Api) -> None:
    detection_id = await own_api.detection()
    await own_api.assigned(detection_id)
    old = {"model": "old", "vector": bytes(512)}
    await own_api.database["detections"].update_one(
        {"_id": detection_id}, {"$set": {"embedding": old}}
    )
    stream = await listened(own_api, own_api.viewer)
    embeddings = Embeddings(own_api.database)
    await embeddings.put_beside("detections", "new", {detection_id: np.ones(128, np.float32)})
    assert await embeddings.let_serve("detections", "new") == 1
    assert await ended(own_api, stream) == []


async def test_events_tell_of_what_is_done_and_not_of_what_is_claimed_when_a_worker_tries(
    own_api: Api,
) -> None:
    detection_id = await own_api.detection()
    stream = await listened(own_api, own_api.viewer)
    claim = await own_api.state.detections.claim(limit=1, lease_s=60)
    await own_api.state.detections.fail(detection_id, claim.token, reason="too dark")
    events = await ended(own_api, stream)
    assert [body["reason"] for kind, body in events if kind == "detection"] == ["too dark"]


async def test_events_tell_of_a_camera_when_its_state_or_name_changes_and_not_each_report(
    own_api: Api,
) -> None:
    stream = await listened(own_api, own_api.viewer)
    for state in ("live", "live", "live", "frozen", "frozen", "live"):
        response = await report(own_api.device, state=state, frame=pictures.jpeg())
        assert response.status_code == 200, response.text
    await own_api.manager.patch("/cameras/yard", json={"name": "Back yard"})
    await asyncio.sleep(0.5)  # what is deleted cannot be looked up any more
    await own_api.manager.delete("/cameras/yard")
    events = [event for event in await ended(own_api, stream) if event[0].startswith("camera")]
    assert [kind for kind, _ in events] == ["camera"] * 4 + ["camera_removed"]
    assert {body["id"] for _, body in events} == {"yard"}
    assert (events[3][1]["state"], events[3][1]["name"]) == ("live", "Back yard")


async def test_events_end_when_the_session_does(own_api: Api) -> None:
    stream = await listened(own_api, own_api.viewer)
    assert (await own_api.viewer.delete("/session")).status_code == 204
    await own_api.detection()
    response = await asyncio.wait_for(stream, 10)
    assert "detection" not in [kind for kind, _ in events_in(response.text)]


async def test_events_end_for_one_alone_when_it_cannot_keep_up(own_api: Api) -> None:
    slow, quick = own_api.state.hub.listen(), own_api.state.hub.listen()
    waiting = [asyncio.ensure_future(anext(stream)) for stream in (slow, quick)]
    await asyncio.sleep(0)
    read = 0
    hub = own_api.state.hub
    for n in range(1500):
        for queue in tuple(hub._queues):
            hub._offer(queue, Change("persons", "delete", f"p-{n}", None))
        if n == 0:
            await asyncio.gather(*waiting)
        else:
            assert (await anext(quick)).document_id == f"p-{n}"
            read += 1
    assert read == 1499
    with pytest.raises(StopAsyncIteration):
        await anext(slow)
    await quick.aclose()
    assert hub._queues == set()


async def test_events_end_at_once_when_the_hub_is_closed(own_api: Api) -> None:
    own_api.state.hub.close()
    assert [change async for change in own_api.state.hub.listen()] == []


# ---- The real process ----------------------------------------------------------------------------


def _login(place: Place) -> dict[str, str]:
    username, password = (place.data / "api.out").read_text().split(": ", 1)[1].split(" / ")
    return {"username": username, "password": password.strip()}


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        yield line


async def test_events_arrive_while_the_stream_is_open(served: Served) -> None:
    place = served.place
    async with httpx2.AsyncClient(base_url=place.url + API_PREFIX, timeout=30) as browser:
        session = (await browser.post("/session", json=_login(place))).json()
        key = {"Authorization": f"Bearer {place.device_key}"}
        async with (
            browser.stream("GET", "/events") as response,
            httpx2.AsyncClient(base_url=browser.base_url, headers=key, timeout=30) as device,
        ):
            assert response.headers["cache-control"] == "no-cache"
            lines = _lines(response)
            detection_id = (await upload(device)).json()["id"]
            async with asyncio.timeout(20):
                while f'"id":"{detection_id}"' not in await anext(lines):
                    pass
        csrf = {CSRF_HEADER: session["csrf_token"]}
        assert (await browser.delete("/session", headers=csrf)).status_code == 204


async def test_process_ends_soon_when_an_event_stream_is_open(
    mongodb_uri: str, tmp_path: Path
) -> None:
    place = Place.new(mongodb_uri, tmp_path)
    with command(place) as process:
        await asyncio.to_thread(wait_until_ready, place, process)
        async with httpx2.AsyncClient(base_url=place.url + API_PREFIX, timeout=30) as browser:
            await browser.post("/session", json=_login(place))
            async with browser.stream("GET", "/events") as response:
                assert response.status_code == 200
                begun = time.monotonic()
                process.terminate()
                await asyncio.to_thread(process.wait, 15)
    assert time.monotonic() - begun < 10
    assert "Traceback" not in place.log.read_text()


async def test_events_are_for_people_alone(own_api: Api) -> None:
    for client in (own_api.device, own_api.notifier):
        check_problem(await client.get("/events"), 403)
