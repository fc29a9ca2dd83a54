"""What the detector is told: a JSON file, and the command line over it.

The file's schema is `docs/detector.schema.json`; `usher detect --schema` prints it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from usher.domain.errors import ConfigurationError
from usher.vision.cards import is_card
from usher.vision.detectors import DETECTORS
from usher.wire import Areas, Slug, Utc

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "rtp", "tcp")
"""What a stream's address may begin with."""

MAX_CAMERAS = 64

_HTTP_URL = TypeAdapter(HttpUrl)
_SLUG_RULE = "use 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit first"
_OPTIONS = {"api_url": "--api or USHER_API_URL"}


def _http_url(value: str) -> str:
    return str(_HTTP_URL.validate_python(value))


def _known_source(source: str) -> str:
    scheme, mark, _ = source.partition("://")
    if mark and scheme.lower() not in SCHEMES:
        raise ValueError(
            f"nobody knows how to read {scheme}://: a stream begins with "
            f"{', '.join(SCHEMES)}, and a file needs its path alone"
        )
    if mark and not _host_of(source):
        raise ValueError("the address names no host: write it as rtsp://HOST:PORT/PATH")
    return source


def _host_of(url: str) -> str:
    """Host and port of a stream's address, without user, password, path and query."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    return f"{parts.hostname or ''}:{port}" if port else parts.hostname or ""


ApiUrl = Annotated[str, AfterValidator(_http_url)]
ReaderKind = Literal["opencv", "folder", "watched"]


class _Section(BaseModel):
    # A source may carry a password: no error repeats what was given.
    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True
    )


class ShotsConfig(_Section):
    """Which pictures of a face that is followed are sent, and when."""

    min_interval_s: float = Field(
        1.0, ge=0, le=60, description="Seconds between two shots of one track, at least."
    )
    max_shots: int = Field(5, ge=1, le=50, description="Shots of one track, at most.")
    min_gain: float = Field(
        0.05, ge=0, le=1, description="How much better than the last one sent a shot must be."
    )


class SpoolConfig(_Section):
    """Where crops wait on disk until the API has them."""

    folder: Path | None = Field(
        None, description="The spool's folder; not set: `spool` in the data directory."
    )
    max_mb: int = Field(512, ge=1, le=1_000_000, description="Megabytes that may wait, at most.")
    max_age_h: float = Field(
        168, gt=0, le=1_000_000, description="Hours after which a crop is given up."
    )
    when_full: Literal["drop-oldest", "drop-newest"] = Field(
        "drop-oldest", description="What goes when the spool is full."
    )


class CameraConfig(_Section):
    """One camera and how to watch it."""

    camera_id: Slug = Field(
        description="Names the camera: 1 to 64 letters, digits, `.`, `_`, `-`; a letter or digit "
        "first."
    )
    source: str = Field(
        min_length=1,
        repr=False,
        description="A camera's index or device (0, /dev/v4l/by-id/...), a stream's address "
        "(rtsp://, http://, ...), a video file, or a folder of photographs.",
        json_schema_extra={"type": ["string", "integer"], "minimum": 0},
    )
    reader: ReaderKind | None = Field(
        None,
        description="Not set: what fits the source. `watched` reads photographs as they are put "
        "into a folder, and moves them to `seen` in it.",
    )
    started_at: Utc | None = Field(
        None, description="When a file's first frame was captured; not set: now."
    )
    detector: str = Field(
        "hog", description="What finds faces: hog, mtcnn, mmod, haar, or the card of a model."
    )
    min_face_px: int = Field(
        80, ge=20, le=2000, description="The smallest face to look for, in pixels of the frame."
    )
    max_fps: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Frames to look at in a second, at most; not set: every frame of a file, as "
        "many of a camera as the machine can take.",
    )
    detect_every: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Look for faces in every n-th frame and follow them in between; not set: as "
        "the machine's load allows.",
    )
    margin: float = Field(
        0.5, ge=0, le=2, description="What a crop keeps around a face on each side, in its widths."
    )
    include: Areas = Field(
        [],
        description="Areas of interest: polygons of at least three points [x, y], each a share "
        "(0 to 1) of the frame's width and height. Not set: the whole frame.",
    )
    exclude: Areas = Field(
        [], description="Areas of no interest, as `include`; they count above it."
    )
    motion: bool = Field(True, description="Look for faces only where something moves.")
    shots: ShotsConfig = ShotsConfig()

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        return _known_source(source)

    @field_validator("detector")
    @classmethod
    def _check_detector(cls, name: str) -> str:
        if name in DETECTORS or is_card(name):
            return name
        raise ValueError(
            f"no detector {name!r}: choose one of {', '.join(DETECTORS)}, or a model card (.toml)"
        )

    @model_validator(mode="after")
    def _check_reader(self) -> Self:
        if self.is_live and self.reader not in (None, "opencv"):
            raise ValueError(f"reader {self.reader} needs a folder as source, not a camera")
        return self

    @property
    def is_live(self) -> bool:
        """Whether the source is a camera or a stream."""
        return self.device is not None or "://" in self.source

    @property
    def device(self) -> Path | None:
        """The video device that the source names, by its index or its path."""
        if self.source.isascii() and self.source.isdecimal():
            return Path(f"/dev/video{int(self.source)}")
        return Path(self.source) if self.source.startswith("/dev/") else None

    @property
    def reader_kind(self) -> ReaderKind:
        """The reader that was asked for, or the one that fits the source."""
        if self.reader is not None:
            return self.reader
        return "folder" if not self.is_live and Path(self.source).is_dir() else "opencv"

    @property
    def shown_source(self) -> str:
        """The source for people to read: of a stream its scheme and host alone, no password."""
        scheme, mark, _ = self.source.partition("://")
        return f"{scheme}://{_host_of(self.source)}" if mark else self.source


class DetectorConfig(_Section):
    """What one detector process does: its cameras, and where their crops go."""

    cameras: list[CameraConfig] = Field(
        min_length=1, max_length=MAX_CAMERAS, description="The cameras to watch."
    )
    api_url: ApiUrl = Field("http://127.0.0.1:8000", description="The API's address.")
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the system's."
    )
    spool: SpoolConfig = SpoolConfig()
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port on loopback for Prometheus; not set: none."
    )
    preview_port: int | None = Field(
        None, ge=1, le=65535, description="Port on loopback for the local preview; not set: none."
    )

    @field_validator("cameras")
    @classmethod
    def _check_cameras(cls, cameras: list[CameraConfig]) -> list[CameraConfig]:
        names = Counter(camera.camera_id for camera in cameras)
        problems = [
            f"{count} cameras are called {name}: give each a camera_id of its own"
            for name, count in names.items()
            if count > 1
        ]
        problems += _shared_devices(cameras)
        if problems:
            raise ValueError("; ".join(problems))
        return cameras

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.metrics_port is not None and self.metrics_port == self.preview_port:
            raise ValueError("metrics_port and preview_port are the same: choose two")
        return self


def load_config(file: Path | None, overrides: Mapping[str, object]) -> DetectorConfig:
    """The configuration of a file, if there is one, with `overrides` over it.

    Parameters
    ----------
    file
        JSON, an object of `DetectorConfig`'s fields; it may name its schema in `$schema`.
    overrides
        Values that stand above the file's: `DetectorConfig`'s fields, and `CameraConfig`'s where
        the file has at most one camera.

    Raises
    ------
    ConfigurationError
        Naming each field that is missing, unknown or out of its bounds, and where it was given: one
        line each.
    """
    given = _read(file) if file else {"cameras": [{}]}
    merged = _merged(given, overrides, file)
    try:
        return DetectorConfig.model_validate(merged)
    except ValidationError as error:
        described = _Described(file, merged, frozenset(overrides))
        details = error.errors(include_url=False, include_context=False, include_input=False)
        # `from None`: the chain would carry what was given, passwords too.
        raise ConfigurationError("\n".join(map(described.problem, details))) from None


def config_schema() -> dict[str, Any]:
    """The JSON schema of the configuration file."""
    schema = DetectorConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Configuration of usher detect"
    schema["properties"] = {
        "$schema": {"type": "string", "description": "Where an editor finds this schema."},
        **schema["properties"],
    }
    return schema


def config_warnings(config: DetectorConfig, file: Path | None) -> Iterator[str]:
    """What will not work, as far as it can be seen without opening a camera: a line each."""
    if config.ca_file and not _is_readable(config.ca_file):
        yield f"ca_file: {config.ca_file} cannot be read"
    for camera in config.cameras:
        problem = _source_problem(camera)
        if problem:
            yield f"camera {camera.camera_id}: {problem}"
    with_password = any("@" in camera.source and camera.is_live for camera in config.cameras)
    if file and with_password and file.stat().st_mode & 0o077:
        yield f"{file} holds a password and others may read it: chmod 600 {file}"


def _source_problem(camera: CameraConfig) -> str | None:
    if camera.device:
        return None if camera.device.exists() else f"{camera.device} is not there: plug it in"
    if camera.is_live:
        return None
    path = Path(camera.source)
    if camera.reader in ("folder", "watched"):
        return None if path.is_dir() else f"there is no folder {path}"
    return None if path.exists() else f"there is no file {path}"


def _is_readable(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError:
        return False
    return True


def _shared_devices(cameras: Sequence[CameraConfig]) -> list[str]:
    """One problem for each device that more than one camera names."""
    users: dict[Path, list[str]] = {}
    for camera in cameras:
        if camera.device:
            users.setdefault(camera.device.resolve(), []).append(camera.camera_id)
    return [
        f"{' and '.join(names)} read the same device {device}: only one camera can"
        for device, names in users.items()
        if len(names) > 1
    ]


def _read(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ConfigurationError(f"{file} must hold one JSON object, in braces")
    given.pop("$schema", None)
    return given


def _merged(
    given: Mapping[str, Any], overrides: Mapping[str, object], file: Path | None
) -> dict[str, Any]:
    of_camera = {name: overrides[name] for name in overrides if name in CameraConfig.model_fields}
    of_process = {name: overrides[name] for name in overrides if name not in of_camera}
    merged = {**given, **of_process}
    if not of_camera:
        return merged
    cameras = given.get("cameras", [{}])
    if not isinstance(cameras, list):
        return merged
    if len(cameras) > 1:
        options = ", ".join(_option(name) for name in of_camera)
        raise ConfigurationError(f"{file} has {len(cameras)} cameras: set {options} in it")
    before = cameras[0] if cameras else {}
    if isinstance(before, dict):
        merged["cameras"] = [{**before, **of_camera}]
    return merged


class _Described:
    """Pydantic's findings in words: where it was given, what is wrong, what to do."""

    def __init__(
        self, file: Path | None, merged: Mapping[str, Any], overridden: frozenset[str]
    ) -> None:
        self._file = file
        self._merged = merged
        self._overridden = overridden

    def problem(self, detail: Mapping[str, Any]) -> str:
        loc = tuple(detail["loc"])
        in_camera = loc[:1] == ("cameras",) and len(loc) > 1
        path = loc[2:] if in_camera else loc
        by_option = bool(path) and (self._file is None or path[0] in self._overridden)
        place = _option(path[0]) if by_option else self._place(loc, path, in_camera)
        if detail["type"] == "missing":
            way = (
                f"give it, or {path[-1]} in a file for --config" if by_option else "write it there"
            )
            return f"{place} is missing: {way}"
        if detail["type"] == "extra_forbidden":
            return f"{place} {_unknown(loc)}"
        return f"{place}: {_rule(detail, path)}"

    def _place(self, loc: tuple[Any, ...], path: tuple[Any, ...], in_camera: bool) -> str:
        parts = [str(self._file)] if self._file else []
        if in_camera:
            parts.append(self._camera(loc[1]))
        if path:
            parts.append(_shown(path))
        return ": ".join(parts)

    def _camera(self, index: int) -> str:
        """By its id, or by its place in the list where it has none that can be read."""
        camera = self._merged["cameras"][index]
        name = camera.get("camera_id") if isinstance(camera, dict) else None
        return f"camera {name}" if isinstance(name, str) and name else f"camera {index + 1}"


