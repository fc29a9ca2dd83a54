"""How `bench/tracks.py` draws tracks, and the ways it judges them by."""

from __future__ import annotations

import numpy as np
import pytest

from bench import tracks
from bench.tracks import KINDS, NOBODY, SPOILT, WAYS, Faces, draw, judged, most_votes, tracks_of
from tests.unit.identity.people import centres, faces_of
from usher.identity.crowd import Crowd

PEOPLE, PHOTOGRAPHS = 12, 6


@pytest.fixture
def faces() -> Faces:
    """Of twelve people six photographs each, in a good form and five spoilt ones."""
    random = np.random.default_rng(1)
    photographs = faces_of(centres(PEOPLE, random), PHOTOGRAPHS, random)
    forms = faces_of(photographs, 1 + SPOILT, random).reshape(len(photographs), 1 + SPOILT, -1)
    people = np.repeat(np.arange(PEOPLE), PHOTOGRAPHS)
    return Faces(people, forms, np.full(forms.shape[:2], 0.8))


def test_tracks_are_of_one_photograph_or_of_as_many_as_there_are_shots() -> None:
    random = np.random.default_rng(2)
    rows = np.arange(10, 15)
    (track,) = tracks_of(rows, KINDS[0], 3, random)
    assert {row for row, _ in track} == {10}
    assert len({form for _, form in track}) == 3
    pair = list(tracks_of(rows, KINDS[1], 2, random))
    assert [[row for row, _ in track] for track in pair] == [[10, 11], [12, 13]]
    assert all(1 <= form <= SPOILT for track in pair for _, form in track)
    assert list(tracks_of(rows[:1], KINDS[1], 2, random)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_trial_shows_nobody_by_a_photograph_that_they_are_known_by(
    faces: Faces, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "PERSONS", 5)
    trial = draw(faces, kind, 3, 2, np.random.default_rng(3))
    assert len(trial.gallery) == 5
    known = {one.id for name in trial.gallery for one in trial.gallery.references_of(name)}
    shown = [str(row) for _, shots in trial.mates for row, _ in shots]
    assert len(known) == 15
    assert not known & set(shown)
    names = {f"{faces.people[row]:06d}" for shots in trial.strangers for row, _ in shots}
    assert len(names) == PEOPLE - 5
    assert not names & set(trial.gallery)


def test_every_way_names_who_is_known_and_nobody_when_no_score_is_enough(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "PERSONS", 5)
    trial = draw(faces, KINDS[1], 3, 3, np.random.default_rng(4))
    crowd = Crowd.of(trial.gallery)
    shots = [track for _, track in trial.mates]
    found = judged(faces, crowd, shots, 0.0)
    assert set(found) == set(WAYS)
    for names in found.values():
        assert names.tolist() == [name for name, _ in trial.mates]
    for names in judged(faces, crowd, shots, 2.0).values():
        assert set(names.tolist()) == {NOBODY}


def test_vote_goes_by_weight_and_not_by_number() -> None:
    names = np.array(["a", "b", "b"])
    assert most_votes(names, np.array([0.9, 0.4, 0.4])) == "a"
    assert most_votes(names, np.array([0.7, 0.4, 0.4])) == "b"
