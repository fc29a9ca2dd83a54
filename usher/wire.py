"""Request and response bodies of the REST API, shared by the API and its clients.

Times are aware datetimes in UTC, ISO 8601 on the wire. Boxes are `[x1, y1, x2, y2]` in pixels.
No vector and no raw distance is part of any body: distances alone reconstruct faces.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Annotated, Generic, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from usher.domain.alerting import Subject
from usher.domain.records import (
    AlertStatus,
    CameraState,
    ChangeKind,
    Confidence,
    DeliveryKind,
    DetectionStatus,
    PersonKind,
    Role,
)

API_PREFIX = "/api/v1"
SESSION_COOKIE = "usher_session"
BROWSER_COOKIE = "usher_browser"
"""Tells a browser in which somebody has signed in before."""
CSRF_HEADER = "X-CSRF-Token"
IDEMPOTENCY_HEADER = "Idempotency-Key"
ACCOUNT_HEADER = "X-Usher-Account"
"""For whom the notifier asks: `CHANNEL:ADDRESS` of an account that is linked to a user."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment lies before or after the years 1 to 9999 in UTC") from error


Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Captured = Annotated[
    Utc, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
"""When a camera took a picture: bounded, so that reckoning with gaps and leases cannot overflow."""
Day = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(2200, 1, 1))]
"""A day on which a camera may have seen somebody, likewise."""
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""What names a camera: it may stand in a URL and in a metric's label."""
_VISIBLE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
"""A line without control characters, and without those that turn the writing's direction: a name
shall not look like another one."""


def _all_visible(text: str) -> str:
    if not re.fullmatch(_VISIBLE, text):
        raise ValueError("it holds characters that nobody sees, or line breaks: leave them out")
    return text


_IS_VISIBLE = AfterValidator(_all_visible)
_SAYS_SO = Field(json_schema_extra={"pattern": _VISIBLE})
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120),
    _IS_VISIBLE,
    _SAYS_SO,
]
Notes = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
Address = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
]
"""`CHANNEL:ADDRESS`, an account of the chat, or `managers`."""
Password = Annotated[str, StringConstraints(min_length=12, max_length=256)]
Coordinate = Annotated[int, Field(ge=-100_000, le=100_000)]
Item = TypeVar("Item")


