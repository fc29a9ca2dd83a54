"""A place with people who are known already, and a classifier's stages in this process."""

from __future__ import annotations

from services.classifier.assigning import AssigningStage
from services.classifier.consolidating import ConsolidatingStage
from services.classifier.worker import make_stages
from tests.unit.storage.house import House
from tests.unit.storage.making import face
from usher.domain.records import Embedding
from usher.identity.rules import make_rule
from usher.identity.vectors import Vectors
from usher.settings import Settings
from usher.storage.database import Database

MODEL = "dlib-resnet-v1-crops"
CROWD = 30
KNOWN_FROM = 20
"""The last ten people are known from the start: a crowd to stand out from."""


class PlaceWithPeople(House):
    """Enrols people, and decides as a classifier would."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.assigning, self.looking = self.make_stages("worker")

    def make_stages(self, owner: str) -> tuple[AssigningStage, ConsolidatingStage]:
        rule = make_rule("budget", model=MODEL, budget=0.01, fixed_distance=None)
        return make_stages(Settings(), self.database, model=MODEL, rule=rule, owner=owner)

    async def enrols(self, name: str, *faces: Vectors) -> str:
        person_id = await self.known(name)
        for vector in faces:
            await self.registry.add_face(face(person_id, embedding=Embedding(MODEL, vector)))
        return person_id

    async def enrols_a_crowd(self, people: Vectors) -> None:
        for who in range(KNOWN_FROM, CROWD):
            await self.enrols(f"Other {who}", people[who, 0], people[who, 1])

    async def looks_again(self) -> bool:
        """Until there is nothing more to see; whether anything changed."""
        changed = False
        while await self.looking.step():
            changed = True
        return changed
