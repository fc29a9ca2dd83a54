"""Errbot's configuration, made from the notifier's settings. Errbot imports it by path."""

import logging
import signal
import traceback
from pathlib import Path

from services.notifier.settings import NotifierSettings
from usher.observability import configure_logging


def _without_names(record: logging.LogRecord) -> bool:
    """Take a manager's message out of Errbot's report that a command failed: names stand in it."""
    if record.funcName == "_execute_and_send" and record.exc_info and record.exc_info[0]:
        kind, _, trace = record.exc_info
        last = traceback.extract_tb(trace)[-1]
        record.msg = f"a command failed: {kind.__name__} in {last.filename}:{last.lineno}"
        record.args, record.exc_info = (), None
    return True


_settings = NotifierSettings()
_directory = _settings.data.resolve() / "errbot"
_directory.mkdir(mode=0o700, parents=True, exist_ok=True)

# The chat.
BACKEND = {"slack": "SlackV3"}.get(
    (_settings.chat_backend or "Text").lower(), _settings.chat_backend or "Text"
)
BOT_IDENTITY = _settings.chat_identity()
BOT_ADMINS = _settings.chat_recipients
BOT_ADMINS_NOTIFICATIONS = ()
# Slack invites the bot; elsewhere it goes to the rooms that alerts go to by itself.
CHATROOM_PRESENCE = tuple(
    room for room in _settings.chat_recipients if room.startswith("#") and BACKEND != "SlackV3"
)

# What the bot is made of: nothing that installs, downloads or restarts at a chat's request.
BOT_DATA_DIR = str(_directory)
STORAGE = "Memory"
BOT_EXTRA_PLUGIN_DIR = str(Path(__file__).resolve().parent / "plugins")
CORE_PLUGINS = ("ACLs", "CommandNotFoundFilter", "Help")
BOT_PLUGIN_INDEXES = ()
AUTOINSTALL_DEPS = False
HIDE_RESTRICTED_COMMANDS = True

# Logs: our JSON lines, through Errbot's own handler. Errbot reports each message at INFO.
configure_logging("notifier", _settings.log_level)
BOT_LOG_FILE = None
BOT_LOG_FORMATTER = logging.getLogger().handlers.pop().formatter
BOT_LOG_LEVEL = logging.WARNING
logging.getLogger("services").setLevel(_settings.log_level.upper())
logging.getLogger("errbot.core").addFilter(_without_names)

# A stop is an interrupt: Errbot then deactivates its plugins, and ours settles what it holds.
signal.signal(signal.SIGTERM, signal.default_int_handler)
