"""Which shots of a track show one face, and what they are together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.identity.people import centres, faces_of, gallery_of, turned
from usher.identity.gallery import (
    STEADINESS,
    NearestGallery,
    Reference,
    TemplateGallery,
    length_of,
    unit,
)
from usher.identity.tracks import Weights, faces_of_track, shot_weights
from usher.identity.vectors import Vectors

DISTANCE = 0.4


def alike(count: int) -> Weights:
    return np.ones(count)


@pytest.fixture
def two_people() -> Vectors:
    """Four shots each of two: float32, (8, 32)."""
    random = np.random.default_rng(1)
    return faces_of(centres(2, random), 4, random)


class TestFaces:
    def test_faces_are_two_when_a_track_shows_two_people(self, two_people: Vectors) -> None:
        order = np.array([0, 4, 1, 5, 2, 6, 3, 7])
        faces = faces_of_track(two_people[order], alike(8), DISTANCE)
        assert sorted(rows.tolist() for rows in faces) == [[0, 2, 4, 6], [1, 3, 5, 7]]

    def test_poor_shot_is_of_the_face_when_it_is_near_to_the_mean(
        self, two_people: Vectors
    ) -> None:
        random = np.random.default_rng(2)
        poor = turned(unit(two_people[:4].mean(axis=0))[None], 0.935, random)
        shots = np.concatenate([two_people[:4], poor])
        farthest = np.linalg.norm(shots[:4] - poor, axis=1).max()
        assert farthest > DISTANCE
        assert len(faces_of_track(shots, alike(5), DISTANCE)) == 1

    @pytest.mark.parametrize("count", [0, 1])
    def test_faces_are_as_many_as_the_shots_when_there_is_at_most_one(self, count: int) -> None:
        faces = faces_of_track(np.ones((count, 4), np.float32), alike(count), DISTANCE)
        assert [rows.tolist() for rows in faces] == [[0]] * count

    @pytest.mark.parametrize(("gap", "faces"), [(0.39, 1), (0.41, 2)])
    def test_two_shots_are_of_one_face_up_to_the_distance(self, gap: float, faces: int) -> None:
        shots = np.array([[0, 0], [gap, 0]], np.float32)
        assert len(faces_of_track(shots, alike(2), DISTANCE)) == faces


def test_weights_are_probabilities_and_above_zero_when_they_are_nothing_or_unknown() -> None:
    assert shot_weights([0.9, 0.0, None]).tolist() == [0.9, 0.01, 0.5]


class TestFusing:
    def test_single_shot_is_itself_without_a_spread(self, two_people: Vectors) -> None:
        probe, spread = TemplateGallery().fused(two_people[:1], np.array([0.3]))
        assert probe.tolist() == unit(two_people[0]).tolist()
        assert spread == 0

    def test_mean_lies_nearer_to_the_shot_that_counts_more(self, two_people: Vectors) -> None:
        probe, _ = TemplateGallery().fused(two_people[[0, 4]], np.array([0.9, 0.1]))
        near, far = np.linalg.norm(two_people[[0, 4]] - probe, axis=1)
        assert near < far / 5

    def test_spread_is_what_the_mean_lacks_in_length(self, two_people: Vectors) -> None:
        weights = np.array([0.5, 0.2, 0.3, 0.9])
        probe, spread = TemplateGallery().fused(3 * two_people[:4], weights)
        assert spread == pytest.approx(1 - float(probe @ probe), abs=1e-6)
        assert spread > 0.01

    def test_score_lies_between_the_mean_score_and_that_of_the_mean(
        self, two_people: Vectors
    ) -> None:
        random = np.random.default_rng(4)
        crowd = faces_of(centres(6, random), 2, random)
        gallery = gallery_of(crowd, np.repeat(np.arange(6), 2))
        gallery.put("mine", [Reference("r", two_people[0])])
        shots = two_people[1:4]
        probe, spread = gallery.fused(shots, alike(3))
        found = [gallery.best(shot) for shot in shots]
        assert all(match is not None and match.person_id == "mine" for match in found)
        mean = np.mean([match.score for match in found if match is not None])
        direction, several = gallery.best(probe), gallery.best(probe, spread=spread)
        assert direction is not None
        assert several is not None
        assert mean < several.score < direction.score
        share = (several.score - mean) / (direction.score - mean)
        assert share == pytest.approx(STEADINESS, abs=0.15)

    def test_length_is_one_without_a_spread_and_never_below_zero(self) -> None:
        assert length_of(0) == 1
        assert length_of(1.5) == 0
        assert 0.9 < length_of(0.1) < 1

    def test_nearest_counts_several_shots_as_farther_the_more_they_differ(self) -> None:
        gallery = NearestGallery()
        gallery.put("p", [Reference("r", np.array([0, 0], np.float32))])
        shots = np.array([[3, 1], [3, -1]], np.float32)
        probe, spread = gallery.fused(shots, alike(2))
        assert (probe.tolist(), spread) == ([3, 0], 1)
        match = gallery.best(probe, spread=spread)
        assert match is not None
        assert match.score == pytest.approx(-np.sqrt(9 + 1 - STEADINESS))
