"""How close faces of different people come: what every threshold follows from."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from usher.domain.errors import ConfigurationError


def _ascends(values: Sequence[float]) -> bool:
    return all(one < other for one, other in pairwise(values))


@dataclass(frozen=True, slots=True)
class ImpostorDistances:
    """How close faces of different people come, for one model.

    Beyond its ends the table goes on as along its first and its last step; nothing was measured
    there.

    Attributes
    ----------
    shares
        Shares of the pairs of faces of different people, between 0 and 1, ascending; two at least.
    distances
        For each, the Euclidean distance below which that share of the pairs lies.
    loosest
        No rule with a budget accepts more than this distance, however few references there are.

    Raises
    ------
    ConfigurationError
        If the numbers cannot be such a table.
    """

    shares: tuple[float, ...]
    distances: tuple[float, ...]
    loosest: float

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.distances) or len(self.shares) < 2:
            raise ConfigurationError(
                "the table of impostors' distances needs two shares or more, and a distance each"
            )
        if not (_ascends(self.shares) and _ascends(self.distances)):
            raise ConfigurationError("the table of impostors' distances must ascend in both rows")
        if not 0 < self.shares[0] < self.shares[-1] < 1:
            raise ConfigurationError("the table of impostors' shares must lie between 0 and 1")
        if not (0 < self.distances[0] <= self.distances[-1] < math.inf > self.loosest > 0):
            raise ConfigurationError("the table of impostors' distances must lie above 0")

    def distance_at(self, share: float) -> float:
        """The distance below which that share of the pairs lies; 0 at least."""
        return max(_along(math.log(share), self._log_shares(), self.distances), 0.0)

    def share_below(self, distance: float) -> float:
        """The share of the pairs that lie closer than a distance, from 0 to 1."""
        return math.exp(min(_along(distance, self.distances, self._log_shares()), 0.0))

    def _log_shares(self) -> tuple[float, ...]:
        return tuple(math.log(share) for share in self.shares)


def _along(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Straight from each point to the next, and straight on beyond the first and the last."""
    after = min(max(bisect(xs, x), 1), len(xs) - 1)
    slope = (ys[after] - ys[after - 1]) / (xs[after] - xs[after - 1])
    return ys[after] + (x - xs[after]) * slope
