"""Another look at what was decided, on a real database and made-up people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.classifier import consolidating
from tests.services.classifier.places import MODEL, PlaceWithPeople
from tests.unit.identity.people import turned
from tests.unit.storage.house import BOSS
from tests.unit.storage.making import GOOD, NOON, POOR, embedded, person
from usher.domain.records import ChangeKind, Detection, DetectionStatus, Embedding, PersonKind
from usher.identity.gallery import template_of
from usher.identity.vectors import Vectors
from usher.storage.database import Database

pytestmark = pytest.mark.usefixtures("at_once")


class Place(PlaceWithPeople):
    """A place where people are seen, and a classifier in this process."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._seconds = 0

    async def sees(self, *faces: Vectors, **fields: Any) -> list[Detection]:
        """Faces one after the other, ten minutes apart, and what becomes of them."""
        ids = []
        for vector in faces:
            self._seconds += 600
            item = embedded(
                captured_at=NOON + timedelta(seconds=self._seconds),
                embedding=Embedding(MODEL, vector),
                **fields,
            )
            await self.detections.insert(item)
            ids.append(item.id)
        while await self.assigning.step():
            pass
        return [await self.detections.get(id_) for id_ in ids]

    async def now(self, *detections: Detection) -> list[Detection]:
        return [await self.detections.get(item.id) for item in detections]


@pytest.fixture
async def place(prepared: Database, people: Vectors) -> Place:
    """A place where ten others are known already, so that there is a crowd to stand out from."""
    place = Place(prepared)
    await place.enrols_a_crowd(people)
    return place


async def test_name_reaches_back_when_somebody_is_enrolled(place: Place, people: Vectors) -> None:
    mine = await place.sees(people[0, 0], people[0, 1], people[0, 2])
    others = await place.sees(people[1, 0])
    ada = await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    assert await place.looks_again()
    assert {item.person_id for item in await place.now(*mine)} == {ada}
    assert [item.person_id for item in await place.now(*others)] == [others[0].person_id]
    # The stranger who was nobody but Ada is gone, and her references are those of her enrolment.
    assert mine[0].person_id not in await place.people.strangers()
    assert len(await place.people.faces_of(ada)) == 3
    assert not await place.looks_again()


async def test_name_that_reached_back_is_taken_back_for_good_when_a_person_says_so(
    place: Place, people: Vectors
) -> None:
    mine = await place.sees(people[0, 0], people[0, 1])
    ada = await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    await place.looks_again()
    (change,), _ = await place.history.page(person_id=ada, cursor=None, limit=1)
    assert (change.actor, change.kind) == ("usher", ChangeKind.REDECIDE)
    await place.history.undo(change.id, actor=BOSS)
    await place.looks_again()
    after = await place.now(*mine)
    assert {item.person_id for item in after} == {mine[0].person_id}
    assert all(ada in item.not_persons for item in after)


async def test_what_was_nobodys_becomes_somebodys_when_they_are_known(
    place: Place, people: Vectors
) -> None:
    (poor,) = await place.sees(people[0, 0], quality=POOR)
    assert poor.status is DetectionStatus.UNIDENTIFIABLE
    ada = await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    assert await place.looks_again()
    (now,) = await place.now(poor)
    assert (now.status, now.person_id) == (DetectionStatus.CLASSIFIED, ada)


async def test_answered_detection_stays_when_a_name_reaches_back(
    place: Place, people: Vectors
) -> None:
    mine = await place.sees(people[0, 0], people[0, 1])
    await place.corrections.correct(mine[0].id, mine[0].person_id, actor=BOSS)
    ada = await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    await place.looks_again()
    after = await place.now(*mine)
    assert [item.person_id for item in after] == [mine[0].person_id, ada]


async def test_strangers_become_one_when_more_faces_show_it(place: Place, people: Vectors) -> None:
    """Two sides of a face, too far from each other, and then what lies between them."""
    random = np.random.default_rng(5)
    centre = template_of(people[0])
    left, right = turned(np.stack([centre, centre]), 0.905, random)
    first, second = await place.sees(left, right)
    assert first.person_id != second.person_id
    near = [template_of(np.stack([side, centre])) for side in (left, right)]
    await place.sees(*near, centre, *near, *near)
    await place.looks_again()
    assert len(await place.people.strangers()) == 1
    changes, _ = await place.history.page(person_id=first.person_id, cursor=None, limit=5)
    assert {change.actor for change in changes} == {"usher"}


async def test_strangers_stay_two_when_a_person_took_their_merge_back(
    place: Place, people: Vectors
) -> None:
    one, other = await place.sees(people[0, 0], people[1, 0])
    assert one.person_id and other.person_id
    await place.merge_strangers(one.person_id, other.person_id)
    (change,), _ = await place.history.page(person_id=one.person_id, cursor=None, limit=1)
    await place.history.undo(change.id, actor=BOSS)
    await place.looks_again()
    after = await place.now(one, other)
    assert [item.person_id for item in after] == [one.person_id, other.person_id]


async def test_look_finds_nothing_to_do_when_nothing_has_changed(
    place: Place, people: Vectors
) -> None:
    await place.sees(people[0, 0], people[1, 0], people[2, 0])
    await place.looks_again()
    version = await place.identity.version()
    assert not await place.looks_again()
    assert await place.identity.version() == version


async def test_look_waits_when_a_detection_is_waiting(place: Place, people: Vectors) -> None:
    await place.sees(people[0, 0])
    await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    await place.detections.insert(embedded(embedding=Embedding(MODEL, people[1, 0])))
    assert not await place.looks_again()


async def test_look_gives_way_when_another_worker_assigns(place: Place, people: Vectors) -> None:
    mine = await place.sees(people[0, 0])
    await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    await place.assigning.release()
    await place.lease("another")
    assert not await place.looks_again()
    assert (await place.now(*mine))[0].person_id == mine[0].person_id


async def test_look_is_repeated_when_somebody_changed_things_meanwhile(
    place: Place, people: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a look has read is stale: it writes nothing, and the next one starts from the new."""
    mine = await place.sees(people[0, 0], people[0, 1])
    await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    reach_back = consolidating.reach_back
    loop = asyncio.get_running_loop()

    def interrupted(*given: Any) -> Any:
        monkeypatch.setattr(consolidating, "reach_back", reach_back)
        meanwhile = place.registry.create_person(person("p-new", PersonKind.KNOWN, name="Bob"))
        asyncio.run_coroutine_threadsafe(meanwhile, loop).result(10)
        return reach_back(*given)

    monkeypatch.setattr(consolidating, "reach_back", interrupted)
    assert not await place.looking.step()
    assert [item.person_id for item in await place.now(*mine)] == [mine[0].person_id] * 2
    await place.looks_again()
    assert {item.person_id for item in await place.now(*mine)} == {"ada"}


async def test_candidate_is_told_when_a_face_is_probably_somebodys(
    place: Place, people: Vectors
) -> None:
    ada = await place.enrols("Ada", people[0, 5], people[0, 6], people[0, 7])
    random = np.random.default_rng(7)
    away = [turned(template_of(people[0]), cosine, random) for cosine in np.linspace(0.99, 0.7, 80)]
    found = await place.sees(*away)
    named = [item for item in found if item.person_id == ada]
    asked = [item for item in found if item.candidate_id == ada]
    assert named and asked
    assert all(item.person_id != ada and item.quality == GOOD for item in asked)
