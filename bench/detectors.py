"""Which faces does each detector find, at what cost, and is our MMOD still dlib's?

The photographs are dlib's: 43 annotated faces in nine of them, and one of dogs without a human
face, which counts for false faces. Each detector is measured three times, with 20, 40 and 80 px as
its smallest face.

- Recall: for each annotated face the whole photograph is resized so that this face has 30, 60 or
  120 px. It is found if a box has an intersection over union of at least 0.4 with it, each box
  counting for one face. Detectors draw boxes of their own, `haar` looser and `mtcnn` taller ones
  than the annotated: of one face they share 0.46 to 0.9, of its neighbour 0.37 at most. The
  interval is Wilson's, of 95%.
- False faces: the boxes that match none, in the ten photographs as they are. A second box around
  one face is false.
- The time is the best over rounds in which all take turns, as other programs may use the cores now
  and then; the mean of three photographs, brought to the size of the frame with black bars.

dlib's own MMOD and ours search a frame of 640 by 480 on the same cores, in turns, without enlarging
it. The boxes are compared in twenty frames: the ten photographs, and the middle of each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import dlib
import numpy as np
from rich.console import Console
from rich.progress import track

from _figures import rounded
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.detectors import DETECTORS, FaceDetector, make_detector
from usher.vision.detectors.mmod import WINDOW_PX
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image, resized
from usher.vision.models import model_path
from usher.vision.runtime import Runtime, core_count

FACE_PX_BY_SMALLEST = {20: 30, 40: 60, 80: 120}
"""The size of the faces that recall is measured on, by the smallest face that is looked for."""

FRAME_SIZES = ((640, 480), (1280, 720))
LEAST_OVERLAP = 0.4
MTCNN_QUOTED_FPS = 8
"""What is commonly quoted for MTCNN on a processor, at 640 by 480."""

_MTCNN_FACE_PX = 40
_MMOD_WEIGHTS = "mmod_human_face_detector.dat"
_TIMED_PHOTOGRAPHS = 3
_ROUND_S = 0.2
_95_PERCENT = 1.96

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A photograph, uint8, (H, W, 3), RGB, and the faces that somebody marked in it."""

    name: str
    image_rgb: RgbImage
    faces: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one detector does when it looks for faces of one size and larger."""

    detector: str
    smallest_px: int
    face_px: int
    faces: int
    found: int
    recall_low: float
    recall_high: float
    false: int
    ms_by_frame: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MmodComparison:
    """Ours beside dlib's own."""

    mmod_ratio_to_dlib: float
    mmod_ms_640x480: float
    dlib_mmod_ms_640x480: float
    mmod_boxes_compared: int
    mmod_same_boxes: bool
    mmod_largest_box_difference_px: int | None
    mmod_largest_score_difference: float | None


# ---- The photographs ----------------------------------------------------------------------------


def photographs_in(folder: Path) -> list[Photograph]:
    """dlib's annotated photographs, and the dogs."""
    annotated = [
        Photograph(image.get("file", ""), _photo(folder / image.get("file", "")), _boxes(image))
        for name in ("training.xml", "testing.xml")
        for image in ElementTree.parse(folder / name).iter("image")  # noqa: S314 - our own file
    ]
    return [*annotated, Photograph("dogs.jpg", _photo(folder / "dogs.jpg"), ())]


def _photo(path: Path) -> RgbImage:
    return decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=24_000_000)


def _boxes(image: ElementTree.Element) -> tuple[Box, ...]:
    sides = [
        [int(box.get(name, "0")) for name in ("left", "top", "width", "height")]
        for box in image.iter("box")
    ]
    return tuple(Box(x, y, x + width, y + height) for x, y, width, height in sides)


