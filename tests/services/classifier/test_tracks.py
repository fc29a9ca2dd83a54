"""One decision a track: its shots are judged together, on a real database and made-up people."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.services.classifier.places import MODEL, PlaceWithPeople
from tests.unit.identity.people import turned
from tests.unit.storage.house import BOSS
from tests.unit.storage.making import GOOD, NOON, POOR, embedded
from usher.domain.records import ChangeKind, Detection, DetectionStatus, Embedding
from usher.identity.gallery import template_of
from usher.identity.vectors import Vectors
from usher.storage.database import Database

pytestmark = pytest.mark.usefixtures("at_once")
LIKELY = replace(GOOD, probability=0.95)
UNLIKELY = replace(POOR, probability=0.1)


class Place(PlaceWithPeople):
    """A place where faces are followed, and a classifier in this process."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._seconds = 0.0

    async def sees(self, *faces: Vectors, track: str | None, **fields: Any) -> list[Detection]:
        """Shots of a track one after the other, each assigned before the next comes."""
        return [await self._sees_one(vector, track, fields) for vector in faces]

    async def _sees_one(
        self, vector: Vectors, track: str | None, fields: dict[str, Any]
    ) -> Detection:
        self._seconds += 1
        item = embedded(
            captured_at=NOON + timedelta(seconds=self._seconds),
            embedding=Embedding(MODEL, vector),
            track_id=track,
            **{"quality": LIKELY, **fields},
        )
        await self.detections.insert(item)
        while await self.assigning.step():
            pass
        return await self.detections.get(item.id)

    def leaves(self) -> None:
        """So long nobody is seen that the next to come begin visits."""
        self._seconds += 3600

    async def owners(self, *shots: Detection) -> list[str | None]:
        return [(await self.detections.get(item.id)).person_id for item in shots]


@pytest.fixture
async def place(prepared: Database, people: Vectors) -> Place:
    """A place where ten others are known already, so that there is a crowd to stand out from."""
    place = Place(prepared)
    await place.enrols_a_crowd(people)
    return place


def far(face: Vectors, cosine: float = 0.93) -> Vectors:
    """A bad picture of a face: alone it is nobody's."""
    return turned(face[None], cosine, np.random.default_rng(11))[0]


