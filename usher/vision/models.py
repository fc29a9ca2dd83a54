"""Where the weights of the networks lie."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from usher.domain.errors import ConfigurationError

DLIB = "face_recognition_models"
MTCNN = "mtcnn"

_FOLDERS = {DLIB: "models", MTCNN: "assets/weights"}
"""By package: where in it the weights lie."""


def model_path(file_name: str, package: str = DLIB) -> Path:
    """The path of a file of weights, such as `shape_predictor_5_face_landmarks.dat`.

    The package that holds them is located, not imported. Importing `face_recognition_models` needs
    `pkg_resources`, which newer versions of setuptools no longer bring, and importing `mtcnn` needs
    TensorFlow.

    Parameters
    ----------
    file_name
        Without a folder.
    package
        `DLIB` or `MTCNN`.

    Raises
    ------
    ConfigurationError
        If the package or the file is missing.
    """
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        path = Path(folder) / _FOLDERS[package] / file_name
        if path.is_file():
            return path
    raise ConfigurationError(
        f"the face model {file_name} is missing: install usher with the extra [vision]"
    )
