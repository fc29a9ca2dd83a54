"""The index against NumPy's plain form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.identity.vectors import BLOCK_ROWS, VectorIndex, Vectors, largest

CHUNK = 256
"""What `largest` takes at a time."""


def made_up(count: int, dimension: int = 8, *, seed: int = 0) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def filled(vectors: Vectors) -> VectorIndex:
    index = VectorIndex(vectors.shape[1])
    for one in vectors:
        index.add(one)
    return index


def best_plainly(values: Vectors, count: int) -> tuple[list[int], list[float]]:
    """By sorting everything: of equal values the first goes first."""
    order = sorted(range(len(values)), key=lambda place: (-values[place], place))[:count]
    return order, [float(values[place]) for place in order]


# ---- The index ----------------------------------------------------------------------------------


def test_index_finds_nothing_when_it_is_empty() -> None:
    index = VectorIndex(8)
    rows, products = index.best(made_up(1)[0], 3)
    assert len(rows) == len(products) == index.rows == 0
    assert index.products(made_up(2)).shape == (2, 0)


def test_index_finds_the_one_when_there_is_one() -> None:
    index = filled(made_up(1))
    rows, products = index.best(2 * made_up(1)[0], 3)
    assert rows.tolist() == [0]
    assert products == pytest.approx([2 * (made_up(1)[0] ** 2).sum()])


@pytest.mark.parametrize("count", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 7])
def test_index_agrees_with_numpy_when_it_ends_near_a_block(count: int) -> None:
    vectors, probes = made_up(count, 4), made_up(3, 4, seed=1)
    index = filled(vectors)
    plain = probes @ vectors.T
    np.testing.assert_allclose(index.products(probes), plain, rtol=1e-5, atol=1e-5)
    for probe, products in zip(probes, plain, strict=True):
        rows, found = index.best(probe, 5)
        np.testing.assert_allclose(found, np.sort(products)[::-1][:5], rtol=1e-5)
        np.testing.assert_allclose(products[rows], found, rtol=1e-5)


@settings(deadline=None)
@given(
    count=st.integers(1, 40),
    gone=st.sets(st.integers(0, 39)),
    more=st.integers(0, 50),
    best=st.integers(1, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_index_agrees_with_numpy_when_rows_go_and_come(
    count: int, gone: set[int], more: int, best: int, seed: int
) -> None:
    kept = dict(enumerate(made_up(count, seed=seed)))
    index = filled(made_up(count, seed=seed))
    for row in gone & kept.keys():
        index.remove(row)
        del kept[row]
    for one in made_up(more, seed=seed + 1):
        row = index.add(one)
        assert row not in kept
        kept[row] = one
    assert index.rows == max(count, len(kept))
    probe = made_up(1, seed=seed + 2)[0]
    products = {row: float(one @ probe) for row, one in kept.items()}
    rows, found = index.best(probe, best)
    assert len(rows) == len(found) == min(best, len(kept))
    assert [products[row] for row in rows.tolist()] == pytest.approx(found.tolist(), abs=1e-5)
    expected = sorted(products.values(), reverse=True)[:best]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    everything = index.products(probe[None])[0]
    assert {row for row in range(index.rows) if np.isfinite(everything[row])} == kept.keys()


@pytest.mark.parametrize("before", [0, 5, BLOCK_ROWS - 1, BLOCK_ROWS])
@pytest.mark.parametrize("count", [0, 1, 2, BLOCK_ROWS, 2 * BLOCK_ROWS + 3])
def test_index_holds_them_all_when_many_are_added_at_once(before: int, count: int) -> None:
    vectors = made_up(before + count + 1, 3)
    index = filled(vectors[:before])
    if before:
        index.remove(0)
    assert index.add_all(vectors[before:-1]) == range(before, before + count)
    assert index.rows == before + count
    np.testing.assert_array_equal(
        index.vectors(np.arange(before, before + count)), vectors[before:-1]
    )
    assert index.add(vectors[-1]) == (0 if before else count)


def test_index_finds_the_new_vector_when_one_is_replaced() -> None:
    index = filled(np.eye(3, dtype=np.float32))
    index.replace(1, np.array([0, 0, 5], np.float32))
    rows, products = index.best(np.array([0, 0.5, 1], np.float32), 2)
    assert rows.tolist() == [1, 2]
    assert products.tolist() == [5, 1]


def test_index_copies_vectors_when_it_hands_out_several() -> None:
    index = filled(made_up(4))
    rows = np.array([3, 1, 3])
    index.vectors(rows)[:] = 0
    np.testing.assert_array_equal(index.vectors(rows), made_up(4)[rows])


def test_index_does_not_move_the_others_when_it_grows() -> None:
    index = filled(made_up(1, 4))
    first = index.vector(0)
    for one in made_up(BLOCK_ROWS + 1, 4, seed=1):
        index.add(one)
    first[:] = 7
    assert index.vector(0).tolist() == [7] * 4


# ---- The largest --------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    rows=st.integers(0, 3),
    width=st.sampled_from([0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 12 * CHUNK + 5]),
    count=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_largest_agrees_with_sorting_everything(
    rows: int, width: int, count: int, seed: int
) -> None:
    values = np.random.default_rng(seed).permutation(rows * width).astype(np.float32)
    values = values.reshape(rows, width)
    places, found = largest(values, count)
    assert places.shape == found.shape == (rows, min(count, width))
    for row in range(rows):
        expected = best_plainly(values[row], count)
        assert (places[row].tolist(), found[row].tolist()) == expected


@settings(deadline=None)
@given(
    width=st.sampled_from([3, CHUNK, 2 * CHUNK, 9 * CHUNK + 3]),
    count=st.integers(1, 8),
    kinds=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_largest_puts_the_first_in_front_when_values_are_equal(
    width: int, count: int, kinds: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, kinds, (2, width)).astype(np.float32)
    places, found = largest(values, count)
    np.testing.assert_array_equal(np.take_along_axis(values, places, axis=1), found)
    for row in range(2):
        assert found[row].tolist() == best_plainly(values[row], count)[1]
        listed = list(zip((-found[row]).tolist(), places[row].tolist(), strict=True))
        assert listed == sorted(set(listed))


def test_largest_lists_nobody_last_when_values_are_missing() -> None:
    values = np.full((1, 4 * CHUNK), -np.inf, np.float32)
    values[0, [900, 17]] = 1, 2
    places, found = largest(values, 3)
    assert places[0, :2].tolist() == [17, 900]
    assert found[0].tolist() == [2, 1, -np.inf]
