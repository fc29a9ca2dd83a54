from services.detector.pace import SEARCHES_PER_S, Pace, StageTimes


def searched(pace: Pace, *, fps: float, seconds: float, took_s: float | None = None) -> int:
    count = 0
    for number in range(int(fps * seconds)):
        if pace.searches(number / fps):
            count += 1
            if took_s is not None:
                pace.searched(took_s)
    return count


def test_a_file_is_searched_six_times_a_second() -> None:
    assert searched(Pace(None, is_live=False), fps=30, seconds=10) == 10 * SEARCHES_PER_S


def test_a_slow_file_is_searched_at_every_frame() -> None:
    assert searched(Pace(None, is_live=False), fps=5, seconds=10) == 50


def test_each_nth_frame_is_searched_when_told_so() -> None:
    pace = Pace(3, is_live=True)
    assert [pace.searches(n / 30) for n in range(7)] == [True, False, False] * 2 + [True]


def test_what_a_file_is_searched_for_does_not_depend_on_the_machine() -> None:
    assert searched(Pace(None, is_live=False), fps=30, seconds=10, took_s=2.0) == 60


def test_a_live_camera_is_searched_less_where_searching_is_slow() -> None:
    quick = searched(Pace(None, is_live=True), fps=30, seconds=20, took_s=0.01)
    slow = searched(Pace(None, is_live=True), fps=30, seconds=20, took_s=0.4)
    assert quick == 20 * SEARCHES_PER_S
    assert slow * 0.4 <= 0.45 * 20
    assert slow >= 15


def test_a_machine_that_recovers_searches_more_again() -> None:
    pace = Pace(None, is_live=True)
    searched(pace, fps=30, seconds=5, took_s=1.0)
    pace.searched(0.01)
    later = [pace.searches(10 + n / 30) for n in range(30)]
    assert sum(later) == SEARCHES_PER_S


def test_faces_are_followed_fifteen_times_a_second_at_most() -> None:
    pace = Pace(None, is_live=True)
    assert sum(pace.follows(n / 60) for n in range(60)) == 15


def test_stages_are_measured() -> None:
    times = StageTimes()
    assert times.mean_ms() == {}
    with times.of("search"):
        pass
    assert set(times.mean_ms()) == {"search"}
    assert times.mean_ms()["search"] >= 0


def test_a_machine_that_slept_during_a_search_goes_on_soon() -> None:
    pace = Pace(None, is_live=True)
    assert pace.searches(0)
    pace.searched(600)
    assert not pace.searches(4)
    assert pace.searches(5.1)
