"""One worker, or several in this process."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from services.classifier import assigning, embedding, worker
from services.classifier.assigning import AssigningStage
from services.classifier.embedding import EmbeddingStage
from services.classifier.worker import Worker, make_stages, make_worker
from tests.services.classifier.backlog import Backlog
from tests.services.classifier.pictures import BOX, colour_pipeline, picture
from tests.unit.storage.making import GOOD
from usher.domain.records import DetectionStatus, Embedding
from usher.identity.measured import impostors_of
from usher.identity.rules import FixedRule, Rule, make_rule
from usher.settings import Settings
from usher.storage import detections as queue
from usher.storage.database import Database
from usher.storage.leases import AT_ONCE
from usher.storage.workers import Workers
from usher.vision.images import PHOTO_FORMATS, decode_image, encode_jpeg
from usher.vision.pipeline import FacePipeline, make_pipeline

RULE = FixedRule(0.5, impostors_of("dlib-resnet-v1"))
"""For colours."""


@pytest.fixture
def backlog(prepared: Database, tmp_path: Path) -> Backlog:
    """An empty backlog on a database as new: nothing here is killed and leaves locks behind."""
    return Backlog(prepared, tmp_path)


@pytest.fixture(scope="module")
def real_pipeline() -> FacePipeline:
    return make_pipeline()


@pytest.fixture(scope="module")
def pipeline() -> FacePipeline:
    return colour_pipeline()


def new_worker(backlog: Backlog, pipeline: FacePipeline, rule: Rule = RULE) -> Worker:
    return make_worker(Settings(data=backlog.data), backlog.database, pipeline, rule)


def new_assigning(backlog: Backlog, model: str, owner: str) -> AssigningStage:
    settings = Settings(data=backlog.data, visit_gap_s=60)
    return make_stages(settings, backlog.database, model=model, rule=RULE, owner=owner)[0]


@asynccontextmanager
async def working(*workers: Worker) -> AsyncIterator[None]:
    """Workers that work inside of the block, and stop as asked to at its end."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(item.run(stop)) for item in workers]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)


def photograph(path: Path) -> bytes:
    image_rgb = decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=50_000_000)
    return encode_jpeg(image_rgb)


async def test_worker_says_that_it_works_until_it_ends(
    backlog: Backlog, pipeline: FacePipeline
) -> None:
    workers = Workers(backlog.database)
    async with working(new_worker(backlog, pipeline)):
        async with asyncio.timeout(10):
            while not (found := await workers.all()):
                await asyncio.sleep(0.05)
        assert [(one.kind, one.name) for one in found] == [("classifier", socket.gethostname())]
    assert await workers.all() == []


