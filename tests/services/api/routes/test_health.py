from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

from tests.services.api.conftest import Api
from tests.services.api.routes.test_cameras import report
from usher.domain.records import CameraState

ROOT = "http://usher.test"


def gauge(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


async def test_healthz_answers_when_the_process_lives(api: Api) -> None:
    assert (await api.nobody.get(f"{ROOT}/healthz")).json() == {"ok": True, "components": []}


async def test_readyz_is_ok_when_database_and_crop_store_work(api: Api) -> None:
    response = await api.nobody.get(f"{ROOT}/readyz")
    assert response.status_code == 200
    assert [part["name"] for part in response.json()["components"]] == ["database", "crops"]


async def test_readyz_says_what_is_wrong_when_the_crop_store_is_gone(own_api: Api) -> None:
    own_api.crops.rmdir()
    response = await own_api.nobody.get(f"{ROOT}/readyz")
    assert response.status_code == 503
    assert {part["name"]: part["ok"] for part in response.json()["components"]} == {
        "database": True,
        "crops": False,
    }


async def test_metrics_follow_the_queue_when_it_fills_and_empties(own_api: Api) -> None:
    own_api.state.metrics.fresh_s = 0
    detection_id = await own_api.detection()
    text = (await own_api.nobody.get(f"{ROOT}/metrics")).text
    assert gauge(text, 'usher_detections{status="pending"}') == 1
    assert gauge(text, "usher_queue_detections") == 1
    assert gauge(text, 'usher_uploads_total{outcome="stored"}') == 1
    assert gauge(text, "usher_oldest_unfinished_seconds") >= 0
    await own_api.assigned(detection_id)
    text = (await own_api.nobody.get(f"{ROOT}/metrics")).text
    assert gauge(text, 'usher_detections{status="pending"}') == 0
    assert gauge(text, 'usher_detections{status="classified"}') == 1
    assert gauge(text, "usher_queue_detections") == 0
    assert gauge(text, "usher_oldest_unfinished_seconds") == 0


async def test_metrics_are_not_counted_anew_while_they_are_fresh(own_api: Api) -> None:
    async def queue() -> float:
        text = (await own_api.nobody.get(f"{ROOT}/metrics")).text
        return gauge(text, "usher_queue_detections")

    assert await queue() == 0
    await own_api.detection()
    assert await asyncio.gather(*(queue() for _ in range(5))) == [0] * 5
    own_api.state.metrics.fresh_s = 0
    assert await queue() == 1


async def test_metrics_count_cameras_by_state_when_they_are_reported(own_api: Api) -> None:
    for camera_id, state in (("a", "live"), ("b", "live"), ("c", "frozen"), ("d", "black")):
        await report(own_api.device, camera_id, state=state)
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    await own_api.database["cameras"].update_one({"_id": "d"}, {"$set": {"reported_at": long_ago}})
    await own_api.detection(camera_id="not-reported")
    text = (await own_api.nobody.get(f"{ROOT}/metrics")).text
    found = {state: gauge(text, f'usher_cameras{{state="{state}"}}') for state in CameraState}
    assert {state: n for state, n in found.items() if n} == {"live": 2, "frozen": 1, "offline": 1}


async def test_metrics_name_nobody(api: Api) -> None:
    person_id = await api.person("Ada")
    await api.detection(camera_id="secret-door")
    await report(api.device, "secret-door")
    text = (await api.nobody.get(f"{ROOT}/metrics")).text
    assert not any(word in text for word in ("Ada", person_id, "secret-door"))
