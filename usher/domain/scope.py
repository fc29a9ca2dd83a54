"""Of which cameras somebody may see something."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scope:
    """Cameras by their ids; None stands for all, also for those to come."""

    cameras: frozenset[str] | None = None

    @classmethod
    def of(cls, cameras: Iterable[str]) -> Scope:
        """The scope of an account: no camera named means all of them."""
        named = frozenset(cameras)
        return cls(named) if named else EVERYTHING

    def admits(self, camera_id: str) -> bool:
        return self.cameras is None or camera_id in self.cameras

    def __and__(self, other: Scope) -> Scope:
        """What both admit, which may be nothing."""
        if self.cameras is None:
            return other
        return self if other.cameras is None else Scope(self.cameras & other.cameras)

    def query(self, field: str = "camera_id") -> dict[str, Any]:
        """What a query for records of these cameras asks of that field."""
        return {} if self.cameras is None else {field: {"$in": sorted(self.cameras)}}


EVERYTHING = Scope()
