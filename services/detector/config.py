"""What one detector is told: a JSON file, and the command line over it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
)

from usher.domain.errors import ConfigurationError
from usher.wire import Slug, Utc

_HTTP_URL = TypeAdapter(HttpUrl)


def _http_url(value: str) -> str:
    return str(_HTTP_URL.validate_python(value))


ApiUrl = Annotated[str, AfterValidator(_http_url)]
ReaderKind = Literal["opencv", "folder"]

_SLUG_RULE = "use 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit first"

_OPTIONS = {"api_url": "--api or USHER_API_URL"}


class DetectorConfig(BaseModel):
    """One camera and how to watch it."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    camera_id: Slug
    source: str = Field(min_length=1)
    reader: ReaderKind | None = None
    started_at: Utc | None = None
    detector: str = "hog"
    min_face_px: int = Field(60, ge=20, le=2000)
    max_fps: float = Field(6.0, gt=0, le=1000)
    margin: float = Field(0.5, ge=0, le=2)
    api_url: ApiUrl = "http://127.0.0.1:8000"

    @property
    def reader_kind(self) -> ReaderKind:
        """The reader that was asked for, or the one that fits the source."""
        return self.reader or ("folder" if Path(self.source).is_dir() else "opencv")


def load_config(file: Path | None, overrides: Mapping[str, object]) -> DetectorConfig:
    """The configuration of a file, if there is one, with `overrides` over it.

    Parameters
    ----------
    file
        JSON, an object of `DetectorConfig`'s fields.
    overrides
        Values that stand above the file's.

    Raises
    ------
    ConfigurationError
        Naming each field that is missing, unknown or out of its bounds, and where it was given.
    """
    given = _read(file) if file else {}
    try:
        return DetectorConfig.model_validate({**given, **overrides})
    except ValidationError as error:
        problems = [
            _problem(detail, file if detail["loc"][0] in given.keys() - overrides.keys() else None)
            for detail in error.errors(include_url=False, include_context=False)
        ]
        raise ConfigurationError("; ".join(problems)) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ConfigurationError(f"{file} must hold one JSON object, in braces")
    return given


def _problem(detail: Mapping[str, Any], file: Path | None) -> str:
    field = str(detail["loc"][0])
    place = f"{file}: {field}" if file else _OPTIONS.get(field, "--" + field.replace("_", "-"))
    if detail["type"] == "missing":
        return f"{place} is missing: give it, or {field} in a file for --config"
    if detail["type"] == "extra_forbidden":
        return f"{place} is unknown: choose from {', '.join(DetectorConfig.model_fields)}"
    if field == "camera_id":
        return f"{place}: {_SLUG_RULE}"
    return f"{place}: {detail['msg']}"


class ShotsConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    min_interval_s: float = Field(1.0, ge=0, le=60)
    max_shots: int = Field(5, ge=1, le=50)
    min_gain: float = Field(0.05, ge=0, le=1)


class CameraConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
    camera_id: Slug
    source: str = Field(min_length=1)
    reader: ReaderKind | None = None
    started_at: Utc | None = None
    detector: str = "hog"
    min_face_px: int = Field(80, ge=20, le=2000)
    max_fps: float | None = None
    detect_every: int | None = None
    margin: float = 0.5
    include: tuple = ()
    exclude: tuple = ()
    motion: bool = True
    shots: ShotsConfig = ShotsConfig()

    @property
    def reader_kind(self) -> str:
        return "opencv"
