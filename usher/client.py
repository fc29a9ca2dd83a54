"""The typed HTTP client of our own REST API, for the detector, the notifier and commands."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_args
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from usher.domain import errors
from usher.wire import (
    ACCOUNT_HEADER,
    API_PREFIX,
    CSRF_HEADER,
    IDEMPOTENCY_HEADER,
    Alert,
    AlertAnswer,
    AlertRule,
    AlertRuleBody,
    Assignment,
    Attendance,
    AuditEntry,
    AuditVerdict,
    Body,
    Camera,
    CameraOrders,
    CameraRemoved,
    CameraReport,
    CameraUpdate,
    ClaimedDeliveries,
    Credentials,
    DeletionReceipt,
    DeliveryClaim,
    DeliverySettlement,
    Detection,
    DetectionAccepted,
    DetectionMetadata,
    Device,
    DeviceCreate,
    DeviceCreated,
    EventKind,
    Face,
    Health,
    Identification,
    IdentityChange,
    IdentityStats,
    Merge,
    MuteRequest,
    OperatingSettings,
    OperatingSettingsUpdate,
    Page,
    Pairing,
    PairingCode,
    PairingCodeCreate,
    PairingCodeCreated,
    PasswordChange,
    Person,
    PersonCreate,
    PersonRemoved,
    PersonUpdate,
    Rejection,
    Resource,
    RetentionDue,
    RulePreview,
    SearchResults,
    Session,
    Split,
    Stats,
    System,
    Token,
    TokenCreate,
    TokenCreated,
    Undo,
    User,
    UserCreate,
    UserCreated,
    UserUpdate,
    Verification,
    Visit,
)

Model = TypeVar("Model", bound=BaseModel)

_BY_CODE: Mapping[str, type[errors.UsherError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.UsherError)
}
_BY_STATUS: Mapping[int, type[errors.UsherError]] = {
    401: errors.NotAuthenticated,
    403: errors.PermissionDenied,
}
"""Where no problem details say more, as from a proxy before the API."""
_EVENTS: Mapping[EventKind, type[Resource]] = {
    "detection": Detection,
    "person": Person,
    "person_removed": PersonRemoved,
    "alert": Alert,
    "camera": Camera,
    "camera_removed": CameraRemoved,
}
_DEFAULT_RETRY_AFTER_S = 5
_MAX_RETRY_AFTER_S = 3600
_IN_A_HEADER = " !#$&'()*+,/:;=?@[]<>"
_PASSING = frozenset({408, 425})
"""Client errors that pass by themselves: a slow request, and one that came too early."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, and the body of what it happened to, as it is now."""

    kind: EventKind
    body: Resource


