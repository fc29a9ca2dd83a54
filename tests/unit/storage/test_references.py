"""Who is compared with what, followed from version to version."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.unit.storage.house import House
from tests.unit.storage.making import MODEL, NOON, embedding, face, person
from usher.domain.records import PersonKind
from usher.storage.database import Database
from usher.storage.references import OTHER_MODELS, warn_of_other_models


@pytest.mark.parametrize(("models", "others"), [([], 0), (["new"], 0), (["new", "old", "old"], 2)])
async def test_references_of_other_models_are_counted_in_the_log(
    prepared: Database, models: list[str], others: int
) -> None:
    faces = [
        {"_id": str(index), "person_id": "p-1", "embedding": {"model": model}}
        for index, model in enumerate(models)
    ]
    if faces:
        await prepared["faces"].insert_many(faces)
    with capture_logs() as logs:
        await warn_of_other_models(prepared, "new")
    told = [(entry["event"], entry["references"], entry["log_level"]) for entry in logs]
    assert told == ([(OTHER_MODELS, others, "warning")] if others else [])


class TestChangedSince:
    async def test_change_names_the_persons_when_versions_lie_between(self, house: House) -> None:
        version = await house.references.version()
        await house.registry.create_person(person("p-1", PersonKind.KNOWN, name="Ada"))
        await house.stranger("p-2")
        await house.registry.add_face(face("p-1"))
        assert await house.references.changed_since(version) == (version + 3, {"p-1", "p-2"})
        assert await house.references.changed_since(version + 2) == (version + 3, {"p-1"})

    async def test_change_names_nobody_when_references_stay_as_they_are(self, house: House) -> None:
        await house.stranger("p-1")
        version = await house.references.version()
        assert await house.references.changed_since(version) == (version, frozenset())
        await house.saw("p-1", 1)
        assert await house.references.changed_since(version) == (version + 1, frozenset())

    @pytest.mark.parametrize("missing", [1, 2, 3])
    async def test_change_is_unknown_when_an_entry_is_missing(
        self, house: House, missing: int
    ) -> None:
        version = await house.references.version()
        for number in range(3):
            await house.stranger(f"p-{number}", number)
        await house.database["gallery_changes"].delete_one({"_id": version + missing})
        assert await house.references.changed_since(version) is None

    async def test_change_is_unknown_when_the_version_is_of_another_history(
        self, house: House
    ) -> None:
        version = await house.references.version()
        assert await house.references.changed_since(version + 7) is None
        assert await house.references.changed_since(-1) is None


class TestPersonsWithFaces:
    async def test_persons_come_with_their_references_in_order_when_everybody_is_read(
        self, house: House
    ) -> None:
        for name in ("p-2", "p-1", "p-3"):
            await house.registry.create_person(person(name))
        order = [("b", 1), ("a", 1), ("c", 0)]
        for id_, second in order:
            moment = NOON + timedelta(seconds=second)
            await house.registry.add_face(face("p-1", id=id_, created_at=moment))
        await house.registry.add_face(face("p-2", embedding=embedding(1.0, model="old")))
        found, gone = await house.references.persons_with_faces(MODEL)
        assert [item.person.id for item in found] == ["p-1", "p-2", "p-3"]
        assert [[ref.id for ref in item.references] for item in found] == [["c", "a", "b"], [], []]
        assert found[0].references[0].vector.tolist() == embedding(1.0).vector.tolist()
        assert gone == frozenset()

    async def test_persons_are_gone_when_they_do_not_exist_any_more(self, house: House) -> None:
        seen = await house.stranger("p-1")
        await house.stranger("p-2", 1)
        found, gone = await house.references.persons_with_faces(MODEL, {"p-1", "p-9"})
        assert [item.person.id for item in found] == ["p-1"]
        (reference,) = found[0].references
        assert (reference.id, reference.detection_id) == (seen.id, seen.id)
        assert (reference.origin, gone) == ("detection", {"p-9"})
        assert await house.references.persons_with_faces(MODEL, []) == ([], frozenset())
