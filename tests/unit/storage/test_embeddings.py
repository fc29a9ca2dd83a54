"""Vectors of two models side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.storage.making import detection, embedded, embedding, face, person
from usher.domain.geometry import Box
from usher.domain.records import Detection, DetectionStatus, Face, PersonKind
from usher.storage import embeddings as module
from usher.storage.database import Database
from usher.storage.documents import Document, to_document, vector_from_bytes
from usher.storage.embeddings import KINDS, Embeddings, Standing, Undescribed

OLD, NEW = "old", "new"
VECTOR = np.array([0.5, 0.25], np.float32)


@pytest.fixture
def embeddings(prepared: Database, monkeypatch: pytest.MonkeyPatch) -> Embeddings:
    monkeypatch.setattr(module, "_STEP", 2)
    return Embeddings(prepared)


def classified(**fields: Any) -> Detection:
    return embedded(
        **{"status": DetectionStatus.CLASSIFIED, "embedding": embedding(1, model=OLD), **fields}
    )


def reference(person_id: str = "p-1", **fields: Any) -> Face:
    return face(person_id, **{"embedding": embedding(1, model=OLD), **fields})


async def add(database: Database, *records: Detection | Face) -> list[str]:
    for record in records:
        name = "faces" if isinstance(record, Face) else "detections"
        await database[name].insert_one(to_document(record))
    return [record.id for record in records]


async def undescribed(embeddings: Embeddings, kind: str) -> list[Undescribed]:
    return [item async for batch in embeddings.undescribed(kind, NEW, batch=2) for item in batch]


async def document(database: Database, kind: str, key: str) -> Document:
    found = await database[kind].find_one({"_id": key})
    assert found is not None
    return found


class TestPreparing:
    async def test_undescribed_is_all_that_is_finished_and_has_a_vector_of_another_model(
        self, embeddings: Embeddings, prepared: Database
    ) -> None:
        wanted = await add(
            prepared,
            *(classified() for _ in range(3)),
            classified(status=DetectionStatus.UNIDENTIFIABLE),
            classified(status=DetectionStatus.NOT_A_FACE),
        )
        await add(
            prepared,
            classified(embedding=embedding(1, model=NEW)),
            classified(status=DetectionStatus.UNIDENTIFIABLE, embedding=None),
            embedded(embedding=embedding(1, model=OLD)),  # the classifier's own
            detection(),
        )
        found = await undescribed(embeddings, "detections")
        assert [item.id for item in found] == sorted(wanted)
        assert found[0].box == Box(0, 0, 80, 80)

    async def test_reference_has_the_box_and_vector_of_its_detection_when_these_are_there(
        self, embeddings: Embeddings, prepared: Database
    ) -> None:
        ready, waiting = await add(prepared, classified(), classified(box=Box(1, 2, 3, 4)))
        await embeddings.put_beside("detections", NEW, {ready: VECTOR})
        faces = [
            reference(origin="detection", detection_id=ready),
            reference(origin="detection", detection_id=waiting),
            reference(origin="detection", detection_id="gone"),
            reference(box=Box(5, 6, 7, 8)),
        ]
        await add(prepared, *faces)
        found = {item.id: item for item in await undescribed(embeddings, "faces")}
        taken, boxed, lost, enrolled = (found[item.id] for item in faces)
        assert taken.embedding is not None
        assert taken.embedding.model == NEW
        assert taken.embedding.vector.tolist() == VECTOR.tolist()
        assert (boxed.embedding, boxed.box) == (None, Box(1, 2, 3, 4))
        assert (lost.embedding, lost.box) == (None, None)
        assert (enrolled.embedding, enrolled.box) == (None, Box(5, 6, 7, 8))

    async def test_standing_counts_what_is_ready_what_failed_and_what_is_missing(
        self, embeddings: Embeddings, prepared: Database
    ) -> None:
        assert await embeddings.standing("faces", NEW) == Standing(0, 0, 0)
        _, ready, failed, _ = await add(
            prepared, reference(embedding=embedding(1, model=NEW)), *(reference() for _ in range(3))
        )
        outcomes = {ready: VECTOR, failed: "no picture"}
        await embeddings.put_beside("faces", NEW, outcomes)
        standing = await embeddings.standing("faces", NEW)
        assert standing == Standing(total=4, ready=2, failed=1, beside=1)
        assert standing.missing == 1
        assert await embeddings.failures("faces", NEW) == {"no picture": 1}
        assert await embeddings.standing("faces", OLD) == Standing(total=4, ready=3, failed=0)
        assert len(await undescribed(embeddings, "faces")) == 1
        await embeddings.forget_failures(NEW)
        assert len(await undescribed(embeddings, "faces")) == 2
        assert await embeddings.failures("faces", NEW) == {}

    async def test_vector_brings_nothing_back_when_its_record_was_deleted(
        self, embeddings: Embeddings, prepared: Database
    ) -> None:
        await embeddings.put_beside("faces", NEW, {"gone": VECTOR})
        assert not await prepared["faces"].count_documents({})


class TestExchanging:
    async def test_vectors_are_exchanged_and_back_when_both_are_there(
        self, embeddings: Embeddings, prepared: Database
    ) -> None:
        ids = {
            "faces": await add(prepared, *(reference() for _ in range(5))),
            "detections": await add(prepared, *(classified() for _ in range(5))),
        }
        before = {kind: await prepared[kind].find({}, {"embedding": 1}).to_list() for kind in KINDS}
        for kind, keys in ids.items():
            await embeddings.put_beside(kind, NEW, dict.fromkeys(keys, VECTOR))
        assert [await embeddings.let_serve(kind, NEW) for kind in KINDS] == [5, 5]
        assert [await embeddings.let_serve(kind, NEW) for kind in KINDS] == [0, 0]
        for kind, keys in ids.items():
            for key in keys:
                found = await document(prepared, kind, key)
                assert (found["embedding"]["model"], found["other_embedding"]["model"]) == (
                    NEW,
                    OLD,
                )
                vector = vector_from_bytes(found["embedding"]["vector"])
                assert vector.tolist() == VECTOR.tolist()
        assert [await embeddings.let_serve(kind, OLD) for kind in KINDS] == [5, 5]
        after = {kind: await prepared[kind].find({}, {"embedding": 1}).to_list() for kind in KINDS}
        assert after == before

    async def test_vector_stays_when_the_other_is_missing_or_could_not_be_made(
        self, embeddings: Embeddings, prepared: Database
    ) -> None:
        missing, failed = await add(prepared, reference(), reference())
        await embeddings.put_beside("faces", NEW, {failed: "no picture"})
        assert await embeddings.let_serve("faces", NEW) == 0
        for key in (missing, failed):
            assert (await document(prepared, "faces", key))["embedding"]["model"] == OLD


async def test_side_by_side_holds_references_of_known_persons_that_both_models_describe(
    embeddings: Embeddings, prepared: Database
) -> None:
    known, stranger = person("p-1", PersonKind.KNOWN), person("p-2")
    await prepared["persons"].insert_many([to_document(known), to_document(stranger)])
    both, theirs, _, failed = await add(
        prepared, reference(), reference("p-2"), reference(), reference()
    )
    await embeddings.put_beside("faces", NEW, {both: VECTOR, theirs: VECTOR, failed: "no picture"})
    found = await embeddings.side_by_side(OLD, NEW)
    assert found.person_ids == ["p-1"]
    assert found.vectors[NEW].tolist() == [VECTOR.tolist()]
    assert found.vectors[OLD].shape == (1, 4)
    nobody = await embeddings.side_by_side(OLD, "third")
    assert len(nobody.person_ids) == len(nobody.vectors[OLD]) == 0
