"""How often is it told rightly whether two photographs show one person? LFW's protocols.

Two photographs are called one person's where their vectors lie closer than a threshold. The
threshold is never chosen on the pairs that it is tested on: each fold of the pairs is tested with
the threshold that makes the fewest errors on all the others. A file of LFW's View 2 has folds. For
one of View 1, which has none, ten are made: pairs that share a person, also by way of others, stay
together, and the largest of these groups first goes to the fold with the fewest pairs. So no person
is in two folds, and the same file always gives the same folds.

TAR at a FAR is the share of pairs of one person that are accepted at the loosest threshold which
accepts no more than that share of the pairs of two. Its interval comes from drawing the groups with
replacement, that of the accuracy is Wilson's; both hold 95%.

A photograph in which no face is found is not left out: its middle is described, and counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from usher.domain.errors import InvalidInput, NoFaceFound
from usher.domain.geometry import Box
from usher.vision.embed import DLIB_CROPS, EMBEDDERS
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image
from usher.vision.pipeline import FacePipeline, make_pipeline

FOLDS = 10
FALSE_ACCEPT_RATES = (1e-2, 1e-3)
CENTRE_SHARE = 0.42
"""Of the shorter side: faces in LFW's photographs of 250 px are found some 104 px wide."""

_MAX_PIXELS = 50_000_000
_BATCH = 64
_DRAWS = 1000
_SEED = 1
_Z_95 = 1.959964

Flags = NDArray[np.bool_]
Distances = NDArray[np.float64]


# ---- Pairs --------------------------------------------------------------------------------------


class Photograph(NamedTuple):
    """The photograph of that number of a person, from 1."""

    person: str
    number: int

    def under(self, folder: Path) -> Path:
        """Where it lies in a folder with one folder a person."""
        return folder / self.person / f"{self.person}_{self.number:04d}.jpg"


