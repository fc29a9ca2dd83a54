"""Pairing codes: how a device comes to its key without anybody copying one."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

from usher.domain.errors import NotFound
from usher.domain.records import Device, PairingCode, Role
from usher.storage.access import secret_hash
from usher.storage.database import Database, Session, in_transaction
from usher.storage.documents import (
    milliseconds,
    pairing_code_from_document,
    to_document,
)

_SALT = b"usher pairing code"
_COST = {"n": 2**14, "r": 8, "p": 1}
"""16 MB and some 60 ms a guess. https://datatracker.ietf.org/doc/html/rfc7914"""


def code_hash(code: str) -> str:
    """The scrypt of a code: it has 40 bits, which whoever reads the database could try otherwise.

    The salt is the same for all, so that a code is found by its hash.
    """
    return hashlib.scrypt(code.encode(), salt=_SALT, dklen=32, **_COST).hex()


class PairingCodes:
    """Queries on the collection `pairing_codes`. Of a code only the hash is kept, until it is used.

    An index removes them ten minutes after they have expired.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes = database["pairing_codes"]
        self._devices = database["devices"]

    async def insert(self, pairing: PairingCode, code: str) -> None:
        hashed = await asyncio.to_thread(code_hash, code)
        await self._codes.insert_one({**to_document(pairing), "code_hash": hashed})

    async def get(self, pairing_id: str) -> PairingCode:
        """Raises NotFound where there is none, or none any more."""
        document = await self._codes.find_one({"_id": pairing_id})
        if document is None:
            raise NotFound("there is no such pairing code: it has expired")
        return pairing_code_from_document(document)

    async def use(
        self, code: str, *, device_id: str, key: str, now: datetime
    ) -> tuple[Device, PairingCode] | None:
        """Add the device that a code was made for, with its key, and use the code up.

        Both or neither; of several who come with one code, one gets a device.

        Returns
        -------
        tuple or None
            The device and the code; None where the code is wrong, used or has expired.
        """
        hashed = await asyncio.to_thread(code_hash, code)
        open_code = {"code_hash": hashed, "device_id": None, "expires_at": {"$gt": now}}
        used = {"$set": {"device_id": device_id}, "$unset": {"code_hash": ""}}

        async def work(session: Session) -> tuple[Device, PairingCode] | None:
            found = await self._codes.find_one_and_update(open_code, used, session=session)
            if found is None:
                return None
            pairing = pairing_code_from_document(found)
            device = Device(
                id=device_id,
                name=pairing.name,
                role=Role.DEVICE,
                created_at=milliseconds(now),
                cameras=pairing.cameras,
            )
            document = {**to_document(device), "key_hash": secret_hash(key)}
            await self._devices.insert_one(document, session=session)
            return device, pairing

        return await in_transaction(self._database, work)