def _rule(detail: Mapping[str, Any], path: tuple[Any, ...]) -> str:
    if path[:1] == ("camera_id",):
        return _SLUG_RULE
    return str(detail["msg"]).removeprefix("Value error, ")


def _unknown(loc: tuple[Any, ...]) -> str:
    """Where an unknown field may have been meant for, or what there is."""
    sections: dict[str, type[_Section]] = {
        "shots": ShotsConfig,
        "spool": SpoolConfig,
        "cameras": CameraConfig,
    }
    section = next((sections[part] for part in reversed(loc[:-1]) if part in sections), None)
    if section is None and loc[-1] in CameraConfig.model_fields:
        return "belongs to a camera: write it into an object of the list `cameras`"
    known = section or DetectorConfig
    return f"is unknown: choose from {', '.join(known.model_fields)}"


def _shown(path: tuple[Any, ...]) -> str:
    """`shots.max_shots`, `include, polygon 1, point 2`: places count from 1."""
    name = ".".join(part for part in path if isinstance(part, str))
    places = [part + 1 for part in path if isinstance(part, int)]
    words = ("polygon", "point", "number")
    return ", ".join([name, *(f"{word} {at}" for word, at in zip(words, places, strict=False))])


def _option(field: str) -> str:
    return _OPTIONS.get(field, "--" + field.replace("_", "-"))
