"""How close do faces of different people come? The tables in `usher/identity/measured.py`.

Every pair of photographs of different people is compared; the table gives the distance below which
a share of those pairs lies. The same on two halves of the people says how far to trust it: no
person, and so no pair, is in both. A photograph in which no face is found is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from _lfw import add_data, photographs_in
from usher.domain.errors import NoFaceFound
from usher.identity.measured import MEASURED
from usher.vision.embed import DLIB, EMBEDDERS
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.vision.pipeline import FacePipeline, make_pipeline

RAW = "dlib-resnet-v1"
SHARES = MEASURED[RAW].shares
_MAX_PIXELS = 50_000_000
_FEWEST_PAIRS = 10
"""A share that fewer pairs make up is told, but not compared between the halves."""


@dataclass(frozen=True, slots=True, eq=False)
class Descriptors:
    """Whose face each vector is: float32, (N, 128), of one model."""

    names: NDArray[np.str_]
    vectors: NDArray[np.float32]

    def of(self, people: NDArray[np.str_]) -> Descriptors:
        theirs = np.isin(self.names, people)
        return Descriptors(self.names[theirs], self.vectors[theirs])


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """The distance below which each share of the pairs of different people lies."""

    people: int
    photographs: int
    pairs: int
    distances: tuple[float, ...]


def describe(
    photographs: Sequence[Path], pipelines: Sequence[FacePipeline]
) -> dict[str, Descriptors]:
    """The vectors of the most central face of each photograph that shows one, by model."""
    names: list[str] = []
    vectors: dict[str, list[NDArray[np.float32]]] = {one.model_id: [] for one in pipelines}
    for path in track(photographs, "faces", console=Console(stderr=True)):
        image_rgb = decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=_MAX_PIXELS)
        try:
            box = pipelines[0].central_face(image_rgb).box
        except NoFaceFound:
            continue
        names.append(path.parent.name)
        for pipeline in pipelines:
            (face,) = pipeline.describe(image_rgb, [box])
            vectors[pipeline.model_id].append(face.embedding)
    return {
        model: Descriptors(np.array(names), np.array(found, np.float32))
        for model, found in vectors.items()
    }


def quantiles(descriptors: Descriptors) -> Quantiles:
    """Measure a set of descriptors: every pair of different people, once."""
    distances = impostor_distances(descriptors)
    return Quantiles(
        people=len(np.unique(descriptors.names)),
        photographs=len(descriptors.names),
        pairs=len(distances),
        distances=tuple(float(value) for value in np.quantile(distances, SHARES)),
    )


def impostor_distances(descriptors: Descriptors) -> NDArray[np.float32]:
    """The Euclidean distances of all pairs of different people, in no order: float32, (P,)."""
    names, vectors = descriptors.names, descriptors.vectors
    parts = [
        np.linalg.norm(vectors[index + 1 :] - vectors[index], axis=1)[
            names[index + 1 :] != names[index]
        ]
        for index in range(len(names))
    ]
    return np.concatenate(parts)


def halves(descriptors: Descriptors) -> tuple[Descriptors, Descriptors]:
    """The first, third, fifth, ... person by name, and the others."""
    people = np.unique(descriptors.names)
    return descriptors.of(people[::2]), descriptors.of(people[1::2])


def disagreement(one: Quantiles, other: Quantiles) -> tuple[float, float]:
    """How far two measurements lie apart at most, and the least share that was compared."""
    fewest = min(one.pairs, other.pairs)
    compared = [
        (abs(a - b), share)
        for share, a, b in zip(SHARES, one.distances, other.distances, strict=True)
        if share * fewest >= _FEWEST_PAIRS
    ]
    return max(compared)[0], min(share for _, share in compared)


def equal_loosest(raw: Descriptors, other: Descriptors) -> float:
    """The distance that accepts as large a share as the raw model's loosest does."""
    share = float((impostor_distances(raw) < MEASURED[RAW].loosest).mean())
    return float(np.quantile(impostor_distances(other), share))


def show(model: str, everybody: Quantiles, first: Quantiles, second: Quantiles) -> None:
    """Print the table of one model."""
    print(
        f"{model}: "
        f"{everybody.pairs:,} pairs of {everybody.photographs:,} photographs "
        f"of {everybody.people:,} people"
    )
    print(f"{'share':>8} {'in use':>8} {'measured':>9} {'1st half':>9} {'2nd half':>9}")
    rows = zip(
        SHARES,
        MEASURED[model].distances if model in MEASURED else [math.nan] * len(SHARES),
        everybody.distances,
        first.distances,
        second.distances,
        strict=True,
    )
    for share, in_use, *measured in rows:
        print(f"{share:8.0e} {in_use:8.3f}" + "".join(f" {value:9.3f}" for value in measured))
    apart, least = disagreement(first, second)
    print(f"the halves agree within {apart:.3f} down to a share of {least:.0e}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser)
    parser.add_argument(
        "--embedder",
        action="append",
        help="measure this one, or the model card, beside dlib's; may be given again; default: all",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    photographs = photographs_in(arguments.data, parser)
    names = [DLIB, *(arguments.embedder or (name for name in EMBEDDERS if name != DLIB))]
    by_model = describe(photographs, [make_pipeline(embedder=name) for name in names])
    measured = {}
    for model, descriptors in by_model.items():
        everybody = quantiles(descriptors)
        first, second = (quantiles(half) for half in halves(descriptors))
        show(model, everybody, first, second)
        found = {"all": everybody, "first_half": first, "second_half": second}
        measured[model] = {name: asdict(value) for name, value in found.items()}
        loosest = equal_loosest(by_model[RAW], descriptors)
        print(f"{loosest:.3f} accepts as many as {MEASURED[RAW].loosest} of {RAW}\n")
    if arguments.json:
        without = len(photographs) - len(by_model[RAW].names)
        print(json.dumps({"shares": SHARES, "without_a_face": without, **measured}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
