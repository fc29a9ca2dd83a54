"""When everybody was first and last seen, day by day: as JSON, or as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query, Request, Response

from services.api.dependencies import SIGNED_IN, Api, Principal
from services.api.views import camera_set, presence_view
from usher import wire
from usher.domain.errors import InvalidInput
from usher.domain.records import PersonKind
from usher.storage.stays import Days

router = APIRouter(prefix="/attendance", tags=["visits"])

_CSV = "text/csv"
_COLUMNS = ("day", "name", "id", "class", "first seen", "last seen", "hours", "visits")
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@router.get(
    "",
    response_model=wire.Attendance,
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
)
async def attendance(
    request: Request,
    principal: Annotated[Principal, Depends(SIGNED_IN)],
    state: Api,
    first: Annotated[wire.Day, Query(alias="from", description="The first day.")],
    last: Annotated[wire.Day, Query(alias="to", description="The last day, included.")],
    camera_id: str | None = None,
    kind: PersonKind = PersonKind.KNOWN,
    class_name: Annotated[str | None, Query(alias="class", max_length=40)] = None,
    zone: Annotated[
        str, Query(alias="tz", max_length=64, description="A time zone's IANA name.")
    ] = "UTC",
    format_: Annotated[
        Literal["json", "csv"] | None,
        Query(alias="format", description="Left out: as the header `Accept` says."),
    ] = None,
) -> wire.Attendance | Response:
    """Who was there on which day: first and last seen by the cameras that one may see."""
    days = Days(
        first=first,
        last=last,
        zone=_zone(zone),
        kind=kind,
        class_name=class_name.strip().lower() if class_name else None,
        camera_ids=camera_set(camera_id, principal.scope),
    )
    items = [presence_view(one) for one in await state.stays.attendance(days)]
    if format_ == "csv" or (format_ is None and _prefers_csv(request)):
        return _as_csv(items, days)
    return wire.Attendance(time_zone=days.zone.key, items=items)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            "`tz` is no time zone known here: give an IANA name, such as Europe/Berlin"
        ) from error


def _prefers_csv(request: Request) -> bool:
    accepted = request.headers.get("accept", "").lower()
    return _CSV in accepted and "application/json" not in accepted


def _as_csv(items: Sequence[wire.Presence], days: Days) -> Response:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(
        [*_COLUMNS[:4], *(f"{name} ({days.zone.key})" for name in _COLUMNS[4:6]), *_COLUMNS[6:]]
    )
    rows.writerows(_row(one, days.zone) for one in items)
    headers = {
        "Content-Disposition": f'attachment; filename="attendance-{days.first}-{days.last}.csv"'
    }
    # With a mark of its encoding: a spreadsheet takes it for another one otherwise.
    return Response(text.getvalue().encode("utf-8-sig"), media_type=_CSV, headers=headers)


def _row(one: wire.Presence, zone: ZoneInfo) -> list[str]:
    return [
        one.day.isoformat(),
        harmless(one.person.name or ""),
        one.person.id,
        harmless(one.class_name or ""),
        one.first_seen_at.astimezone(zone).strftime("%H:%M:%S"),
        one.last_seen_at.astimezone(zone).strftime("%H:%M:%S"),
        f"{one.duration_s / 3600:.2f}",
        str(one.visits),
    ]


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula, by an apostrophe before it where needed."""
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS_A_FORMULA) else text
