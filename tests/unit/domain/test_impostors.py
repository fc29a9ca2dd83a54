"""How close faces of different people come: the table, and beyond its ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances

TABLE = ImpostorDistances((0.001, 0.01, 0.1), (0.3, 0.4, 0.6), loosest=0.5)


@given(st.floats(1e-5, 0.9))
def test_share_below_is_the_inverse_of_distance_at(share: float) -> None:
    assert TABLE.share_below(TABLE.distance_at(share)) == pytest.approx(share)


def test_table_goes_on_along_its_steps_beyond_both_ends() -> None:
    assert TABLE.distance_at(0.0001) == pytest.approx(0.2)
    assert TABLE.share_below(0.2) == pytest.approx(0.0001)
    assert TABLE.distance_at(1.0) == pytest.approx(0.8)


def test_table_keeps_to_what_can_be_when_it_is_asked_far_beyond() -> None:
    assert TABLE.distance_at(1e-9) == 0
    assert TABLE.share_below(7) == 1


@pytest.mark.parametrize(
    ("shares", "distances", "loosest"),
    [
        ((), (), 1.0),
        ((0.1,), (1.0,), 1.0),
        ((0.01, 0.1), (1.0,), 1.0),
        ((0.1, 0.01), (1.0, 1.1), 1.0),
        ((0.01, 0.01), (1.0, 1.1), 1.0),
        ((0.01, 0.1), (1.1, 1.0), 1.0),
        ((0.0, 0.1), (1.0, 1.1), 1.0),
        ((0.01, 1.0), (1.0, 1.1), 1.0),
        ((0.01, 0.1), (0.0, 1.1), 1.0),
        ((0.01, 0.1), (1.0, 1.1), 0.0),
        ((0.01, 0.1), (1.0, 1.1), float("nan")),
        ((0.01, float("nan")), (1.0, 1.1), 1.0),
        ((0.01, 0.1), (1.0, float("inf")), 1.0),
    ],
)
def test_table_is_refused_when_it_cannot_be_one(
    shares: tuple[float, ...], distances: tuple[float, ...], loosest: float
) -> None:
    with pytest.raises(ConfigurationError, match="table of impostors"):
        ImpostorDistances(shares, distances, loosest)
