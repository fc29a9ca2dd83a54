"""What is stored of a person in bulk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.storage.house import BOSS, House
from tests.unit.storage.making import detection
from usher.domain.errors import NotFound
from usher.domain.records import DetectionStatus
from usher.storage import possessions
from usher.storage.documents import Document, to_document


class TestBulk:
    @pytest.fixture(autouse=True)
    def small_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(possessions, "STEP", 10)

    @pytest.fixture
    async def crowd(self, house: House) -> House:
        """Two strangers, one of whom was seen 35 times more."""
        await house.stranger("p-1")
        await house.stranger("p-2")
        more = [
            detection(n, status=DetectionStatus.CLASSIFIED, person_id="p-1") for n in range(1, 36)
        ]
        await house.database["detections"].insert_many(to_document(item) for item in more)
        return house

    async def test_merge_moves_everything_when_there_is_more_than_one_step(
        self, crowd: House
    ) -> None:
        await crowd.corrections.merge("p-2", ["p-1"], actor=BOSS)
        assert {item["person_id"] for item in await crowd.all("detections")} == {"p-2"}
        assert len(await crowd.all("detections")) == 37

    async def test_delete_removes_and_counts_everything_when_there_is_more_than_one_step(
        self, crowd: House
    ) -> None:
        crops = {item["crop"] for item in await crowd.all("detections", person_id="p-1")}
        removal = await crowd.registry.delete_person("p-1")
        assert (removal.detections, removal.crops) == (36, crops)
        assert len(await crowd.all("detections")) == 1

    @pytest.mark.parametrize("change", ["merge", "delete"])
    async def test_change_is_completed_by_another_when_it_was_broken_off_between_steps(
        self, crowd: House, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step, calls = possessions._step, 0

        async def crash(*given: Any) -> list[Document]:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise RuntimeError("the power is gone")
            return await step(*given)

        async def make() -> None:
            if change == "merge":
                await crowd.corrections.merge("p-2", ["p-1"], actor=BOSS)
            else:
                await crowd.registry.delete_person("p-1")

        with monkeypatch.context() as broken:
            broken.setattr(possessions, "_step", crash)
            with pytest.raises(RuntimeError):
                await make()
        assert len(await crowd.all("persons")) == 2
        assert 0 < len(await crowd.all("detections", person_id="p-1")) < 36
        await make()
        assert "p-1" not in str(await crowd.all("detections"))
        assert [item["_id"] for item in await crowd.all("persons")] == ["p-2"]

    async def test_merge_moves_nothing_more_when_the_target_is_deleted_meanwhile(
        self, crowd: House
    ) -> None:
        merged, deleted = await asyncio.gather(
            crowd.corrections.merge("p-2", ["p-1"], actor=BOSS),
            crowd.registry.delete_person("p-2"),
            return_exceptions=True,
        )
        persons = {item["_id"] for item in await crowd.all("persons")}
        holders = {item["person_id"] for item in await crowd.all("detections")}
        assert not isinstance(deleted, BaseException) or isinstance(deleted, NotFound)
        assert not isinstance(merged, BaseException) or isinstance(merged, NotFound)
        assert holders <= persons