class Pair(NamedTuple):
    """Two photographs to compare."""

    first: Photograph
    second: Photograph

    @property
    def same(self) -> bool:
        """Whether they are one person's."""
        return self.first.person == self.second.person


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a file of pairs says.

    Attributes
    ----------
    folds
        For each pair the fold it belongs to, from 0; None: the file has no folds.
    """

    pairs: tuple[Pair, ...]
    folds: tuple[int, ...] | None


def read_pairs(path: Path) -> Pairs:
    """Read LFW's list of pairs, tab-separated.

    View 1: a line with a count N, N lines `name i j` of one person, N lines `name1 i name2 j` of
    two. View 2: a line with the folds and the count, then as many such blocks.

    Raises
    ------
    InvalidInput
        If the file cannot be read, or a line is not as it must be; the message says which.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the pairs in {path.name} cannot be read: {error}") from error
    lines = [line.split("\t") for line in text.rstrip("\n").split("\n")]
    folds, count = _header(lines[0])
    expected = 2 * count * (folds or 1)
    if len(lines) - 1 != expected:
        raise InvalidInput(
            f"the pairs must be {expected}, as line 1 says, but {len(lines) - 1} lines follow it"
        )
    pairs = tuple(
        _pair(fields, number, same=index // count % 2 == 0)
        for index, (number, fields) in enumerate(enumerate(lines[1:], start=2))
    )
    return Pairs(pairs, tuple(i // (2 * count) for i in range(len(pairs))) if folds else None)


def _header(fields: Sequence[str]) -> tuple[int | None, int]:
    """How many folds, or None, and how many pairs of each kind in one."""
    numbers = [int(field) if field.isdecimal() else 0 for field in fields]
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise InvalidInput(
            "line 1 must be a count of pairs, or the folds, a tab and the count of pairs in each"
        )
    if len(numbers) == 1:
        return None, numbers[0]
    if numbers[0] < 2:
        raise InvalidInput("line 1 must name two folds or more")
    return numbers[0], numbers[1]


def _pair(fields: Sequence[str], line: int, *, same: bool) -> Pair:
    wanted = "name i j, of one person" if same else "name1 i name2 j, of two people"
    if len(fields) != (3 if same else 4):
        raise InvalidInput(f"line {line} must be {wanted}, separated by tabs")
    names = fields[:1] * 2 if same else fields[::2]
    numbers = fields[1:] if same else fields[1::2]
    if not all(names) or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise InvalidInput(f"line {line} must be {wanted}: names, and numbers from 1")
    if not same and names[0] == names[1]:
        raise InvalidInput(f"line {line} must be {wanted}, but names one twice")
    first, second = (Photograph(*item) for item in zip(names, map(int, numbers), strict=True))
    return Pair(first, second)


def groups_of(pairs: Sequence[Pair]) -> list[list[int]]:
    """The pairs by index, together where they share a person, also by way of others.

    The largest group first, then by their first pairs.
    """
    leaders: dict[str, str] = {}

    def leader(person: str) -> str:
        while leaders.setdefault(person, person) != person:
            leaders[person] = person = leaders[leaders[person]]
        return person

    for pair in pairs:
        leaders[leader(pair.first.person)] = leader(pair.second.person)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, pair in enumerate(pairs):
        groups[leader(pair.first.person)].append(index)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def made_folds(groups: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """For each pair its fold, so that no group is divided.

    Raises
    ------
    InvalidInput
        If there are fewer groups than folds.
    """
    if len(groups) < FOLDS:
        raise InvalidInput(f"{FOLDS} folds without common people cannot be made of these pairs")
    folds = np.empty(sum(map(len, groups)), np.int64)
    sizes = [0] * FOLDS
    for group in groups:
        fold = sizes.index(min(sizes))
        folds[group] = fold
        sizes[fold] += len(group)
    return folds


# ---- Metrics ------------------------------------------------------------------------------------


def best_threshold(distances: Distances, same: Flags) -> float:
    """The threshold with the fewest errors; in the middle of those that are as good.

    Parameters
    ----------
    distances
        float64, (P,), P at least 1; a pair closer than the threshold is called the same person's.
    same
        bool, (P,).
    """
    order = np.argsort(distances, kind="stable")
    sorted_distances, sorted_same = distances[order], same[order]
    # With the first k called the same, what is right are the same among them, and the others after.
    right = np.concatenate([[0], np.cumsum(sorted_same)]) + np.concatenate(
        [np.cumsum(~sorted_same[::-1])[::-1], [0]]
    )
    edges = np.concatenate([[sorted_distances[0]], sorted_distances, [np.inf]])
    between = edges[1:] > edges[:-1]
    between[0] = True
    best = np.flatnonzero(between & (right == right[between].max()))
    chosen = best[len(best) // 2]
    if chosen == len(distances):
        return float(np.nextafter(sorted_distances[-1], np.inf))
    return float((edges[chosen] + edges[chosen + 1]) / 2)


def right_by_fold(
    distances: Distances, same: Flags, folds: NDArray[np.int64]
) -> tuple[Flags, list[float]]:
    """Which pairs are told rightly by the threshold of the other folds, and those thresholds.

    Parameters
    ----------
    distances, same, folds
        float64, bool and int64, (P,).
    """
    right, thresholds = np.empty(len(same), np.bool_), []
    for fold in np.unique(folds):
        tested = folds == fold
        threshold = best_threshold(distances[~tested], same[~tested])
        right[tested] = (distances[tested] < threshold) == same[tested]
        thresholds.append(threshold)
    return right, thresholds


def threshold_at(impostors: Distances, false_accept_rate: float) -> float:
    """The loosest threshold that accepts no more than that share of pairs of two people.

    Parameters
    ----------
    impostors
        float64, (P,), P at least 1: their distances.
    """
    allowed = int(false_accept_rate * len(impostors) + 1e-9)
    return float(np.sort(impostors)[min(allowed, len(impostors) - 1)])


def true_accept_rate(distances: Distances, same: Flags, false_accept_rate: float) -> float:
    """The share of pairs of one person that `threshold_at` accepts."""
    threshold = threshold_at(distances[~same], false_accept_rate)
    return float((distances[same] < threshold).mean())


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95% interval of a share, by Wilson's score."""
    share, z = successes / trials, _Z_95**2 / trials
    centre, half = share + z / 2, _Z_95 * np.sqrt(share * (1 - share) / trials + z / trials / 4)
    return float((centre - half) / (1 + z)), float((centre + half) / (1 + z))


def drawn_interval(
    distances: Distances, same: Flags, groups: Sequence[Sequence[int]], false_accept_rate: float
) -> tuple[float, float]:
    """The 95% interval of the true accept rate, from drawing groups with replacement."""
    random = np.random.default_rng(_SEED)
    rates = []
    while len(rates) < _DRAWS:
        drawn = random.integers(0, len(groups), len(groups))
        chosen = np.concatenate([groups[index] for index in drawn])
        if same[chosen].any() and not same[chosen].all():
            rates.append(true_accept_rate(distances[chosen], same[chosen], false_accept_rate))
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueAccepts:
    """How many pairs of one person are accepted at a false accept rate."""

    false_accept_rate: float
    threshold: float
    rate: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How one kind of vector did.

    Attributes
    ----------
    threshold
        The mean over the folds.
    best_accuracy
        What the best threshold for these very pairs reaches: no estimate of anything, but figures
        given elsewhere are often this.
    """

    accuracy: float
    interval: tuple[float, float]
    errors: int
    threshold: float
    threshold_range: tuple[float, float]
    best_accuracy: float
    true_accepts: tuple[TrueAccepts, ...]


def measure(
    distances: Distances,
    same: Flags,
    folds: NDArray[np.int64],
    groups: Sequence[Sequence[int]],
) -> Measured:
    """Measure one kind of vector by its distances."""
    right, thresholds = right_by_fold(distances, same, folds)
    return Measured(
        accuracy=float(right.mean()),
        interval=wilson(int(right.sum()), len(right)),
        errors=int((~right).sum()),
        threshold=float(np.mean(thresholds)),
        threshold_range=(min(thresholds), max(thresholds)),
        best_accuracy=float(((distances < best_threshold(distances, same)) == same).mean()),
        true_accepts=tuple(
            TrueAccepts(
                false_accept_rate=rate,
                threshold=threshold_at(distances[~same], rate),
                rate=true_accept_rate(distances, same, rate),
                interval=drawn_interval(distances, same, groups, rate),
            )
            for rate in FALSE_ACCEPT_RATES
        ),
    )


# ---- Photographs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Descriptions:
    """The vectors of photographs, each kind float32, (N, D), and where no face was found."""

    kinds: dict[str, NDArray[np.float32]]
    without_a_face: int


def centre_box(image_rgb: RgbImage) -> Box:
    """The middle of an image: uint8, (H, W, 3), RGB."""
    height, width = image_rgb.shape[:2]
    side = max(round(CENTRE_SHARE * min(height, width)), 1)
    x, y = (width - side) // 2, (height - side) // 2
    return Box(x, y, x + side, y + side)


def describe(paths: Sequence[Path], pipelines: Mapping[str, FacePipeline]) -> Descriptions:
    """Describe the most central face of each photograph, or else its middle."""
    vectors: dict[str, list[NDArray[np.float32]]] = {name: [] for name in pipelines}
    finder = next(iter(pipelines.values()))
    without = 0
    faces: list[tuple[RgbImage, Box]] = []
    for index, path in enumerate(track(paths, "faces", console=Console(stderr=True)), start=1):
        image_rgb = decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=_MAX_PIXELS)
        try:
            box = finder.central_face(image_rgb).box
        except NoFaceFound:
            box = centre_box(image_rgb)
            without += 1
        faces.append((image_rgb, box))
        if len(faces) == _BATCH or index == len(paths):
            for name, pipeline in pipelines.items():
                vectors[name] += [face.embedding for face in pipeline.describe_many(faces)]
            faces.clear()
    return Descriptions({name: np.array(found) for name, found in vectors.items()}, without)


def photographs_of(pairs: Sequence[Pair], folder: Path) -> list[Photograph]:
    """Each photograph of the pairs, once.

    Raises
    ------
    InvalidInput
        If one is not in the folder.
    """
    photographs = sorted({photograph for pair in pairs for photograph in pair})
    for photograph in photographs:
        if not photograph.under(folder).is_file():
            raise InvalidInput(
                f"the pairs name {photograph.under(folder).name}, which is not in {folder}"
            )
    return photographs


# ---- The command --------------------------------------------------------------------------------


def show(kinds: dict[str, Measured], pairs: int, groups: int, descriptions: Descriptions) -> None:
    """Print the table."""
    print(f"{pairs:,} pairs in {groups:,} groups without common people; no face was found in")
    print(f"{descriptions.without_a_face} photographs, of which the middle counts\n")
    print(
        f"{'':14} {'accuracy':>9} {'95%':>15} {'errors':>7} {'threshold':>10} {'of folds':>15} "
        f"{'at best':>8}"
    )
    for name, kind in kinds.items():
        least, most = kind.threshold_range
        print(
            f"{name:14} {kind.accuracy:9.2%} {_shown(kind.interval):>15} {kind.errors:7} "
            f"{kind.threshold:10.3f} {f'{least:.3f} - {most:.3f}':>15} "
            f"{kind.best_accuracy:8.2%}"
        )
    print(f"\n{'':14} {'FAR':>9} {'TAR':>7} {'95%':>15} {'threshold':>10}")
    for name, kind in kinds.items():
        for item in kind.true_accepts:
            print(
                f"{name:14} {item.false_accept_rate:9.0e} {item.rate:7.2%} "
                f"{_shown(item.interval):>15} {item.threshold:10.3f}"
            )


def _shown(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.2f} - {100 * interval[1]:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="LFW_FOLDER",
        help="photographs, one folder a person; default: lfw-dev/images in USHER_TEST_DATA",
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="PAIRS_TXT",
        help="LFW's list of pairs; default: lfw-dev/pairs.txt in USHER_TEST_DATA",
    )
    parser.add_argument(
        "--embedder",
        default=DLIB_CROPS,
        help="whose accuracy the JSON's `accuracy` is, or a model card; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    given = os.environ.get("USHER_TEST_DATA")
    default = Path(given) / "lfw-dev" if given else None
    folder = arguments.data or (default / "images" if default else None)
    file = arguments.pairs or (default / "pairs.txt" if default else None)
    if folder is None or file is None:
        print("nothing measured: give --data and --pairs, or set USHER_TEST_DATA")
        return 0
    try:
        listed = read_pairs(file)
        photographs = photographs_of(listed.pairs, folder)
        groups = groups_of(listed.pairs)
        folds = made_folds(groups) if listed.folds is None else np.array(listed.folds)
    except InvalidInput as error:
        parser.error(str(error))
    names = dict.fromkeys((*EMBEDDERS, arguments.embedder))
    pipelines = {name: make_pipeline(embedder=name) for name in names}
    descriptions = describe([item.under(folder) for item in photographs], pipelines)
    rows = {photograph: row for row, photograph in enumerate(photographs)}
    firsts = [rows[pair.first] for pair in listed.pairs]
    seconds = [rows[pair.second] for pair in listed.pairs]
    same = np.array([pair.same for pair in listed.pairs])
    kinds = {
        name: measure(
            np.linalg.norm(vectors[firsts] - vectors[seconds], axis=1).astype(np.float64),
            same,
            folds,
            groups,
        )
        for name, vectors in descriptions.kinds.items()
    }
    show(kinds, len(same), len(groups), descriptions)
    if arguments.json:
        found = {
            "accuracy": kinds[arguments.embedder].accuracy,
            "pairs": len(same),
            "without_a_face": descriptions.without_a_face,
            "folds": "made here" if listed.folds is None else "the file's",
            **{name: asdict(kind) for name, kind in kinds.items()},
        }
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
