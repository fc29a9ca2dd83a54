"""The bot's plugin on Errbot's own test backend, in the bot's own environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from usher.wire import Alert

from .suite import SUITE, run_suite


@pytest.mark.slow
def test_bot_tells_managers_and_takes_their_answers(
    bot_python: Path, api: Any, stranger: Alert, tmp_path: Path
) -> None:
    assert stranger.person is not None
    run_suite(
        bot_python,
        SUITE,
        api,
        tmp_path,
        recipients="@ann,@bob",
        USHER_TEST_PERSON=stranger.person.id,
    )
