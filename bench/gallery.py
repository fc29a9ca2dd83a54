"""What does it cost to find a face among 10 thousand, 100 thousand and a million references?

Everybody is a person with one reference. The vectors are made up: of length 1 around a mean, so
that two of them have a cosine of about 0.7. Each answer is compared with NumPy's: a search that is
not exact ends the benchmark.

Measured in the same rounds, in turns, the best round of each: the index and the gallery, NumPy's
plain form (all products, then the largest), faiss's exact index where it can be imported, and
reading the matrix once (NumPy's sum or maximum over all of it, the faster). Each size and number of
threads has a process of its own, since a BLAS takes its number of threads from the environment when
it is loaded; faiss gets as many, and so does reading. Usher itself gives its BLAS one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from _figures import rounded
from usher.identity.gallery import Reference, TemplateGallery, unit
from usher.identity.vectors import VectorIndex, largest
from usher.vision.runtime import core_count

SIZES = (10_000, 100_000, 1_000_000)
BATCH = 32
DIMENSION = 128
_ALIKE = 0.7
"""The cosine of two people, on average."""
_CHANGES = 20
_CHUNK = 50_000
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_NO_FAISS = (
    "faiss cannot be imported: not measured. To compare: pip install --target FOLDER faiss-cpu, "
    "then PYTHONPATH=FOLDER"
)

Vectors = NDArray[np.float32]
Work = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Of one size and number of threads. Times are of one query; batches are of 32.

    A decision is that of `TemplateGallery.best`: cold for a face that comes near people who were
    not near any before, warm when it comes again, and after somebody has changed.
    """

    references: int
    threads: int
    query_ms: float
    batch_ms: float
    read_ms: float
    numpy_ms: float
    numpy_batch_ms: float
    faiss_ms: float | None
    faiss_batch_ms: float | None
    decide_ms: float
    decide_cold_ms: float
    decide_after_change_ms: float
    add_ms: float
    remove_ms: float
    start_up_s: float
    bytes_a_reference: float


# ---- Vectors ------------------------------------------------------------------------------------


def made_up(count: int, random: np.random.Generator) -> Vectors:
    """Unit vectors, (count, 128), any two of which have a cosine of about 0.7."""
    vectors = np.empty((count, DIMENSION), np.float32)
    mean = np.eye(1, DIMENSION, dtype=np.float32)
    for start in range(0, count, _CHUNK):
        part = vectors[start : start + _CHUNK]
        away = unit(random.standard_normal(part.shape, np.float32))
        part[:] = unit(np.sqrt(_ALIKE) * mean + np.sqrt(1 - _ALIKE) * away)
    return vectors


def looks_like(vectors: Vectors, random: np.random.Generator) -> Vectors:
    """Another face of each."""
    return unit(vectors + 0.25 * unit(random.standard_normal(vectors.shape, np.float32)))


# ---- What is measured ---------------------------------------------------------------------------