def letterboxed(image_rgb: RgbImage, width: int, height: int) -> RgbImage:
    """The picture as large as it fits into a frame, in its middle: uint8, (height, width, 3)."""
    scale = min(width / image_rgb.shape[1], height / image_rgb.shape[0])
    inner_rgb = resized(image_rgb, scale)
    top = (height - inner_rgb.shape[0]) // 2
    left = (width - inner_rgb.shape[1]) // 2
    frame_rgb = np.zeros((height, width, 3), np.uint8)
    frame_rgb[top : top + inner_rgb.shape[0], left : left + inner_rgb.shape[1]] = inner_rgb
    return frame_rgb


def middle_of(image_rgb: RgbImage) -> RgbImage:
    """The middle half of either side."""
    height, width = image_rgb.shape[:2]
    return image_rgb[height // 4 : height - height // 4, width // 4 : width - width // 4]


# ---- Recall and false faces ---------------------------------------------------------------------


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def matched(faces: Sequence[Box], found: Sequence[Box]) -> set[int]:
    """Which of `faces` were found: pairs with the most overlap first, each box in one pair."""
    pairs = sorted(
        ((overlap(face, box), i, j) for i, face in enumerate(faces) for j, box in enumerate(found)),
        reverse=True,
    )
    taken_faces: set[int] = set()
    taken_boxes: set[int] = set()
    for share, i, j in pairs:
        if share >= LEAST_OVERLAP and i not in taken_faces and j not in taken_boxes:
            taken_faces.add(i)
            taken_boxes.add(j)
    return taken_faces


def found_at(detector: FaceDetector, photos: Iterable[Photograph], face_px: int) -> int:
    """How many of the faces are found, each in its photograph resized to make it `face_px`."""
    return sum(
        len(_found_of_size(detector, photo, size_px, face_px / size_px))
        for photo in photos
        for size_px in {box.size for box in photo.faces}
    )


def _found_of_size(
    detector: FaceDetector, photo: Photograph, size_px: int, scale: float
) -> list[int]:
    faces = [box.scaled(scale) for box in photo.faces]
    found = matched(faces, _boxes_of(detector.detect(resized(photo.image_rgb, scale))))
    return [index for index in found if photo.faces[index].size == size_px]


def false_faces(detector: FaceDetector, photos: Iterable[Photograph]) -> int:
    """The boxes that match no annotated face."""
    count = 0
    for photo in photos:
        found = _boxes_of(detector.detect(photo.image_rgb))
        count += len(found) - len(matched(photo.faces, found))
    return count


def _boxes_of(faces: Iterable[DetectedFace]) -> list[Box]:
    return [face.box for face in faces]


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Where a share lies with 95% confidence, after E. B. Wilson (1927)."""
    z, share = _95_PERCENT, hits / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    whole = 1 + z * z / trials
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


# ---- Time ---------------------------------------------------------------------------------------


def best_times(works: Sequence[Work], rounds: int) -> list[float]:
    """The best time of each in seconds, over rounds in turn."""
    best = [math.inf] * len(works)
    for work in works:
        work()
    for _ in track(range(rounds), "rounds", console=Console(stderr=True)):
        for index, work in enumerate(works):
            best[index] = min(best[index], _best_time(work))
    return best


def _best_time(work: Work) -> float:
    best, end = math.inf, time.perf_counter() + _ROUND_S
    while (start := time.perf_counter()) < end:
        work()
        best = min(best, time.perf_counter() - start)
    return best


def frame_times_ms(
    detectors: Sequence[FaceDetector], photos: Sequence[Photograph], rounds: int
) -> list[dict[str, float]]:
    """Of each detector the milliseconds a frame, by the frame's size."""
    step = max(1, len(photos) // _TIMED_PHOTOGRAPHS)
    timed = photos[::step][:_TIMED_PHOTOGRAPHS]
    works: list[Work] = []
    for width, height in FRAME_SIZES:
        frames = [letterboxed(photo.image_rgb, width, height) for photo in timed]
        works += [
            (lambda d=detector, f=frame: d.detect(f)) for detector in detectors for frame in frames
        ]
    best_ms = 1000 * np.array(best_times(works, rounds))
    means = best_ms.reshape(len(FRAME_SIZES), len(detectors), len(timed)).mean(axis=2)
    names = [f"{width}x{height}" for width, height in FRAME_SIZES]
    return [dict(zip(names, map(float, column), strict=True)) for column in means.T]


# ---- dlib's MMOD --------------------------------------------------------------------------------


def compare_mmod(photos: Sequence[Photograph], runtime: Runtime, rounds: int) -> MmodComparison:
    """Ours and dlib's own on the same frames."""
    ours = make_detector("mmod", min_face_px=WINDOW_PX, runtime=runtime)
    peer = dlib.cnn_face_detection_model_v1(str(model_path(_MMOD_WEIGHTS)))
    pictures = [it for photo in photos for it in (photo.image_rgb, middle_of(photo.image_rgb))]
    frames = [letterboxed(picture_rgb, 640, 480) for picture_rgb in pictures]
    first = frames[0]
    ours_s, peer_s = best_times([lambda: ours.detect(first), lambda: peer(first, 0)], rounds)
    expected = [_in_places(_faces_of_dlib(peer(frame, 0))) for frame in frames]
    found = [_in_places(ours.detect(frame)) for frame in frames]
    paired = [len(faces) for faces in expected] == [len(faces) for faces in found]
    pairs = list(zip(chain(*expected), chain(*found), strict=True)) if paired else []
    return MmodComparison(
        mmod_ratio_to_dlib=peer_s / ours_s,
        mmod_ms_640x480=1000 * ours_s,
        dlib_mmod_ms_640x480=1000 * peer_s,
        mmod_boxes_compared=sum(map(len, expected)),
        mmod_same_boxes=paired and all(one.box == other.box for one, other in pairs),
        mmod_largest_box_difference_px=max(
            (_sides_apart(one.box, other.box) for one, other in pairs), default=None
        ),
        mmod_largest_score_difference=max(
            (abs(one.score - other.score) for one, other in pairs), default=None
        ),
    )


def _faces_of_dlib(found: Any) -> list[DetectedFace]:
    return [
        DetectedFace(
            Box(it.rect.left(), it.rect.top(), it.rect.right() + 1, it.rect.bottom() + 1),
            it.confidence,
        )
        for it in found
    ]


def _in_places(faces: Iterable[DetectedFace]) -> list[DetectedFace]:
    return sorted(faces, key=lambda face: astuple(face.box))


def _sides_apart(one: Box, other: Box) -> int:
    return max(abs(a - b) for a, b in zip(astuple(one), astuple(other), strict=True))


# ---- The report ---------------------------------------------------------------------------------


def measure(
    names: Sequence[str], photos: Sequence[Photograph], runtime: Runtime, rounds: int
) -> list[Row]:
    """A row for each detector and smallest face."""
    kinds = [(name, smallest_px) for name in names for smallest_px in FACE_PX_BY_SMALLEST]
    detectors = [make_detector(name, min_face_px=px, runtime=runtime) for name, px in kinds]
    times = frame_times_ms(detectors, photos, rounds)
    total = sum(len(photo.faces) for photo in photos)
    rows = []
    for index in track(range(len(kinds)), "detectors", console=Console(stderr=True)):
        name, smallest_px = kinds[index]
        face_px = FACE_PX_BY_SMALLEST[smallest_px]
        found = found_at(detectors[index], photos, face_px)
        low, high = wilson_interval(found, total)
        rows.append(
            Row(
                detector=name,
                smallest_px=smallest_px,
                face_px=face_px,
                faces=total,
                found=found,
                recall_low=low,
                recall_high=high,
                false=false_faces(detectors[index], photos),
                ms_by_frame=times[index],
            )
        )
    return rows


def mtcnn_fps(rows: Sequence[Row]) -> float | None:
    """Frames a second at 640 by 480; None: not measured."""
    ms = (row.ms_by_frame["640x480"] for row in rows if _is_the_quoted_case(row))
    return next((1000 / value for value in ms), None)


def _is_the_quoted_case(row: Row) -> bool:
    return row.detector == "mtcnn" and row.smallest_px == _MTCNN_FACE_PX


def show(rows: Sequence[Row], mmod: MmodComparison | None) -> None:
    """Print the table, in Markdown."""
    sizes = [f"{width}x{height}" for width, height in FRAME_SIZES]
    heads = ["smallest face", "detector", "faces of", "found", "recall", "false"]
    print("| " + " | ".join(heads + [f"ms at {size}" for size in sizes]) + " |")
    print("|---" * (len(heads) + len(sizes)) + "|")
    for row in sorted(rows, key=lambda row: row.smallest_px):
        cells = [
            f"{row.smallest_px} px",
            f"`{row.detector}`",
            f"{row.face_px} px",
            f"{row.found} of {row.faces}",
            f"{row.recall_low:.0%} to {row.recall_high:.0%}",
            f"{row.false}",
            *(f"{row.ms_by_frame[size]:.3g}" for size in sizes),
        ]
        print("| " + " | ".join(cells) + " |")
    fps = mtcnn_fps(rows)
    if fps is not None:
        print(
            f"\nmtcnn: {fps:.1f} frames a second at 640x480 with faces of {_MTCNN_FACE_PX} px and "
            f"larger; {MTCNN_QUOTED_FPS} are commonly quoted"
        )
    if mmod is not None:
        show_mmod(mmod)


def show_mmod(mmod: MmodComparison) -> None:
    same = "the same" if mmod.mmod_same_boxes else "not the same"
    print(
        f"\nmmod: {mmod.mmod_ms_640x480:.0f} ms at 640x480, dlib {mmod.dlib_mmod_ms_640x480:.0f}: "
        f"{mmod.mmod_ratio_to_dlib:.1f} times as fast; {mmod.mmod_boxes_compared} boxes are {same}"
    )
    if mmod.mmod_largest_score_difference is not None:
        print(
            f"the largest difference of a side is {mmod.mmod_largest_box_difference_px} px, of a "
            f"score {mmod.mmod_largest_score_difference:.1e}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        metavar="GROUPS_FOLDER",
        help="dlib's annotated photographs; default: groups in USHER_TEST_DATA",
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(DETECTORS), default=list(DETECTORS), metavar="DETECTOR"
    )
    parser.add_argument("--threads", type=int, default=0, help="cores to use; 0, the default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    given = os.environ.get("USHER_TEST_DATA")
    folder = arguments.data or (Path(given) / "groups" if given else None)
    if folder is None:
        print("nothing measured: give --data, or set USHER_TEST_DATA")
        return 0
    if not (folder / "training.xml").is_file():
        parser.error(f"there are no annotated photographs in {folder}")
    runtime = Runtime(threads=arguments.threads)
    cv2.setNumThreads(core_count(arguments.threads))
    photos = photographs_in(folder)
    rows = measure(arguments.only, photos, runtime, arguments.rounds)
    mmod = compare_mmod(photos, runtime, arguments.rounds) if "mmod" in arguments.only else None
    show(rows, mmod)
    if arguments.json:
        print(json.dumps(rounded(_result(rows, mmod, runtime))))
    return 0


def _result(rows: Sequence[Row], mmod: MmodComparison | None, runtime: Runtime) -> dict[str, Any]:
    fps = mtcnn_fps(rows)
    return {
        "cores": core_count(runtime.threads),
        **(asdict(mmod) if mmod else {}),
        **({"mtcnn_fps_640x480": fps, "mtcnn_fps_quoted": MTCNN_QUOTED_FPS} if fps else {}),
        "detectors": [asdict(row) for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
