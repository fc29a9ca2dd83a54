"""Changing the model on a real database, with networks that only look at colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.classifier import models as module
from services.classifier.models import Models
from tests.services.classifier.backlog import Backlog
from tests.services.classifier.pictures import BOX, ColourEmbedder, colour_pipeline
from tests.services.classifier.test_worker import new_worker, working
from tests.unit.storage.making import face, person
from usher.domain.errors import ConfigurationError, Conflict
from usher.domain.impostors import ImpostorDistances
from usher.domain.records import DetectionStatus, Embedding, Face, PersonKind
from usher.settings import Settings
from usher.storage.database import Database
from usher.storage.documents import to_document
from usher.storage.embeddings import KINDS, Embeddings, Standing
from usher.storage.serving import Embedders, Named, Serving
from usher.vision import embed
from usher.vision.embed import Chips
from usher.vision.images import CROP_FORMATS, decode_image
from usher.vision.pipeline import FacePipeline

IMPOSTORS = ImpostorDistances((1e-6, 0.5), (0.3, 2.0), loosest=0.5)
OLD, NEW = Named("old", "colours"), Named("new", "negatives")


class OldEmbedder(ColourEmbedder):
    """Counts the faces that it describes."""

    impostors = IMPOSTORS  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.described = 0

    def embed(self, *views: Chips) -> embed.Embeddings:
        self.described += len(views[0])
        return super().embed(*views)


class NewEmbedder(OldEmbedder):
    """Vectors of another length: compared with the others, they fail."""

    model_id = NEW.model
    dimension = 4

    def embed(self, *views: Chips) -> embed.Embeddings:
        vectors = super().embed(*views)
        return np.hstack([2 - vectors, np.zeros((len(vectors), 1), np.float32)])


def with_embedder(embedder: ColourEmbedder) -> FacePipeline:
    inner = colour_pipeline()  # for its parts
    return FacePipeline(inner._detector, inner._aligner, embedder)


class Site:
    """A place with people, pictures and two models."""

    def __init__(self, backlog: Backlog) -> None:
        self.backlog = backlog
        self.database: Database = backlog.database
        self.embedders = Embedders(self.database)
        self.embeddings = Embeddings(self.database)
        self.described = {OLD.name: OldEmbedder(), NEW.name: NewEmbedder()}
        self.pipelines = {name: with_embedder(it) for name, it in self.described.items()}
        self.on_report: Callable[[], None] = lambda: None
        self.models = Models(
            Settings(data=backlog.data),
            self.database,
            load=lambda name: self.pipelines[name],
            report=lambda *_: self.on_report(),
        )

    async def know(self, name: str, *pictures: bytes) -> str:
        """Enrol somebody by pictures, with the model that serves; the person's id."""
        known = person(f"p-{name.lower()}", PersonKind.KNOWN, name=name)
        await self.database["persons"].insert_one(to_document(known))
        for jpeg in pictures:
            await self.enrol(known.id, jpeg)
        return known.id

    async def enrol(self, person_id: str, jpeg: bytes, by: Named = OLD, **fields: Any) -> Face:
        photo_rgb = decode_image(jpeg, formats=CROP_FORMATS, max_pixels=50_000_000)
        (described,) = self.pipelines[by.name].describe(photo_rgb, [BOX])
        embedding = Embedding(by.model, described.embedding)
        reference = face(
            person_id,
            **{"embedding": embedding, "crop": self.backlog.crops.put(jpeg), "box": BOX, **fields},
        )
        await self.database["faces"].insert_one(to_document(reference))
        return reference

    async def see(self, *pictures: bytes, by: Named = OLD) -> list[str | None]:
        """Whom a classifier with that model takes the pictures for."""
        ids = await self.backlog.add(*(self.backlog.new(jpeg) for jpeg in pictures))
        async with working(new_worker(self.backlog, self.pipelines[by.name])):
            await self.backlog.until_done(within_s=20)
        return [(await self.backlog.detections.get(key)).person_id for key in ids]

    async def standings(self, model: str) -> list[Standing]:
        return [await self.embeddings.standing(kind, model) for kind in KINDS]


