"""Where the weights of the networks lie."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from usher.domain.errors import ConfigurationError

_PACKAGE = "face_recognition_models"


def model_path(file_name: str) -> Path:
    """The path of a file of weights, such as `shape_predictor_5_face_landmarks.dat`.

    The package that holds them is located, not imported: importing it needs `pkg_resources`, which
    newer versions of setuptools no longer bring.

    Raises
    ------
    ConfigurationError
        If the package or the file is missing.
    """
    spec = find_spec(_PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        path = Path(folder) / "models" / file_name
        if path.is_file():
            return path
    raise ConfigurationError(
        f"the face model {file_name} is missing: install usher with the extra [vision]"
    )