class TestOneCrop:
    async def test_worker_recognises_a_person_when_photographs_show_them_twice(
        self, backlog: Backlog, real_pipeline: FacePipeline, test_data: Path
    ) -> None:
        folder = test_data / "enrol"
        paths = ["barack-obama/1.jpg", "joe-biden/1.jpg", "barack-obama/2.jpg"]
        await backlog.add(*(backlog.new(photograph(folder / path), box=None) for path in paths))
        rule = make_rule("budget", model=real_pipeline.model_id, budget=0.01, fixed_distance=None)
        async with working(new_worker(backlog, real_pipeline, rule)):
            await backlog.until_done(within_s=60)
        await backlog.assert_each_counted_once(3)
        assert await backlog.partition() == {frozenset({0, 2}), frozenset({1})}

    async def test_worker_classifies_a_crop_when_it_is_generated(
        self, backlog: Backlog, real_pipeline: FacePipeline, colours: list[bytes]
    ) -> None:
        (detection_id,) = await backlog.add(backlog.new(colours[0]))
        async with working(new_worker(backlog, real_pipeline)):
            await backlog.until_done(within_s=20)
        done = await backlog.detections.get(detection_id)
        assert done.status is DetectionStatus.CLASSIFIED
        assert done.embedding is not None
        assert done.embedding.model == real_pipeline.model_id
        await backlog.assert_each_counted_once(1)

    async def test_worker_calls_a_crop_unidentifiable_when_no_face_is_found(
        self, backlog: Backlog, real_pipeline: FacePipeline, colours: list[bytes]
    ) -> None:
        without, other = await backlog.add(
            backlog.new(colours[0], box=None), backlog.new(colours[1])
        )
        async with working(new_worker(backlog, real_pipeline)):
            await backlog.until_done(within_s=20)
        done = await backlog.detections.get(without)
        assert done.status is DetectionStatus.UNIDENTIFIABLE
        assert "no face" in (done.reason or "")
        assert (await backlog.detections.get(other)).status is DetectionStatus.CLASSIFIED

    async def test_worker_calls_a_crop_unidentifiable_when_a_blurred_face_is_nobodys(
        self, backlog: Backlog, pipeline: FacePipeline
    ) -> None:
        flat = encode_jpeg(np.full((96, 96, 3), 120, np.uint8))
        await backlog.add(backlog.new(flat))
        async with working(new_worker(backlog, pipeline)):
            await backlog.until_done(within_s=20)
        assert [row["status"] for row in await backlog.all()] == [DetectionStatus.UNIDENTIFIABLE]
        assert await backlog.all("persons") == []

    async def test_worker_takes_up_a_crop_at_once_when_it_waits_idle(
        self,
        backlog: Backlog,
        pipeline: FacePipeline,
        colours: list[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(worker, "_POLL_S", 30.0)
        async with working(new_worker(backlog, pipeline)):
            await asyncio.sleep(1.5)
            for colour in colours[:3]:
                await backlog.add(backlog.new(colour))
                await backlog.until_done(within_s=5)

    async def test_worker_makes_a_vector_again_when_it_is_of_another_model(
        self, backlog: Backlog, pipeline: FacePipeline, colours: list[bytes]
    ) -> None:
        old = backlog.new(
            colours[0],
            status=DetectionStatus.EMBEDDED,
            embedding=Embedding("older", np.zeros(3, np.float32)),
            quality=GOOD,
            attempts=1,
        )
        await backlog.add(old, backlog.new(colours[1]))
        async with working(new_worker(backlog, pipeline)):
            await backlog.until_done(within_s=20)
        done = await backlog.detections.get(old.id)
        assert done.embedding is not None
        assert done.embedding.model == pipeline.model_id
        await backlog.assert_each_counted_once(2)


class TestBrokenCrops:
    @pytest.fixture(autouse=True)
    def short_backoff(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "_FIRST_BACKOFF_S", 0.01)

    @pytest.mark.parametrize(
        ("jpeg", "reason"),
        [
            (None, "no picture"),  # the file is missing
            (b"", "not one of"),
            (b"\xff\xd8\xff\xe0" + b"broken" * 50, "truncated or corrupted"),
            ("cut", "truncated or corrupted"),
            ("outside", "outside"),  # a box that is not in the picture
        ],
    )
    async def test_broken_crop_alone_fails_after_five_attempts_when_it_is_in_a_batch(
        self,
        backlog: Backlog,
        pipeline: FacePipeline,
        colours: list[bytes],
        jpeg: bytes | str | None,
        reason: str,
    ) -> None:
        whole = colours[0]
        fields: dict[str, Any] = {"box": BOX.shifted(500, 0)} if jpeg == "outside" else {}
        content = whole if jpeg == "outside" else whole[:900] if jpeg == "cut" else jpeg
        assert not isinstance(content, str)
        before = [backlog.new(colour) for colour in colours[:3]]
        broken = backlog.new(content, **fields)
        after = [backlog.new(colour) for colour in colours[3:8]]
        await backlog.add(*before, broken, *after)
        async with working(new_worker(backlog, pipeline)):
            await backlog.until_done(within_s=20)
        failed = await backlog.detections.get(broken.id)
        assert failed.status is DetectionStatus.FAILED
        assert failed.attempts == queue.MAX_ATTEMPTS
        assert reason in (failed.reason or "")
        others = await backlog.all(_id={"$ne": broken.id})
        assert {row["status"] for row in others} == {DetectionStatus.CLASSIFIED}
        assert {row["attempts"] for row in others} == {1}

    async def test_queue_goes_on_when_a_broken_crop_waits_for_its_next_attempt(
        self,
        backlog: Backlog,
        pipeline: FacePipeline,
        colours: list[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(queue, "_FIRST_BACKOFF_S", 60.0)
        broken = backlog.new(None)
        await backlog.add(broken, *(backlog.new(colour) for colour in colours[:20]))
        async with working(new_worker(backlog, pipeline)):
            async with asyncio.timeout(10):
                while await backlog.detections.unfinished() > 1:
                    await asyncio.sleep(0.05)
        assert (await backlog.detections.get(broken.id)).status is DetectionStatus.PENDING

    async def test_detection_alone_is_set_aside_when_its_vector_cannot_be_compared(
        self, backlog: Backlog, pipeline: FacePipeline, colours: list[bytes]
    ) -> None:
        before = [backlog.new(colour) for colour in colours[1:3]]
        strange = backlog.new(
            colours[0],
            status=DetectionStatus.EMBEDDED,
            embedding=Embedding(pipeline.model_id, np.zeros(7, np.float32)),
            quality=GOOD,
        )
        await backlog.add(*before, strange, backlog.new(colours[3]))
        async with working(new_worker(backlog, pipeline)):
            await backlog.until_done(within_s=20)
        failed = await backlog.detections.get(strange.id)
        assert (failed.status, failed.reason) == (
            DetectionStatus.FAILED,
            "cannot be assigned: ValueError",
        )
        assert len(await backlog.all(status=DetectionStatus.CLASSIFIED)) == 3


def crowd(count: int) -> list[bytes]:
    """Pictures of colours at random: many lie about as far from each other as the threshold."""
    colours = np.random.default_rng(7).random((count, 3))
    return [picture(*colour, seed=seed) for seed, colour in enumerate(colours)]


async def test_people_are_the_same_when_one_two_or_four_workers_classify_the_same_crops(
    backlog: Backlog,
) -> None:
    await backlog.fill(crowd(200), 200)
    pipeline = colour_pipeline(face_s=0.003)
    partitions = []
    for count in (1, 2, 4):
        anew = {"status": "pending", "attempts": 0, "embedding": None, "person_id": None}
        await backlog.database["detections"].update_many(
            {}, {"$set": {**anew, "available_at": AT_ONCE}}
        )
        for name in ("persons", "faces", "visits", "alerts"):
            await backlog.database[name].delete_many({})
        async with working(*(new_worker(backlog, pipeline) for _ in range(count))):
            await backlog.until_done(within_s=60)
        await backlog.assert_each_counted_once(200)
        partitions.append(await backlog.partition())
    assert partitions[0] == partitions[1] == partitions[2]
    assert 10 < len(partitions[0]) < 150


class TestEnding:
    @pytest.mark.parametrize("stage", [EmbeddingStage, AssigningStage])
    @pytest.mark.parametrize("error", [TypeError("a bug"), OperationFailure("no", code=13)])
    async def test_worker_fails_as_a_whole_when_one_stage_meets_what_nobody_foresaw(
        self,
        backlog: Backlog,
        pipeline: FacePipeline,
        stage: type[Any],
        error: Exception,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def broken(self: Any) -> bool:
            raise error

        monkeypatch.setattr(stage, "step", broken)
        async with asyncio.timeout(5):
            with pytest.raises(type(error)):
                await new_worker(backlog, pipeline).run(asyncio.Event())
        left = {task.get_name() for task in asyncio.all_tasks()}
        assert not left & {"embed", "assign", "listen", "stop"}

    async def test_worker_goes_on_when_the_database_was_away(
        self,
        backlog: Backlog,
        pipeline: FacePipeline,
        colours: list[bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        step, calls = EmbeddingStage.step, 0

        async def flaky(self: EmbeddingStage) -> bool:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise AutoReconnect("away")
            return await step(self)

        monkeypatch.setattr(EmbeddingStage, "step", flaky)
        await backlog.add(backlog.new(colours[0]))
        async with working(new_worker(backlog, pipeline)):
            await backlog.until_done(within_s=10)

    async def test_worker_gives_its_lease_back_when_it_stops(
        self, backlog: Backlog, pipeline: FacePipeline, colours: list[bytes]
    ) -> None:
        await backlog.add(backlog.new(colours[0]))
        async with working(new_worker(backlog, pipeline)):
            await backlog.until_done(within_s=10)
        lease = await backlog.database["leases"].find_one({"_id": "assign"})
        assert lease is not None
        assert lease["owner"] is None

    async def test_worker_gives_its_batch_back_when_it_cannot_finish_in_time(
        self, backlog: Backlog, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "_STOP_WITHIN_S", 0.2)
        slow = new_worker(backlog, FixedDelay(1.5))
        ids = await backlog.fill(colours, 8)
        async with working(slow):
            async with asyncio.timeout(5):
                while not await backlog.all(claim_token={"$ne": None}):
                    await asyncio.sleep(0.02)
        rows = await backlog.all()
        assert len(rows) == len(ids)
        assert {(row["status"], row["attempts"], row["claim_token"]) for row in rows} == {
            ("pending", 0, None)
        }

    async def test_heartbeat_keeps_the_claim_when_a_batch_takes_longer_than_its_lease(
        self, backlog: Backlog, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedding, "LEASE_S", 0.6)
        await backlog.fill(colours, 4)
        extend, calls = backlog.detections.extend, 0

        async def flaky(*given: Any, **lease: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise AutoReconnect("away")
            await extend(*given, **lease)

        monkeypatch.setattr(backlog.detections, "extend", flaky)
        stage = EmbeddingStage(backlog.detections, backlog.crops, FixedDelay(1.5))
        step = asyncio.create_task(stage.step())
        await asyncio.sleep(0.9)
        assert (await queue.Detections(backlog.database).claim(limit=8, lease_s=1)).detections == ()
        assert await step
        assert {row["status"] for row in await backlog.all()} == {DetectionStatus.EMBEDDED}

    async def test_step_fails_when_its_heartbeat_meets_what_nobody_foresaw(
        self, backlog: Backlog, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedding, "LEASE_S", 0.3)
        await backlog.fill(colours, 1)

        async def broken(*_: Any, **__: Any) -> None:
            raise TypeError("a bug")

        monkeypatch.setattr(backlog.detections, "extend", broken)
        stage = EmbeddingStage(backlog.detections, backlog.crops, FixedDelay(0.5))
        with pytest.raises(TypeError, match="a bug"):
            await stage.step()


async def test_face_is_cut_out_by_the_landmarks_that_came_with_it(
    backlog: Backlog, pipeline: FacePipeline, colours: list[bytes]
) -> None:
    """What was found at the edge: here a head leaning by 20 degrees."""
    slope = math.tan(math.radians(20))
    eyes = [(x, 40 + (x - 48) * slope) for x in (70, 54, 26, 42)]
    for given in ((*eyes, (44.0, 60.0)), ((0.0, 0.0),) * 5):
        await backlog.add(backlog.new(colours[0], landmarks=given))
    stage = EmbeddingStage(backlog.detections, backlog.crops, pipeline)
    assert await stage.step()
    found = sorted(await backlog.all(), key=lambda row: row["captured_at"])
    rolls = [row["quality"]["roll_deg"] for row in found]
    assert rolls[0] == pytest.approx(20, abs=1)
    assert rolls[1] != pytest.approx(20, abs=1)


class FixedDelay(FacePipeline):
    """The colours' pipeline, so many seconds slower a batch."""

    def __init__(self, delay_s: float) -> None:
        inner = colour_pipeline()  # for its parts
        super().__init__(inner._detector, inner._aligner, inner._embedder)
        self._delay_s = delay_s

    def describe_many(self, *given: Any) -> Any:
        time.sleep(self._delay_s)
        return super().describe_many(*given)


async def test_worker_cannot_commit_when_it_was_away_for_longer_than_its_lease(
    backlog: Backlog, pipeline: FacePipeline, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after it has decided, before it commits."""
    monkeypatch.setattr(assigning, "LEASE_S", 0.3)
    await backlog.fill(colours, 5)
    stage = EmbeddingStage(backlog.detections, backlog.crops, pipeline)
    assert await stage.step()
    away = new_assigning(backlog, pipeline.model_id, "away")
    other = new_assigning(backlog, pipeline.model_id, "other")
    resumed = asyncio.Event()
    commit = away._identity.commit

    async def late(*given: Any, **lease: Any) -> int:
        await resumed.wait()
        return await commit(*given, **lease)

    monkeypatch.setattr(away._identity, "commit", late)
    stopped = asyncio.create_task(away.step())
    await asyncio.sleep(0.6)
    assert await other.step()
    before = await backlog.everything()
    resumed.set()
    await stopped
    assert await backlog.everything() == before
    await backlog.assert_each_counted_once(5)
