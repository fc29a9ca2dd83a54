"""How many requests each may make."""

from __future__ import annotations

import dataclasses

import pytest

from services.api.throttle import Rates
from usher.domain.errors import TooManyRequests

from .conftest import Api, check_problem


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(per_s=2, at_once=3, clock=clock)


def asked(rates: Rates, times: int, who: str = "alice") -> int:
    """How many of so many requests are let through."""
    through = 0
    for _ in range(times):
        try:
            rates.take(who)
        except TooManyRequests as error:
            assert error.retry_after_s == 1
        else:
            through += 1
    return through


def test_rates_let_a_burst_through_and_no_more(rates: Rates) -> None:
    assert asked(rates, 5) == 3


def test_rates_let_somebody_through_when_another_one_asked_too_often(rates: Rates) -> None:
    asked(rates, 5)
    assert asked(rates, 1, "bob") == 1


@pytest.mark.parametrize(
    ("after_s", "through"),
    [
        (0.4, 0),  # not yet a whole one
        (0.5, 1),
        (1.0, 2),
        (3600.0, 3),  # never more than a burst
    ],
)
def test_rates_grow_back_with_time_when_a_burst_is_used_up(
    rates: Rates, clock: Clock, after_s: float, through: int
) -> None:
    asked(rates, 9)
    clock.now_s += after_s
    assert asked(rates, 9) == through


async def test_api_answers_429_and_when_to_come_back_when_somebody_asks_too_often(
    own_api: Api,
) -> None:
    hasty = dataclasses.replace(own_api.state, rates=Rates(per_s=0.001, at_once=2))
    own_api.app.state.usher = hasty
    answers = [await own_api.viewer.get("/cameras") for _ in range(3)]
    assert [one.status_code for one in answers[:2]] == [200, 200]
    check_problem(answers[2], 429, "TooManyRequests")
    assert answers[2].headers["retry-after"] == "1"
    assert (await own_api.manager.get("/cameras")).status_code == 200
