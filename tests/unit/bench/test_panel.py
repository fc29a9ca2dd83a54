"""How `bench/panel.py` seeds, what it takes for a scan, and what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.panel import Answered, Size, _scanned, _vectors, _visits, summary


def row(collection: str, plan: str) -> dict[str, Any]:
    return {"ns": f"panel.{collection}", "planSummary": plan, "command": {"filter": {"a": 1}}}


@pytest.mark.parametrize(
    ("profiled", "found"),
    [
        (row("persons", "COLLSCAN"), ['persons: {"filter": {"a": 1}}']),
        (row("persons", "IXSCAN { name: 1 }, COLLSCAN"), ['persons: {"filter": {"a": 1}}']),
        (row("persons", "IXSCAN { name: 1 }"), []),
        (row("persons", "IDHACK"), []),
        (row("$cmd.aggregate", "COLLSCAN"), []),  # a change stream reads the server's log
        (row("system.profile", "COLLSCAN"), []),  # the profile itself
        ({"ns": "panel.persons"}, []),  # a write has no plan
    ],
)
def test_scan_is_what_reads_a_whole_collection(profiled: dict[str, Any], found: list[str]) -> None:
    assert _scanned([profiled]) == found


def test_vectors_are_of_length_one_and_near_their_own_person() -> None:
    vectors = _vectors(np.random.default_rng(0), [3, 1, 2])
    assert vectors.shape == (6, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] > 0.8 > vectors[0] @ vectors[3]


def test_visits_hold_what_was_seen_together() -> None:
    seen = [
        {"visit_id": "v", "person_id": "p", "camera_id": "a", "captured_at": moment}
        for moment in (5, 2, 9)
    ]
    nobody = {"visit_id": None, "person_id": None, "camera_id": "a", "captured_at": 1}
    (visit,) = _visits([*seen, nobody])
    assert (visit["_id"], visit["started_at"], visit["last_at"]) == ("v", 2, 9)
    assert visit["detections"] == 3


def test_summary_counts_scans_and_names_the_slowest() -> None:
    answers = [Answered("a", 1.234, 9.0, 1.0, ()), Answered("b", 7.0, 8.0, 1.0, ("x", "y"))]
    told = summary(Size(10, 5), answers, {"/": 12.3})
    assert told["shown_ms"] == {"/": 12}
    assert told["median_ms"] == {"a": 1.23, "b": 7.0}
    assert (told["slowest_median_ms"], told["collection_scans"]) == (7.0, 2)
