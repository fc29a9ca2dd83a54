"""What the tests of `usher.vision` share."""

from __future__ import annotations

from pathlib import Path

import pytest

from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of built networks, empty at first."""
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="session")
def runtime(model_cache: Path) -> Runtime:
    return Runtime(model_cache=model_cache)


@pytest.fixture(scope="session")
def pipeline(runtime: Runtime) -> FacePipeline:
    return make_pipeline(runtime)


@pytest.fixture(scope="session")
def two_people_rgb(test_data: Path) -> RgbImage:
    """A photograph of two faces of about 150 px, 1126 by 661."""
    return photograph(test_data / "groups" / "two_people.jpg")


def photograph(path: Path) -> RgbImage:
    return decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=24_000_000)
