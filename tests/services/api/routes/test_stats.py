from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tests.services.api.conftest import Api, check_problem
from tests.unit.identity.people import centres, faces_of, turned
from tests.unit.storage.making import NOON, face
from usher.domain.records import Embedding
from usher.identity.vectors import Vectors
from usher.storage.calibrations import Recalibration


async def test_stats_count_what_happened_and_what_waits(api: Api) -> None:
    await api.detection()
    stranger = await api.person()
    await api.alert(stranger)
    stats = (await api.viewer.get("/stats")).json()
    assert stats["detections"] == 2
    assert stats["by_status"] == {"pending": 1, "classified": 1}
    assert (stats["persons"], stats["new_persons"], stats["queue"]) == (1, 1, 1)
    assert (stats["alerts_unsent"], stats["alerts_sent"]) == (1, 0)
    assert 0 <= stats["oldest_pending_s"] < 60


async def test_stats_leave_out_what_was_before_when_a_moment_is_given(api: Api) -> None:
    await api.detection()
    since = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    stats = (await api.viewer.get("/stats", params={"since": since})).json()
    assert (stats["detections"], stats["queue"]) == (0, 1)


async def test_stats_are_refused_when_the_moment_is_none(api: Api) -> None:
    check_problem(await api.viewer.get("/stats", params={"since": "yesterday"}), 422)


async def _enrol(api: Api, name: str, vectors: Vectors) -> str:
    """Somebody known by those vectors, put straight into the database."""
    person_id = await api.person(name)
    for vector in vectors:
        embedding = Embedding(api.state.follower.model, vector)
        await api.state.registry.add_face(face(person_id, embedding=embedding))
    return person_id


async def test_identity_stats_estimate_nothing_when_nobody_is_known(api: Api) -> None:
    stats = (await api.viewer.get("/stats/identity")).json()
    assert (stats["rule"], stats["budget"], stats["persons"], stats["review"]) == (
        "budget",
        0.01,
        0,
        0,
    )
    assert stats["fpir"] is None
    assert stats["fnir"] is None
    assert "1.0% of strangers" in stats["reason"]


async def test_identity_stats_tell_how_well_people_are_told_apart_when_many_are_known(
    api: Api,
) -> None:
    random = np.random.default_rng(0)
    everybody = centres(25, random)
    everybody[1] = turned(everybody[0], 0.995, random)
    faces = faces_of(everybody, 3, random).reshape(25, 3, -1)
    faces[7, 0] = faces[8, 1]
    ids = [await _enrol(api, f"Person {n}", faces[n]) for n in range(25)]
    alone = await _enrol(api, "Alone", faces_of(centres(1, random), 1, random))
    stats = (await api.viewer.get("/stats/identity")).json()
    assert (stats["persons"], stats["references"]) == (26, 76)
    assert stats["fpir"]["samples"] == 26
    assert stats["fnir"]["samples"] == 75
    for estimate in (stats["fpir"], stats["fnir"]):
        assert 0 <= estimate["low"] <= estimate["share"] <= estimate["high"] <= 1
    pairs = [{person["id"] for person in pair["persons"]} for pair in stats["look_alikes"]]
    assert {ids[0], ids[1]} in pairs
    doubtful = {
        (item["person"]["id"], (item["closer_to"] or {}).get("id")) for item in stats["doubtful"]
    }
    assert (ids[7], ids[8]) in doubtful
    assert [(item["person"]["id"], item["references"]) for item in stats["few_references"]] == [
        (alone, 1)
    ]


async def test_identity_stats_follow_when_somebody_is_removed(api: Api) -> None:
    ada = await _enrol(
        api, "Ada", faces_of(centres(1, np.random.default_rng(0)), 2, np.random.default_rng(1))
    )
    assert (await api.viewer.get("/stats/identity")).json()["persons"] == 1
    await api.manager.delete(f"/persons/{ada}")
    assert (await api.viewer.get("/stats/identity")).json()["persons"] == 0


async def test_identity_stats_count_what_waits_for_an_answer(api: Api) -> None:
    await _enrol(
        api, "Ada", faces_of(centres(1, np.random.default_rng(0)), 1, np.random.default_rng(1))
    )
    detection_id = await api.detection()
    await api.database["detections"].update_one(
        {"_id": detection_id}, {"$set": {"candidate_id": "p-ada"}}
    )
    assert (await api.viewer.get("/stats/identity")).json()["review"] == 1


async def test_identity_stats_list_when_the_threshold_moved_and_why(api: Api) -> None:
    entry = Recalibration(at=NOON, threshold=0.58, persons=12, reason="a reason")
    await api.state.calibrations.add(entry)
    (told,) = (await api.viewer.get("/stats/identity")).json()["recalibrations"]
    assert (told["threshold"], told["persons"], told["reason"]) == (0.58, 12, "a reason")
