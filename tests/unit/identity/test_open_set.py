"""Real strangers: the budget is held, generously, where the fixed rule calls many by a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.identity import Faces, budget_rule, describe, draw_trial, one_trial
from usher.identity.rules import make_rule
from usher.vision.embed import DLIB

MODEL = "dlib-resnet-v1"
KNOWN, STRANGERS, DRAWS = 60, 200, 4


@pytest.fixture(scope="module")
def faces(test_data: Path) -> Faces:
    """Two photographs each of some, and one each of more, of people whom the prior did not see."""
    folders = sorted((test_data / "lfw-dev" / "images").iterdir())[1::2]
    photographs = [sorted(folder.glob("*.jpg")) for folder in folders]
    several = [some[:2] for some in photographs if len(some) > 1][: KNOWN + 20]
    singles = [some for some in photographs if len(some) == 1][:STRANGERS]
    return describe([path for some in several + singles for path in some], DLIB)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [0.02, 0.05])
def test_few_strangers_are_called_by_a_name_when_they_are_real(faces: Faces, budget: float) -> None:
    rule = budget_rule(MODEL, budget)
    fixed = make_rule("fixed", model=MODEL, budget=budget, fixed_distance=None)
    found = [
        one_trial(
            faces,
            draw_trial(faces, KNOWN, 1, np.random.default_rng(seed)),
            {budget: rule},
            fixed,
        )[budget]
        for seed in range(DRAWS)
    ]
    fpir, fnir, _, fpir_fixed, _ = np.mean(found, axis=0)
    assert budget / 4 < fpir < 3 * budget
    assert fpir < fpir_fixed / 2
    assert fnir < 0.4
