"""How `bench/pipeline.py` plans, feeds and reckons. What it measures is in no test."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.pipeline import (
    Crop,
    Latency,
    Loop,
    Plan,
    Rate,
    Result,
    Run,
    cut,
    form,
    latency_of,
    line_of,
    made_up_vectors,
    summary,
)
from usher.vision.runtime import core_count
from usher.wire import DetectionMetadata


@pytest.fixture
def crop(tmp_path: Path) -> Crop:
    """Of a photograph of LFW's size: grey, black where LFW has its faces."""
    pixels = np.full((250, 250, 3), 200, np.uint8)
    pixels[73:177, 73:177] = 0
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", quality=95)
    return cut(tmp_path / "photo.jpg")


def plan(**given: object) -> Plan:
    fields = {"references": [200, 1000], "workers": [1, 2], "embedder": "dlib-crops", "seconds": 1}
    return Plan(**{**fields, **given})  # type: ignore[arg-type]


def result(references: int, *, crops_per_s: float, cpu_ms: float) -> Result:
    """With two classifiers; the loop makes four crops a second, of 250 ms each."""
    spent = {"load": 1.0, "API": 1.0, "MongoDB": 1.0, "classifiers": cpu_ms - 3}
    rate = Rate(100, crops_per_s, spent, others=0.0)
    run = Run(references, 2, "dlib-crops", with_latency=True)
    return Result(run, rate, Loop(4.0, 250.0), Latency(20.0, 40.0, 100))


# ---- What is uploaded ----------------------------------------------------------------------------


def test_crop_keeps_the_face_with_half_its_size_around(crop: Crop) -> None:
    with Image.open(io.BytesIO(crop.image)) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (208, 208, 3)
    assert (crop.box.x1, crop.box.y1, crop.box.x2, crop.box.y2) == (52, 52, 156, 156)
    assert pixels[52:156, 52:156].mean() < 10
    assert pixels[:48].mean() > 190


def test_form_holds_the_picture_and_the_time_of_its_making(crop: Crop) -> None:
    nothing, metadata_part, image_part, end = form(crop).split(b"--usher-bench-3b1f0c6a")
    _, text = metadata_part.split(b"\r\n\r\n", 1)
    headers, image = image_part.split(b"\r\n\r\n", 1)
    metadata = DetectionMetadata.model_validate_json(text)
    assert (nothing, end) == (b"", b"--\r\n")
    assert b'name="image"; filename=' in headers
    assert image == crop.image + b"\r\n"
    assert metadata.captured_at > crop.metadata.captured_at
    assert metadata.box == crop.metadata.box


# ---- The gallery ---------------------------------------------------------------------------------


def test_made_up_vectors_lie_apart_as_those_of_strangers_do() -> None:
    vectors = made_up_vectors(1002)
    assert vectors.shape == (1002, 128)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    strangers = vectors[::5]
    apart = np.linalg.norm(strangers[:100, None] - strangers[None, 100:], axis=2)
    assert np.median(apart) == pytest.approx(0.57, abs=0.03)
    assert np.quantile(apart, 0.01) == pytest.approx(0.41, abs=0.03)
    within = np.linalg.norm(vectors[0:1000:5] - vectors[1:1000:5], axis=1)
    assert np.median(within) == pytest.approx(0.26, abs=0.03)


# ---- The plan and what comes of it ---------------------------------------------------------------


def test_plan_begins_with_the_run_that_stands_for_all_and_ends_with_one_pass() -> None:
    first, second, *_, last = plan().runs()
    assert first == Run(200, 2, "dlib-crops", with_latency=True)
    assert second == Run(200, 1, "dlib-crops")
    assert last == Run(200, 2, "dlib")
    assert len({run.gallery for run in plan().runs()}) == 3


def test_plan_has_no_further_run_when_one_pass_is_what_is_measured() -> None:
    assert plan(embedder="dlib", workers=[1]).runs() == [
        Run(200, 1, "dlib", with_latency=True),
        Run(1000, 1, "dlib", with_latency=True),
    ]


def test_latency_is_the_median_and_the_ninety_fifth_percentile() -> None:
    assert latency_of(range(101)) == Latency(50.0, 95.0, 101)
    assert latency_of([]).alerts == 0


def test_summary_tells_of_the_first_run_and_of_what_larger_galleries_keep() -> None:
    told = summary(
        [
            result(200, crops_per_s=60.0, cpu_ms=20.0),
            result(10_000, crops_per_s=54.0, cpu_ms=25.0),
        ],
        "dlib",
    )
    assert (told["crops_per_s"], told["ratio_to_loop"]) == (60.0, 15.0)
    assert told["latency_ms"] == {"p50": 20.0, "p95": 40.0}
    assert told["crops_per_s_by_cpu"] == pytest.approx(50.0 * core_count(0))
    assert told["ratio_to_loop_by_cpu"] == pytest.approx(12.5 * core_count(0))
    assert told["kept"] == {
        10_000: {"crops_per_s": pytest.approx(0.9), "crops_per_s_by_cpu": pytest.approx(0.8)}
    }


def test_line_has_a_figure_for_each_column() -> None:
    line = line_of(result(10_000, crops_per_s=60.0, cpu_ms=20.0)).split()
    assert line[:4] == ["10,000", "2", "dlib-crops", "60.0"]
    assert len(line) == 14
