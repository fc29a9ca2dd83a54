"""The detector's configuration: a file of cameras, options over it, readable errors."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.config import (
    SCHEMES,
    CameraConfig,
    DetectorConfig,
    config_schema,
    config_warnings,
    load_config,
)
from usher.domain.errors import ConfigurationError

DOOR = {"camera_id": "front-door", "source": "0"}
YARD = {"camera_id": "yard", "source": "rtsp://viewer:hunter2@10.0.0.7:554/stream1?token=abc"}
SCHEMA = Path(__file__).parents[3] / "docs" / "detector.schema.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "door.json"


def write(file: Path, *cameras: object, **fields: object) -> Path:
    file.write_text(json.dumps({"cameras": cameras, **fields}))
    return file


def of_door(**fields: object) -> dict[str, object]:
    return {**DOOR, **fields}


# ---- What is given ------------------------------------------------------------------------------


def test_config_of_options_alone_has_defaults() -> None:
    config = load_config(None, DOOR)
    (camera,) = config.cameras
    assert (camera.detector, camera.min_face_px, camera.max_fps) == ("hog", 80, None)
    assert (camera.detect_every, camera.margin, camera.motion) == (None, 0.5, True)
    assert (camera.include, camera.exclude) == ([], [])
    assert camera.shots.model_dump() == {"min_interval_s": 1, "max_shots": 5, "min_gain": 0.05}
    assert config.api_url == "http://127.0.0.1:8000"
    assert (config.ca_file, config.metrics_port, config.preview_port) == (None, None, None)
    assert config.spool.model_dump() == {
        "folder": None,
        "max_mb": 512,
        "max_age_h": 168,
        "when_full": "drop-oldest",
    }


def test_config_takes_several_cameras_each_with_its_settings(file: Path) -> None:
    left = [[0, 0], [0.5, 0], [0.5, 1]]
    write(
        file,
        of_door(min_face_px=120, shots={"max_shots": 3}, exclude=[left]),
        YARD,
        **{"$schema": "detector.schema.json"},
        spool={"max_mb": 64, "when_full": "drop-newest"},
        metrics_port=9101,
    )
    config = load_config(file, {})
    door, yard = config.cameras
    assert (door.min_face_px, door.shots.max_shots) == (120, 3)
    assert door.exclude == [[(0, 0), (0.5, 0), (0.5, 1)]]
    assert (yard.min_face_px, yard.shots.max_shots, yard.exclude) == (80, 5, [])
    assert (config.spool.max_mb, config.metrics_port) == (64, 9101)


def test_options_stand_above_the_file_of_one_camera(file: Path) -> None:
    write(file, of_door(min_face_px=90, margin=0.3), api_url="https://file.example")
    config = load_config(file, {"min_face_px": 120, "api_url": "https://option.example"})
    (camera,) = config.cameras
    assert (camera.camera_id, camera.min_face_px, camera.margin) == ("front-door", 120, 0.3)
    assert config.api_url == "https://option.example/"


def test_options_make_the_camera_when_the_file_has_none(file: Path) -> None:
    file.write_text('{"metrics_port": 9101}')
    config = load_config(file, DOOR)
    assert (config.cameras[0].camera_id, config.metrics_port) == ("front-door", 9101)


def test_options_of_a_camera_are_refused_over_a_file_of_several(file: Path) -> None:
    write(file, DOOR, YARD)
    with pytest.raises(ConfigurationError, match=r"door\.json has 2 cameras: set --margin in it"):
        load_config(file, {"margin": 1})
    assert load_config(file, {"api_url": "https://usher.example"}).cameras[1].camera_id == "yard"


def test_config_takes_a_camera_index_as_a_number(file: Path) -> None:
    assert load_config(write(file, of_door(source=2)), {}).cameras[0].source == "2"


@pytest.mark.parametrize(
    ("source", "device", "is_live"),
    [
        ("0", "/dev/video0", True),
        ("/dev/v4l/by-id/usb-cam-index0", "/dev/v4l/by-id/usb-cam-index0", True),
        ("rtsp://camera/1", None, True),
        ("clip.mp4", None, False),
        ("٣", None, False),
    ],
)
def test_camera_is_live_when_it_names_a_device_or_a_stream(
    source: str, device: str | None, is_live: bool
) -> None:
    camera = CameraConfig(camera_id="door", source=source)
    assert camera.device == (Path(device) if device else None)
    assert camera.is_live is is_live


@pytest.mark.parametrize("source", ["0", "rtsp://camera/1", "clip.mp4"])
def test_reader_fits_the_source(source: str, tmp_path: Path) -> None:
    assert CameraConfig(camera_id="door", source=source).reader_kind == "opencv"
    folder = CameraConfig(camera_id="door", source=str(tmp_path))
    assert folder.reader_kind == "folder"
    watched = CameraConfig(camera_id="door", source=str(tmp_path), reader="watched")
    assert watched.reader_kind == "watched"


# ---- What is wrong with it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold one JSON object"),
        ("\ufeff{", "is not JSON"),
        ("{}", r"door\.json: cameras is missing: write it there"),
        ('{"cameras": []}', r"door\.json: cameras: .* at least 1"),
        ('{"cameras": 5}', r"door\.json: cameras: .*"),
        ('{"cameras": [5]}', r"door\.json: camera 1: .*"),
        ('{"camera_id": "a", "cameras": []}', r"camera_id belongs to a camera: write it into"),
        ('{"camerass": []}', r"door\.json: camerass is unknown: choose from cameras, api_url"),
    ],
)
def test_config_error_names_the_file_and_what_it_should_hold(
    file: Path, content: str, message: str
) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        load_config(file, {})


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ({"source": "0"}, r"camera 1: camera_id is missing: write it there"),
        ({"camera_id": "yard"}, r"camera yard: source is missing"),
        (of_door(camera_id="a b"), r"camera a b: camera_id: use 1 to 64 letters"),
        (of_door(camera_id=None), r"camera 1: camera_id: use 1 to 64 letters"),
        (of_door(source=""), r"camera front-door: source: .* at least 1"),
        (of_door(source="gopher://x/1"), r"source: nobody knows how to read gopher://.*rtsp"),
        (of_door(source="rtsp:///1"), r"source: the address names no host"),
        (of_door(source="rtsp://x:port/1"), r"source: the address names no host"),
        (of_door(source="rtsp://x/1", reader="watched"), r"front-door: reader watched needs a f"),
        (of_door(detector="magic"), r"detector: no detector 'magic': choose one of hog"),
        (of_door(min_face_px=5), r"camera front-door: min_face_px: .* 20"),
        (of_door(max_fps=0), r"max_fps: .* greater than 0"),
        (of_door(detect_every=0), r"detect_every: .* 1"),
        (of_door(margin="wide"), r"margin: .* number"),
        (of_door(motion="perhaps"), r"motion: .* boolean"),
        (of_door(reader="x"), r"reader: .*'opencv', 'folder' or 'watched'"),
        (of_door(every=3), r"camera front-door: every is unknown: .* max_fps"),
        (of_door(started_at="2026-01-01T00:00"), "timezone"),
        (of_door(shots={"max_shots": 0}), r"camera front-door: shots\.max_shots: .* 1"),
        (of_door(shots={"most": 0}), r"shots\.most is unknown: choose from min_interval_s, max_s"),
        (of_door(include=[[[0, 0], [1, 1]]]), r"include, polygon 1: .* at least 3"),
        (
            of_door(include=[[[0, 0], [1, 1], [0, 1]], [[0, 0], [2, 1], [0, 1]]]),
            r"include, polygon 2, point 2, number 1: .* less than or equal to 1",
        ),
        (of_door(exclude=[[[0, 0], [1], [0, 1]]]), r"exclude, polygon 1, point 2"),
        (of_door(exclude=[[[0, 0], [0.5, 0.5], [1, 1]]]), r"exclude, polygon 1: .*one line"),
        (of_door(exclude=[[[0, 0], [0, 0], [0, 0]]]), r"exclude, polygon 1: .*one line"),
    ],
)
def test_config_error_names_the_camera_the_field_and_what_is_allowed(
    file: Path, camera: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"^\S+door\.json: .*" + message) as caught:
        load_config(write(file, camera), {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"api_url": "localhost:8000"}, "api_url: .*'http'"),
        ({"spool": {"max_mb": 0}}, r"door\.json: spool\.max_mb: .* 1"),
        ({"spool": {"size": 0}}, r"door\.json: spool\.size is unknown: choose from folder, max_mb"),
        ({"spool": {"when_full": "stop"}}, "spool.when_full: .*'drop-oldest' or 'drop-newest'"),
        ({"metrics_port": 70000}, "metrics_port: .* 65535"),
        ({"metrics_port": 9000, "preview_port": 9000}, "are the same: choose two"),
    ],
)
def test_config_error_names_a_field_of_the_process(
    file: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_config(write(file, DOOR, **fields), {})


def test_config_error_gives_every_problem_at_once_a_line_each(file: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^--camera-id is missing.*\n--source is missing.*"
    ):
        load_config(None, {})
    write(file, of_door(margin=9), {**YARD, "max_fps": -1}, metrics_port=0)
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    lines = str(caught.value).splitlines()
    assert [line.removeprefix(str(file)).split(": ")[1:-1] for line in lines] == [
        ["camera front-door", "margin"],
        ["camera yard", "max_fps"],
        ["metrics_port"],
    ]


def test_config_error_names_the_option_when_that_was_given(file: Path) -> None:
    write(file, DOOR)
    with pytest.raises(ConfigurationError, match=r"^--camera-id: use 1 to 64 letters"):
        load_config(file, {"camera_id": "../etc"})
    with pytest.raises(ConfigurationError, match=r"^--api or USHER_API_URL: "):
        load_config(file, {"api_url": "ftp://here"})


def test_config_error_says_so_when_the_file_is_missing(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"door\.json cannot be read: No such file"):
        load_config(file, {})


def test_cameras_need_ids_of_their_own(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cameras: 2 cameras are called yard: give each"):
        load_config(write(file, YARD, DOOR, {**YARD, "source": "rtsp://other/1"}), {})


@pytest.mark.parametrize("other", ["0", 0, "00", "/dev/video0", "LINK"])
def test_cameras_cannot_share_a_device(file: Path, other: object) -> None:
    if other == "LINK":
        link = file.with_name("link")
        link.symlink_to("/dev/video0")
        other = f"/dev/../{link}"
    write(file, DOOR, {"camera_id": "desk", "source": other})
    with pytest.raises(ConfigurationError, match=r"front-door and desk read the same device"):
        load_config(file, {})


def test_cameras_may_share_a_stream_or_a_file(file: Path) -> None:
    write(file, YARD, {**YARD, "camera_id": "yard-2"}, {"camera_id": "desk", "source": "1"})
    assert len(load_config(file, {}).cameras) == 3


@settings(deadline=None)
@given(st.text(), st.sampled_from(SCHEMES))
def test_any_source_is_taken_or_refused_with_a_reason(text: str, scheme: str) -> None:
    for source in (text, f"{scheme}://{text}"):
        try:
            config = load_config(None, {"camera_id": "door", "source": source})
        except ConfigurationError as error:
            assert str(error).startswith("--source: ")
        else:
            assert config.cameras[0].shown_source


# ---- Passwords ----------------------------------------------------------------------------------


def test_password_of_a_source_is_never_shown() -> None:
    camera = load_config(None, YARD).cameras[0]
    assert camera.shown_source == "rtsp://10.0.0.7:554"
    assert "hunter2" not in repr(camera) + str(camera) + repr(load_config(None, YARD))


@pytest.mark.parametrize(
    "fields", [{"source": "rtsq://u:hunter2@x/1"}, {"max_fps": 0}, {"reader": "watched"}]
)
def test_password_of_a_source_is_in_no_error_and_no_traceback(
    file: Path, fields: dict[str, object]
) -> None:
    write(file, {**YARD, **fields})
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


# ---- Warnings, schema ---------------------------------------------------------------------------


def test_warnings_say_what_can_be_seen_without_opening_a_camera(file: Path) -> None:
    write(
        file,
        {"camera_id": "clip", "source": "none.mp4"},
        {"camera_id": "ftp", "source": "none", "reader": "watched"},
        {"camera_id": "usb", "source": "63"},
        YARD,
        ca_file="none.pem",
    )
    file.chmod(0o644)
    warnings = list(config_warnings(load_config(file, {}), file))
    assert warnings == [
        "ca_file: none.pem cannot be read",
        "camera clip: there is no file none.mp4",
        "camera ftp: there is no folder none",
        "camera usb: /dev/video63 is not there: plug it in",
        f"{file} holds a password and others may read it: chmod 600 {file}",
    ]


def test_warnings_are_none_when_all_is_there(file: Path, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("certificates")
    write(file, {"camera_id": "a", "source": str(tmp_path)}, YARD, ca_file=str(ca_file))
    file.chmod(0o600)
    assert list(config_warnings(load_config(file, {}), file)) == []


def test_schema_in_the_documents_is_that_of_the_program() -> None:
    """Renew it by `usher detect --schema > docs/detector.schema.json`."""
    assert json.loads(SCHEMA.read_text("utf-8")) == config_schema()


def test_schema_describes_every_field() -> None:
    schema = config_schema()
    for name, section in {"file": schema, **schema["$defs"]}.items():
        assert section["additionalProperties"] is False, name
        for field, described in section["properties"].items():
            assert described.get("description") or "$ref" in described, (name, field)
    fields = set(schema["properties"]) - {"$schema"}
    assert fields == set(DetectorConfig.model_fields)