class UsherClient:
    """A synchronous client; one instance a thread.

    Parameters
    ----------
    api_url
        Where the API listens, such as `http://127.0.0.1:8000`.
    key
        A device's or the notifier's key, sent as a bearer token. Without one, `sign_in`.
    timeout_s
        For connecting and for each read.
    ca_file
        PEM file of the certificate authorities to trust, in place of the machine's own: whoever
        runs a CA means that one, and no other vouches for the API then. Certificates and names are
        always verified.
    account
        For whom the notifier asks: `CHANNEL:ADDRESS`.
    transport
        Replaces the network in tests.

    Raises
    ------
    ConfigurationError
        If `ca_file` cannot be read or holds no certificate.
    Unavailable
        From every method, where the API does not answer or answers 5xx.
    UsherError
        From every method, the kind that the API's problem details name.
    """

    def __init__(
        self,
        api_url: str,
        key: str | None = None,
        *,
        timeout_s: float = 10.0,
        ca_file: Path | None = None,
        account: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if account:
            headers[ACCOUNT_HEADER] = quote(account, safe=_IN_A_HEADER)
        self._http = httpx2.Client(
            base_url=api_url,
            headers=headers,
            timeout=timeout_s,
            verify=_trusting(ca_file) if ca_file else True,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def sign_in(self, username: str, password: str) -> Session:
        """Act as a user from now on, until `sign_out`.

        Raises
        ------
        NotAuthenticated
            If the name or the password is wrong.
        """
        credentials = Credentials(username=username, password=password)
        session = self._send(Session, "POST", "/session", credentials)
        self._http.headers[CSRF_HEADER] = session.csrf_token
        return session

    def sign_out(self) -> None:
        """End the session."""
        self._request("DELETE", "/session")
        del self._http.headers[CSRF_HEADER]

    def session(self) -> Session:
        """Who is signed in."""
        return self._get(Session, "/session")

    def change_password(self, change: PasswordChange) -> None:
        """Change one's own password. It ends every session, this one too."""
        self._request("POST", "/session/password", json=change.model_dump(mode="json"))
        self._http.headers.pop(CSRF_HEADER, None)

    def events(self) -> Iterator[Event]:
        """What happens, from now on; it ends when the API or the session does.

        After a break read the lists again: events are not kept for those who were away. For
        people; machines have no session.
        """
        path = f"{API_PREFIX}/events"
        forever = httpx2.Timeout(self._http.timeout.connect, read=None)
        try:
            with self._http.stream("GET", path, timeout=forever) as response:
                if not response.is_success:
                    response.read()
                    raise _error_of(response)
                yield from _events_in(response.iter_lines())
        except httpx2.TransportError as error:
            raise errors.Unavailable(self._why_away(error)) from error

    def upload_detection(
        self, image: bytes, metadata: DetectionMetadata, *, idempotency_key: str
    ) -> DetectionAccepted:
        """Upload one crop (JPEG or PNG). Repeating it with the same key stores nothing twice."""
        response = self._request(
            "POST",
            "/detections",
            files={"image": ("crop", image)},
            data={"metadata": metadata.model_dump_json(exclude_none=True)},
            headers={IDEMPOTENCY_HEADER: idempotency_key},
        )
        return DetectionAccepted.model_validate_json(response.content)

    def report_camera(
        self, camera_id: str, report: CameraReport, frame: bytes | None = None
    ) -> CameraOrders | None:
        """Say how a camera is, with its last picture (JPEG, 300 kB at most) where there is one.

        Returns
        -------
        CameraOrders or None
            What the device is to do; None from an API that has no orders yet.
        """
        parts: dict[str, tuple[str | None, bytes]] = {
            "report": (None, report.model_dump_json(exclude_none=True).encode())
        }
        if frame is not None:
            parts["frame"] = ("frame", frame)
        response = self._request("POST", f"/cameras/{camera_id}/report", files=parts)
        return CameraOrders.model_validate_json(response.content) if response.content else None

    def cameras(self) -> list[Camera]:
        """Every camera that ever saw a face, or that a device reported."""
        return self._get(Page[Camera], "/cameras").items

    def update_camera(self, camera_id: str, update: CameraUpdate) -> Camera:
        """Name a camera, and say who hears of its alerts."""
        return self._send(Camera, "PATCH", f"/cameras/{camera_id}", update)

    def delete_camera(self, camera_id: str) -> None:
        """Forget a camera that is there no more. Its detections stay."""
        self._request("DELETE", f"/cameras/{camera_id}")

    def camera_frame(self, camera_id: str) -> bytes:
        """A camera's last picture, as JPEG."""
        return self._request("GET", f"/cameras/{camera_id}/frame").content

    def devices(self) -> list[Device]:
        """Everything that holds a key."""
        return self._get(Page[Device], "/devices").items

    def create_device(self, new: DeviceCreate) -> DeviceCreated:
        """Make a key. It is in this answer and never again."""
        return self._send(DeviceCreated, "POST", "/devices", new)

    def delete_device(self, device_id: str) -> None:
        """Revoke a key, at once."""
        self._request("DELETE", f"/devices/{device_id}")

    def create_pairing_code(self, new: PairingCodeCreate) -> PairingCodeCreated:
        """Make a code with which one detector can fetch a key of its own."""
        return self._send(PairingCodeCreated, "POST", "/pairing-codes", new)

    def pairing_code(self, code_id: str) -> PairingCode:
        """What became of a code."""
        return self._get(PairingCode, f"/pairing-codes/{code_id}")

    def pair(self, code: str) -> DeviceCreated:
        """Fetch a device's key by a code from the panel; the code is used up then.

        Raises
        ------
        NotAuthenticated
            If the code is wrong, used or too old.
        TooManyRequests
            If there were too many wrong ones lately.
        """
        return self._send(DeviceCreated, "POST", "/pair", Pairing(code=code))

    def detections(self, *, limit: int = 50, **filters: str) -> Page[Detection]:
        """The newest detections; filters as the API names them."""
        return self._get(Page[Detection], "/detections", {"limit": limit, **filters})

    def detection(self, detection_id: str) -> Detection:
        return self._get(Detection, f"/detections/{detection_id}")

    def detection_image(self, detection_id: str, *, size: int | None = None) -> bytes:
        """The stored crop, as JPEG; with a size (160 or 320) no side of it is longer."""
        params = {"size": size} if size else None
        return self._request("GET", f"/detections/{detection_id}/image", params=params).content

    def retry(self, detection_id: str) -> Detection:
        """Try a detection again that has failed."""
        response = self._request("POST", f"/detections/{detection_id}/retry")
        return Detection.model_validate_json(response.content)

    def assign(self, detection_id: str, assignment: Assignment) -> Detection:
        """Say who a detection shows."""
        return self._send(Detection, "POST", f"/detections/{detection_id}/assign", assignment)

    def reject(self, detection_id: str, rejection: Rejection) -> Detection:
        """Say whom a detection does not show."""
        return self._send(Detection, "POST", f"/detections/{detection_id}/reject", rejection)

    def persons(self, *, limit: int = 50, **filters: str) -> Page[Person]:
        return self._get(Page[Person], "/persons", {"limit": limit, **filters})

    def person(self, person_id: str) -> Person:
        return self._get(Person, f"/persons/{person_id}")

    def create_person(self, new: PersonCreate, *, idempotency_key: str | None = None) -> Person:
        """Add somebody known. Two may have one name; a repeat with the same key adds nobody."""
        return self._send(Person, "POST", "/persons", new, idempotency_key=idempotency_key)

    def update_person(self, person_id: str, update: PersonUpdate) -> Person:
        return self._send(Person, "PATCH", f"/persons/{person_id}", update)

    def delete_person(self, person_id: str) -> DeletionReceipt:
        """Delete a person with everything that is theirs, for good; what went."""
        response = self._request("DELETE", f"/persons/{person_id}")
        return DeletionReceipt.model_validate_json(response.content)

    def identify(self, photograph: bytes) -> Identification:
        """Who is in a photograph (JPEG, PNG or WebP). Nothing is stored."""
        files = {"image": ("photograph", photograph)}
        response = self._request("POST", "/identify", files=files)
        return Identification.model_validate_json(response.content)

    def merge(self, person_id: str, merge: Merge) -> Person:
        """Fold others into a person."""
        return self._send(Person, "POST", f"/persons/{person_id}/merge", merge)

    def split(self, person_id: str, split: Split) -> Person:
        """Give detections of a person to another one, or to a new stranger; who that is."""
        return self._send(Person, "POST", f"/persons/{person_id}/split", split)

    def identity_changes(self, *, limit: int = 50, **filters: str) -> Page[IdentityChange]:
        """The history of who is who, the newest first."""
        return self._get(Page[IdentityChange], "/identity/changes", {"limit": limit, **filters})

    def undo(self, change_id: str) -> IdentityChange:
        """Take a change back.

        Raises
        ------
        Conflict
            If a later one stands in the way, or it cannot be taken back any more.
        """
        return self._send(IdentityChange, "POST", "/identity/undo", Undo(change_id=change_id))

    def identity_stats(self) -> IdentityStats:
        """How identities are decided, and how well."""
        return self._get(IdentityStats, "/stats/identity")

    def faces(self, person_id: str) -> list[Face]:
        """What a person is recognised by."""
        return self._get(Page[Face], f"/persons/{person_id}/faces").items

    def face_image(self, face: Face, *, size: int | None = None) -> bytes:
        """The picture of a reference, as JPEG; with a size (160 or 320) no side of it is longer."""
        path = f"/persons/{face.person_id}/faces/{face.id}/image"
        return self._request("GET", path, params={"size": size} if size else None).content

    def enrol_video(
        self, person_id: str, video: bytes, *, idempotency_key: str | None = None
    ) -> list[Face]:
        """Add the frames of a video (at most a minute, 200 MB) that show a person best; with a key
        once.

        Raises
        ------
        InvalidInput
            If it cannot be used; the message says why.
        """
        files = {"video": ("video", video)}
        path = f"/persons/{person_id}/videos"
        response = self._request("POST", path, files=files, headers=_once(idempotency_key))
        return Page[Face].model_validate_json(response.content).items

    def enrol_face(
        self, person_id: str, photograph: bytes, *, idempotency_key: str | None = None
    ) -> Face:
        """Add a photograph (JPEG, PNG or WebP) of a person's one face; with a key once.

        Raises
        ------
        InvalidInput
            If it cannot be used; the message says why.
        """
        files = {"image": ("photograph", photograph)}
        path = f"/persons/{person_id}/faces"
        response = self._request("POST", path, files=files, headers=_once(idempotency_key))
        return Face.model_validate_json(response.content)

    def remove_face(self, face: Face) -> None:
        """Stop recognising a person by this face."""
        self._request("DELETE", f"/persons/{face.person_id}/faces/{face.id}")

    def search(
        self, photograph: bytes, *, skip: int = 0, limit: int = 50, **filters: str
    ) -> SearchResults:
        """Times that a photograph's one face was seen, after the `skip` likest of `total`.

        Filters are as the API names them.

        Raises
        ------
        InvalidInput
            If the photograph cannot be used; the message says why.
        """
        files = {"image": ("photograph", photograph)}
        params: dict[str, str | int] = {"skip": skip, "limit": limit, **filters}
        response = self._request("POST", "/search", files=files, params=params)
        return SearchResults.model_validate_json(response.content)

    def verify(self, first: bytes, second: bytes) -> Verification:
        """Whether two photographs, of one face each, show one person."""
        files = {"first": ("first", first), "second": ("second", second)}
        return Verification.model_validate_json(
            self._request("POST", "/verify", files=files).content
        )

    def visits(self, *, limit: int = 50, **filters: str) -> Page[Visit]:
        """Visits, the last to begin first; filters as the API names them.

        With `kind` a page may have fewer than `limit`, or none, while others follow.
        """
        return self._get(Page[Visit], "/visits", {"limit": limit, **filters})

    def classes(self) -> list[str]:
        """Every class that somebody is of, by name."""
        return self._get(Page[str], "/persons/classes").items

    def person_visits(self, person_id: str, *, limit: int = 50, **filters: str) -> Page[Visit]:
        """A person's visits, the last to begin first; filters as the API names them."""
        return self._get(Page[Visit], f"/persons/{person_id}/visits", {"limit": limit, **filters})

    def attendance(self, first: date, last: date, **filters: str) -> Attendance:
        """When everybody was first and last seen on each of these days."""
        days = {"from": first.isoformat(), "to": last.isoformat()}
        return self._get(Attendance, "/attendance", {**days, **filters})

    def export_person(self, person_id: str) -> bytes:
        """All that is known of a person, as a zip archive."""
        return self._request("GET", f"/persons/{person_id}/export").content

    def alerts(self, *, limit: int = 50, **filters: str) -> Page[Alert]:
        return self._get(Page[Alert], "/alerts", {"limit": limit, **filters})

    def alert_picture(self, detection_id: str, *, until: int, key: str) -> bytes:
        """The face that a message links to, as JPEG."""
        params: dict[str, str | int] = {"until": until, "key": key}
        return self._request("GET", f"/alerts/pictures/{detection_id}", params=params).content

    def answer_alert(self, alert_id: str, answer: str) -> Alert:
        """Say that an alert is taken care of."""
        body = AlertAnswer(answer=answer)
        return self._send(Alert, "POST", f"/alerts/{alert_id}/answer", body)

    def retry_alert(self, alert_id: str) -> Alert:
        """Send again what has failed of an alert."""
        response = self._request("POST", f"/alerts/{alert_id}/retry")
        return Alert.model_validate_json(response.content)

    def mute(self, to: str, *, minutes: int) -> None:
        """Tell an address of nothing for a while."""
        body = MuteRequest(to=to, minutes=minutes)
        self._request("POST", "/alerts/mute", json=body.model_dump(mode="json"))

    def claim_deliveries(self, claim: DeliveryClaim) -> ClaimedDeliveries:
        """Take what is due for one address from the outbox, in order of capture."""
        return self._send(ClaimedDeliveries, "POST", "/alerts/deliveries/claim", claim)

    def settle_deliveries(self, settlement: DeliverySettlement) -> list[Alert]:
        """Say how sending went. Raises LeaseLost where they are held no more."""
        return self._send(Page[Alert], "POST", "/alerts/deliveries/settle", settlement).items

    def alert_rules(self) -> list[AlertRule]:
        """Who is told of which visits."""
        return self._get(Page[AlertRule], "/alert-rules").items

    def create_alert_rule(
        self, rule: AlertRuleBody, *, idempotency_key: str | None = None
    ) -> AlertRule:
        """Add a rule; a repeat with the same key adds none."""
        return self._send(AlertRule, "POST", "/alert-rules", rule, idempotency_key=idempotency_key)

    def replace_alert_rule(self, rule_id: str, rule: AlertRuleBody) -> AlertRule:
        return self._send(AlertRule, "PUT", f"/alert-rules/{rule_id}", rule)

    def delete_alert_rule(self, rule_id: str) -> None:
        self._request("DELETE", f"/alert-rules/{rule_id}")

    def preview_alert_rule(self, rule: AlertRuleBody) -> RulePreview:
        """What a rule would have said of the last 24 hours."""
        return self._send(RulePreview, "POST", "/alert-rules/preview", rule)

    def stats(self, *, since: datetime | None = None) -> Stats:
        return self._get(Stats, "/stats", {"since": since.isoformat()} if since else {})

    def settings(self) -> OperatingSettings:
        """What an operator has set."""
        return self._get(OperatingSettings, "/settings")

    def update_settings(self, update: OperatingSettingsUpdate) -> OperatingSettings:
        """Change it; every service takes it up within some seconds."""
        return self._send(OperatingSettings, "PATCH", "/settings", update)

    def retention_due(
        self, *, strangers_kept_days: int | None = None, known_kept_days: int | None = None
    ) -> RetentionDue:
        """What would go now if it were kept for so many days."""
        days = {"strangers_kept_days": strangers_kept_days, "known_kept_days": known_kept_days}
        given = {name: str(value) for name, value in days.items() if value is not None}
        return self._get(RetentionDue, "/settings/retention", given)

    def system(self) -> System:
        """What waits, who works, what is kept, and how much room is left."""
        return self._get(System, "/system")

    def users(self) -> list[User]:
        """Everybody who may sign in."""
        return self._get(Page[User], "/users").items

    def create_user(self, new: UserCreate) -> UserCreated:
        """Add somebody. Their first password is in this answer and never again."""
        return self._send(UserCreated, "POST", "/users", new)

    def update_user(self, user_id: str, update: UserUpdate) -> User:
        """Change a name, role, scope, or whether they may sign in."""
        return self._send(User, "PATCH", f"/users/{user_id}", update)

    def reset_password(self, user_id: str) -> UserCreated:
        """Give somebody a new password. It is in this answer and never again."""
        response = self._request("POST", f"/users/{user_id}/password")
        return UserCreated.model_validate_json(response.content)

    def delete_user(self, user_id: str) -> None:
        """Remove somebody with their sessions and tokens."""
        self._request("DELETE", f"/users/{user_id}")

    def tokens(self) -> list[Token]:
        """One's own tokens; for an admin everybody's."""
        return self._get(Page[Token], "/tokens").items

    def create_token(self, new: TokenCreate) -> TokenCreated:
        """Make a token. Its key is in this answer and never again."""
        return self._send(TokenCreated, "POST", "/tokens", new)

    def delete_token(self, token_id: str) -> None:
        """Revoke a token, at once."""
        self._request("DELETE", f"/tokens/{token_id}")

    def audit(self, *, limit: int = 50, **filters: str) -> Page[AuditEntry]:
        """Who did what, the newest first; filters as the API names them."""
        return self._get(Page[AuditEntry], "/audit", {"limit": limit, **filters})

    def verify_audit(self) -> AuditVerdict:
        """Whether an entry was changed, put in or taken out since it was written."""
        return self._get(AuditVerdict, "/audit/chain")

    def is_ready(self) -> bool:
        """Whether the API and what it depends on answer."""
        try:
            response = self._http.get("/readyz")
            return response.is_success and Health.model_validate_json(response.content).ok
        except (httpx2.TransportError, ValueError):
            return False

    def _get(
        self, model: type[Model], path: str, params: Mapping[str, str | int] | None = None
    ) -> Model:
        return model.model_validate_json(self._request("GET", path, params=params).content)

    def _send(
        self,
        model: type[Model],
        method: str,
        path: str,
        body: Body,
        *,
        idempotency_key: str | None = None,
    ) -> Model:
        content = body.model_dump(mode="json", exclude_unset=True)
        response = self._request(method, path, json=content, headers=_once(idempotency_key))
        return model.model_validate_json(response.content)

    def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            response = self._http.request(method, API_PREFIX + path, **options)
        except httpx2.TransportError as error:
            raise errors.Unavailable(self._why_away(error)) from error
        if not response.is_success:
            raise _error_of(response)
        return response

    def _why_away(self, error: httpx2.TransportError) -> str:
        api_url = self._http.base_url
        refusal = _refused_certificate(error)
        if refusal is None:
            return f"the API at {api_url} does not answer ({error}); is it running?"
        return (
            f"the certificate of the API at {api_url} is not trusted ({refusal.verify_message}): "
            "where it comes from a CA of your own, name that CA's PEM file in USHER_CA_FILE "
            "(`ca_file` in a detector's configuration)"
        )


def _once(idempotency_key: str | None) -> dict[str, str]:
    return {IDEMPOTENCY_HEADER: idempotency_key} if idempotency_key else {}


def _events_in(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a stream; what is no event that we know is passed over."""
    kind = ""
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            kind = value.strip()
        elif field == "data" and kind in get_args(EventKind):
            body = _EVENTS[kind].model_validate_json(value)  # type: ignore[index]
            yield Event(kind, body)  # type: ignore[arg-type]
            kind = ""


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise errors.ConfigurationError(
            f"the CA file {ca_file} holds no certificate: it must be in PEM format"
        ) from error
    except OSError as error:
        raise errors.ConfigurationError(
            f"the CA file {ca_file} cannot be read: {error.strerror}"
        ) from error


def _refused_certificate(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Why the API's certificate was refused, where that is what lies below an error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _error_of(response: httpx2.Response) -> errors.UsherError:
    """The error that a response's problem details name."""
    try:
        problem = json.loads(response.content)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "", f"the API answered {response.status_code}"
    if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
        wait_s = _retry_after_s(response, _DEFAULT_RETRY_AFTER_S)
        return errors.TooManyRequests(detail, retry_after_s=wait_s)
    if not response.is_client_error or response.status_code in _PASSING:
        # A redirect is no answer of this API either: a portal or proxy stands in between.
        return errors.Unavailable(detail, retry_after_s=_retry_after_s(response, 0))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status_code, errors.InvalidInput)
    return kind(detail)


def _retry_after_s(response: httpx2.Response, default_s: int) -> int:
    value = response.headers.get("Retry-After", "")
    return min(int(value[:9]), _MAX_RETRY_AFTER_S) if value.isdecimal() else default_s