@pytest.fixture
async def site(prepared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(module, "NOTICED_WITHIN_S", 0.01)
    monkeypatch.setattr(module, "_BATCH", 2)
    site = Site(Backlog(prepared, tmp_path))
    await site.embedders.choose(OLD.name)
    await site.embedders.begin(OLD)
    return site


class TestPreparing:
    async def test_everything_is_described_beside_what_serves_when_a_model_is_prepared(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada = await site.know("Ada", *colours[:2])
        assert (await site.see(colours[0], colours[10]))[0] == ada
        assert await site.models.prepare(NEW.name) == NEW
        beside = [Standing(2, 2, beside=2), Standing(3, 3, beside=3)]
        assert await site.standings(NEW.model) == beside
        assert await site.standings(OLD.model) == [Standing(2, 2), Standing(3, 3)]
        assert await site.models.serving() == Serving(OLD, NEW)
        assert (await site.see(colours[0]))[0] == ada

    async def test_nothing_is_described_twice_when_preparing_was_broken_off(
        self, site: Site, colours: list[bytes]
    ) -> None:
        await site.know("Ada", *colours[:9])

        def break_off() -> None:
            raise KeyError("killed")

        site.on_report = break_off
        with pytest.raises(KeyError):
            await site.models.prepare(NEW.name)
        assert (await site.standings(NEW.model))[1] == Standing(9, 2, beside=2)
        site.on_report = lambda: None
        await site.models.prepare(NEW.name)
        assert (await site.standings(NEW.model))[1] == Standing(9, 9, beside=9)
        assert site.described[NEW.name].described == 9

    async def test_what_comes_meanwhile_is_described_in_another_round(
        self, site: Site, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = await site.know("Ada", colours[0])
        late, put_beside = ["0", "f" * 24], Embeddings.put_beside

        async def meanwhile(self: Embeddings, *given: Any) -> None:
            await put_beside(self, *given)
            if late:
                await site.enrol(ada, colours[1], id=late.pop())

        monkeypatch.setattr(Embeddings, "put_beside", meanwhile)
        await site.models.prepare(NEW.name)
        assert (await site.standings(NEW.model))[1] == Standing(3, 3, beside=3)

    async def test_broken_crop_alone_fails_and_is_tried_again_when_it_is_mended(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada = await site.know("Ada", *colours[:3])
        lost = await site.enrol(ada, colours[3])
        broken = await site.enrol(ada, colours[4])
        path = next(site.backlog.data.rglob(f"{lost.crop}.jpg"))
        path.rename(path.with_suffix(".kept"))
        next(site.backlog.data.rglob(f"{broken.crop}.jpg")).write_bytes(colours[4][:900])
        await site.models.prepare(NEW.name)
        assert (await site.standings(NEW.model))[1] == Standing(5, 3, failed=2, beside=3)
        reasons = await site.embeddings.failures("faces", NEW.model)
        assert sorted(reasons.values()) == [1, 1]
        assert any("no picture" in reason for reason in reasons)
        path.with_suffix(".kept").rename(path)
        await site.models.prepare(NEW.name)
        assert (await site.standings(NEW.model))[1] == Standing(5, 4, failed=1, beside=4)

    async def test_middle_of_the_crop_counts_as_the_face_when_no_box_was_kept_and_none_is_found(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada = await site.know("Ada")
        await site.enrol(ada, colours[0], box=None)
        await site.models.prepare(NEW.name)
        assert (await site.standings(NEW.model))[1] == Standing(1, 1, beside=1)

    async def test_vectors_of_others_are_replaced_when_the_model_that_serves_is_prepared(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada = await site.know("Ada")
        await site.enrol(ada, colours[0], NEW)
        assert await site.see(colours[10], colours[0]) != [None, ada]
        before = await site.models.serving()
        await site.models.prepare(OLD.name)
        assert await site.models.serving() == before
        assert (await site.standings(OLD.model))[1].missing == 0
        assert await site.see(colours[0]) == [ada]

    async def test_preparing_is_refused_when_no_threshold_can_be_told(
        self, site: Site, colours: list[bytes]
    ) -> None:
        site.described[NEW.name].impostors = None  # type: ignore[assignment]
        with pytest.raises(ConfigurationError, match="no threshold"):
            await site.models.prepare(NEW.name)
        assert await site.models.serving() == Serving(OLD)


class TestSwitching:
    async def test_people_are_recognised_by_either_model_when_it_serves(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada, bob = await site.know("Ada", colours[0]), await site.know("Bob", colours[26])
        stranger = (await site.see(colours[13]))[0]
        persons = await site.backlog.all("persons")
        await site.models.prepare(NEW.name)
        assert await site.models.switch() == NEW
        assert await site.standings(NEW.model) == [Standing(1, 1), Standing(3, 3)]
        assert await site.models.serving() == Serving(NEW, OLD, served_before=True)
        expected = [ada, bob, stranger]
        assert await site.see(colours[0], colours[26], colours[13], by=NEW) == expected
        assert await site.models.back() == OLD
        assert await site.see(colours[0], colours[26], colours[13]) == expected
        assert await site.backlog.all("persons") == persons

    async def test_what_came_since_the_preparation_is_described_when_it_is_little(
        self, site: Site, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await site.know("Ada", colours[0])
        await site.models.prepare(NEW.name)
        bob = await site.know("Bob", colours[26])
        monkeypatch.setattr(module, "_FEW", 0)
        with pytest.raises(Conflict, match="1 faces have no vector"):
            await site.models.switch()
        assert await site.models.serving() == Serving(OLD, NEW)
        monkeypatch.setattr(module, "_FEW", 1)
        await site.models.switch()
        assert await site.see(colours[26], by=NEW) == [bob]

    async def test_switch_is_refused_when_a_crop_is_broken_unless_it_may_be_incomplete(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada = await site.know("Ada", colours[0])
        lost = await site.enrol(ada, colours[26])
        site.backlog.crops.delete(lost.crop)
        await site.models.prepare(NEW.name)
        with pytest.raises(Conflict, match="1 faces cannot be described"):
            await site.models.switch()
        await site.models.switch(incomplete=True)
        assert await site.see(colours[0], by=NEW) == [ada]
        await site.models.back(incomplete=True)
        assert await site.see(colours[0], colours[26]) == [ada, ada]

    async def test_vectors_that_the_model_before_wrote_late_are_put_right(
        self, site: Site, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = await site.know("Ada", colours[0])
        await site.models.prepare(NEW.name)
        end_change = Embedders.end_change

        async def slow_services(self: Embedders, *given: Any, **options: Any) -> None:
            await end_change(self, *given, **options)
            await site.enrol(ada, colours[26])

        monkeypatch.setattr(Embedders, "end_change", slow_services)
        await site.models.switch()
        assert await site.see(colours[26], by=NEW) == [ada]

    async def test_worker_of_the_model_before_decides_nothing_when_another_serves(
        self, site: Site, colours: list[bytes]
    ) -> None:
        await site.know("Ada", colours[0])
        await site.models.prepare(NEW.name)
        await site.models.switch()
        await site.backlog.add(site.backlog.new(colours[0]))
        before = await site.backlog.all("persons")
        async with working(new_worker(site.backlog, site.pipelines[OLD.name])):
            await asyncio.sleep(1)
        assert await site.backlog.all("persons") == before
        assert [row["status"] for row in await site.backlog.all()] == [DetectionStatus.EMBEDDED]
        assert await site.see(colours[0], by=NEW) == ["p-ada"]
        assert {row["person_id"] for row in await site.backlog.all()} == {"p-ada"}

    @pytest.mark.parametrize("way", ["on", "back"])
    async def test_change_is_ended_or_taken_back_when_it_was_broken_off_between_the_vectors(
        self, site: Site, colours: list[bytes], monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        ada = await site.know("Ada", *colours[:2])
        await site.see(colours[0])
        await site.models.prepare(NEW.name)
        let_serve = Embeddings.let_serve

        async def killed(self: Embeddings, *_: str) -> int:
            await self._database["faces"].update_one(
                {}, [{"$set": {"embedding": "$other_embedding", "other_embedding": "$embedding"}}]
            )
            raise KeyError("killed")

        monkeypatch.setattr(Embeddings, "let_serve", killed)
        with pytest.raises(KeyError):
            await site.models.switch()
        monkeypatch.setattr(Embeddings, "let_serve", let_serve)
        assert await site.models.serving() == Serving(OLD, NEW, changing=True)
        await self.assert_nobody_is_assigned(site, colours[0])
        embedder = await (site.models.switch() if way == "on" else site.models.back())
        assert embedder == (NEW if way == "on" else OLD)
        assert await site.see(colours[1], by=embedder) == [ada]
        assert {row["person_id"] for row in await site.backlog.all()} == {ada}

    async def assert_nobody_is_assigned(self, site: Site, jpeg: bytes) -> None:
        (waiting,) = await site.backlog.add(site.backlog.new(jpeg))
        async with working(new_worker(site.backlog, site.pipelines[OLD.name])):
            await asyncio.sleep(1)
        detection = await site.backlog.detections.get(waiting)
        assert detection.status is DetectionStatus.EMBEDDED

    async def test_others_may_assign_when_a_change_fails_before_it_exchanges_anything(
        self, site: Site, colours: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = await site.know("Ada", colours[0])
        await site.models.prepare(NEW.name)
        begin_change = Embedders.begin_change

        async def then_break(self: Embedders) -> Any:
            monkeypatch.setattr(Models, "_describe_all", broken)
            return await begin_change(self)

        async def broken(*_: Any) -> None:
            raise KeyError("no")

        monkeypatch.setattr(Embedders, "begin_change", then_break)
        with pytest.raises(KeyError):
            await site.models.switch()
        assert await site.models.serving() == Serving(OLD, NEW)
        assert await site.see(colours[0]) == [ada]

    async def test_switch_takes_the_right_to_assign_when_a_worker_runs(
        self, site: Site, colours: list[bytes]
    ) -> None:
        ada = await site.know("Ada", colours[0])
        await site.models.prepare(NEW.name)
        await site.backlog.fill(colours[:1], 40)
        async with working(new_worker(site.backlog, site.pipelines[OLD.name])):
            async with asyncio.timeout(20):
                while not await site.backlog.all(status=DetectionStatus.CLASSIFIED):
                    await asyncio.sleep(0.01)
            await site.models.switch()
        async with working(new_worker(site.backlog, site.pipelines[NEW.name])):
            await site.backlog.until_done(within_s=20)
        assert {row["person_id"] for row in await site.backlog.all()} == {ada}
        assert len(await site.backlog.all("persons")) == 1


class TestRefusals:
    async def test_nothing_can_be_changed_when_no_service_has_started(self, site: Site) -> None:
        await site.database["settings"].delete_one({"_id": "embedder"})
        with pytest.raises(ConfigurationError, match="start Usher"):
            await site.models.prepare(NEW.name)

    @pytest.mark.parametrize("command", ["switch", "compare"])
    async def test_other_model_is_needed_when_none_was_prepared(
        self, site: Site, command: str
    ) -> None:
        with pytest.raises(ConfigurationError, match="usher models prepare"):
            await getattr(site.models, command)()

    async def test_switch_and_back_refuse_to_go_the_other_way(self, site: Site) -> None:
        await site.models.prepare(NEW.name)
        with pytest.raises(Conflict, match="no other model has served"):
            await site.models.back()
        await site.models.switch()
        with pytest.raises(Conflict, match="usher models back"):
            await site.models.switch()
        await site.models.prepare(OLD.name)
        assert await site.models.switch() == OLD

    async def test_switch_is_refused_when_the_prepared_card_is_another_by_now(
        self, site: Site
    ) -> None:
        await site.models.prepare(NEW.name)
        site.pipelines[NEW.name] = site.pipelines[OLD.name]
        with pytest.raises(ConfigurationError, match="makes vectors of colours now"):
            await site.models.switch()

    async def test_preparing_is_refused_while_a_change_is_under_way(self, site: Site) -> None:
        await site.models.prepare(NEW.name)
        await site.embedders.begin_change()
        with pytest.raises(Conflict, match="under way"):
            await site.models.prepare(NEW.name)


class TestComparing:
    async def test_each_model_is_told_by_its_own_vectors_of_the_people_known(
        self, site: Site, colours: list[bytes]
    ) -> None:
        await site.know("Ada", colours[0], colours[0])
        await site.know("Bob", colours[26], colours[26])
        await site.see(colours[13])  # a stranger's reference does not count
        await site.models.prepare(NEW.name)
        beside, errors = await site.models.compare()
        assert len(beside.person_ids) == 4
        assert list(errors) == [OLD.model, NEW.model]
        for found in errors.values():
            assert (found.missed.count, found.missed.total) == (0, 4)
            assert (found.accepted.count, found.accepted.total) == (0, 4)

    async def test_comparing_is_refused_when_nobody_known_is_described_by_both(
        self, site: Site
    ) -> None:
        await site.models.prepare(NEW.name)
        with pytest.raises(ConfigurationError, match="no face of somebody known"):
            await site.models.compare()
