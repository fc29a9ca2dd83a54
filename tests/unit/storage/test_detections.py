"""The detection log as the classifier's queue."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.storage.house import BOSS, House
from tests.unit.storage.making import GOOD, MODEL, POOR, detection, embedded, embedding
from usher.domain.errors import Conflict, NotFound
from usher.domain.geometry import Box
from usher.domain.records import Detection, DetectionStatus
from usher.storage import detections as queue
from usher.storage.database import Database
from usher.storage.detections import MAX_ATTEMPTS, Claim, Described, DetectionFilter, Detections
from usher.storage.documents import Document

SHORT_S = 0.05
LONG_S = 30.0


@pytest.fixture
def detections(prepared: Database) -> Detections:
    return Detections(prepared)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_FIRST_BACKOFF_S", 0.0)


async def stored(detections: Detections, *given: Detection) -> list[str]:
    for item in given:
        assert await detections.insert(item)
    return [item.id for item in given]


def ids_of(claim: Claim) -> list[str]:
    return [item.id for item in claim.detections]


async def finish(detections: Detections, claim: Claim, *ids: str) -> int:
    """Hand in what was claimed, or those ids."""
    described = [
        Described(
            detection_id=detection_id,
            box=Box(1, 2, 3, 4),
            embedding=embedding(1.0),
            quality=GOOD,
        )
        for detection_id in ids or ids_of(claim)
    ]
    return await detections.finish_embedding(claim.token, described)


async def document_of(database: Database, detection_id: str) -> Document:
    document = await database["detections"].find_one({"_id": detection_id})
    assert document is not None
    return document


class TestLog:
    async def test_insert_stores_once_when_the_device_repeats_its_key(
        self, detections: Detections
    ) -> None:
        first = detection(idempotency_key="once")
        await stored(detections, first)
        assert not await detections.insert(detection(idempotency_key="once"))
        assert await detections.insert(detection(idempotency_key="once", device_id="other"))
        found = await detections.by_idempotency_key("device", "once")
        assert found is not None
        assert found.id == first.id

    async def test_insert_stores_once_when_repeats_race(self, detections: Detections) -> None:
        inserted = await asyncio.gather(
            *(detections.insert(detection(idempotency_key="once")) for _ in range(20))
        )
        assert sum(inserted) == 1

    async def test_get_tells_when_there_is_no_such_detection(self, detections: Detections) -> None:
        assert await detections.by_idempotency_key("device", "none") is None
        with pytest.raises(NotFound):
            await detections.get("none")

    async def test_page_gives_only_what_is_asked_for_when_filtered(
        self, detections: Detections
    ) -> None:
        early, late = detection(0), detection(10, camera_id="yard")
        other = embedded(20, person_id="p-1")
        await stored(detections, early, late, other)

        async def ids(**fields: Any) -> list[str]:
            page, cursor = await detections.page(DetectionFilter(**fields), cursor=None, limit=9)
            assert cursor is None
            return [item.id for item in page]

        assert await ids() == [other.id, late.id, early.id]
        assert await ids(camera_id="yard") == [late.id]
        assert await ids(person_id="p-1") == [other.id]
        assert await ids(status=DetectionStatus.PENDING) == [late.id, early.id]
        assert await ids(since=late.captured_at) == [other.id, late.id]
        assert await ids(until=late.captured_at) == [early.id]

    async def test_crops_in_use_are_only_those_that_some_detection_holds_when_asked(
        self, detections: Detections
    ) -> None:
        held = detection()
        await stored(detections, held)
        assert await detections.crops_in_use([held.crop, "0" * 24]) == {held.crop}


class TestClaiming:
    async def test_claim_takes_the_earliest_captured_first_when_there_are_more(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, *(detection(second) for second in range(5)))
        assert ids_of(await detections.claim(limit=3, lease_s=LONG_S)) == ids[:3]
        assert ids_of(await detections.claim(limit=3, lease_s=LONG_S)) == ids[3:]
        assert ids_of(await detections.claim(limit=3, lease_s=LONG_S)) == []

    async def test_claim_takes_a_detection_at_once_when_the_apis_clock_runs_ahead(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection(10**9, received_at=detection(10**9).captured_at))
        assert ids_of(await detections.claim(limit=1, lease_s=LONG_S)) == ids

    async def test_claims_share_no_detection_when_many_workers_claim_at_once(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, *(detection(second) for second in range(60)))

        async def work() -> list[str]:
            got: list[str] = []
            while held := ids_of(await detections.claim(limit=7, lease_s=LONG_S)):
                got.extend(held)
            return got

        got = await asyncio.gather(*(work() for _ in range(8)))
        assert sorted(held for some in got for held in some) == sorted(ids)

    async def test_claim_goes_to_another_worker_when_its_lease_expires(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection())
        stale = await detections.claim(limit=8, lease_s=SHORT_S)
        await asyncio.sleep(2 * SHORT_S)
        fresh = await detections.claim(limit=8, lease_s=LONG_S)
        assert ids_of(fresh) == ids
        assert await finish(detections, stale) == 0
        assert not await detections.finish_without_face(ids[0], stale.token, reason="stale")
        await detections.fail(ids[0], stale.token, reason="stale")
        await detections.give_back(stale)
        await detections.extend(stale, lease_s=SHORT_S)
        assert (await detections.get(ids[0])).attempts == 2
        assert ids_of(await detections.claim(limit=8, lease_s=LONG_S)) == []
        assert await finish(detections, fresh) == 1

    async def test_claim_stays_when_it_is_extended(self, detections: Detections) -> None:
        await stored(detections, detection())
        claim = await detections.claim(limit=8, lease_s=SHORT_S)
        await detections.extend(claim, lease_s=LONG_S)
        await asyncio.sleep(2 * SHORT_S)
        assert ids_of(await detections.claim(limit=8, lease_s=LONG_S)) == []

    async def test_claim_costs_no_attempt_when_it_is_given_back(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection(0), detection(1))
        claim = await detections.claim(limit=8, lease_s=LONG_S)
        assert await finish(detections, claim, ids[0]) == 1
        await detections.give_back(claim)
        assert (await detections.get(ids[1])).attempts == 0
        again = await detections.claim(limit=8, lease_s=LONG_S)
        assert ids_of(again) == [ids[1]]
        assert (await detections.get(ids[0])).status is DetectionStatus.EMBEDDED

    async def test_finish_writes_the_face_when_the_claim_is_held(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection())
        claim = await detections.claim(limit=8, lease_s=LONG_S)
        assert await finish(detections, claim) == 1
        assert await finish(detections, claim) == 0
        done = await detections.get(ids[0])
        assert (done.status, done.box, done.quality) == (
            DetectionStatus.EMBEDDED,
            Box(1, 2, 3, 4),
            GOOD,
        )
        assert done.embedding is not None

    async def test_finish_without_face_says_why_when_the_claim_is_held(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection())
        claim = await detections.claim(limit=8, lease_s=LONG_S)
        assert await detections.finish_without_face(ids[0], claim.token, reason="no face")
        done = await detections.get(ids[0])
        assert (done.status, done.reason) == (DetectionStatus.UNIDENTIFIABLE, "no face")


class TestFailing:
    async def test_detection_waits_longer_when_it_fails_again(
        self, detections: Detections, prepared: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = await stored(detections, detection())
        pauses = []
        for _ in range(MAX_ATTEMPTS - 1):
            await prepared["detections"].update_many({}, [{"$set": {"available_at": "$$NOW"}}])
            claim = await detections.claim(limit=8, lease_s=LONG_S)
            await detections.fail(ids[0], claim.token, reason="broken")
            assert ids_of(await detections.claim(limit=8, lease_s=LONG_S)) == []
            rows = await prepared["detections"].aggregate(
                [{"$project": {"ms": {"$subtract": ["$available_at", "$$NOW"]}}}]
            )
            pauses.append((await rows.to_list())[0]["ms"] / 1000)
        assert [round(pause + 0.45) for pause in pauses] == [2, 4, 8, 16]

    @pytest.mark.usefixtures("no_backoff")
    async def test_detection_is_set_aside_with_its_reason_when_it_fails_five_times(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection())
        for attempt in range(1, MAX_ATTEMPTS + 1):
            claim = await detections.claim(limit=8, lease_s=LONG_S)
            assert ids_of(claim) == ids
            await detections.fail(ids[0], claim.token, reason=f"$broken {attempt}")
        failed = await detections.get(ids[0])
        assert (failed.status, failed.reason) == (DetectionStatus.FAILED, "$broken 5")
        assert ids_of(await detections.claim(limit=8, lease_s=LONG_S)) == []

    @pytest.mark.usefixtures("no_backoff")
    async def test_detection_has_all_attempts_again_when_it_is_retried(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection())
        for _ in range(MAX_ATTEMPTS):
            claim = await detections.claim(limit=8, lease_s=LONG_S)
            await detections.fail(ids[0], claim.token, reason="broken")
        retried = await detections.retry(ids[0])
        assert (retried.status, retried.attempts, retried.reason) == (
            DetectionStatus.PENDING,
            0,
            None,
        )
        assert ids_of(await detections.claim(limit=8, lease_s=LONG_S)) == ids

    async def test_retry_is_refused_when_the_detection_has_not_failed(
        self, detections: Detections
    ) -> None:
        ids = await stored(detections, detection())
        with pytest.raises(Conflict):
            await detections.retry(ids[0])
        with pytest.raises(NotFound):
            await detections.retry("none")

    async def test_detection_that_kills_its_workers_is_set_aside_when_it_has_killed_five(
        self, detections: Detections
    ) -> None:
        killer, *mates = await stored(detections, *(detection(second) for second in range(8)))
        companies: list[set[str]] = []
        finished: set[str] = set()
        for _ in range(60):
            claim = await detections.claim(limit=8, lease_s=SHORT_S)
            held = set(ids_of(claim))
            if killer in held:  # the worker dies, with all that it holds
                companies.append(held)
                await asyncio.sleep(1.5 * SHORT_S)
            elif held:
                assert await finish(detections, claim) == len(held)
                finished |= held
            elif finished == set(mates):
                break
            await asyncio.sleep(0.01)
        assert [len(company) for company in companies] == [8, 8, 1, 1, 1]
        assert finished == set(mates)
        failed = await detections.get(killer)
        assert failed.status is DetectionStatus.FAILED
        assert failed.reason == "the worker stopped in each of 5 attempts"

    async def test_queue_goes_on_when_a_whole_batch_is_exhausted(
        self, detections: Detections, prepared: Database
    ) -> None:
        exhausted = [detection(second, attempts=MAX_ATTEMPTS) for second in range(5)]
        await stored(detections, *exhausted)
        ids = await stored(detections, detection(10))
        assert ids_of(await detections.claim(limit=2, lease_s=LONG_S)) == ids
        failed = {"status": DetectionStatus.FAILED}
        assert await prepared["detections"].count_documents(failed) == 5

    async def test_set_aside_leaves_a_detection_alone_when_it_is_not_embedded(
        self, detections: Detections
    ) -> None:
        pending, waiting = await stored(detections, detection(0), embedded(1))
        for detection_id in (pending, waiting):
            await detections.set_aside(detection_id, reason="strange")
        assert (await detections.get(pending)).status is DetectionStatus.PENDING
        assert (await detections.get(waiting)).status is DetectionStatus.FAILED


class TestAssignable:
    async def ids(self, detections: Detections, limit: int = 32) -> list[str]:
        return [item.id for item in await detections.assignable(limit=limit)]

    async def test_assignable_are_in_order_of_capture_when_embedded_in_another(
        self, detections: Detections
    ) -> None:
        late, early = await stored(detections, embedded(5), embedded(1))
        assert await self.ids(detections) == [early, late]
        assert await self.ids(detections, limit=1) == [early]

    async def test_assignable_end_before_the_first_in_the_making_when_it_is_new_or_claimed(
        self, detections: Detections
    ) -> None:
        early, making, _ = await stored(detections, embedded(1), detection(2), embedded(3))
        assert await self.ids(detections) == [early]
        claim = await detections.claim(limit=1, lease_s=LONG_S)
        assert ids_of(claim) == [making]
        assert await self.ids(detections) == [early]
        await finish(detections, claim)
        assert len(await self.ids(detections)) == 3

    async def test_assignable_wait_when_one_of_the_same_moment_is_in_the_making(
        self, detections: Detections
    ) -> None:
        await stored(detections, embedded(1), detection(1))
        assert await self.ids(detections) == []

    async def test_assignable_do_not_wait_when_the_earlier_one_has_failed_once(
        self, detections: Detections
    ) -> None:
        broken, later = await stored(detections, detection(1), embedded(2))
        claim = await detections.claim(limit=1, lease_s=LONG_S)
        assert await self.ids(detections) == []
        await detections.fail(broken, claim.token, reason="broken")
        assert await self.ids(detections) == [later]

    async def test_assignable_wait_for_one_more_attempt_when_its_worker_has_died(
        self, detections: Detections
    ) -> None:
        """So killed workers do not change who is who, and what kills them holds nobody for long."""
        _, later = await stored(detections, detection(1), embedded(2))
        for waiting in ([], [], [later]):
            await detections.claim(limit=1, lease_s=SHORT_S)
            assert await self.ids(detections) == waiting
            await asyncio.sleep(2 * SHORT_S)

    async def test_detection_is_claimed_again_when_its_vector_is_of_another_model(
        self, detections: Detections, prepared: Database
    ) -> None:
        ids = await stored(detections, embedded(1, attempts=1))
        await detections.embed_again(ids)
        assert (await document_of(prepared, ids[0]))["embedding"] is None
        claim = await detections.claim(limit=1, lease_s=LONG_S)
        assert [item.attempts for item in claim.detections] == [1]

    async def test_unfinished_counts_both_queues_when_asked(self, detections: Detections) -> None:
        done = detection(3, status=DetectionStatus.CLASSIFIED)
        await stored(detections, detection(1), embedded(2), done)
        assert await detections.unfinished() == 2


class TestReview:
    async def test_page_holds_what_waits_for_an_answer_when_it_is_asked_for(
        self, house: House
    ) -> None:
        asking = [await house.left_over(second, candidate_id="ada") for second in (0, 1)]
        await house.left_over(2)
        found, _ = await house.detections.page(DetectionFilter(review=True), cursor=None, limit=9)
        assert [item.id for item in found] == [asking[1].id, asking[0].id]


class TestSightings:
    async def test_sightings_come_in_order_of_capture_when_consolidation_reads_them(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue, "_BATCH", 2)
        await house.stranger("p-1", 5)
        await house.stranger("p-2", 1, track_id="t", not_persons=("ada",))
        await house.saw(await house.known("Ada"), 2)
        for second in (4, 3):
            await house.saw("p-1", second)
        await house.ask("ada", *[row["_id"] for row in await house.all("detections", track_id="t")])
        for few in (0, 100):
            monkeypatch.setattr(queue, "_FEW", few)
            of_strangers = house.detections.of_strangers(MODEL, await house.people.strangers())
            found = [item async for item in of_strangers]
            assert [item.person_id for item in found] == ["p-2", "p-1", "p-1", "p-1"]
            assert [item.captured_at.second for item in found] == [1, 3, 4, 5]
        first = found[0]
        assert (first.camera_id, first.track_id, first.acceptable) == ("door", "t", True)
        assert (first.candidate_id, first.confirmed) == ("ada", False)
        assert first.not_persons == ("ada",)
        assert first.vector.tolist() == embedding(1.0).vector.tolist()

    async def test_sightings_are_nobodys_of_one_model_when_asked_for(self, house: House) -> None:
        await house.stranger("p-1")
        poor = await house.left_over(1, quality=POOR)
        await house.left_over(2, embedding=embedding(1.0, model="old"))
        found = [item async for item in house.detections.unidentifiable(MODEL)]
        assert [(item.id, item.acceptable) for item in found] == [(poor.id, False)]

    async def test_shots_are_the_finished_ones_of_the_tracks_that_were_asked_for(
        self, house: House
    ) -> None:
        second, first = [await house.left_over(n, track_id="t") for n in (2, 1)]
        known = await house.stranger("p-1", 3, track_id="t")
        others = await house.left_over(1, track_id="u", camera_id="yard")
        await house.left_over(1, track_id="t", camera_id="yard")
        await house.left_over(1, track_id="u")
        await house.left_over(0, track_id="t", embedding=embedding(1.0, model="old"))
        face = await house.left_over(0, track_id="t")
        await house.corrections.correct(face.id, None, actor=BOSS)
        await house.detections.insert(embedded(4, track_id="t"))
        asked = {("door", "t"), ("yard", "u"), ("yard", "v")}
        found = await house.detections.shots_of(MODEL, asked, limit=9)
        ids = {track: [item.id for item in shots] for track, shots in found.items()}
        assert ids == {("door", "t"): [first.id, second.id, known.id], ("yard", "u"): [others.id]}
        assert found["door", "t"][0].embedding is not None
        assert await house.detections.shots_of(MODEL, set(), limit=9) == {}

    async def test_shots_are_the_best_and_the_answered_when_a_track_has_many(
        self, house: House
    ) -> None:
        shots = [
            await house.left_over(n, track_id="t", quality=replace(GOOD, probability=probability))
            for n, probability in enumerate((0.5, 0.9, None, 0.7, 0.1))
        ]
        person = await house.stranger("p-1", 9)
        await house.corrections.correct(shots[4].id, person.person_id, actor=BOSS)
        found = await house.detections.shots_of(MODEL, {("door", "t")}, limit=3)
        best = [shots[place].id for place in (1, 3, 4)]
        assert [item.id for item in found["door", "t"]] == best

    async def test_detections_of_ids_come_in_order_of_capture_when_some_are_gone(
        self, house: House
    ) -> None:
        later, earlier = [await house.left_over(second) for second in (2, 1)]
        found = await house.detections.of_ids([later.id, "none", earlier.id])
        assert [item.id for item in found] == [earlier.id, later.id]
