"""How well the quality of a face foretells whether it is recognised.

Photographs of LFW's development list, as they are and spoilt in one or two ways, are compared with
another, unspoilt photograph of the same person. Half of the people fit the model and its bounds;
the figures are of the other half.

    USHER_TEST_DATA=FOLDER python bench/quality.py [--fit] [--people 400] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from _lfw import add_data, needed_folder
from usher.domain.geometry import Box
from usher.vision import quality
from usher.vision.align import FaceAligner
from usher.vision.detectors import make_detector
from usher.vision.embed import DLIB_MIRRORED, make_embedder
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image, resized

Floats = NDArray[np.float64]
Spoilt = tuple[RgbImage, Box]

FALSE_MATCH_RATE = 1e-3
SPOILT_PER_FACE = 6
REJECTED = tuple(range(0, 51, 5))
RIDGE = 1e-3


@dataclass(frozen=True)
class Samples:
    """What was measured of N faces, and their distances from their mates, (N,).

    `mates` holds the vectors of the unspoilt photographs, one a person.
    """

    measures: list[quality.Measures]
    distances: Floats
    unspoilt: NDArray[np.bool_]
    mates: Floats

    @property
    def terms(self) -> Floats:
        """(N, T), in the order of `quality.WEIGHTS`."""
        return np.array([list(quality.terms_of(each).values()) for each in self.measures])


# ---- Ways to spoil a face -----------------------------------------------------------------------


def shrink(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    factor = min(1.0, np.exp(rng.uniform(np.log(10), np.log(90))) / box.size)
    return resized(image, factor), box.scaled(factor)


def blur(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    sigma = rng.uniform(0.005, 0.07) * box.size
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8), box


def move(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    length = max(3, int(rng.uniform(0.02, 0.2) * box.size)) | 1
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), rng.uniform(0, 180), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8), box


def darken(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    return _levels(image, np.exp(rng.uniform(np.log(0.02), np.log(0.5))), 0), box


def overexpose(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    return _levels(image, rng.uniform(1.5, 6), 0), box


def flatten(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    gain = np.exp(rng.uniform(np.log(0.03), np.log(0.5)))
    return _levels(image, gain, 128 * (1 - gain)), box


def cut(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    share = rng.uniform(0.05, 0.45)
    across, down = round(share * box.width), round(share * box.height)
    match rng.integers(4):
        case 0:
            edge = max(box.x1 + across, 0)
            return image[:, edge:], box.shifted(-edge, 0)
        case 1:
            edge = max(box.y1 + down, 0)
            return image[edge:], box.shifted(0, -edge)
        case 2:
            return image[:, : box.x2 - across], box
        case _:
            return image[: box.y2 - down], box


def compress(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(2, 30))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), box


def add_noise(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    noisy = image + rng.normal(0, rng.uniform(5, 60), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), box


def _levels(image: RgbImage, gain: float, offset: float) -> RgbImage:
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


WAYS: tuple[Callable[[RgbImage, Box, np.random.Generator], Spoilt], ...] = (
    shrink,
    blur,
    move,
    darken,
    overexpose,
    flatten,
    cut,
    compress,
    add_noise,
)


def spoil(image: RgbImage, box: Box, rng: np.random.Generator) -> Spoilt:
    """One way, or, every second time, two different ones after each other."""
    for way in rng.choice(len(WAYS), rng.integers(1, 3), replace=False):
        image, box = WAYS[way](image, box, rng)
    return np.ascontiguousarray(image), box


# ---- Samples ------------------------------------------------------------------------------------


def collect(folder: Path, people: int) -> list[Samples]:
    """The samples of the fitting half of the people, and of the other."""
    detector, aligner, embedder = (
        make_detector("hog", min_face_px=80),
        FaceAligner(),
        make_embedder(DLIB_MIRRORED),
    )
    rng = np.random.default_rng(1)
    folders = [each for each in sorted(folder.iterdir()) if len(list(each.glob("*.jpg"))) > 1]
    chosen = rng.permutation(len(folders))[:people]
    halves = []
    for half in np.array_split(chosen, 2):
        chips, mates, measures, unspoilt, owner = [], [], [], [], []
        for index in half:
            photos = [_photograph(file) for file in sorted(folders[index].glob("*.jpg"))[:2]]
            found = [detector.detect(photo) for photo in photos]
            if not all(found):
                continue
            (face, box), (mate, mate_box) = [
                (p, f[0].box) for p, f in zip(photos, found, strict=True)
            ]
            mates.append(aligner.align(mate, mate_box).chip_rgb)
            faces = [(face, box)] + [spoil(face, box, rng) for _ in range(SPOILT_PER_FACE)]
            for number, (image, place) in enumerate(faces):
                if quality.share_inside(image, place) < 0.5:
                    continue
                aligned = aligner.align(image, place)
                chips.append(aligned.chip_rgb)
                measures.append(quality.measure(image, place, aligned.chip_rgb, aligned.landmarks))
                unspoilt.append(number == 0)
                owner.append(len(mates) - 1)
        vectors = embedder.embed(np.stack(chips))
        mate_vectors = embedder.embed(np.stack(mates))
        distances = np.linalg.norm(vectors - mate_vectors[owner], axis=1)
        halves.append(
            Samples(
                measures,
                distances.astype(np.float64),
                np.array(unspoilt),
                mate_vectors.astype(np.float64),
            )
        )
    return halves


def _photograph(file: Path) -> RgbImage:
    return decode_image(file.read_bytes(), formats=PHOTO_FORMATS, max_pixels=24_000_000)


def threshold_of(mates: Floats) -> float:
    """The distance that a share of 1e-3 of pairs of different, unspoilt people lies under."""
    gaps = np.linalg.norm(mates[:, None] - mates[None], axis=2)
    return float(np.quantile(gaps[np.triu_indices(len(mates), 1)], FALSE_MATCH_RATE))


# ---- Model --------------------------------------------------------------------------------------


def fit(terms: Floats, recognised: NDArray[np.bool_]) -> tuple[float, Floats]:
    """A logistic regression whose weights are 0 or more: projected gradient with momentum."""
    scale = np.maximum(terms.std(axis=0), 1e-9)
    given = np.column_stack([np.ones(len(terms)), terms / scale])
    weights = previous = np.zeros(given.shape[1])
    rate = 4 * len(given) / np.linalg.norm(given, 2) ** 2
    for step in range(5000):
        ahead = weights + step / (step + 3) * (weights - previous)
        slope = given.T @ (_logistic(given @ ahead) - recognised) / len(given)
        slope[1:] += RIDGE * ahead[1:]
        previous, weights = weights, ahead - rate * slope
        weights[1:] = np.maximum(weights[1:], 0)
    return float(weights[0]), weights[1:] / scale


def predict(terms: Floats, intercept: float, weights: Floats) -> Floats:
    return _logistic(intercept + terms @ weights)


def _logistic(value: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-value)))


def bound_of(probability: Floats, recognised: NDArray[np.bool_]) -> float:
    """The bound, in hundredths, at which the share of recognised faces that pass exceeds that of
    the others by most."""
    bounds = np.arange(1, 100) / 100
    gains = [
        (probability[recognised] >= bound).mean() - (probability[~recognised] >= bound).mean()
        for bound in bounds
    ]
    return float(bounds[int(np.argmax(gains))])


# ---- Figures ------------------------------------------------------------------------------------


def curve(order_by: Floats, recognised: NDArray[np.bool_]) -> list[float]:
    """FNMR of what is left when the worst 0, 5, ... 50% are rejected."""
    missed = ~recognised[np.argsort(order_by, kind="stable")]
    return [round(float(missed[len(missed) * share // 100 :].mean()), 4) for share in REJECTED]


def reliability(probability: Floats, recognised: NDArray[np.bool_]) -> list[dict[str, float]]:
    bins = np.minimum((probability * 10).astype(int), 9)
    return [
        {
            "from": int(number) / 10,
            "faces": int((bins == number).sum()),
            "foretold": round(float(probability[bins == number].mean()), 3),
            "recognised": round(float(recognised[bins == number].mean()), 3),
        }
        for number in np.unique(bins)
    ]


def report(samples: Samples, threshold: float) -> dict[str, object]:
    recognised = samples.distances < threshold
    names = list(quality.WEIGHTS)
    probability = predict(
        samples.terms, quality.INTERCEPT, np.array(list(quality.WEIGHTS.values()))
    )
    table = reliability(probability, recognised)
    gaps = [abs(row["foretold"] - row["recognised"]) * row["faces"] for row in table]
    curves = {"quality": curve(probability, recognised)}
    curves |= {name: curve(samples.terms[:, i], recognised) for i, name in enumerate(names)}
    curves["oracle"] = curve(-samples.distances, recognised)
    missed = np.array([bool(quality.bounds_missed(each)) for each in samples.measures])
    refused = missed | (probability < quality.MIN_PROBABILITY)
    unspoilt = samples.unspoilt
    return {
        "faces": len(recognised),
        "threshold": round(threshold, 4),
        "brier": round(float(((probability - recognised) ** 2).mean()), 4),
        "brier_of_the_mean": round(float(recognised.mean() * (1 - recognised.mean())), 4),
        "calibration_error": round(sum(gaps) / len(recognised), 4),
        "reliability": table,
        "rejected_percent": list(REJECTED),
        "fnmr": curves,
        "unspoilt_faces": int(unspoilt.sum()),
        "unspoilt_recognised": int((recognised & unspoilt).sum()),
        "unspoilt_accepted": int((~refused & unspoilt).sum()),
        "refused": int(refused.sum()),
        "refused_by_one_measure": int(missed.sum()),
        "of_these_recognised": int((missed & recognised).sum()),
        "refused_but_recognised": int((refused & recognised).sum()),
        "accepted_not_recognised": int((~refused & ~recognised).sum()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser)
    parser.add_argument("--fit", action="store_true", help="print new coefficients")
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = needed_folder(options.data, parser)
    if not folder.is_dir():
        parser.error(f"there are no photographs PERSON/*.jpg in {folder}")
    fitting, other = collect(folder, options.people)
    threshold = threshold_of(fitting.mates)
    if options.fit:
        recognised = fitting.distances < threshold
        intercept, weights = fit(fitting.terms, recognised)
        print(f"INTERCEPT = {intercept:.2f}")
        for name, weight in zip(quality.WEIGHTS, weights, strict=True):
            print(f'    "{name}": {weight:.2f},')
        bound = bound_of(predict(fitting.terms, intercept, weights), recognised)
        print(f"MIN_PROBABILITY = {bound:.2f}")
    figures = report(other, threshold)
    for name, value in figures.items():
        print(f"{name:24} {value}")
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
