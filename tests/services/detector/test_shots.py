import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.detector.config import ShotsConfig
from services.detector.shots import REFRESH_S, SECOND_AFTER_S, BestShots
from usher.domain.face import FaceQuality

Looks = list[tuple[float, float]]
"""When, and how good; below 0 it is not acceptable."""


def quality(value: float) -> FaceQuality:
    return FaceQuality(90, 40.0, acceptable=value >= 0, probability=abs(value))


def sent(looks: Looks, config: ShotsConfig | None = None) -> list[float]:
    """When the shots were taken that went out, the one of the end last."""
    shots = BestShots[float](config or ShotsConfig())
    offered = [shots.offer(quality(value), at_s, lambda at=at_s: at) for at_s, value in looks]
    return [at_s for at_s in (*offered, shots.last()) if at_s is not None]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        # The first acceptable one goes out at once, though better ones may come.
        ([(0.0, -0.2), (0.1, 0.5)], [0.1]),
        # The second a moment later, though it is no better.
        ([(0.0, 0.5), (0.1, 0.5), (0.5, 0.5)], [0.0, 0.5]),
        # At the end what there is of a second one.
        ([(0.0, 0.5), (0.1, 0.4)], [0.0, 0.1]),
        # A third only if it is better by a margin,
        ([(0.0, 0.5), (0.5, 0.5), (2.0, 0.52), (3.0, 0.6)], [0.0, 0.5, 3.0]),
        # and some time after the one before; the end makes up for it.
        ([(0.0, 0.5), (0.5, 0.5), (0.6, 0.8), (0.7, 0.6)], [0.0, 0.5, 0.6]),
        # Nothing acceptable: the best one, at the end.
        ([(0.0, -0.1), (1.0, -0.3), (2.0, -0.2)], [1.0]),
        # Poor ones are not sent beside a good one.
        ([(0.0, 0.5), (1.0, -0.9), (2.0, -0.9)], [0.0]),
        ([], []),
    ],
)
def test_shots_go_out_as_they_should(looks: Looks, expected: list[float]) -> None:
    assert sent(looks) == expected


def test_no_more_go_out_than_are_allowed() -> None:
    better_and_better = [(float(n), 0.3 + 0.06 * n) for n in range(11)]
    assert len(sent(better_and_better)) == ShotsConfig().max_shots
    assert len(sent(better_and_better, ShotsConfig(max_shots=3))) == 3


def test_the_last_place_is_left_for_the_best_of_all() -> None:
    better_and_better = [(float(n), 0.3 + 0.06 * n) for n in range(11)]
    assert sent(better_and_better)[-1] == 10.0


def test_one_shot_a_track_is_the_first() -> None:
    assert sent([(0.0, 0.5), (1.0, 0.9), (2.0, 0.95)], ShotsConfig(max_shots=1)) == [0.0]


def test_somebody_who_stays_is_shown_again() -> None:
    stays = [(n / 2, 0.6) for n in range(int(4 * REFRESH_S))]
    moments = sent(stays)
    assert len(moments) == 2 + 2 * REFRESH_S // REFRESH_S - 1
    assert moments[2] == pytest.approx(SECOND_AFTER_S + REFRESH_S, abs=0.6)


def test_a_crop_is_made_only_where_it_is_kept_or_sent() -> None:
    made = []
    shots = BestShots[int](ShotsConfig())
    for number, value in enumerate([0.9, 0.9, 0.3, 0.2]):
        shots.offer(quality(value), number * 0.1, lambda number=number: made.append(number) or 0)
    assert made == [0, 1]


@given(
    st.lists(st.tuples(st.floats(0, 59), st.floats(-1, 1)), max_size=60),
    st.integers(1, 8),
)
def test_every_track_is_seen_and_within_its_limits(looks: Looks, most: int) -> None:
    moments = sent(sorted(looks), ShotsConfig(max_shots=most))
    assert bool(moments) == bool(looks)
    assert len(moments) <= most
    acceptable = [at_s for at_s, value in sorted(looks) if value >= 0]
    if acceptable:
        assert moments[0] == acceptable[0]
