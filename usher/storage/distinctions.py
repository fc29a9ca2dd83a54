"""Who is not who: pairs of persons whom somebody has told apart, kept with both of them.

Every function is a part of somebody else's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from pymongo import UpdateOne

from usher.storage.database import Database, Session

Pair = tuple[str, str]
"""The ids of two persons, in order."""


def pair_of(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def pairs_with(person_id: str, others: Iterable[str]) -> set[Pair]:
    """A person's pairs with each of the others but themselves."""
    return {pair_of(person_id, other) for other in others if other != person_id}


async def distinguish(
    database: Database, pairs: Collection[Pair], session: Session
) -> Sequence[Pair]:
    """Keep the persons of each pair apart; the pairs that were not told apart before."""
    known = await _distinct_from(database, pairs, session)
    new = sorted({(a, b) for a, b in pairs if a in known and b in known and b not in known[a]})
    await _write(database, "$addToSet", new, session)
    return new


async def reconcile(
    database: Database, pairs: Collection[Pair], session: Session
) -> Sequence[Pair]:
    """Keep the persons of each pair apart no more; the pairs that were told apart before."""
    known = await _distinct_from(database, pairs, session)
    old = sorted({(a, b) for a, b in pairs if b in known.get(a, ()) or a in known.get(b, ())})
    await _write(database, "$pull", old, session)
    return old


async def _distinct_from(
    database: Database, pairs: Collection[Pair], session: Session
) -> dict[str, set[str]]:
    """From whom each of them is told apart, without those who do not exist."""
    if not pairs:
        return {}
    ids = sorted(set(chain.from_iterable(pairs)))
    found = database["persons"].find({"_id": {"$in": ids}}, {"distinct_from": 1}, session=session)
    return {row["_id"]: set(row.get("distinct_from", ())) for row in await found.to_list()}


async def _write(
    database: Database, operator: str, pairs: Sequence[Pair], session: Session
) -> None:
    if not pairs:
        return
    both = chain.from_iterable(((a, b), (b, a)) for a, b in pairs)
    await database["persons"].bulk_write(
        [UpdateOne({"_id": one}, {operator: {"distinct_from": other}}) for one, other in both],
        session=session,
    )