def best_times(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """In milliseconds the best time of each, measured in turns, once before to warm up."""
    found: dict[str, float] = defaultdict(lambda: float("inf"))
    for turn in range(rounds + 1):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            took_ms = 1e3 * (time.perf_counter() - begun)
            if turn:
                found[name] = min(found[name], took_ms)
    return dict(found)


def readers(matrix: Vectors, threads: int, pool: ThreadPoolExecutor) -> dict[str, Work]:
    """Reading the matrix once, in as many parts as there are threads."""
    parts = np.array_split(matrix, threads)
    if threads == 1:
        return {"sum": matrix.sum, "max": matrix.max}
    return {
        "sum": lambda: list(pool.map(np.sum, parts)),
        "max": lambda: list(pool.map(np.max, parts)),
    }


def searches(matrix: Vectors, probes: Vectors, threads: int) -> dict[str, Work]:
    """Of each contender the search for the best of one probe and of a batch."""
    index = VectorIndex(DIMENSION)
    index.add_all(matrix)
    works: dict[str, Work] = {
        "query": lambda: index.best(probes[0], 1)[0],
        "batch": lambda: largest(index.products(probes), 1)[0][:, 0],
        "numpy": lambda: np.argmax(matrix @ probes[0])[None],
        "numpy batch": lambda: np.argmax(probes @ matrix.T, axis=1),
    }
    faiss = make_faiss(matrix, threads)
    if faiss is not None:
        works["faiss"] = lambda: faiss.search(probes[:1], 1)[1][:, 0]
        works["faiss batch"] = lambda: faiss.search(probes, 1)[1][:, 0]
    return works


def make_faiss(matrix: Vectors, threads: int) -> Any:
    """Its exact index of inner products; None: not installed."""
    try:
        import faiss  # noqa: PLC0415 - a peer that need not be there
    except ImportError:
        return None
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(matrix.shape[1])
    index.add(matrix)
    return index


def check(works: dict[str, Work]) -> None:
    """All find the same.

    Raises
    ------
    AssertionError
        If one does not.
    """
    for name, work in works.items():
        plain = works["numpy batch" if "batch" in name else "numpy"]()
        np.testing.assert_array_equal(work(), plain, err_msg=f"{name} is not exact")


def fill(matrix: Vectors) -> tuple[TemplateGallery, float, float]:
    """A gallery of them, the seconds that it took, and the bytes a reference that it holds."""
    ids = [f"{number:012x}" for number in range(len(matrix))]
    process = psutil.Process()
    before = process.memory_info().rss
    begun = time.perf_counter()
    gallery = TemplateGallery()
    gallery.put_all({one: [Reference(one, row)] for one, row in zip(ids, matrix, strict=True)})
    took_s = time.perf_counter() - begun
    return gallery, took_s, (process.memory_info().rss - before) / len(matrix)


def changes(gallery: TemplateGallery, vectors: Vectors) -> dict[str, Work]:
    """Adding some people, and removing them again."""
    people = {f"new {number}": [Reference("r", one)] for number, one in enumerate(vectors)}

    def add() -> None:
        for person_id, references in people.items():
            gallery.put(person_id, references)

    def remove() -> None:
        for person_id in people:
            gallery.put(person_id, ())

    return {"add": add, "remove": remove}


def decisions(gallery: TemplateGallery, probes: Iterator[Vectors]) -> dict[str, Work]:
    """The same face as last time, one never seen before, and it again after somebody changed.

    First what others have changed is taken in, which is not counted.
    """
    now = [next(probes)]

    def cold() -> None:
        now[0] = next(probes)
        gallery.best(now[0])

    def warm() -> None:
        gallery.best(now[0])

    def after_change() -> None:
        gallery.put("changed", [Reference("r", now[0])])
        gallery.best(now[0])

    gallery.put("changed", [Reference("r", now[0])])
    return {"settle": warm, "warm": warm, "cold": cold, "after change": after_change}


def measure(size: int, threads: int, rounds: int) -> Measured:
    """Everything about one size."""
    random = np.random.default_rng(0)
    matrix = made_up(size, random)
    gallery, start_up_s, bytes_a_reference = fill(matrix)
    probes = looks_like(matrix[random.permutation(size)[: BATCH + rounds + 2]], random)
    works = searches(matrix, probes[:BATCH], threads)
    check(works)
    with ThreadPoolExecutor(threads) as pool:
        works |= readers(matrix, threads, pool)
        works |= changes(gallery, made_up(_CHANGES, random))
        works |= decisions(gallery, iter(probes[BATCH:]))
        found = best_times(works, rounds)
    return Measured(
        references=size,
        threads=threads,
        query_ms=found["query"],
        batch_ms=found["batch"] / BATCH,
        read_ms=min(found["sum"], found["max"]),
        numpy_ms=found["numpy"],
        numpy_batch_ms=found["numpy batch"] / BATCH,
        faiss_ms=found.get("faiss"),
        faiss_batch_ms=found["faiss batch"] / BATCH if "faiss" in found else None,
        decide_ms=found["warm"],
        decide_cold_ms=found["cold"],
        decide_after_change_ms=found["after change"],
        add_ms=found["add"] / _CHANGES,
        remove_ms=found["remove"] / _CHANGES,
        start_up_s=start_up_s,
        bytes_a_reference=bytes_a_reference,
    )


def measure_apart(size: int, threads: int, rounds: int) -> Measured:
    """The same in a process of its own, whose BLAS has so many threads."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(measure, size, threads, rounds).result()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


# ---- The command --------------------------------------------------------------------------------


def summary(measured: Sequence[Measured]) -> dict[str, Any]:
    """By number of references, and the ratios of the largest."""
    most = measured[-1]
    by_size = {
        name.replace("query_ms", "ms"): {
            str(one.references): getattr(one, name) for one in measured
        }
        for name in asdict(most)
        if name not in {"references", "threads"}
    }
    return {
        "threads": most.threads,
        **by_size,
        "ratio_to_read": most.query_ms / most.read_ms,
        "ratio_to_faiss": None if most.faiss_ms is None else most.query_ms / most.faiss_ms,
        "ratio_to_numpy": most.query_ms / most.numpy_ms,
    }


def show(measured: Sequence[Measured]) -> None:
    """Print the table of one number of threads."""
    print(f"threads: {measured[0].threads}; times in ms a query")
    print(f"{'references':34}" + "".join(f"{one.references:>12,}" for one in measured))
    for title, name in (
        ("exact search, alone", "query_ms"),
        ("  reading the matrix once", "read_ms"),
        ("  NumPy's plain form", "numpy_ms"),
        ("  faiss's exact index", "faiss_ms"),
        ("exact search, batches of 32", "batch_ms"),
        ("  NumPy's plain form", "numpy_batch_ms"),
        ("  faiss's exact index", "faiss_batch_ms"),
        ("decision, a face seen before", "decide_ms"),
        ("decision, a new face", "decide_cold_ms"),
        ("decision, somebody has changed", "decide_after_change_ms"),
        ("adding one", "add_ms"),
        ("removing one", "remove_ms"),
        ("start-up, s", "start_up_s"),
        ("bytes a reference", "bytes_a_reference"),
    ):
        values = [getattr(one, name) for one in measured]
        print(f"{title:34}" + "".join(f"{_figure(value):>12}" for value in values))
    found = summary(measured)
    to_faiss = found["ratio_to_faiss"]
    print(
        f"the largest: {found['ratio_to_read']:.2f} times reading, "
        f"{found['ratio_to_numpy']:.2f} times NumPy's plain form"
        + (f", {to_faiss:.2f} times faiss\n" if to_faiss else f"\n{_NO_FAISS}\n")
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="REFERENCES")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=sorted({1, core_count(0)}),
        help="of all contenders, in turn; default: 1, and all cores",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    found = []
    for threads in arguments.threads:
        measured = [measure_apart(size, threads, arguments.rounds) for size in arguments.sizes]
        show(measured)
        found.append(summary(measured))
    if arguments.json:
        print(json.dumps(rounded({**found[0], "more_threads": found[1:]})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
