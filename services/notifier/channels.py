"""Where alerts go: the way out of the sender, one method wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.notifier.messages import AlertMessage
from usher.domain.errors import UsherError


class DeliveryFailed(UsherError):
    """Not everybody who should hear of an alert has heard of it."""


class Channel(Protocol):
    """A way to tell managers about an alert."""

    def deliver(
        self, message: AlertMessage, picture: bytes | None, recipients: Sequence[str]
    ) -> None:
        """Tell every recipient, or raise; after an error the same alert comes again.

        Parameters
        ----------
        message
            The alert in words.
        picture
            The face, as JPEG; none where it has been deleted since.
        recipients
            Accounts, as the channel names them.
        """
