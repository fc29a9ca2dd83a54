"""Messages through Apprise, which knows a hundred services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apprise
from apprise.attachment.memory import AttachMemory

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import Message


class AppriseChannel:
    """Sends to services that have names; of each, Apprise's URLs."""

    def __init__(self, services: Mapping[str, Sequence[str]]) -> None:
        self._services = services

    def deliver(self, address: str, message: Message) -> None:
        """Send to all URLs of a name. Raises DeliveryFailed where one of them failed."""
        urls = self._services.get(address)
        if not urls:
            raise DeliveryFailed(f"there is no service {address!r} in USHER_APPRISE")
        sender = apprise.Apprise()
        for url in urls:
            if not sender.add(url):
                raise DeliveryFailed(f"Apprise does not understand a URL of {address!r}")
        attach = apprise.AppriseAttachment()
        for number, picture in enumerate(message.pictures, start=1):
            name = f"face-{number}.jpg"
            attach.add(AttachMemory(picture, name, "image/jpeg"))  # type: ignore[no-untyped-call]
        sent = sender.notify(
            body=message.plain, title=message.title, attach=attach if message.pictures else None
        )
        if not sent:
            raise DeliveryFailed(f"a service of {address!r} did not take it")
