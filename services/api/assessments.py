"""How well those who are known are told apart, reckoned once for each version of them."""

from __future__ import annotations

import asyncio

from usher.following import Follower
from usher.identity.assess import Assessment, assess
from usher.identity.decide import Identifier


class Assessments:
    """The assessment of everybody who is known, made anew when somebody has changed."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._version = -1
        self._assessment: Assessment | None = None

    async def current(self) -> tuple[Identifier, Assessment]:
        async with self._follower.current() as (identifier, version):
            if self._assessment is None or version != self._version:
                self._assessment = await asyncio.to_thread(assess, identifier)
                self._version = version
            return identifier, self._assessment
