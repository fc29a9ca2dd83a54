"""How `bench/gallery.py` measures, and what it finds, generously."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from bench.gallery import (
    SIZES,
    Measured,
    best_times,
    check,
    fill,
    looks_like,
    made_up,
    measure,
    searches,
    summary,
)


def test_made_up_people_are_as_alike_as_people_are() -> None:
    vectors = made_up(300, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    cosines = [float(one @ other) for one, other in combinations(vectors, 2)]
    assert np.mean(cosines) == pytest.approx(0.7, abs=0.02)
    assert np.std(cosines) < 0.1


def test_other_faces_are_nearest_to_whom_they_show() -> None:
    vectors = made_up(500, np.random.default_rng(0))
    probes = looks_like(vectors[:40], np.random.default_rng(1))
    assert (probes @ vectors.T).argmax(axis=1).tolist() == list(range(40))


def test_best_times_work_in_turns_and_do_not_count_the_first() -> None:
    done: list[str] = []
    works = {name: (lambda name=name: done.append(name)) for name in ("one", "other")}
    found = best_times(works, rounds=3)
    assert done == ["one", "other"] * 4
    assert found.keys() == works.keys()
    assert all(0 <= value < 100 for value in found.values())


def test_searches_find_the_same_whoever_searches() -> None:
    vectors = made_up(5000, np.random.default_rng(0))
    works = searches(vectors, looks_like(vectors[:32], np.random.default_rng(1)), 1)
    check(works)
    assert works["query"]().tolist() == [0]
    assert works["batch"]().tolist() == list(range(32))


def test_check_names_who_is_not_exact() -> None:
    right, wrong = (lambda: np.array([3])), (lambda: np.array([4]))
    with pytest.raises(AssertionError, match="faiss is not exact"):
        check({"numpy": right, "query": right, "faiss": wrong})


def test_fill_makes_everybody_known() -> None:
    vectors = made_up(50, np.random.default_rng(0))
    gallery, took_s, _ = fill(vectors)
    assert len(gallery) == gallery.references == 50
    assert took_s > 0
    match = gallery.best(vectors[7])
    assert match is not None
    assert match.person_id == f"{7:012x}"


def test_search_is_about_as_fast_as_reading_and_a_change_builds_nothing_anew() -> None:
    found = measure(30_000, threads=1, rounds=12)
    assert found.query_ms < 4 * found.numpy_ms
    assert found.query_ms < 8 * found.read_ms
    everything_ms = 1e3 * found.start_up_s
    assert found.add_ms < everything_ms / 50
    assert found.remove_ms < everything_ms / 50


def measured(references: int, **values: float | None) -> Measured:
    names = set(Measured.__dataclass_fields__) - {"references", "threads"}
    return Measured(
        references=references,
        threads=1,
        **{name: values.get(name, 1.0) for name in names},  # type: ignore[arg-type]
    )


def test_summary_is_by_size_and_of_the_largest() -> None:
    found = summary(
        [measured(10, query_ms=5.0), measured(20, query_ms=6.0, read_ms=3.0, faiss_ms=2.0)]
    )
    assert found["ms"] == {"10": 5, "20": 6}
    assert found["add_ms"] == {"10": 1, "20": 1}
    assert (found["ratio_to_read"], found["ratio_to_faiss"], found["ratio_to_numpy"]) == (2, 3, 6)


def test_summary_has_no_ratio_to_faiss_when_it_is_not_there() -> None:
    assert summary([measured(10, faiss_ms=None)])["ratio_to_faiss"] is None


def test_command_ends_with_a_line_of_json() -> None:
    command = [sys.executable, "bench/gallery.py", "--sizes", "300", "600", "--rounds", "1"]
    ran = subprocess.run(
        [*command, "--threads", "1", "--json"], capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["ms"].keys() == {"300", "600"}
    assert found["ratio_to_read"] > 0
    assert SIZES == (10_000, 100_000, 1_000_000)
