"""Another look at what was decided, while nothing is waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from services.classifier.assigning import LEASE_S
from services.classifier.second_look import (
    Change,
    StrangersPlan,
    follow_answers,
    plan_strangers,
    reach_back,
    strangers_in,
    templates_of,
)
from usher.domain.errors import Conflict, LeaseLost
from usher.following import Follower
from usher.identity.rules import BudgetRule, Rule
from usher.identity.tracks import MOST_SHOTS
from usher.identity.vectors import Vectors
from usher.storage.detections import Detections, Sighting
from usher.storage.identity import Identity
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.people import People
from usher.storage.references import References
from usher.storage.second_looks import SecondLooks
from usher.storage.serving import Embedders
from usher.tasks import cancel

log = structlog.get_logger()

QUIET_S = 2.0
"""So long nothing has been waiting before anything is looked at again."""
REST = 20
"""A look is followed by a rest so many times as long, and one as long as `QUIET_S` at least."""
_SLICE = 200
_LOOK_BATCH = 500


class ConsolidatingStage:
    """Reaches back with new names and references, and makes strangers who are one, one.

    It looks at what has changed since the last look, under the assigning lease and against one
    version of the gallery, so it gives way to whatever else happens.
    """

    def __init__(
        self,
        *,
        detections: Detections,
        people: People,
        identity: Identity,
        leases: Leases,
        embedders: Embedders,
        references: References,
        looks: SecondLooks,
        follower: Follower,
        model: str,
        owner: str,
    ) -> None:
        self._detections = detections
        self._people = people
        self._identity = identity
        self._leases = leases
        self._embedders = embedders
        self._references = references
        self._looks = looks
        self._follower = follower
        self._model = model
        self._owner = owner
        self._commits = 0
        self._quiet_since: float | None = None
        self._not_before = 0.0

    async def step(self) -> bool:
        """Look again where it is time to; whether anything was changed."""
        if not await self._is_time():
            return False
        lease = await self._leases.acquire(ASSIGN, self._owner, lease_s=LEASE_S)
        if lease is None or not await self._embedders.serves(self._model):
            return False
        begun = time.monotonic()
        try:
            async with self._kept(lease):
                return await self._look(lease)
        except (LeaseLost, Conflict) as error:
            log.info("looking again later", reason=str(error))
            return False
        finally:
            took_s = time.monotonic() - begun
            self._not_before = time.monotonic() + max(QUIET_S, REST * took_s)

    async def _is_time(self) -> bool:
        """Whether it has been quiet for a while, and it is not too soon after the last look."""
        now = time.monotonic()
        if now < self._not_before or await self._detections.unfinished():
            self._quiet_since = None
            return False
        self._quiet_since = self._quiet_since or now
        return now - self._quiet_since >= QUIET_S

    async def _look(self, lease: Lease) -> bool:
        changed = await self._references.changed_since(await self._looks.last())
        if changed is not None and not changed[1]:
            return False
        self._commits = 0
        async with self._follower.current() as (identifier, begun_at):
            everybody = {*identifier.settled, *identifier.strangers}
            touched = everybody if changed is None else changed[1] & everybody
            templates = templates_of(identifier, touched)
        followed = await self._follow_answers(everybody if changed is None else changed[1], lease)
        reached = followed + await self._reach_back(templates, lease)
        joined = await self._look_at_strangers(identifier.rule, touched, lease)
        now = await self._references.version()
        # What others have changed meanwhile is looked at next time.
        await self._looks.note(now if now == begun_at + self._commits else begun_at)
        if reached or joined:
            log.info("looked again", reached_back=reached, strangers_changed=joined)
        return bool(reached or joined)

    # ---- Tracks ---------------------------------------------------------------------------------

    async def _follow_answers(self, touched: Collection[str], lease: Lease) -> int:
        """Let the rest of a track follow where a person has answered for one of its shots."""
        tracks = sorted(await self._detections.answered_tracks(self._model, touched))
        changed = 0
        for start in range(0, len(tracks), _SLICE):
            some = tracks[start : start + _SLICE]
            async with self._follower.current() as (identifier, version):
                found = await self._detections.shots_of(self._model, some, limit=MOST_SHOTS)
                changes = await asyncio.to_thread(follow_answers, identifier, found.values())
                await self._redecide(changes, lease, version, answered=True)
            changed += len(changes)
        return changed

    # ---- Names reach back -----------------------------------------------------------------------

    async def _reach_back(self, templates: Vectors, lease: Lease) -> int:
        """Decide again about what is nobody's or a stranger's and comes near who has changed."""
        changed = 0
        strangers = await self._people.strangers()
        for source in (
            self._detections.unidentifiable(self._model),
            self._detections.of_strangers(self._model, strangers),
        ):
            async for some in _in_batches(source):
                changed += await self._decide_again(some, templates, lease)
        return changed

    async def _decide_again(
        self, sightings: Sequence[Sighting], templates: Vectors, lease: Lease
    ) -> int:
        async with self._follower.current() as (identifier, version):
            changes = await asyncio.to_thread(reach_back, identifier, sightings, templates)
            await self._redecide(changes, lease, version)
        return len(changes)

    # ---- Strangers ------------------------------------------------------------------------------

    async def _look_at_strangers(self, rule: Rule, touched: Collection[str], lease: Lease) -> int:
        """Move faces that stand better elsewhere, and merge strangers who are one."""
        # By another rule there is no score at which two strangers are one.
        if not isinstance(rule, BudgetRule):
            return 0
        async with self._follower.current() as (identifier, version):
            strangers = strangers_in(identifier)
        # Others decide meanwhile: then this is of an older version, and is not committed.
        sightings = [one async for one in self._detections.of_strangers(self._model, strangers)]
        plan = await asyncio.to_thread(plan_strangers, strangers, rule, sightings, touched)
        return await self._carry_out(plan, lease, version)

    async def _carry_out(self, plan: StrangersPlan, lease: Lease, version: int) -> int:
        for into, others in plan.merges.items():
            version = await self._identity.merge_strangers(
                into, others, lease=lease, lease_s=LEASE_S, version=version
            )
            self._commits += 1
        await self._redecide(plan.moves, lease, version)
        return len(plan.moves) + sum(map(len, plan.merges.values()))

    async def _redecide(
        self,
        changes: Mapping[str, Change],
        lease: Lease,
        version: int,
        *,
        answered: bool = False,
    ) -> None:
        ids = list(changes)
        for start in range(0, len(ids), _SLICE):
            found = await self._detections.of_ids(ids[start : start + _SLICE])
            version = await self._identity.redecide(
                [changes[detection.id].of(detection) for detection in found],
                lease=lease,
                lease_s=LEASE_S,
                version=version,
                answered=answered,
            )
            self._commits += 1

    @asynccontextmanager
    async def _kept(self, lease: Lease) -> AsyncIterator[None]:
        """Keep the lease while something takes longer than it lasts."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE_S / 3)
                await self._leases.acquire(lease.name, lease.owner, lease_s=LEASE_S)

        keeping = asyncio.create_task(keep(), name="keep the lease")
        try:
            yield
        finally:
            await cancel((keeping,))


async def _in_batches(source: AsyncIterator[Sighting]) -> AsyncIterator[list[Sighting]]:
    batch: list[Sighting] = []
    async for sighting in source:
        batch.append(sighting)
        if len(batch) == _LOOK_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
