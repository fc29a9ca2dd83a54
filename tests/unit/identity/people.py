"""Made-up people, as alike as the networks' vectors of real ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from usher.domain.records import Vector
from usher.identity.gallery import Reference, TemplateGallery, unit
from usher.identity.vectors import Rows, Vectors

DIMENSION = 32
"""The cosines of random directions vary here as those of different people do."""
ALIKE = 0.87
"""The cosine of two people, on average."""


def vector(*numbers: float) -> Vector:
    return np.array(numbers, np.float32)


def turned(vectors: Vectors, cosine: float, random: np.random.Generator) -> Vectors:
    """Vectors of length 1, each at about that cosine with its own, in some random direction."""
    away = unit(random.normal(size=vectors.shape).astype(np.float32))
    return unit(cosine * vectors + np.sqrt(1 - cosine**2) * away)


def centres(count: int, random: np.random.Generator, alike: float = ALIKE) -> Vectors:
    """Of people any two of whom have about that cosine."""
    mean = np.eye(1, DIMENSION, dtype=np.float32)
    return turned(np.repeat(mean, count, axis=0), float(np.sqrt(alike)), random)


def faces_of(centres: Vectors, each: int, random: np.random.Generator) -> Vectors:
    """So many faces of each, person by person; two of one have about the cosine 0.95."""
    return turned(np.repeat(centres, each, axis=0), float(np.sqrt(0.95)), random)


def references(vectors: Iterable[Vector], prefix: str = "r") -> list[Reference]:
    return [Reference(f"{prefix}-{number}", one) for number, one in enumerate(vectors)]


def gallery_of(vectors: Vectors, owners: Rows) -> TemplateGallery:
    """People named `p-00`, `p-01`, ... by their faces."""
    gallery = TemplateGallery()
    for owner in np.unique(owners).tolist():
        gallery.put(f"p-{owner:02d}", references(vectors[owners == owner]))
    return gallery