class TestOneDecision:
    async def test_earlier_shot_becomes_somebodys_when_a_later_one_is_known(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        (poor,) = await place.sees(far(people[0, 0]), track="t", quality=UNLIKELY)
        assert poor.person_id is None
        (good,) = await place.sees(people[0, 0], track="t")
        assert await place.owners(poor, good) == [ada, ada]
        (change,) = await place.changes()
        assert (change.kind, change.actor, change.detections) == (ChangeKind.REDECIDE, "usher", 1)
        visits = await place.all("visits")
        assert [(row["person_id"], row["detections"]) for row in visits] == [(ada, 2)]
        assert await place.all("alerts") == []

    async def test_earlier_shot_is_nobodys_again_when_its_change_is_taken_back(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        shots = await place.sees(far(people[0, 0]), track="t", quality=UNLIKELY)
        shots += await place.sees(people[0, 0], track="t")
        await place.undo_last()
        assert await place.owners(*shots) == [None, ada]
        await place.who_is_who()
        # Said not to be hers, it stays so whatever else the track shows.
        shots += await place.sees(people[0, 1], track="t")
        assert (await place.owners(*shots))[0] is None

    async def test_poor_shot_is_somebodys_when_the_track_was_known_before(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        shots = await place.sees(people[0, 0], track="t")
        shots += await place.sees(far(people[0, 0]), track="t", quality=UNLIKELY)
        (alone,) = await place.sees(far(people[0, 0]), track="u", quality=UNLIKELY)
        assert [item.person_id for item in shots] == [ada, ada]
        assert alone.person_id is None

    async def test_stranger_goes_with_the_alert_when_the_track_turns_out_to_be_known(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        worst = far(people[0, 0])
        shots = await place.sees(worst, worst, track="t", quality=replace(GOOD, probability=0.2))
        (stranger,) = await place.people.strangers()
        assert [item.person_id for item in shots[1:]] == [stranger]
        assert len(await place.all("alerts")) == 1
        shots += await place.sees(people[0, 0], track="t")
        assert await place.owners(*shots) == [ada] * 3
        assert await place.people.strangers() == set()
        assert await place.all("alerts") == []
        assert await place.all("faces", person_id=stranger) == []
        await place.undo_last()
        assert await place.owners(*shots) == [stranger, stranger, ada]
        assert len(await place.all("alerts")) == 1
        await place.who_is_who()

    async def test_shots_go_from_one_known_person_to_another_when_the_better_ones_say_so(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        between = template_of(np.stack([people[0, 0], people[0, 1], people[1, 1]]))
        bad = replace(GOOD, probability=0.05)
        (first,) = await place.sees(between, track="t", quality=bad)
        assert first.person_id == ada
        bob = await place.enrols("Bob", *people[1, 4:])
        shots = [first, *await place.sees(people[1, 0], people[1, 1], track="t")]
        assert await place.owners(*shots) == [bob] * 3
        assert await place.all("visits", person_id=ada) == []
        await place.undo_last()
        assert await place.owners(*shots) == [ada, bob, bob]

    async def test_stranger_of_the_track_becomes_an_older_one_without_a_second_alert(
        self, place: Place, people: Vectors
    ) -> None:
        (older,) = {item.person_id for item in await place.sees(*people[0, 4:], track=None)}
        alerts = len(await place.all("alerts"))
        place.leaves()
        worst = far(people[0, 0])
        shots = await place.sees(worst, worst, track="t", quality=replace(GOOD, probability=0.2))
        assert len(await place.people.strangers()) == 2
        shots += await place.sees(people[0, 0], track="t")
        assert await place.owners(*shots) == [older] * 3
        assert await place.people.strangers() == {older}
        assert len(await place.all("alerts", person_id=older)) == alerts + 1
        (change,) = await place.changes()
        assert (change.kind, change.actor) == (ChangeKind.MERGE, "usher")
        await place.who_is_who()


class TestPeoplesWord:
    async def test_confirmed_shot_decides_the_track_when_more_shots_come(
        self, place: Place, people: Vectors
    ) -> None:
        await place.enrols("Ada", *people[0, 4:])
        bob = await place.known("Bob")
        shots = await place.sees(people[0, 0], people[0, 1], track="t")
        await place.corrections.correct(shots[0].id, bob, actor=BOSS)
        shots += await place.sees(people[0, 2], track="t")
        assert await place.owners(*shots) == [bob] * 3

    async def test_confirmed_shot_stays_when_the_rest_of_the_track_is_somebody_elses(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        bob = await place.known("Bob")
        (first,) = await place.sees(people[0, 0], track="t")
        await place.corrections.correct(first.id, bob, actor=BOSS)
        shots = await place.sees(people[0, 1], track="t", not_persons=(bob,))
        assert await place.owners(first, *shots) == [bob, ada]

    async def test_no_shot_is_whose_a_person_says_that_the_track_is_not(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        shots = await place.sees(*people[0, :3], track="t")
        await place.corrections.reject(shots[1].id, ada, actor=BOSS)
        while await place.assigning.step():
            pass
        (owner,) = set(await place.owners(*shots))
        assert owner is not None
        assert owner != ada
        assert owner in await place.people.strangers()

    async def test_track_stays_whose_it_is_when_its_stranger_has_been_named(
        self, place: Place, people: Vectors
    ) -> None:
        shots = await place.sees(people[0, 0], people[0, 1], track="t")
        named = shots[1].person_id
        assert named is not None
        given = {"kind": "known", "name": "Ada"}
        await place.registry.update_person(named, given, actor=BOSS)
        bob = await place.enrols("Bob", *people[0, 4:])
        shots += await place.sees(people[0, 6], track="t")
        assert bob not in await place.owners(*shots)
        assert set(await place.owners(*shots)) == {named}

    async def test_what_is_no_face_has_no_voice(self, place: Place, people: Vectors) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        (first,) = await place.sees(people[0, 0], track="t")
        await place.corrections.correct(first.id, None, actor=BOSS)
        (second,) = await place.sees(people[0, 1], track="t")
        assert second.person_id == ada
        assert (await place.detections.get(first.id)).status is DetectionStatus.NOT_A_FACE


class TestSecondLook:
    async def test_rest_of_a_track_follows_when_a_person_has_answered_for_one_shot(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        bob = await place.known("Bob")
        shots = await place.sees(people[0, 0], people[0, 1], people[0, 2], track="t")
        shots += await place.sees(people[0, 3], track="u")
        await place.corrections.correct(shots[1].id, bob, actor=BOSS)
        await place.looks_again()
        assert await place.owners(*shots) == [bob, bob, bob, ada]
        change = (await place.changes())[0]
        assert (change.kind, change.actor, change.detections) == (ChangeKind.REDECIDE, "usher", 2)
        await place.who_is_who()
        # Taken back, it is not done again.
        await place.undo_last()
        await place.looks_again()
        assert await place.owners(*shots) == [ada, bob, ada, ada]

    async def test_other_face_of_a_track_does_not_follow_when_a_person_has_answered(
        self, place: Place, people: Vectors
    ) -> None:
        ada = await place.enrols("Ada", *people[0, 4:])
        bob = await place.enrols("Bob", *people[1, 4:])
        shots = await place.sees(people[0, 0], people[0, 1], people[1, 0], track="t")
        await place.corrections.correct(shots[0].id, ada, actor=BOSS)
        await place.looks_again()
        assert await place.owners(*shots) == [ada, ada, bob]

    async def test_poor_shot_goes_with_its_track_when_a_name_reaches_back(
        self, place: Place, people: Vectors
    ) -> None:
        shots = await place.sees(people[0, 0], track="t")
        shots += await place.sees(far(people[0, 0]), track="t", quality=UNLIKELY)
        alone = await place.sees(far(people[0, 0]), track="u", quality=UNLIKELY)
        assert await place.owners(*shots, *alone) == [None] * 3
        ada = await place.enrols("Ada", *people[0, 4:])
        await place.looks_again()
        assert await place.owners(*shots, *alone) == [ada, ada, None]


async def test_faces_stay_two_peoples_when_a_tracker_goes_over_from_one_to_the_other(
    place: Place, people: Vectors
) -> None:
    ada = await place.enrols("Ada", *people[0, 4:])
    bob = await place.enrols("Bob", *people[1, 4:])
    shots = await place.sees(people[0, 0], people[0, 1], track="t")
    shots += await place.sees(people[1, 0], people[1, 1], people[1, 2], track="t")
    shots += await place.sees(people[0, 2], track="t")
    assert await place.owners(*shots) == [ada, ada, bob, bob, bob, ada]


async def test_track_of_another_camera_is_another_when_it_has_the_same_name(
    place: Place, people: Vectors
) -> None:
    (first,) = await place.sees(people[0, 0], track="t")
    (second,) = await place.sees(people[0, 1], track="t", camera_id="yard")
    assert await place.owners(first, second) == [None, None]


async def test_alert_is_one_a_visit_and_comes_with_the_second_good_shot(
    place: Place, people: Vectors
) -> None:
    await place.sees(people[0, 0], track="t")
    assert await place.all("alerts") == []
    shots = await place.sees(*people[0, 1:6], track="t")
    (alert,) = await place.all("alerts")
    assert alert["person_id"] == shots[0].person_id
    assert alert["detection_id"] == shots[0].id


async def walks(place: Place, people: Vectors) -> list[Detection]:
    """Forty walks of twelve people, of whom four are enrolled, good and bad shots mixed up."""
    for who in range(4):
        await place.enrols(f"Known {who}", people[who, 0], people[who, 1])
    chance = np.random.default_rng(8)
    shots = []
    for walk in range(40):
        who = int(chance.integers(12))
        for shot in range(int(chance.integers(1, 5))):
            cosine, probability = (0.95, 0.9) if chance.random() < 0.6 else (0.90, 0.15)
            near = turned(template_of(people[who])[None], cosine, chance)[0]
            shots.append(
                embedded(
                    captured_at=NOON + timedelta(seconds=60 * walk + 7 * shot),
                    embedding=Embedding(MODEL, near),
                    track_id=str(walk),
                    quality=replace(GOOD if probability > 0.5 else POOR, probability=probability),
                )
            )
    return sorted(shots, key=lambda shot: shot.captured_at)


async def partition(place: Place, shots: Sequence[Detection]) -> set[frozenset[str]]:
    """Who belongs together; those who are nobody's stand alone."""
    groups: dict[str, set[str]] = {}
    for shot, owner in zip(shots, await place.owners(*shots), strict=True):
        groups.setdefault(owner or f"nobody's {shot.id}", set()).add(shot.id)
    return {frozenset(group) for group in groups.values()}


@pytest.mark.parametrize("largest", [3, 64])
async def test_people_are_the_same_however_the_shots_are_divided_into_batches(
    place: Place, people: Vectors, largest: int
) -> None:
    """One by one by one classifier; in batches, and by two who take turns, on the same shots."""
    shots = await walks(place, people)
    await assign(place, shots, largest=1)
    one_by_one = await partition(place, shots)
    assert 8 < len(one_by_one) < len(shots)
    for name in ("detections", "faces", "visits", "alerts", "identity_changes", "before_images"):
        origin = {"origin": "detection"} if name == "faces" else {}
        await place.database[name].delete_many(origin)
    await place.database["persons"].delete_many({"kind": "unknown"})
    await place.database["gallery_changes"].delete_many({})
    await place.database["settings"].update_one({"_id": "gallery"}, {"$inc": {"version": 1}})
    await assign(place, shots, largest=largest, workers=2)
    assert await partition(place, shots) == one_by_one
    await place.who_is_who()


async def assign(
    place: Place, shots: Sequence[Detection], *, largest: int, workers: int = 1
) -> None:
    stages = [place.make_stages(f"worker {number}")[0] for number in range(workers)]
    chance = random.Random(5)  # noqa: S311 - no secret
    start = 0
    while start < len(shots):
        some = shots[start : start + chance.randint(1, largest)]
        start += len(some)
        for shot in some:
            await place.detections.insert(shot)
        stage = chance.choice(stages)
        while await stage.step():
            pass
        await stage.release()
