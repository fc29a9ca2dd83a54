"""The verification benchmark: lists of pairs, folds and metrics, on small made-up ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.verification import (
    Pair,
    Photograph,
    best_threshold,
    centre_box,
    groups_of,
    made_folds,
    measure,
    photographs_of,
    read_pairs,
    right_by_fold,
    threshold_at,
    true_accept_rate,
    wilson,
)
from usher.domain.errors import InvalidInput

VIEW_1 = "2\nAnn\t1\t2\nBob\t1\t3\nAnn\t1\tBob\t2\nCid\t4\tDan\t1\n"
VIEW_2 = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t2\nCid\t1\t2\nCid\t1\tDan\t12\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "pairs.txt"
    path.write_text(text, "utf-8")
    return path


def distances(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def flags(text: str) -> np.ndarray:
    """`s` for a pair of the same person."""
    return np.array([letter == "s" for letter in text])


# ---- Pairs --------------------------------------------------------------------------------------


def test_pairs_of_view_1_have_no_folds(tmp_path: Path) -> None:
    listed = read_pairs(written(tmp_path, VIEW_1))
    assert listed.folds is None
    assert [pair.same for pair in listed.pairs] == [True, True, False, False]
    assert listed.pairs[0] == Pair(Photograph("Ann", 1), Photograph("Ann", 2))
    assert listed.pairs[3] == Pair(Photograph("Cid", 4), Photograph("Dan", 1))


def test_pairs_of_view_2_have_the_files_folds(tmp_path: Path) -> None:
    listed = read_pairs(written(tmp_path, VIEW_2))
    assert listed.folds == (0, 0, 1, 1)
    assert [pair.same for pair in listed.pairs] == [True, False, True, False]
    assert listed.pairs[3].second.under(Path("lfw")) == Path("lfw/Dan/Dan_0012.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 must be"),
        ("many\n", "line 1 must be"),
        ("0\n", "line 1 must be"),
        ("-1\n", "line 1 must be"),
        ("2\t2\t2\n", "line 1 must be"),
        ("1\t1\nAnn\t1\t2\nAnn\t1\tBob\t2\n", "two folds or more"),
        (VIEW_1 + "Eve\t1\tFay\t1\n", "must be 4.*but 5 lines"),
        (VIEW_1.replace("Bob\t1\t3\n", ""), "must be 4.*but 3 lines"),
        (VIEW_1.replace("Bob\t1\t3", "Bob 1 3"), "line 3 must be name i j"),
        (VIEW_1.replace("Bob\t1\t3", "Bob\t1\tCid\t3"), "line 3 must be name i j"),
        (VIEW_1.replace("Cid\t4\tDan\t1", "Cid\t4\t1"), "line 5 must be name1 i name2 j"),
        (VIEW_1.replace("Bob\t1\t3", "Bob\t1\tx"), "line 3 .* numbers from 1"),
        (VIEW_1.replace("Bob\t1\t3", "Bob\t0\t3"), "line 3 .* numbers from 1"),
        (VIEW_1.replace("Bob\t1\t3", "\t1\t3"), "line 3 .* numbers from 1"),
        (VIEW_1.replace("Dan", "Cid"), "line 5 .* one twice"),
    ],
)
def test_pairs_are_refused_with_the_line_that_is_wrong(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_pairs(written(tmp_path, text))


def test_pairs_are_refused_when_there_is_no_file_of_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_pairs(tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_pairs(tmp_path / "bytes.txt")


def test_photographs_are_named_when_one_is_missing(tmp_path: Path) -> None:
    pair = Pair(Photograph("Ann", 1), Photograph("Ann", 2))
    (tmp_path / "Ann").mkdir()
    (tmp_path / "Ann" / "Ann_0001.jpg").touch()
    with pytest.raises(InvalidInput, match=r"Ann_0002\.jpg"):
        photographs_of([pair], tmp_path)
    (tmp_path / "Ann" / "Ann_0002.jpg").touch()
    assert photographs_of([pair, pair], tmp_path) == [*pair]


def pair_of(first: str, second: str) -> Pair:
    return Pair(Photograph(first, 1), Photograph(second, 2))


def test_groups_hold_together_who_is_connected_by_way_of_others() -> None:
    pairs = [pair_of(*names) for names in ("ab", "cc", "bd", "ee", "fd", "cc")]
    assert groups_of(pairs) == [[0, 2, 4], [1, 5], [3]]


def test_made_folds_divide_no_group_and_are_about_equal() -> None:
    groups = [[0, 1, 2], *([index] for index in range(3, 21))]
    folds = made_folds(groups)
    assert len(set(folds[:3])) == 1
    sizes = np.bincount(folds)
    assert len(sizes) == 10
    assert sorted(sizes) == [2] * 9 + [3]


def test_made_folds_are_refused_when_there_are_too_few_groups() -> None:
    with pytest.raises(InvalidInput, match="10 folds"):
        made_folds([[index] for index in range(9)])
    assert sorted(made_folds([[index] for index in range(10)])) == list(range(10))


# ---- Metrics ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "same", "threshold"),
    [
        ((0.2, 0.4), "sd", 0.3),
        ((0.1, 0.2, 0.3, 0.4), "ssdd", 0.25),
        ((0.4, 0.1, 0.3, 0.2), "dsds", 0.25),  # in any order
        ((0.1, 0.3, 0.35, 0.45, 0.5, 0.6), "ssddsd", 0.325),  # one error at the least
    ],
)
def test_best_threshold_lies_between_what_it_divides(
    values: tuple[float, ...], same: str, threshold: float
) -> None:
    assert best_threshold(distances(*values), flags(same)) == pytest.approx(threshold)


def test_best_threshold_is_right_about_all_of_one_kind() -> None:
    values = distances(0.1, 0.2)
    assert (values < best_threshold(values, flags("ss"))).all()
    assert not (values < best_threshold(values, flags("dd"))).any()


def test_best_threshold_is_as_good_as_any_when_distances_are_equal() -> None:
    random = np.random.default_rng(5)
    for _ in range(200):
        values = random.integers(0, 5, 12).astype(np.float64)
        same = random.random(12) < 0.5
        found = ((values < best_threshold(values, same)) == same).sum()
        assert found == max(((values < edge) == same).sum() for edge in np.arange(-0.5, 6))


def test_threshold_of_a_fold_is_chosen_on_the_others() -> None:
    values = distances(0.1, 0.3, 0.5, 0.7)
    right, thresholds = right_by_fold(values, flags("sdsd"), np.array([0, 0, 1, 1]))
    assert thresholds == pytest.approx([0.6, 0.2])
    assert right.tolist() == [True, False, False, True]


@pytest.mark.parametrize(("rate", "allowed"), [(0.0, 0), (0.09, 0), (0.1, 1), (0.19, 1), (0.2, 2)])
def test_threshold_accepts_no_more_strangers_than_the_rate_allows(
    rate: float, allowed: int
) -> None:
    impostors = distances(*np.arange(1, 11) / 10)
    assert (impostors < threshold_at(impostors, rate)).sum() == allowed


def test_true_accept_rate_counts_who_is_closer_than_the_threshold() -> None:
    values = distances(0.1, 0.2, 0.6, 0.5, 0.9)
    assert true_accept_rate(values, flags("sssdd"), 0.0) == pytest.approx(2 / 3)
    assert true_accept_rate(values, flags("sssdd"), 0.5) == 1.0


def test_wilson_gives_the_published_interval() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, method 3
    assert wilson(0, 10)[0] == pytest.approx(0)
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_measure_finds_no_error_when_the_kinds_are_apart() -> None:
    values = distances(*([0.1, 0.9] * 20))
    folds = np.repeat(np.arange(10), 4)
    measured = measure(values, flags("sd" * 20), folds, [[index] for index in range(40)])
    assert (measured.accuracy, measured.errors) == (1.0, 0)
    assert measured.threshold == pytest.approx(0.5)
    assert [item.rate for item in measured.true_accepts] == [1.0, 1.0]
    assert [item.interval for item in measured.true_accepts] == [(1.0, 1.0)] * 2


def test_centre_box_lies_in_the_middle() -> None:
    box = centre_box(np.zeros((250, 350, 3), np.uint8))
    assert box.width == box.height == 105
    assert box.centre == pytest.approx((175, 125), abs=1)
    assert centre_box(np.zeros((1, 1, 3), np.uint8)).width == 1
