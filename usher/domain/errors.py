"""Every error that Usher raises on purpose.

The message is for whoever can do something about it: it says what was wrong and what to do.
HTTP status codes live in `services.api.errors`, not here.

    UsherError
    ├── InvalidInput            a request or argument that cannot be right
    │   ├── InvalidImage        bytes that do not decode, or pixels that cannot be used
    │   │   └── SeveralFaces    a photograph of several people, any of whom may be meant
    │   ├── UnsupportedImage    a format that is not accepted here
    │   ├── TooLarge            a body, file or picture over its cap
    │   ├── NoFaceFound         a photograph without a usable face
    │   └── IdempotencyConflict one upload key, two different bodies
    ├── NotFound                no such record
    ├── Conflict                the change does not fit the present state
    ├── NotAuthenticated        who is asking is not known
    ├── PermissionDenied        who is asking may not
    │   └── CameraDenied        a detector's key, for another camera than its own
    ├── TooManyRequests         slow down; carries `retry_after_s`
    ├── Unavailable             something that Usher depends on does not answer; `retry_after_s`
    │   └── LeaseLost           another worker holds the work now
    ├── ConfigurationError      settings or files that cannot work
    ├── SourceError             a camera, file or folder that gives no frames
    └── EmbeddedServerError     the embedded MongoDB server cannot run
"""

from __future__ import annotations


class UsherError(Exception):
    """Something went wrong that Usher foresaw."""


class InvalidInput(UsherError):
    """The request cannot be right."""


class InvalidImage(InvalidInput):
    """The image cannot be decoded, or its pixels cannot be used."""


class SeveralFaces(InvalidImage):
    """The photograph shows several people, and any of them may be meant."""


class UnsupportedImage(InvalidInput):
    """The image is of a format that is not accepted here."""


class TooLarge(InvalidInput):
    """The body, file or picture is over its cap."""


class NoFaceFound(InvalidInput):
    """The photograph shows no usable face."""


class IdempotencyConflict(InvalidInput):
    """The upload key was used before, with another body."""


class NotFound(UsherError):
    """There is no such record."""


class Conflict(UsherError):
    """The change does not fit the present state."""


class NotAuthenticated(UsherError):
    """Sign in, or send a key."""


class PermissionDenied(UsherError):
    """This account or key may not do that."""


class CameraDenied(PermissionDenied):
    """This key is for other cameras."""


class TooManyRequests(UsherError):
    """Too many requests.

    Parameters
    ----------
    message
        What was too much.
    retry_after_s
        Seconds after which another try makes sense.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(UsherError):
    """Something that Usher depends on does not answer.

    Parameters
    ----------
    message
        What does not answer.
    retry_after_s
        Seconds after which another try makes sense; 0 where nobody said.
    """

    def __init__(self, message: str = "", *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LeaseLost(Unavailable):
    """Another worker holds this work now."""


class ConfigurationError(UsherError):
    """The settings cannot work."""


class SourceError(UsherError):
    """The source gives no frames."""


class EmbeddedServerError(UsherError):
    """The embedded MongoDB server cannot run."""
