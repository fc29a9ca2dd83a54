"""How many faces a second does the descriptor network describe, and is it still dlib's?

Ours, dlib's own code and, where it is installed, the `face_recognition` package describe the same
faces on the same cores, a batch of 1, 8 and 32 at a time, in turns; of each the best round counts,
as other programs may use the cores now and then. dlib works on one core and holds Python's lock, so
it is measured as one process and as one process a core.

The peak is the best rate of multiply-adds that a product of float32 matrices reaches in this run:
by NumPy or ONNX Runtime on all cores, or by ONNX Runtime on one, times the cores. The network's own
multiply-adds are counted from its graph, those with the zeros of its padding among them.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import dlib
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.progress import track

from _figures import rounded
from _lfw import folder_of
from usher.domain.geometry import Box
from usher.vision.align import CHIP_PX, FaceAligner
from usher.vision.embed import Chips, DlibEmbedder
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.vision.models import model_path
from usher.vision.networks.descriptor import build_descriptor
from usher.vision.runtime import Runtime, core_count, make_session

_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
_BATCHES = (1, 8, 32)
_LARGEST = max(_BATCHES)
_PEAK_SIDE = 1024
_ROUND_S = 0.3
_LFW_FACE = Box(73, 73, 177, 177)
"""Where the photographs of LFW (deep-funneled) have the face."""

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result. Rates are faces a second; by batch: of 1, 8 and 32."""

    faces_per_s: float
    ratio_to_dlib: float
    share_of_peak: float
    max_difference: float
    cores: int
    chips: str
    ours_by_batch: dict[int, float]
    dlib_by_batch: dict[int, float]
    dlib_process_per_core: float
    ratio_to_dlib_process_per_core: float
    face_recognition: float | None
    peak_multiply_adds_per_s: float
    multiply_adds_per_face: int


# ---- What is measured ---------------------------------------------------------------------------


class DlibPeer:
    """The same network on dlib's own code."""

    def __init__(self) -> None:
        self._network = dlib.face_recognition_model_v1(str(model_path(_WEIGHTS)))

    def embed(self, chips: Chips) -> NDArray[np.float32]:
        return np.array(list(self._network.compute_face_descriptor(list(chips))), np.float32)


_peer: DlibPeer | None = None


def _start_peer() -> None:
    global _peer  # noqa: PLW0603 - one for each process of the pool
    _peer = DlibPeer()


def _embed_in_peer(chips: Chips) -> int:
    assert _peer is not None
    return len(_peer.embed(chips))


def face_recognition_encoder() -> Callable[[NDArray[np.uint8]], object] | None:
    """The package's way from a photograph with a known box to a vector; None: not installed."""
    try:
        import face_recognition  # noqa: PLC0415 - a peer that need not be there
    except (ImportError, SystemExit):  # it exits where `pkg_resources` is missing
        return None
    whole = [(0, CHIP_PX, CHIP_PX, 0)]
    return lambda chip: face_recognition.face_encodings(chip, whole, model="small")


