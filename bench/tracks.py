"""What do several shots of one track gain, and what may they cost? Open set, as `identity.py`.

A track is played by photographs of one person that are spoilt as a camera at a door would spoil
them: made smaller, blurred, darkened, noisy, compressed, the box a little off. Two kinds: shots of
one photograph, which are more alike than a walk's, and of different photographs, taken years apart,
which are less alike. Some people are known by good photographs, everybody else is a stranger. The
people are those whom the rule's prior did not see.

Four ways to judge several shots: the weighted mean of the vectors, brought to the length 1; the
weighted mean of the scores; a weighted vote of single decisions; and the product's, between the
first two. FPIR is the share of strangers' tracks called by a name, FNIR that of known people's
tracks that are not called by theirs.

    USHER_TEST_DATA=FOLDER python bench/tracks.py [--seeds 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track as progress

from _lfw import add_data, face_in, photographs_in
from usher.domain.geometry import Box
from usher.identity.crowd import Crowd
from usher.identity.gallery import Reference, TemplateGallery, length_of, unit
from usher.identity.rules import make_rule
from usher.vision.embed import DLIB_CROPS
from usher.vision.images import RgbImage, resized
from usher.vision.pipeline import make_pipeline

BUDGET = 0.01
PERSONS = 100
REFERENCES = (1, 5)
SHOTS = (1, 2, 3, 5)
KINDS = ("one photograph", "different photographs")
WAYS = ("mean vector", "mean score", "vote", "product")
SPOILT = 5
NOBODY = ""
_MOST_TRACKS = 2

Vectors = NDArray[np.float32]
Numbers = NDArray[np.intp]
Floats = NDArray[np.float64]
Names = NDArray[np.str_]
Shots = list[tuple[int, int]]
"""Of a track: photographs, and which spoilt form of each; 0 is the good one."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Whose each photograph is, (M,), and of its forms the vectors and probabilities."""

    people: Numbers
    vectors: Vectors
    probabilities: Floats

    def by_person(self) -> list[Numbers]:
        return [np.flatnonzero(self.people == person) for person in range(self.people.max() + 1)]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """People who are known, and tracks of theirs and of strangers."""

    gallery: TemplateGallery
    mates: list[tuple[str, Shots]]
    strangers: list[Shots]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one way of judging went, mean over draws; `fpir_se` is over draws alone."""

    kind: str
    references: int
    shots: int
    way: str
    tracks: int
    fpir: float
    fpir_se: float
    fnir: float


# ---- Tracks -------------------------------------------------------------------------------------


def as_a_camera(image_rgb: RgbImage, box: Box, random: np.random.Generator) -> tuple[RgbImage, Box]:
    """Spoil a photograph as a camera at a door would: two thirds stay good enough to found."""
    factor = min(1.0, np.exp(random.uniform(np.log(45), np.log(110))) / box.size)
    image, box = resized(image_rgb, factor), box.scaled(factor)
    sigma = random.uniform(0, 0.03) * box.size
    if sigma > 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    dark = image * np.exp(random.uniform(np.log(0.4), np.log(1.2)))
    noisy = np.clip(dark, 0, 255) + random.normal(0, random.uniform(0, 6), image.shape)
    bgr = np.clip(noisy, 0, 255).astype(np.uint8)[:, :, ::-1]
    quality = int(random.integers(50, 92))
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    dx, dy = (round(random.normal(0, 0.03) * box.width) for _ in range(2))
    return np.ascontiguousarray(decoded[:, :, ::-1]), box.shifted(dx, dy)


def describe(paths: Sequence[Path], people: Numbers) -> Faces:
    """The most central face of each photograph, as it is and spoilt."""
    pipeline = make_pipeline(embedder=DLIB_CROPS)
    vectors, probabilities = [], []
    for number, path in enumerate(progress(paths, "faces", console=Console(stderr=True))):
        image, box = face_in(path, pipeline)
        random = np.random.default_rng(number)
        forms = [(image, box)] + [as_a_camera(image, box, random) for _ in range(SPOILT)]
        found = pipeline.describe_many(forms)
        vectors.append([face.embedding for face in found])
        probabilities.append([face.quality.probability for face in found])
    return Faces(people, unit(np.array(vectors, np.float32)), np.array(probabilities, np.float64))


def draw(faces: Faces, kind: str, most: int, shots: int, random: np.random.Generator) -> Trial:
    """Draw who is known, and tracks of so many shots."""
    images = faces.by_person()
    several = [person for person, rows in enumerate(images) if len(rows) > 1]
    known = set(random.permutation(several)[:PERSONS].tolist())
    trial = Trial(TemplateGallery(), [], [])
    for person, rows in enumerate(images):
        order = random.permutation(rows)
        count = min(most, len(rows) - 1) if person in known else 0
        tracks = list(tracks_of(order[count:], kind, shots, random))
        if person not in known:
            trial.strangers.extend(tracks)
            continue
        name = f"{person:06d}"
        given = [Reference(str(row), faces.vectors[row, 0]) for row in order[:count]]
        trial.gallery.put(name, given)
        trial.mates.extend((name, one) for one in tracks)
    return trial


def tracks_of(rows: Numbers, kind: str, shots: int, random: np.random.Generator) -> Iterator[Shots]:
    """The tracks that a person's photographs make: one of one photograph, or up to two."""
    if kind == KINDS[0]:
        forms = 1 + random.permutation(SPOILT)[:shots]
        yield [(int(rows[0]), int(form)) for form in forms]
        return
    for start in range(0, min(len(rows) // shots, _MOST_TRACKS) * shots, shots):
        some = rows[start : start + shots]
        yield [(int(row), int(random.integers(1, 1 + SPOILT))) for row in some]


# ---- Ways to judge ------------------------------------------------------------------------------


def rates(faces: Faces, trial: Trial, threshold: float) -> dict[str, tuple[float, float]]:
    """FPIR and FNIR by each way."""
    crowd = Crowd.of(trial.gallery)
    strangers = judged(faces, crowd, trial.strangers, threshold)
    mates = judged(faces, crowd, [shots for _, shots in trial.mates], threshold)
    names = np.array([name for name, _ in trial.mates])
    return {
        way: (float((strangers[way] != NOBODY).mean()), float((mates[way] != names).mean()))
        for way in WAYS
    }


def judged(
    faces: Faces, crowd: Crowd, tracks: Sequence[Shots], threshold: float
) -> dict[str, Names]:
    """By each way, whom each track shows."""
    shown = [tuple(np.array(part) for part in zip(*shots, strict=True)) for shots in tracks]
    vectors = [faces.vectors[rows, forms] for rows, forms in shown]
    weights = [np.maximum(faces.probabilities[rows, forms], 0.01) for rows, forms in shown]
    fused = [TemplateGallery().fused(*one) for one in zip(vectors, weights, strict=True)]
    means = unit(np.stack([mean for mean, _ in fused]))
    spreads = np.array([spread for _, spread in fused])
    lengths = {
        "mean vector": np.ones(len(means)),
        "mean score": np.sqrt(1 - spreads),
        "product": np.array([length_of(spread) for spread in spreads]),
    }
    found = {way: named(crowd, means, length, threshold) for way, length in lengths.items()}
    single = named(crowd, np.concatenate(vectors), 1.0, threshold)
    parts = np.split(single, np.cumsum([len(one) for one in vectors])[:-1])
    votes = [most_votes(*one) for one in zip(parts, weights, strict=True)]
    return {**found, "vote": np.array(votes)}


def named(crowd: Crowd, faces: Vectors, lengths: Floats | float, threshold: float) -> Names:
    """Whom each face stands out for so far as the threshold, counted so long."""
    near = faces @ crowd.templates.T
    scaled = (near * np.reshape(lengths, (-1, 1))).astype(np.float32)
    best, scores = crowd.standing(scaled)
    return np.where(scores >= threshold, np.array(crowd.persons)[best], NOBODY)


def most_votes(names: Names, weights: Floats) -> str:
    """Whom most of the weight is for."""
    voted, places = np.unique(names, return_inverse=True)
    return str(voted[np.bincount(places, weights).argmax()])


def measure(faces: Faces, kind: str, references: int, shots: int, seeds: int) -> list[Outcome]:
    """Every way, over so many draws."""
    model = make_pipeline(embedder=DLIB_CROPS).model_id
    rule = make_rule("budget", model=model, budget=BUDGET, fixed_distance=None)
    found = defaultdict[str, list[tuple[float, float]]](list)
    tracks = 0
    for seed in range(seeds):
        trial = draw(faces, kind, references, shots, np.random.default_rng(seed))
        tracks = len(trial.strangers) + len(trial.mates)
        threshold = rule.calibrate(trial.gallery).threshold
        for way, pair in rates(faces, trial, threshold).items():
            found[way].append(pair)
    return [
        Outcome(
            kind=kind,
            references=references,
            shots=shots,
            way=way,
            tracks=tracks,
            fpir=float(np.mean([fpir for fpir, _ in pairs])),
            fpir_se=float(np.std([fpir for fpir, _ in pairs]) / np.sqrt(len(pairs))),
            fnir=float(np.mean([fnir for _, fnir in pairs])),
        )
        for way, pairs in found.items()
    ]


# ---- The command --------------------------------------------------------------------------------


def show(outcomes: Sequence[Outcome]) -> None:
    """Print a part of the table."""
    first = outcomes[0]
    print(
        f"{first.kind:22} {first.references} {first.shots:5} {first.tracks:6}  "
        + "  ".join(
            f"{one.way}: {one.fpir:.2%} ({one.fpir_se:.2%}), {one.fnir:.1%}" for one in outcomes
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser)
    parser.add_argument("--seeds", type=int, default=15, help="draws; default: 15")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    photographs = photographs_in(arguments.data, parser)
    _, people = np.unique([path.parent.name for path in photographs], return_inverse=True)
    unseen = [path for path, one in zip(photographs, people, strict=True) if one % 2]
    faces = describe(unseen, people[people % 2 == 1] // 2)
    print(f"{PERSONS} persons known, budget {BUDGET:.0%}: FPIR (standard error), FNIR")
    print(f"{'shots of':20} refs shots tracks")
    found = []
    for kind in KINDS:
        for references in REFERENCES:
            for shots in SHOTS:
                found.append(measure(faces, kind, references, shots, arguments.seeds))
                show(found[-1])
    if arguments.json:
        print(json.dumps({"tracks": [asdict(one) for outcomes in found for one in outcomes]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
