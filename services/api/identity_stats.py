"""How identities are decided, and how well: put together from memory and database."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.state import State
from usher import wire
from usher.domain.records import Person, PersonKind
from usher.domain.scope import Scope
from usher.identity.assess import FEW_REFERENCES, Estimate
from usher.identity.decide import Identifier

_LISTED = 50


async def identity_stats(state: State, scope: Scope) -> wire.IdentityStats:
    """What `GET /stats/identity` answers: of everybody, but for what waits for an answer."""
    identifier, assessment = await state.assessments.current()
    settled = identifier.settled
    few = await _few_references(state, identifier)
    pairs = [(pair.one, pair.other) for pair in assessment.look_alikes]
    doubtful = assessment.doubtful[:_LISTED]
    ids = {id_ for pair in pairs for id_ in pair}
    ids |= {one for item in doubtful for one in (item.person_id, item.closer_to) if one}
    persons = await state.people.of_ids(sorted(ids | few.keys()))
    return wire.IdentityStats(
        model=identifier.model,
        rule=identifier.rule.name,
        budget=identifier.rule.budget,
        threshold=round(identifier.calibration.threshold, 4),
        reason=identifier.reason,
        persons=len(settled),
        references=settled.references,
        strangers=len(identifier.strangers),
        review=await state.detections.in_review(scope),
        fpir=_estimate(assessment.fpir),
        fnir=_estimate(assessment.fnir),
        look_alikes=[
            wire.LookAlike(
                persons=[_brief(persons[one]) for one in (pair.one, pair.other)],
                confidence=identifier.confidence(pair.score),
            )
            for pair in assessment.look_alikes
            if pair.one in persons and pair.other in persons
        ],
        doubtful=[
            wire.DoubtfulReference(
                person=_brief(persons[item.person_id]),
                face_id=item.reference_id,
                closer_to=_brief(persons[item.closer_to]) if item.closer_to in persons else None,
            )
            for item in doubtful
            if item.person_id in persons
        ],
        few_references=_few_views(few, persons),
        recalibrations=[
            wire.Recalibration(
                at=entry.at, threshold=entry.threshold, persons=entry.persons, reason=entry.reason
            )
            for entry in await state.calibrations.latest(_LISTED)
        ],
    )


async def _few_references(state: State, identifier: Identifier) -> dict[str, int]:
    """Known persons with few references, and how many they have, the fewest first."""
    counts = {id_: len(identifier.settled.references_of(id_)) for id_ in await state.people.known()}
    few = sorted((count, id_) for id_, count in counts.items() if count < FEW_REFERENCES)
    return {id_: count for count, id_ in few[:_LISTED]}


def _few_views(few: Mapping[str, int], persons: Mapping[str, Person]) -> list[wire.FewReferences]:
    return [
        wire.FewReferences(person=_brief(persons[id_]), references=count)
        for id_, count in few.items()
        if id_ in persons and persons[id_].kind is PersonKind.KNOWN
    ]


def _brief(person: Person) -> wire.PersonBrief:
    return wire.PersonBrief(id=person.id, name=person.name, kind=person.kind)


def _estimate(estimate: Estimate | None) -> wire.Estimate | None:
    if estimate is None:
        return None
    return wire.Estimate(
        share=estimate.share, low=estimate.low, high=estimate.high, samples=estimate.samples
    )
