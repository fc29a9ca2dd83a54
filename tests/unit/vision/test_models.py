"""Finding the networks' weights."""

from __future__ import annotations

import subprocess
import sys

import pytest

from usher.domain.errors import ConfigurationError
from usher.vision.models import model_path


def test_model_path_says_what_to_install_when_a_model_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"install usher with the extra \[vision\]"):
        model_path("no_such_model.dat")


def test_importing_vision_loads_no_model_and_opens_no_weights() -> None:
    script = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import usher.vision.pipeline
assert "face_recognition_models" not in sys.modules
assert not [name for name in opened if name.endswith(".dat")], opened
"""
    subprocess.run([sys.executable, "-c", script], check=True)
