"""How many requests each may make, and how many are worked on at once."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from services.api.throttle import Gate, Gates, Rates
from usher.domain.errors import TooManyRequests, Unavailable

from . import pictures
from .conftest import Api, check_problem, send_photo, upload


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


# ---- Gates ---------------------------------------------------------------------------------------


async def test_gate_lets_in_so_many_has_so_many_wait_and_sends_the_others_away() -> None:
    gate, leaving = Gate(2, waiting=3), asyncio.Event()
    inside = most = 0

    async def one() -> None:
        nonlocal inside, most
        async with gate.entered():
            inside += 1
            most = max(most, inside)
            await leaving.wait()
            inside -= 1

    coming = [asyncio.create_task(one()) for _ in range(7)]
    while sum(task.done() for task in coming) < 2:
        await asyncio.sleep(0)
    leaving.set()
    found = await asyncio.gather(*coming, return_exceptions=True)
    assert [type(one) for one in found if one is not None] == [Unavailable] * 2
    assert most == 2
    async with asyncio.timeout(1), gate.entered():
        pass


async def test_gate_has_room_again_when_somebody_gives_up_waiting() -> None:
    gate = Gate(1, waiting=1)

    async def one() -> None:
        async with gate.entered():
            pytest.fail("it is not in")

    async with gate.entered():
        for _ in range(3):
            waiting = asyncio.create_task(one())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), gate.entered():
        pass


@pytest.mark.parametrize("gate", [field.name for field in dataclasses.fields(Gates)])
async def test_api_says_when_to_come_again_while_too_much_is_asked(own_api: Api, gate: str) -> None:
    person_id = await own_api.person("Ada")
    full = dataclasses.replace(own_api.state.gates, **{gate: Gate(1, waiting=0)})
    object.__setattr__(own_api.state, "gates", full)

    async def ask() -> int:
        match gate:
            case "uploads":
                response = await upload(own_api.device)
            case "photographs":
                response = await send_photo(own_api.manager, "/identify", pictures.jpeg(1))
            case _:
                files = {"video": ("film", b"no film", "video/mp4")}
                path = f"/persons/{person_id}/videos"
                response = await own_api.manager.post(path, files=files)
        if response.status_code == 503:
            check_problem(response, 503, "Unavailable")
            assert int(response.headers["retry-after"]) > 0
        return response.status_code

    async with getattr(full, gate).entered():
        assert await ask() == 503
    assert await ask() != 503
