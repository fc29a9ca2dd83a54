"""Everybody in memory, following the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from usher.identity.decide import Identifier
from usher.identity.gallery import Reference
from usher.storage.references import PersonWithFaces, References


class Follower:
    """An identifier that knows what the database does, as of a version of it.

    Every change of who is who raises the version and says whom it touched, in the transaction that
    makes it. So only these people are read again, and where the account of a version is missing
    everybody is: a change cannot be overlooked.

    Parameters
    ----------
    references
        What the database holds.
    make
        Makes an identifier that knows nobody.
    """

    def __init__(self, references: References, make: Callable[[], Identifier]) -> None:
        self._references = references
        self._make = make
        self._identifier = make()
        self._version = -1
        self._doubtful: set[str] = set()
        self._alone = asyncio.Lock()

    @property
    def model(self) -> str:
        """The id of the model whose vectors are compared."""
        return self._identifier.model

    @asynccontextmanager
    async def current(self) -> AsyncIterator[tuple[Identifier, int]]:
        """The identifier, brought up to date, and the version that it knows.

        One at a time: it changes while it decides, so who uses it has it alone.
        """
        async with self._alone:
            await self._catch_up()
            yield self._identifier, self._version

    def committed(self, version: int) -> None:
        """The identifier's own decisions have become this version."""
        self._version = version

    def doubt(self, person_ids: Collection[str]) -> None:
        """What the identifier knows of these people was not committed: read them again."""
        self._doubtful.update(person_ids)

    async def _catch_up(self) -> None:
        changed = await self._references.changed_since(self._version)
        if changed is None:
            await self._read_everybody()
        else:
            version, touched = changed
            await self._read(touched | self._doubtful)
            self._version = version
        self._doubtful.clear()

    async def _read_everybody(self) -> None:
        self._version = await self._references.version()
        persons, _ = await self._references.persons_with_faces(self._identifier.model)
        self._identifier = await asyncio.to_thread(self._filled, persons)

    def _filled(self, persons: Collection[PersonWithFaces]) -> Identifier:
        identifier = self._make()
        identifier.know_all((known.person, _references(known)) for known in persons)
        return identifier

    async def _read(self, person_ids: Collection[str]) -> None:
        if not person_ids:
            return
        model = self._identifier.model
        persons, gone = await self._references.persons_with_faces(model, person_ids)
        for known in persons:
            self._identifier.know(known.person, _references(known))
        for person_id in gone:
            self._identifier.forget(person_id)


def _references(known: PersonWithFaces) -> list[Reference]:
    return [Reference(reference.id, reference.vector) for reference in known.references]
