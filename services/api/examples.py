"""Examples in the OpenAPI document: one of each body, by its name in `usher/wire.py`.

They are of one morning at one door, and fit together. A test holds each to be valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MORNING: Final = "2026-11-22T08:15:30.250000Z"
_LATER: Final = "2026-11-22T08:15:31.004000Z"
_ALICE: Final = {"id": "p-7k3qxz", "name": "Alice Adler", "kind": "known"}
_STRANGER: Final = {"id": "p-2m9rtb", "name": None, "kind": "unknown"}
_DETECTION: Final = "6a1f0c6a9d4e4b0f8c2d7e31"
_VISIT: Final = "6a1f0c6b1b2c3d4e5f607182"
_BOX: Final = {"x1": 40, "y1": 40, "x2": 140, "y2": 140}
_FRAME: Final = {
    "box": {"x1": 610, "y1": 220, "x2": 710, "y2": 320},
    "width": 1280,
    "height": 720,
}
_QUALITY: Final = {
    "acceptable": True,
    "size_px": 100,
    "sharpness": 84.2,
    "probability": 0.973,
    "reasons": [],
}
_CAMERA: Final = {
    "id": "front-door",
    "name": "Front door",
    "managers": ["@reception"],
    "last_seen_at": _MORNING,
    "state": "live",
    "state_since": "2026-11-22T06:00:00Z",
    "width": 1280,
    "height": 720,
    "has_frame": True,
    "frame_at": _MORNING,
}
_ALERT: Final = {
    "id": "6a1f0c6c0011223344556677",
    "status": "pending",
    "person": _STRANGER,
    "camera": _CAMERA,
    "detection_id": _DETECTION,
    "visit_id": _VISIT,
    "captured_at": _MORNING,
    "created_at": _LATER,
    "attempts": 1,
}
_DELIVERY: Final = {
    "id": "6a1f0c000000000000000007",
    "kind": "alert",
    "to": "mail:ann@example.org",
    "status": "pending",
    "not_before": _LATER,
    "attempts": 1,
}
_RULE: Final = {
    "name": "Strangers at night",
    "about": ["stranger"],
    "classes": ["barred"],
    "cameras": ["front-door"],
    "zone": "Europe/Berlin",
    "hours": [{"days": [0, 1, 2, 3, 4], "start": "20:00", "end": "06:00"}],
    "cooldown_minutes": 30,
    "to": ["managers", "mail:ann@example.org"],
    "escalate_after_minutes": 10,
    "escalate_to": ["chat:#security"],
}
_USER: Final = {
    "id": "6a1f0c000000000000000005",
    "username": "berta",
    "role": "manager",
    "cameras": ["front-door"],
}
_TOKEN: Final = {
    "id": "6a1f0c000000000000000006",
    "name": "Door display",
    "user_id": _USER["id"],
    "username": "berta",
    "role": "viewer",
    "cameras": ["front-door"],
    "created_at": "2026-11-20T10:10:00Z",
}
_DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

EXAMPLES: Final[Mapping[str, dict[str, Any]]] = {
    "Credentials": {"username": "admin", "password": "correct horse battery"},
    "PasswordChange": {
        "current_password": "correct horse battery",
        "new_password": "a longer horse and battery",
    },
    "UserCreate": {"username": "berta", "role": "manager", "cameras": ["front-door"]},
    "UserUpdate": {"role": "viewer"},
    "User": _USER,
    "UserCreated": {**_USER, "must_renew": True, "password": "7k3qxz-2m9rtb-4fhw8n"},
    "TokenCreate": {"name": "Door display", "role": "viewer", "cameras": ["front-door"]},
    "Token": _TOKEN,
    "TokenCreated": {**_TOKEN, "key": "usher_token_7k3qxz2m9rtb4fhw8n"},
    "AuditEntry": {
        "id": "6a1f0c000000000000000007",
        "number": 812,
        "at": _LATER,
        "actor_id": _USER["id"],
        "actor": "berta",
        "action": "person.create",
        "subject_id": _ALICE["id"],
        "subject": _ALICE["id"],
        "digest": _DIGEST,
    },
    "AuditVerdict": {"intact": True, "entries": 812, "digest": _DIGEST},
    "DeviceCreate": {
        "name": "Front door's detector",
        "role": "device",
        "cameras": ["front-door"],
    },
    "Device": {
        "id": "6a1f0c000000000000000001",
        "name": "Front door's detector",
        "role": "device",
        "cameras": ["front-door"],
        "created_at": "2026-11-20T10:00:00Z",
        "last_seen_at": _MORNING,
    },
    "PairingCodeCreate": {"name": "Front door's detector", "cameras": ["front-door"]},
    "Pairing": {"code": "7K3Q-XZ0M"},
    "Camera": _CAMERA,
    "CameraUpdate": {"name": "Front door", "managers": ["@reception"]},
    "CameraOrders": {"regions": {"exclude": [[[0, 0], [1, 0], [1, 0.2], [0, 0.2]]]}},
    "CameraReport": {"state": "live", "since": "2026-11-22T06:00:00Z", "width": 1280},
    "DetectionMetadata": {
        "camera_id": "front-door",
        "captured_at": _MORNING,
        "track_id": "17",
        "box": _BOX,
        "frame": _FRAME,
        "score": 0.93,
    },
    "DetectionAccepted": {"id": _DETECTION, "status": "pending"},
    "Detection": {
        "id": _DETECTION,
        "camera_id": "front-door",
        "captured_at": _MORNING,
        "received_at": _LATER,
        "status": "classified",
        "person": _ALICE,
        "confidence": "high",
        "confirmed": False,
        "quality": _QUALITY,
        "box": _BOX,
        "frame": _FRAME,
        "track_id": "17",
        "visit_id": _VISIT,
    },
    "Assignment": {"person_id": _ALICE["id"]},
    "Rejection": {"person_id": _ALICE["id"]},
    "PersonCreate": {"name": "Alice Adler", "notes": "Reception, mornings"},
    "PersonUpdate": {"name": "Alice Adler"},
    "Person": {
        **_ALICE,
        "notes": "Reception, mornings",
        "created_at": "2026-11-20T10:05:00Z",
        "last_seen_at": _MORNING,
        "faces": 3,
        "detections": 42,
        "face_id": "6a1f0c000000000000000002",
    },
    "Face": {
        "id": "6a1f0c000000000000000002",
        "person_id": _ALICE["id"],
        "origin": "enrolment",
        "created_at": "2026-11-20T10:06:00Z",
    },
    "Merge": {"person_ids": [_STRANGER["id"]]},
    "Split": {"detection_ids": [_DETECTION], "into": None},
    "Undo": {"change_id": "6a1f0c000000000000000003"},
    "IdentityChange": {
        "id": "6a1f0c000000000000000003",
        "at": _LATER,
        "actor": "admin",
        "kind": "merge",
        "persons": [_ALICE],
        "detections": 4,
    },
    "DeletionReceipt": {
        "person_id": _ALICE["id"],
        "faces": 3,
        "detections": 42,
        "crops": 45,
        "visits": 9,
        "alerts": 1,
    },
    "Identification": {
        "faces": [{"box": _BOX, "person": _ALICE, "confidence": "high", "quality": _QUALITY}]
    },
    "Alert": _ALERT,
    "AlertAnswer": {"answer": "is the new postman"},
    "DeliveryClaim": {"channels": ["mail"], "limit": 100, "lease_s": 60, "wait_s": 2},
    "ClaimedDeliveries": {
        "claim_token": "6a1f0c000000000000000004",
        "items": [
            {
                "alert": _ALERT,
                "delivery": _DELIVERY,
                "picture_path": f"/api/v1/alerts/pictures/{_DETECTION}?until=1795000000&key=5f2d",
            }
        ],
    },
    "DeliverySettlement": {"claim_token": "6a1f0c000000000000000004"},
    "MuteRequest": {"to": "chat:@ann", "minutes": 60},
    "AlertRuleBody": _RULE,
    "AlertRule": {**_RULE, "id": "6a1f0c000000000000000006"},
    "RulePreview": {
        "visits": 31,
        "alerts": 1,
        "messages": 1,
        "examples": [
            {
                "person": _STRANGER,
                "camera_id": "door",
                "detection_id": _DETECTION,
                "captured_at": _MORNING,
                "to": ["chat:@ann"],
            }
        ],
    },
    "OperatingSettings": {
        "identity_rule": "budget",
        "identity_budget": 0.01,
        "strangers_kept_days": 30,
        "known_kept_days": 365,
        "taken_up": True,
        "channels": ["chat", "mail"],
    },
    "OperatingSettingsUpdate": {"identity_budget": 0.005, "strangers_kept_days": 30},
    "RetentionDue": {"strangers": 12, "detections": 340},
    "System": {
        "version": "0.1.0",
        "model": "dlib-resnet-v1/crops-4",
        "queue": 0,
        "alerts_unsent": 0,
        "classifier": "gatehouse",
        "workers": [
            {"kind": "classifier", "name": "gatehouse", "channels": []},
            {"kind": "notifier", "name": "notifier", "channels": ["chat", "mail"]},
        ],
        "database": {
            "version": "7.0.14",
            "bytes": 81_000_000,
            "documents": {"detections": 12_000, "persons": 310, "visits": 900},
        },
        "disk": {"total_bytes": 256_000_000_000, "free_bytes": 120_000_000_000},
    },
    "Stats": {
        "detections": 120,
        "by_status": {"classified": 110, "unidentifiable": 10},
        "persons": 31,
        "new_persons": 4,
        "alerts_sent": 4,
        "queue": 0,
        "alerts_unsent": 0,
    },
}
"""A page of a body's list shows the same example."""