def multiply_adds(graph: bytes) -> int:
    """Of one sample: each weight times each place that it is applied at."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
    weights = {it.name: math.prod(it.dims) for it in model.graph.initializer}
    shapes = {
        it.name: [dim.dim_value for dim in it.type.tensor_type.shape.dim]
        for it in model.graph.value_info
    }
    return sum(
        weights[node.input[1]] * math.prod(shapes[node.output[0]][2:])
        for node in model.graph.node
        if node.op_type in ("Conv", "MatMul")
    )


def products(cores: int) -> list[tuple[Work, int]]:
    """Ways to multiply matrices, and the multiply-adds that each stands for on all cores.

    Where other programs take a core now and then, the cores are seldom all free at once. One core
    alone shows what each of them could do.
    """
    side = _PEAK_SIDE
    matrix = np.random.default_rng(1).random((side, side), np.float32)
    graph = _product_graph(matrix)
    together, alone = make_session(graph, threads=cores), make_session(graph, threads=1)
    ways: list[tuple[Work, int]] = [
        (lambda: together.run(None, {"x": matrix}), side**3),
        (lambda: alone.run(None, {"x": matrix}), cores * side**3),
    ]
    if cores == core_count(0):  # NumPy takes all
        ways.append((lambda: matrix @ matrix, side**3))
    return ways


def _product_graph(matrix: NDArray[np.float32]) -> bytes:
    side = len(matrix)
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [side, side]) for n in "xy"]
    nodes = [helper.make_node("MatMul", ["x", "matrix"], ["y"])]
    constants = [numpy_helper.from_array(matrix, "matrix")]
    graph = helper.make_graph(nodes, "product", tensors[:1], tensors[1:], constants)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return bytes(model.SerializeToString())


# ---- The faces ----------------------------------------------------------------------------------


def real_chips(folder: Path) -> Chips:
    """Aligned faces of a folder of LFW: uint8, (32, 150, 150, 3), RGB."""
    paths = sorted(folder.glob("*/*_0001.jpg"))[:_LARGEST]
    aligner = FaceAligner()
    photos = [
        decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=1_000_000)
        for path in paths
    ]
    return np.array([aligner.align(photo, _LFW_FACE).chip_rgb for photo in photos])


def generated_chips() -> Chips:
    """Noise: uint8, (32, 150, 150, 3)."""
    shape = (_LARGEST, CHIP_PX, CHIP_PX, 3)
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


# ---- Measuring ----------------------------------------------------------------------------------


def rates(works: Sequence[tuple[Work, int]], rounds: int) -> list[float]:
    """The best rate of each, in its own unit a second, over rounds in turn."""
    best = [0.0] * len(works)
    for work, _ in works:
        work()
    for _ in track(range(rounds), "rounds", console=Console(stderr=True)):
        for index, (work, size) in enumerate(works):
            best[index] = max(best[index], size / _best_time(work))
    return best


def _best_time(work: Work) -> float:
    best, end = math.inf, time.perf_counter() + _ROUND_S
    while (start := time.perf_counter()) < end:
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(chips: Chips, name: str, threads: int, rounds: int) -> Measured:
    cores = core_count(threads)
    ours, peer, package = (
        DlibEmbedder(Runtime(threads=threads)),
        DlibPeer(),
        face_recognition_encoder(),
    )
    peaks = products(cores)
    context = get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=_start_peer) as processes:
        share = [chips[:8]] * cores
        works: list[tuple[Work, int]] = [
            *(((lambda n=n: ours.embed(chips[:n])), n) for n in _BATCHES),
            *(((lambda n=n: peer.embed(chips[:n])), n) for n in _BATCHES),
            (lambda: list(processes.map(_embed_in_peer, share)), 8 * cores),
            *peaks,
        ]
        if package:
            works.append((lambda: package(chips[0]), 1))
        found = rates(works, rounds)
    count = len(_BATCHES)
    ours_by_batch = dict(zip(_BATCHES, found[:count], strict=True))
    dlib_by_batch = dict(zip(_BATCHES, found[count : 2 * count], strict=True))
    per_core = found[2 * count]
    peak = max(found[2 * count + 1 :][: len(peaks)])
    work = multiply_adds(build_descriptor(model_path(_WEIGHTS).read_bytes()))
    rate = ours_by_batch[_LARGEST]
    return Measured(
        faces_per_s=rate,
        ratio_to_dlib=rate / max(dlib_by_batch.values()),
        share_of_peak=rate * work / peak,
        max_difference=float(np.abs(ours.embed(chips) - peer.embed(chips)).max()),
        cores=cores,
        chips=name,
        ours_by_batch=ours_by_batch,
        dlib_by_batch=dlib_by_batch,
        dlib_process_per_core=per_core,
        ratio_to_dlib_process_per_core=rate / per_core,
        face_recognition=found[-1] if package else None,
        peak_multiply_adds_per_s=peak,
        multiply_adds_per_face=work,
    )


def show(measured: Measured) -> None:
    """Print the table."""
    print(f"faces a second on {measured.cores} cores, {measured.chips}")
    print(f"{'':28}" + "".join(f"{f'batch {batch}':>10}" for batch in _BATCHES))
    for name, by_batch in (
        ("ours", measured.ours_by_batch),
        ("dlib, one process", measured.dlib_by_batch),
    ):
        print(f"{name:28}" + "".join(f"{rate:10.1f}" for rate in by_batch.values()))
    print(f"{'dlib, one process a core':28}{measured.dlib_process_per_core:20.1f}")
    if measured.face_recognition is None:
        print(f"{'face_recognition':28}   not installed, or without pkg_resources: not measured")
    else:
        print(f"{'face_recognition':28}{measured.face_recognition:10.1f}")
    print(
        f"\n{measured.ratio_to_dlib:.1f} times dlib, {measured.ratio_to_dlib_process_per_core:.1f} "
        f"times dlib in one process a core; largest difference {measured.max_difference:.1e}\n"
        f"{measured.multiply_adds_per_face / 1e6:.1f} million multiply-adds a face, "
        f"{measured.share_of_peak:.0%} of the measured peak of "
        f"{measured.peak_multiply_adds_per_s / 1e9:.0f} thousand million a second"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="LFW_FOLDER",
        help="photographs, one folder a person; default: lfw-dev/images in USHER_TEST_DATA, "
        "and noise without it",
    )
    parser.add_argument("--threads", type=int, default=0, help="cores to use; 0, the default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    folder = folder_of(arguments.data)
    chips = real_chips(folder) if folder else generated_chips()
    if len(chips) < _LARGEST:
        parser.error(f"there are no {_LARGEST} photographs PERSON/*_0001.jpg in {folder}")
    name = "faces of LFW" if folder else "noise for faces"
    measured = measure(chips, name, arguments.threads, arguments.rounds)
    show(measured)
    if arguments.json:
        print(json.dumps(rounded(asdict(measured))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
