"""Where messages go: the way out of the sender, one method wide."""

from __future__ import annotations

from typing import Protocol

from services.notifier.messages import Message
from usher.domain.errors import UsherError


class DeliveryFailed(UsherError):
    """Somebody who should hear of something has not heard of it."""


class Channel(Protocol):
    """A way to tell somebody something."""

    def deliver(self, address: str, message: Message) -> None:
        """Tell one address, or raise; after an error the same message comes again.

        A message that comes twice has the same `id`, which goes along where the channel has a place
        for it.

        Parameters
        ----------
        address
            As the channel names accounts, without the channel's name.
        """


class Missing:
    """Stands for a channel that is not set up: what is meant for it fails, and says why."""

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy

    def deliver(self, address: str, message: Message) -> None:
        """Raises DeliveryFailed."""
        raise DeliveryFailed(self._remedy)
