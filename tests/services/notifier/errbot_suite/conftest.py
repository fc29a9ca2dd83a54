"""A bot on Errbot's test backend, configured as `usher notify` configures it."""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from errbot.backends.test import TestBot
from errbot.bootstrap import setup_bot

CONFIG = Path(__file__).resolve().parents[4] / "services" / "notifier" / "errbot" / "config.py"


class Bot(TestBot):
    """Begins without a first message to wait for: that wait would swallow the first alert."""

    def start(self, timeout: int = 2) -> None:
        self._bot = setup_bot("Test", self.logger, self.bot_config)
        self.bot_thread = Thread(target=self._bot.serve_forever, daemon=True)
        self.bot_thread.start()

    def hear(self, wanted: Callable[[Any], bool], *, within_s: float = 10.0) -> Any:
        """The next thing the bot says that is wanted; what else it says is passed over."""
        deadline = time.monotonic() + within_s
        while not wanted(said := self.pop_message(timeout=max(0.1, deadline - time.monotonic()))):
            pass
        return said

    def ask(self, command: str) -> str:
        """The first words that the bot says to a command; what it tells others is passed over."""
        self.push_message(command)
        return self.hear(lambda said: isinstance(said, str) and not said.startswith("Settled"))

    def speak_as(self, account: str) -> None:
        self.bot.sender = self.bot.build_identifier(account)


@pytest.fixture(scope="session")
def config() -> ModuleType:
    """Errbot's configuration, as Errbot would import it."""
    spec = importlib.util.spec_from_file_location("config", CONFIG)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bot(config: ModuleType) -> Iterator[Bot]:
    """One bot for the whole suite. Logs and storage are the test backend's own."""
    ours = {name: value for name, value in vars(config).items() if name.isupper()}
    for name in ("BACKEND", "BOT_LOG_FILE", "BOT_LOG_FORMATTER"):
        del ours[name]
    bot = Bot(config.BOT_EXTRA_PLUGIN_DIR, loglevel=logging.WARNING, extra_config=ours)
    bot.start()
    yield bot
    bot.stop()


@pytest.fixture(scope="session")
def person_id() -> str:
    """Whom the first alert is about."""
    return os.environ["USHER_TEST_PERSON"]
