"""The detector's configuration: a file, options over it, readable errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.detector.config import DetectorConfig, load_config
from usher.domain.errors import ConfigurationError

GIVEN = {"camera_id": "front-door", "source": "0"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "door.json"


def test_config_of_options_alone_has_defaults() -> None:
    config = load_config(None, GIVEN)
    assert (config.detector, config.min_face_px, config.max_fps, config.margin) == (
        "hog",
        60,
        6,
        0.5,
    )
    assert config.api_url == "http://127.0.0.1:8000"


def test_options_stand_above_the_file(file: Path) -> None:
    file.write_text(json.dumps({**GIVEN, "min_face_px": 90, "margin": 0.3}))
    config = load_config(file, {"min_face_px": 120})
    assert (config.camera_id, config.min_face_px, config.margin) == ("front-door", 120, 0.3)


def test_config_takes_a_camera_index_as_a_number(file: Path) -> None:
    file.write_text(json.dumps({"camera_id": "front-door", "source": 2}))
    assert load_config(file, {}).source == "2"


@pytest.mark.parametrize(
    ("source", "kind"), [("0", "opencv"), ("rtsp://camera/1", "opencv"), ("clip.mp4", "opencv")]
)
def test_reader_fits_the_source(source: str, kind: str, tmp_path: Path) -> None:
    assert DetectorConfig(camera_id="door", source=source).reader_kind == kind
    assert DetectorConfig(camera_id="door", source=str(tmp_path)).reader_kind == "folder"
    assert DetectorConfig(camera_id="door", source=source, reader="folder").reader_kind == "folder"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold one JSON object"),
        ("\ufeff{", "is not JSON"),
        ('{"source": "0"}', "--camera-id is missing"),
        ('{"camera_id": "a b", "source": "0"}', r"door\.json: camera_id: use 1 to 64 letters"),
        ('{"camera_id": "a", "source": ""}', r"door\.json: source"),
        ('{"camera_id": "a", "source": "0", "min_face_px": 5}', r"min_face_px: .* 20"),
        ('{"camera_id": "a", "source": "0", "max_fps": 0}', "max_fps: .* greater than 0"),
        ('{"camera_id": "a", "source": "0", "margin": "wide"}', "margin: .* number"),
        ('{"camera_id": "a", "source": "0", "reader": "x"}', "reader: .*'opencv' or 'folder'"),
        (
            '{"camera_id": "a", "source": "0", "every": 3}',
            r"every is unknown: .* max_fps",
        ),
        ('{"camera_id": "a", "source": "0", "api_url": "localhost:8000"}', "api_url: .*'http'"),
        ('{"camera_id": "a", "source": "0", "started_at": "2026-01-01T00:00"}', "timezone"),
    ],
)
def test_config_error_names_file_field_and_what_is_allowed(
    file: Path, content: str, message: str
) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        load_config(file, {})


def test_config_error_names_the_option_when_that_was_given(file: Path) -> None:
    file.write_text(json.dumps(GIVEN))
    with pytest.raises(ConfigurationError, match=r"^--camera-id: use 1 to 64 letters"):
        load_config(file, {"camera_id": "../etc"})
    with pytest.raises(ConfigurationError, match=r"^--api or USHER_API_URL: "):
        load_config(file, {"api_url": "ftp://here"})


def test_config_error_gives_every_problem_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"--camera-id is missing.*; --source is missing"):
        load_config(None, {})


def test_config_error_says_so_when_the_file_is_missing(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"door\.json cannot be read: No such file"):
        load_config(file, {})
