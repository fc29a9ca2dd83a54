"""The galleries against their formulas, written plainly."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.identity.people import (
    DIMENSION,
    centres,
    faces_of,
    gallery_of,
    references,
    turned,
    vector,
)
from usher.domain.records import Vector
from usher.identity.gallery import (
    CANDIDATES,
    PLAIN,
    Gallery,
    NearestGallery,
    Reference,
    TemplateGallery,
    mean_of_best_others,
    template_of,
    unit,
)
from usher.identity.vectors import Vectors

_SEEDS = st.integers(0, 2**32 - 1)
_GALLERIES = pytest.mark.parametrize("kind", [TemplateGallery, NearestGallery])


def two_best(cosines: Collection[float]) -> float:
    """Their mean, `PLAIN` where there are too few."""
    return sum([*sorted(cosines, reverse=True), PLAIN, PLAIN][:2]) / 2


def best_plainly(
    probe: Vector, templates: Mapping[str, Vector], excluded: Collection[str] = ()
) -> tuple[str, float]:
    """x.T_p - 0.2 rivals(x, p) - 0.2 crowd(p), among the eight nearest."""
    exact = {person: one.astype(np.float64) for person, one in templates.items()}
    near = {person: float(unit(probe) @ one) for person, one in exact.items()}
    near = {person: cosine for person, cosine in near.items() if person not in excluded}
    scores = {}
    for person in sorted(near, key=lambda one: -near[one])[:CANDIDATES]:
        rivals = two_best([cosine for other, cosine in near.items() if other != person])
        crowd = two_best([exact[person] @ exact[other] for other in exact if other != person])
        scores[person] = near[person] - 0.2 * rivals - 0.2 * crowd
    best = max(scores, key=lambda person: scores[person])
    return best, scores[best]


def templates_of(gallery: TemplateGallery) -> dict[str, Vector]:
    return dict(zip(gallery, gallery.templates(), strict=True))


def people_and_probe(count: int, each: int, seed: int) -> tuple[Vectors, Vector]:
    """Faces, (count, each, D), and another of the first person."""
    random = np.random.default_rng(seed)
    middles = centres(max(count, 1), random)
    faces = faces_of(middles[:count], each, random).reshape(count, each, DIMENSION)
    return faces, faces_of(middles[:1], 1, random)[0]


def gallery_with(faces: Vectors) -> TemplateGallery:
    count, each, _ = faces.shape
    return gallery_of(faces.reshape(count * each, -1), np.repeat(np.arange(count), each))


# ---- What both kinds do -------------------------------------------------------------------------


@_GALLERIES
def test_gallery_finds_nobody_when_it_is_empty(kind: type[Gallery]) -> None:
    gallery = kind()
    assert len(gallery) == gallery.references == 0
    assert list(gallery) == []
    assert gallery.best(vector(1, 0)) is None
    assert gallery.references_of("p-1") == ()
    assert "p-1" not in gallery


@_GALLERIES
def test_gallery_forgets_people_when_they_have_no_references(kind: type[Gallery]) -> None:
    gallery = kind()
    gallery.put("p-0", ())
    gallery.put("p-1", references(np.eye(2, dtype=np.float32)))
    assert (len(gallery), gallery.references, list(gallery)) == (1, 2, ["p-1"])
    gallery.put("p-1", ())
    assert (len(gallery), gallery.references, list(gallery)) == (0, 0, [])
    assert gallery.best(vector(1, 0)) is None


@_GALLERIES
def test_gallery_knows_people_by_the_latest_references_when_they_are_put_again(
    kind: type[Gallery],
) -> None:
    gallery = kind()
    gallery.put("p-1", references([vector(1, 0)], "old"))
    gallery.put("p-2", references([vector(0.6, 0.8)]))
    latest = references([vector(0, 1), vector(-0.1, 1)], "new")
    gallery.put("p-1", latest)
    assert gallery.references == 3
    assert [one.id for one in gallery.references_of("p-1")] == ["new-0", "new-1"]
    match = gallery.best(vector(1, 0))
    assert match is not None
    assert match.person_id == "p-2"


@_GALLERIES
def test_gallery_takes_vectors_of_another_length_when_it_has_become_empty(
    kind: type[Gallery],
) -> None:
    gallery = kind()
    gallery.put("p-1", references([vector(1, 0)]))
    gallery.put("p-1", ())
    gallery.put("p-2", references([vector(0, 0, 1)]))
    match = gallery.best(vector(0, 0, 1))
    assert match is not None
    assert match.person_id == "p-2"


@_GALLERIES
def test_gallery_finds_the_next_when_the_best_are_excluded(kind: type[Gallery]) -> None:
    faces, _ = people_and_probe(30, 1, seed=0)
    gallery = kind()
    for number, face in enumerate(faces):
        gallery.put(f"p-{number:02d}", references(face))
    excluded: list[str] = []
    while (match := gallery.best(faces[0, 0], excluded)) is not None:
        assert match.person_id not in excluded
        excluded.append(match.person_id)
    assert sorted(excluded) == [f"p-{number:02d}" for number in range(30)]
    assert gallery.best(faces[0, 0], ["unheard of"]) == gallery.best(faces[0, 0])


@_GALLERIES
@settings(deadline=None, max_examples=40)
@given(seed=_SEEDS, count=st.integers(1, 30))
def test_gallery_finds_the_same_when_people_come_in_another_order(
    kind: type[Gallery], seed: int, count: int
) -> None:
    faces, probe = people_and_probe(count, 2, seed)
    one, other = kind(), kind()
    for number in range(count):
        one.put(str(number), references(faces[number]))
    for number in np.random.default_rng(seed).permutation(count + 5).tolist():
        other.put(str(number), references(faces[number % count] + 1))
        other.best(probe)
        other.put(str(number), references(faces[number]) if number < count else ())
    first, second = one.best(probe), other.best(probe)
    assert first is not None
    assert second is not None
    assert first.person_id == second.person_id
    assert first.score == pytest.approx(second.score, abs=1e-6)


@_GALLERIES
@pytest.mark.parametrize("count", [0, 1, 40, 5000])
def test_gallery_knows_the_same_when_all_are_put_at_once(kind: type[Gallery], count: int) -> None:
    random = np.random.default_rng(count)
    faces = faces_of(centres(max(count, 1), random), 3, random).reshape(-1, 3, DIMENSION)
    people = {str(n): references(faces[n, : n % 3 + 1]) for n in range(count)}
    one, other = kind(), kind()
    for person_id, own in people.items():
        one.put(person_id, own)
    other.put("0", references(faces[0] + 1))
    other.put("gone", references(faces[0]))
    other.put_all({**people, "gone": (), "nobody": ()})
    if not count:
        other.put("0", ())
    assert set(one) == set(other)
    assert one.references == other.references == sum(map(len, people.values()))
    for probe in faces[:5, 2]:
        first, second = one.best(probe), other.best(probe)
        assert (first is None) is (second is None) is (count == 0)
        if first is not None and second is not None:
            assert first.person_id == second.person_id
            assert first.score == pytest.approx(second.score, abs=1e-6)
    for person_id, own in people.items():
        assert [it.id for it in other.references_of(person_id)] == [it.id for it in own]


@_GALLERIES
@pytest.mark.parametrize("count", [1, 3])
def test_gallery_hands_out_references_that_stay_when_the_person_changes(
    kind: type[Gallery], count: int
) -> None:
    gallery = kind()
    own = unit(np.random.default_rng(0).normal(size=(count, 4)))
    gallery.put("p-1", references(own))
    handed_out = gallery.references_of("p-1")
    gallery.put("p-1", references(-own))
    np.testing.assert_allclose([one.vector for one in handed_out], own, rtol=1e-6)
    assert [one.id for one in handed_out] == [f"r-{number}" for number in range(count)]


# ---- Templates ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    seed=_SEEDS,
    count=st.sampled_from([1, 2, 3, 4, 8, 9, 11, 40, 300]),
    each=st.integers(1, 3),
    excluded=st.sets(st.integers(0, 10)),
)
def test_score_is_that_of_the_formula(seed: int, count: int, each: int, excluded: set[int]) -> None:
    faces, probe = people_and_probe(count, each, seed)
    gallery = gallery_with(faces)
    names = {f"p-{number:02d}" for number in excluded}
    match = gallery.best(probe, names)
    if names >= set(gallery):
        assert match is None
        return
    person_id, score = best_plainly(probe, templates_of(gallery), names)
    assert match is not None
    assert match.score == pytest.approx(score, abs=1e-6)
    assert match.person_id == person_id


@settings(deadline=None, max_examples=20)
@given(seed=_SEEDS, steps=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 2)), max_size=60))
def test_score_is_that_of_the_formula_when_people_come_change_and_go(
    seed: int, steps: list[tuple[int, int]]
) -> None:
    random = np.random.default_rng(seed)
    middles = centres(15, random)
    gallery = TemplateGallery()
    for number, count in steps:
        gallery.put(str(number), references(faces_of(middles[number : number + 1], count, random)))
        probe = faces_of(middles[:1], 1, random)[0]
        match = gallery.best(probe)
        if not len(gallery):
            assert match is None
            continue
        assert match is not None
        expected = best_plainly(probe, templates_of(gallery))
        assert (match.person_id, pytest.approx(match.score, abs=1e-6)) == expected


def test_score_counts_a_plain_person_when_there_is_nobody_else() -> None:
    gallery = gallery_of(np.eye(1, 2, dtype=np.float32), np.array([0]))
    match = gallery.best(vector(3, 4))
    assert match is not None
    assert match.score == pytest.approx(0.6 - 0.4 * PLAIN)


def test_score_counts_one_plain_person_when_there_are_two() -> None:
    gallery = gallery_of(np.array([[1, 0], [0.8, 0.6]], np.float32), np.array([0, 1]))
    match = gallery.best(vector(1, 0))
    assert match is not None
    assert match.person_id == "p-00"
    assert match.score == pytest.approx(1 - 0.4 * (0.8 + PLAIN) / 2)


def test_score_is_lower_when_somebody_looks_alike() -> None:
    random = np.random.default_rng(5)
    middles = centres(20, random)
    gallery = gallery_of(middles, np.arange(20))
    alone = gallery.best(middles[0])
    gallery.put("twin", references(turned(middles[:1], 0.97, random)))
    beside = gallery.best(middles[0])
    assert alone is not None
    assert beside is not None
    assert beside.person_id == "p-00"
    assert beside.score < alone.score - 0.01


def test_score_does_not_change_when_vectors_are_longer() -> None:
    faces, probe = people_and_probe(12, 2, seed=1)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (12, 2, 1)).astype(np.float32)
    one, other = gallery_with(faces), gallery_with(faces * lengths)
    first, second = one.best(probe), other.best(7 * probe)
    assert first is not None
    assert second is not None
    assert (first.person_id, pytest.approx(first.score, abs=1e-6)) == second


def test_similarity_is_the_cosine_with_the_template_and_least_for_nobody() -> None:
    gallery = TemplateGallery()
    gallery.put("p-1", references([vector(2, 0), vector(0, 5)]))
    assert gallery.similarity(vector(3, 0), "p-1") == pytest.approx(np.sqrt(0.5))
    assert gallery.similarity(vector(1, 0), "p-2") == -1


def test_templates_come_in_the_order_of_iteration_when_people_went_in_between() -> None:
    gallery = TemplateGallery()
    directions = np.eye(4, dtype=np.float32)
    for number in (0, 1, 2):
        gallery.put(str(number), references([directions[number]]))
    gallery.put("1", ())
    gallery.put("3", references([directions[3]]))
    np.testing.assert_array_equal(gallery.templates(), directions[[0, 2, 3]])
    assert list(gallery) == ["0", "2", "3"]


def test_template_counts_each_vector_alike_when_their_lengths_differ() -> None:
    np.testing.assert_allclose(template_of(np.diag([9, 0.1])), [np.sqrt(0.5)] * 2, rtol=1e-6)


def test_unit_leaves_zeros_when_a_vector_has_no_direction() -> None:
    np.testing.assert_allclose(unit(np.array([[0, 0], [3, 4]], np.float32)), [[0, 0], [0.6, 0.8]])


@given(_SEEDS, st.floats(1e-3, 1e3))
def test_unit_changes_nothing_when_it_is_done_twice(seed: int, length: float) -> None:
    once = unit(length * np.random.default_rng(seed).normal(size=(20, 128)).astype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(unit(once), once)


def test_templates_are_the_same_to_the_last_bit_however_references_came() -> None:
    faces, _ = people_and_probe(40, 6, seed=3)
    one, other = TemplateGallery(), TemplateGallery()
    for number, own in enumerate(3 * faces):
        for face in own:
            known = one.references_of(str(number))
            one.put(str(number), [*known, *references([face], f"r{len(known)}")])
    other.put_all({str(number): references(own) for number, own in enumerate(3 * faces)})
    np.testing.assert_array_equal(one.templates(), other.templates())


@given(st.lists(st.floats(-1, 1), max_size=6), st.integers(0, 3))
def test_mean_of_best_others_agrees_with_sorting(cosines: list[float], missing: int) -> None:
    row = np.array([*sorted(cosines, reverse=True), *[-np.inf] * missing])
    found = mean_of_best_others(row[None])
    assert found.shape == (1, len(row))
    for place in range(len(cosines)):
        others = np.delete(row[: len(cosines)], place).tolist()
        assert found[0, place] == pytest.approx(two_best(others))


# ---- Single references --------------------------------------------------------------------------


@settings(deadline=None)
@given(
    count=st.integers(1, 100),
    each=st.integers(1, 4),
    seed=_SEEDS,
    length=st.floats(0.01, 100),
    spread=st.floats(0.02, 2),
)
def test_nearest_gallery_agrees_with_numpy_when_references_lie_close_together_or_apart(
    count: int, each: int, seed: int, length: float, spread: float
) -> None:
    random = np.random.default_rng(seed)
    middle = unit(random.normal(size=DIMENSION)) * length
    away = length * spread * unit(random.normal(size=(count * each + 1, DIMENSION)))
    *vectors, probe = (middle + away).astype(np.float32)
    gallery = NearestGallery()
    for person in range(count):
        gallery.put(str(person), references(vectors[person * each : (person + 1) * each]))
    distances = np.linalg.norm(np.array(vectors, np.float64) - probe, axis=1)
    match = gallery.best(probe)
    assert match is not None
    assert -match.score == pytest.approx(distances.min(), rel=1e-5)
    own = distances.reshape(count, each)[int(match.person_id)].min()
    assert own == pytest.approx(distances.min(), rel=1e-5)
    assert gallery.similarity(probe, match.person_id) == pytest.approx(-own)


def test_nearest_gallery_finds_distance_zero_when_the_probe_is_a_reference() -> None:
    faces, _ = people_and_probe(200, 1, seed=2)
    gallery = NearestGallery()
    for number, face in enumerate(faces):
        gallery.put(str(number), [Reference("r", face[0])])
    assert gallery.best(faces[17, 0]) == ("17", 0.0)


def test_nearest_gallery_looks_beyond_them_when_the_nearest_ten_are_excluded() -> None:
    gallery = NearestGallery()
    gallery.put("p-many", references(vector(0, number / 100) for number in range(10)))
    gallery.put("p-far", references([vector(3, 4)]))
    assert gallery.best(vector(0, 0), {"p-many"}) == ("p-far", -5.0)
    assert gallery.similarity(vector(0, 0), "nobody") == -np.inf