class Body(BaseModel):
    """A request: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class Resource(BaseModel):
    """A response. Clients ignore fields that they do not know."""

    model_config = ConfigDict(extra="ignore")


class Page(Resource, Generic[Item]):
    """One page of a list. `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


class Problem(Resource):
    """An error, as RFC 9457 problem details (`application/problem+json`)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str = Field(description="The error's name, stable across versions.")


# ---- Sessions and accounts ----------------------------------------------------------------------


class Credentials(Body):
    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class PasswordChange(Body):
    current_password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new_password: Password


PersonRole = Literal[Role.ADMIN, Role.MANAGER, Role.VIEWER]
Username = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    _IS_VISIBLE,
    _SAYS_SO,
]
CameraScope = Annotated[
    list[Slug],
    Field(max_length=500, description="The only cameras to see something of; empty: all of them."),
]


class User(Resource):
    id: str
    username: str
    role: Role
    cameras: list[str] = Field([], description="The only cameras that they see; empty: all.")
    accounts: list[str] = Field(
        [], description="Theirs in the chat, `chat:ACCOUNT`: what they say there, they may do."
    )
    disabled: bool = False
    must_renew: bool = Field(
        False, description="Whether the password was given, and has to be changed first."
    )


class UserCreate(Body):
    """An admin sees every camera."""

    username: Username
    role: PersonRole = Role.VIEWER
    cameras: CameraScope = []


class UserUpdate(Body):
    """Fields that are left out stay. Another role or scope ends the user's sessions at once."""

    username: Username | None = None
    role: PersonRole | None = None
    cameras: CameraScope | None = None
    accounts: Annotated[list[Address], Field(max_length=20)] | None = None
    disabled: bool | None = None


class UserCreated(User):
    """A user with a password made by Usher, which is shown this once."""

    password: str = Field(description="To be changed at the first sign-in.")


class TokenCreate(Body):
    """A token may no more than who makes it, and nothing once they may nothing."""

    name: Name
    role: PersonRole = Role.VIEWER
    cameras: CameraScope = []
    expires_at: Utc | None = Field(None, description="Left out: when it is revoked.")


class Token(Resource):
    """A key for programs, sent as `Authorization: Bearer …`."""

    id: str
    name: str
    user_id: str
    username: str = Field(description="Who made it.")
    role: Role
    cameras: list[str]
    created_at: Utc
    expires_at: Utc | None = None
    last_used_at: Utc | None = None


class TokenCreated(Token):
    """A new token with its key, which is shown this once."""

    key: str


class AuditEntry(Resource):
    """Who did what to whom. Whoever and whatever has a name, and is still there, is called by it.

    `digest` seals the entry with all before it; entries older than the chain have none.
    """

    id: str
    number: int | None = None
    at: Utc
    actor_id: str
    actor: str
    action: str = Field(description="What follows a colon says more about it.")
    more: str | None = Field(
        None, description="What follows the colon; where that is a person's id, their name."
    )
    subject_id: str
    subject: str
    digest: str | None = None


class AuditVerdict(Resource):
    """Whether the chain of entries holds, reckoned anew."""

    intact: bool
    entries: int = Field(description="How many fit, from the first on.")
    broken_at: int | None = Field(None, description="The number of the first that does not.")
    digest: str = Field(
        description="Of the last entry that fits. Noted elsewhere, it shows later whether the end "
        "was cut off or all was made anew."
    )


class Session(Resource):
    """Who is signed in. `csrf_token` goes into `X-CSRF-Token` with every changing request."""

    user: User
    csrf_token: str


KeyCameras = Annotated[
    list[Slug],
    Field(
        max_length=100,
        description="The only cameras that a detector's key is for, known already or not; "
        "empty: any.",
    ),
]


class DeviceCreate(Body):
    """A notifier's key has no cameras."""

    name: Name
    role: Literal[Role.DEVICE, Role.NOTIFIER] = Role.DEVICE
    cameras: KeyCameras = []


class Device(Resource):
    id: str
    name: str
    role: Role
    cameras: list[str] = Field(
        [], description="The only ones that it uploads and reports for; empty: any."
    )
    created_at: Utc
    last_seen_at: Utc | None = None


class DeviceCreated(Device):
    """A new device with its key, which is shown this once."""

    key: str


class PairingCodeCreate(Body):
    name: Name = Field(description="What the device will be called.")
    cameras: KeyCameras = []


class PairingCode(Resource):
    """A code with which one device fetches its key, and the device once it has."""

    id: str
    name: str
    cameras: list[str] = Field([], description="The only ones that the key will be for.")
    expires_at: Utc
    device_id: str | None = None


class PairingCodeCreated(PairingCode):
    """A new code, which is shown this once."""

    code: str = Field(description="Eight letters and digits, as `XXXX-XXXX`.")


class Pairing(Body):
    """The code of whoever wants a key. Case, dashes and spaces do not matter."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=32)]


# ---- Cameras ------------------------------------------------------------------------------------


Rate = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53)]
StageName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class CameraRates(Resource):
    """How fast a camera's frames are worked on; counts are since its detector started.

    Part of a request and of responses: a newer device may say more to an older API, and the API
    more to an older notifier.
    """

    fps: Rate = Field(description="Frames taken from the camera, a second.")
    detector_fps: Rate = Field(description="Frames searched for faces, a second.")
    skipped: Count = Field(description="Frames left out because nobody could take them in time.")
    faces: Count
    tracks: Count
    stage_ms: Annotated[dict[StageName, Rate], Field(max_length=16)] = Field(
        description="Mean time of a frame in each stage, in milliseconds."
    )


class SpoolBooks(Resource):
    """What became of a detector's crops: `produced` is the sum of all others but `bytes`.

    Like `CameraRates`, part of a request and of responses.
    """

    produced: Count
    delivered: Count
    dropped: Count = Field(description="Given up: too many or too old.")
    refused: Count = Field(description="Set aside: the API answered that they cannot be right.")
    pending: Count
    bytes: Count = Field(description="What the pending ones take on the device's disk.")


def _with_area(polygon: list[tuple[float, float]]) -> list[tuple[float, float]]:
    (x0, y0), (x1, y1) = polygon[0], next((p for p in polygon if p != polygon[0]), polygon[0])
    if all((x1 - x0) * (y - y0) == (y1 - y0) * (x - x0) for x, y in polygon):
        raise ValueError("the points lie on one line: give at least three that do not")
    return polygon


Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[tuple[Share, Share]], Field(min_length=3, max_length=100)]
"""Corners `[x, y]`, each a share of the frame's width and height, from the upper left corner."""
Region = Annotated[Polygon, AfterValidator(_with_area)]
Areas = Annotated[list[Region], Field(max_length=100)]


class CameraRegions(Body):
    """Where in a camera's picture faces are looked for."""

    include: Areas = Field([], description="Areas of interest; none of them: the whole frame.")
    exclude: Areas = Field([], description="Areas of no interest; they count above the others.")

    @property
    def digest(self) -> str:
        """What tells these regions from others."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:16]


class CameraOrders(Resource):
    """What a device is told when it reports a camera."""

    regions: CameraRegions | None = Field(
        None, description="As drawn in the panel; null: the device's own configuration counts."
    )


class CameraReport(Body):
    """What a device says of one of its cameras: every ten seconds, and when the state changes."""

    state: CameraState
    since: Captured = Field(description="When the camera came into that state.")
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None
    rates: CameraRates | None = None
    spool: SpoolBooks | None = None
    width: Annotated[int, Field(gt=0, le=100_000)] | None = None
    height: Annotated[int, Field(gt=0, le=100_000)] | None = None
    regions: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="The digest of the drawn regions that it works with."
    )

    @model_validator(mode="after")
    def _is_somebodys_own_word(self) -> Self:
        if self.state == CameraState.OFFLINE:
            raise ValueError("offline is what the API says of a camera that does not report")
        return self


class Camera(Resource):
    """A camera, and how it is. Without a `state` nothing reports how it is."""

    id: str
    name: str
    managers: list[str] = Field(
        description="Who hears of its alerts: `CHANNEL:ADDRESS`, or an account of the chat."
    )
    last_seen_at: Utc | None = Field(None, description="When it last saw a face.")
    state: CameraState | None = Field(
        None, description="`offline` where the last report is older than 30 seconds."
    )
    state_since: Utc | None = None
    reason: str | None = None
    rates: CameraRates | None = None
    spool: SpoolBooks | None = Field(None, description="Of its device, for all cameras of it.")
    width: int | None = None
    height: int | None = None
    device_id: str | None = Field(None, description="Whose word the state is.")
    reported_at: Utc | None = None
    has_frame: bool = Field(False, description="Whether its last picture is kept.")
    frame_at: Utc | None = Field(None, description="When that picture came.")
    regions: CameraRegions | None = Field(None, description="As drawn in the panel.")
    regions_taken_up: bool = Field(
        True, description="Whether its device works with the regions as they are drawn now."
    )


class CameraUpdate(Body):
    """What is left out stays as it is; `regions` that are null are drawn no more."""

    name: Name | None = None
    regions: CameraRegions | None = None
    managers: Annotated[list[Name], Field(max_length=50)] | None = None


# ---- Detections ---------------------------------------------------------------------------------


class BoxBody(Body):
    """A box in pixels; the far edges are exclusive."""

    x1: Coordinate
    y1: Coordinate
    x2: Coordinate
    y2: Coordinate

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ValueError("x2 must exceed x1 and y2 must exceed y1")
        return self


class FramePlace(Body):
    """Where the face lay in the camera's frame, and how large that frame was, in pixels."""

    box: BoxBody
    width: Annotated[int, Field(gt=0, le=100_000)]
    height: Annotated[int, Field(gt=0, le=100_000)]


Finite = Annotated[float, Field(allow_inf_nan=False)]
Point = Annotated[list[Finite], Field(min_length=2, max_length=2)]


class DetectionMetadata(Body):
    """The `metadata` part of an upload.

    `box` and `landmarks` are in pixels of the posted image. Without a box the server looks for the
    most central face, so any client can post a photograph. `landmarks` are those of dlib's model of
    five, in its order: of the eye that is on the right in the picture the outer and the inner
    corner, of the other eye the outer and the inner corner, and the nose's base. Others are kept,
    and not used.
    """

    camera_id: Slug
    captured_at: Captured
    track_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    box: BoxBody | None = None
    landmarks: Annotated[list[Point], Field(min_length=5, max_length=5)] | None = None
    frame: FramePlace | None = None
    score: Finite | None = None


class DetectionAccepted(Resource):
    id: str
    status: DetectionStatus


class PersonBrief(Resource):
    id: str
    name: str | None
    kind: PersonKind


class Quality(Resource):
    """Why a crop can or cannot found an identity."""

    acceptable: bool
    size_px: int
    sharpness: float
    probability: float | None = Field(
        None, description="Estimated probability that the face is recognised."
    )
    reasons: list[str]


class Detection(Resource):
    id: str
    camera_id: str
    captured_at: Utc
    received_at: Utc
    status: DetectionStatus
    reason: str | None = Field(default=None, description="Why it failed or cannot be identified.")
    person: PersonBrief | None = None
    confidence: Confidence | None = None
    candidate: PersonBrief | None = Field(
        None, description="Somebody known whom it probably shows: a person has to say."
    )
    confirmed: bool = Field(False, description="Whether a person has said who it is.")
    quality: Quality | None = None
    box: BoxBody | None = None
    frame: FramePlace | None = None
    track_id: str | None = None
    visit_id: str | None = None


class Assignment(Body):
    """A person's correction of one detection. Exactly one of the three."""

    person_id: str | None = None
    new_person: bool = False
    not_a_face: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum((self.person_id is not None, self.new_person, self.not_a_face)) != 1:
            raise ValueError("give exactly one of person_id, new_person, not_a_face")
        return self


class Rejection(Body):
    """Whom a detection does not show. It is remembered."""

    person_id: str


# ---- Persons ------------------------------------------------------------------------------------


ClassName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=40),
    _IS_VISIBLE,
    _SAYS_SO,
]
"""A free label of persons, such as `staff`, `visitor`, `vip` or `barred`."""


class PersonCreate(Body):
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    name: Name
    notes: Notes = ""
    class_name: ClassName | None = Field(None, alias="class")


class PersonUpdate(Body):
    """Fields that are left out stay. Naming a stranger makes them known.

    Null takes a class or a bound of the validity away.
    """

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    name: Name | None = None
    kind: PersonKind | None = None
    notes: Notes | None = None
    class_name: ClassName | None = Field(None, alias="class")
    valid_from: Captured | None = None
    valid_until: Captured | None = Field(None, description="Exclusive.")
    managers: Annotated[list[Name], Field(max_length=50)] | None = None
    snoozed_until: Captured | None = Field(
        None, description="Nobody is told of visits before; null ends that."
    )


class Person(Resource):
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    id: str
    name: str | None
    kind: PersonKind
    notes: str
    created_at: Utc
    last_seen_at: Utc | None = None
    faces: int = Field(description="References that new faces are compared with.")
    detections: int
    face_id: str | None = Field(
        default=None, description="The reference whose picture stands for this person."
    )
    class_name: str | None = Field(
        None, alias="class", description="A free label, such as `staff` or `visitor`."
    )
    valid_from: Utc | None = None
    valid_until: Utc | None = Field(None, description="Exclusive.")
    valid_now: bool = Field(True, description="Whether the person is expected here now.")
    managers: list[str] = Field(
        [], description="Who hears of this person where a rule tells `managers`."
    )
    snoozed_until: Utc | None = None


class Visit(Resource):
    """A person's stay at one camera, until a quiet gap."""

    id: str
    person: PersonBrief | None
    camera_id: str
    started_at: Utc
    last_at: Utc
    detections: int
    detection_id: str | None = Field(None, description="The first detection of it.")


class Presence(Resource):
    """When a person was seen on a day, from midnight to midnight in the time zone asked for."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    day: date
    person: PersonBrief
    class_name: str | None = Field(None, alias="class")
    first_seen_at: Utc
    last_seen_at: Utc
    duration_s: float = Field(description="From the first time to the last, in seconds.")
    visits: int


class Attendance(Resource):
    """Who was there on which day, by day and name."""

    time_zone: str
    items: list[Presence]


class Face(Resource):
    """One reference of a person."""

    id: str
    person_id: str
    origin: Literal["enrolment", "detection"]
    detection_id: str | None = None
    created_at: Utc


class Merge(Body):
    """The persons who turn out to be the one in the URL, and cease to exist."""

    person_ids: Annotated[list[str], Field(min_length=1, max_length=100)]


class Split(Body):
    """Detections that are not the person's in the URL, and whose they become."""

    detection_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]
    into: str | None = Field(None, description="Whose they are; left out: a new stranger's.")


class IdentityChange(Resource):
    """An entry of the history of who is who."""

    id: str
    at: Utc
    actor: str = Field(description="A user's name, or `usher`.")
    kind: ChangeKind
    persons: list[PersonBrief] = Field(
        description="All whom it touched, first the one who stays; without those who are deleted."
    )
    detections: int = Field(description="How many detections moved.")
    undone_at: Utc | None = None
    undone_by: str | None = None
    final: str | None = Field(None, description="Why it cannot be taken back any more.")


class Undo(Body):
    """The change to take back."""

    change_id: str


class DeletionReceipt(Resource):
    """What went with a person. It names nobody."""

    person_id: str
    faces: int
    detections: int
    crops: int
    visits: int
    alerts: int


class IdentifiedFace(Resource):
    box: BoxBody
    person: PersonBrief | None
    confidence: Confidence | None
    candidate: PersonBrief | None = Field(
        default=None, description="Somebody known whom it may be as well: a person has to say."
    )
    quality: Quality


class Identification(Resource):
    faces: list[IdentifiedFace]


class SearchResult(Resource):
    """A time that a face was seen. `confidence` says how sure it is the same person's."""

    detection: Detection
    confidence: Confidence


class SearchResults(Resource):
    """A part of the detections that show the face, the likest first."""

    items: list[SearchResult]
    total: int = Field(description="How many detections show the face.")
    searched: int = Field(description="How many detections were looked through.")


class Verification(Resource):
    """Whether two photographs show one person."""

    same: bool
    confidence: Confidence | None = Field(None, description="How sure, where it is the same.")


# ---- Alerts -------------------------------------------------------------------------------------


class Delivery(Resource):
    """One message to one address."""

    id: str = Field(description="The same however often it is sent.")
    kind: DeliveryKind
    to: str = Field(description="`CHANNEL:ADDRESS`.")
    status: AlertStatus
    not_before: Utc = Field(description="It waits until then: for quiet hours, or for an answer.")
    attempts: int = 0
    sent_at: Utc | None = None
    reason: str | None = Field(None, description="Why the last attempt to send it failed.")
    via: Literal["console"] | None = Field(
        None, description="`console`: it was printed where the notifier runs, and sent nowhere."
    )


class Absence(Resource):
    """Somebody was expected and not seen."""

    expected_from: Utc
    last_seen_at: Utc


class Alert(Resource):
    """A visit that somebody is told of. One visit is one alert, however many are told.

    With an `absence` it tells of somebody who did not come until `captured_at`; camera and
    detection are those of the last time that they were seen.
    """

    id: str
    status: AlertStatus = Field(description="`sent` once everybody who is told first has been.")
    person: PersonBrief | None
    candidate: PersonBrief | None = Field(
        None, description="Somebody known whom the picture probably shows, until that is answered."
    )
    camera: Camera
    detection_id: str
    visit_id: str
    captured_at: Utc
    created_at: Utc
    sent_at: Utc | None = None
    attempts: int = 0
    reason: str | None = Field(default=None, description="Why the last attempt to send it failed.")
    rules: list[str] = Field([], description="The rules that it came of.")
    deliveries: list[Delivery] = []
    answered_at: Utc | None = None
    answered_by: str | None = Field(None, description="Who answered, by their username.")
    answer: str | None = None
    absence: Absence | None = None


Channel = Literal["chat", "mail", "webhook", "mqtt", "apprise", "default"]


class DeliveryClaim(Body):
    """Takes what is due for one address from the outbox, for `lease_s` seconds."""

    channels: Annotated[list[Channel], Field(min_length=1, max_length=20)]
    skip: Annotated[list[str], Field(max_length=1000)] = Field(
        [], description="Addresses of which nothing is taken now."
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    lease_s: Annotated[int, Field(ge=5, le=600)] = 60
    wait_s: Annotated[int, Field(ge=0, le=20)] = Field(
        0, description="Where nothing is due, the answer waits so long for something."
    )
    sends_by: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=20)] = Field(
        [],
        description="Which of the channels are set up, as people call them: for *System*. What is "
        "due for others is claimed too, to say why it cannot be sent.",
    )


class ClaimedDelivery(Resource):
    """A delivery that this sender holds."""

    alert: Alert
    delivery: Delivery
    picture_path: str = Field(description="Where the face opens without signing in, for a day.")


class ClaimedDeliveries(Resource):
    """All for one address, in order of capture; `claim_token` settles them."""

    claim_token: str
    items: list[ClaimedDelivery]


class DeliverySettlement(Body):
    """How sending went. With an error it is sent again, with back-off."""

    claim_token: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    delivery_ids: Annotated[list[str], Field(max_length=1000)] | None = Field(
        None, description="Of those that the token holds; all where none are named."
    )
    error: Annotated[str, StringConstraints(max_length=1000)] | None = None
    via: Literal["console"] | None = None


class AlertAnswer(Body):
    """What somebody said to an alert."""

    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class WeeklyHours(Body):
    """Hours of some days; over midnight where `end` is not after `start`, a day where equal."""

    days: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)] = (
        Field(list(range(7)), description="On which they begin; Monday is 0.")
    )
    start: Clock
    end: Clock


class AlertRuleBody(Body):
    """Who is told about whom, where and when."""

    name: Name
    enabled: bool = True
    about: Annotated[list[Subject], Field(max_length=4)] = Field(
        [Subject.STRANGER],
        description="`expired`: known, and here outside of their validity. `absent`: known, and "
        "not seen in the rule's hours; such a rule is about nothing else.",
    )
    classes: Annotated[list[ClassName], Field(max_length=50)] = Field(
        [], description="People of these classes as well; of `absent` ones, of these alone."
    )
    cameras: Annotated[list[str], Field(max_length=200)] = Field([], description="None: all.")
    zone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    hours: Annotated[list[WeeklyHours], Field(max_length=20)] = Field(
        [], description="In which a visit has to begin. None: always. Of `absent`: are expected."
    )
    quiet: Annotated[list[WeeklyHours], Field(max_length=20)] = Field(
        [], description="In which nothing is sent; it comes when they end."
    )
    cooldown_minutes: Annotated[int, Field(ge=0, le=10_080)] = Field(
        0, description="After an alert, none of the same person at the same camera for so long."
    )
    to: Annotated[list[Address], Field(max_length=50)] = Field(
        ["managers"],
        description="`CHANNEL:ADDRESS`, an account of the chat, or `managers`. None: the panel.",
    )
    escalate_after_minutes: Annotated[int, Field(ge=1, le=1440)] | None = Field(
        None, description="Without an answer, `escalate_to` is told too."
    )
    escalate_to: Annotated[list[Address], Field(max_length=50)] = []

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {name!r}: say `Europe/Berlin`, say") from None
        return name

    @model_validator(mode="after")
    def _is_about_somebody(self) -> Self:
        if not self.about and not self.classes:
            raise ValueError("it is about nobody: choose who it is about, or a class")
        if self.escalate_after_minutes is not None and not self.escalate_to:
            raise ValueError("say whom it escalates to")
        if Subject.ABSENT in self.about and self.about != [Subject.ABSENT]:
            raise ValueError("a rule about absence is about nothing else: make another one")
        if Subject.ABSENT in self.about and not self.hours:
            raise ValueError("say in which hours they are expected")
        return self


class AlertRule(AlertRuleBody, Resource):
    """A rule that is kept."""

    id: str


class PreviewedAlert(Resource):
    """An alert that a rule would have made."""

    person: PersonBrief
    camera_id: str
    detection_id: str | None
    captured_at: Utc
    to: list[str]


class RulePreview(Resource):
    """What a rule would have said of the last 24 hours."""

    visits: int = Field(description="That it looked through; none where it is about absence.")
    alerts: int
    messages: int = Field(description="To how many addresses in all, escalations among them.")
    examples: list[PreviewedAlert] = Field(description="The newest of them.")


class MuteRequest(Body):
    """Tells an address of nothing for a while; zero minutes end that."""

    to: Address
    minutes: Annotated[int, Field(ge=0, le=10_080)]


# ---- Figures ------------------------------------------------------------------------------------


Days = Annotated[int, Field(ge=1, le=36_500)]


class OperatingSettings(Resource):
    """What an operator changes while Usher runs."""

    identity_rule: Literal["budget", "fixed"]
    identity_budget: float = Field(
        description="The share of strangers that may be called by a name."
    )
    strangers_kept_days: int | None = Field(
        description="Strangers who were not seen for so long are deleted; null: never."
    )
    known_kept_days: int | None = Field(
        description="Detections of people with a name, or ignored, are deleted then; null: never."
    )
    taken_up: bool = Field(
        description="Whether this API decides by it already; a change takes some seconds."
    )
    channels: list[str] = Field(
        description="What alerts are sent by now: of the notifiers that run. Not to be set."
    )


class OperatingSettingsUpdate(Body):
    """What is left out stays as it is. Days that are null: kept until somebody deletes it."""

    identity_budget: float | None = Field(None, ge=0.0005, le=0.2)
    strangers_kept_days: Days | None = None
    known_kept_days: Days | None = None


class RetentionDue(Resource):
    """What would not be kept any more."""

    strangers: int = Field(description="Strangers who would be deleted.")
    detections: int = Field(description="Detections, those of these strangers among them.")


class DatabaseSize(Resource):
    """How much MongoDB keeps, in the collections that grow."""

    version: str
    bytes: int = Field(description="On disk, with the indexes.")
    documents: dict[str, int]


class DiskSpace(Resource):
    """Of the disk that the pictures are on."""

    total_bytes: int
    free_bytes: int


class WorkerState(Resource):
    """A process that works now."""

    kind: Literal["classifier", "notifier"]
    name: str = Field(description="A classifier's host, or what a notifier's key is called.")
    channels: list[str] = Field(description="What a notifier sends by.")


class System(Resource):
    """How the system does."""

    version: str
    model: str = Field(description="Whose vectors are compared.")
    queue: int = Field(description="Detections that are not finished yet.")
    oldest_pending_s: float | None = None
    alerts_unsent: int
    classifier: str | None = Field(
        description="Where the classifier runs that says who is who; null where none does."
    )
    workers: list[WorkerState] = Field(
        description="Those that have said within a minute that they work."
    )
    database: DatabaseSize
    disk: DiskSpace


class Stats(Resource):
    """Counts since a moment (or ever), and what is in the queues now.

    `persons` counts the distinct people of those detections, `new_persons` those who are new to
    Usher since: first seen, or added by hand.
    """

    detections: int
    by_status: dict[DetectionStatus, int]
    persons: int
    new_persons: int
    alerts_sent: int
    queue: int = Field(description="Detections that are not finished yet, of any age.")
    alerts_unsent: int = Field(description="Alerts that are waiting or being sent, of any age.")
    oldest_pending_s: float | None = Field(
        default=None, description="Age of the oldest unfinished detection, in seconds."
    )


class Estimate(Resource):
    """A share, with the interval that holds it with a probability of 95%."""

    share: float
    low: float
    high: float
    samples: int


class LookAlike(Resource):
    """Two people who are hard to tell apart."""

    persons: list[PersonBrief]
    confidence: Confidence = Field(description="How sure one would be taken for the other.")


class DoubtfulReference(Resource):
    """A reference that does not fit its person."""

    person: PersonBrief
    face_id: str
    closer_to: PersonBrief | None = None


class FewReferences(Resource):
    """Somebody known who is compared by few photographs."""

    person: PersonBrief
    references: int


class Recalibration(Resource):
    """When the threshold moved, and why."""

    at: Utc
    threshold: float
    persons: int
    reason: str


class IdentityStats(Resource):
    """How identities are decided, and how well."""

    model: str
    rule: Literal["budget", "fixed"]
    budget: float | None = Field(description="Share of strangers that may be called by a name.")
    threshold: float
    reason: str = Field(description="In words, why the threshold is what it is.")
    persons: int = Field(description="Known persons with a reference.")
    references: int
    strangers: int
    review: int = Field(description="Detections that wait for a person's answer.")
    fpir: Estimate | None = Field(description="Of strangers, those called by a name, as estimated.")
    fnir: Estimate | None = Field(description="Of known people's faces, those not recognised.")
    look_alikes: list[LookAlike]
    doubtful: list[DoubtfulReference]
    few_references: list[FewReferences]
    recalibrations: list[Recalibration] = Field(description="The newest first.")


class ComponentHealth(Resource):
    name: str
    ok: bool
    detail: str = ""


class Health(Resource):
    ok: bool
    components: list[ComponentHealth] = []


# ---- Events -------------------------------------------------------------------------------------

EventKind = Literal["detection", "person", "person_removed", "alert", "camera", "camera_removed"]
"""`event:` of a server-sent event; `data:` is the Detection, Person, PersonRemoved, Alert, Camera
or CameraRemoved."""


class PersonRemoved(Resource):
    id: str
    merged_into: str | None = None


class CameraRemoved(Resource):
    id: str


def utc_now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)
