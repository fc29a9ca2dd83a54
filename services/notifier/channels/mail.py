"""Messages as e-mail."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import Message
from usher.domain.errors import ConfigurationError

_TIMEOUT_S = 10.0
_PORTS = {"smtp": 25, "smtps": 465, "submission": 587}


class MailChannel:
    """Sends through one mail server.

    Parameters
    ----------
    url
        `smtps://USER:PASSWORD@HOST` (TLS from the start), `submission://…` (STARTTLS, or nothing is
        sent) or `smtp://HOST` (as it is, for a server on this machine).
    sender
        The address that messages come from.

    Raises
    ------
    ConfigurationError
        If the URL is none of these.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError(
                "USHER_SMTP_URL is to be smtps://USER:PASSWORD@HOST, submission://USER:PASSWORD@"
                "HOST or smtp://HOST"
            )
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    def deliver(self, address: str, message: Message) -> None:
        """Send to one address. Raises DeliveryFailed."""
        mail = EmailMessage()
        mail["Subject"] = message.title
        mail["From"] = self._sender
        mail["To"] = address
        mail["Date"] = formatdate(localtime=True)
        mail["Message-ID"] = f"<{message.id}@usher.invalid>"
        mail.set_content(message.plain)
        for number, picture in enumerate(message.pictures, start=1):
            mail.add_attachment(
                picture, maintype="image", subtype="jpeg", filename=f"face-{number}.jpg"
            )
        try:
            with self._connected() as server:
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryFailed(f"the mail server: {_reason(error)}") from error

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if self._scheme == "smtps":
            server = smtplib.SMTP_SSL(self._host, self._port, timeout=_TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            if self._scheme == "submission":
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


def _reason(error: Exception) -> str:
    """What a server said, which holds no password, or the kind of error."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code}"
    return type(error).__name__
