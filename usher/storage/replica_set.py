"""Makes a mongod into a replica set of one, with the account that the services use.

Every step looks at what is there and does what is missing, so that it may be interrupted at any
point and repeated.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

REPLICA_SET = "usher"
SERVICE_USER = "usher"
SERVICE_ROLES = ("readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor")
"""Read, write, index, watch and drop any database, and see how the server is.

Any, because the database's name is a setting and each test has its own. Not `root`: whoever gets
hold of the services' URI can neither make accounts nor reconfigure or stop the server.
"""

_NOT_YET_INITIALIZED = 94
_PASSING = {
    23,  # AlreadyInitialized: it was still reading its configuration when asked for it
    109,  # ConfigurationInProgress
}
_POLL_S = 0.03


async def establish(port: int, *, key: str, password: str) -> None:
    """Wait for the mongod on this port and make it a writable primary with the service account.

    Parameters
    ----------
    port
        Where it listens, on 127.0.0.1. A configuration that names another port is replaced.
    key
        The content of its key file. It opens the account `__system`, by which the members of a
        replica set trust each other: it is there before any other account, which makes the
        localhost exception unnecessary, and it still is when the services' password was lost.
    password
        What the service account's password is to be.

    Raises
    ------
    pymongo.errors.PyMongoError
        If the server refuses a step. Connections that fail or break are tried again, for ever.
    """
    await _accepts_connections(port)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        username="__system",
        password=key,
        authSource="local",
        authMechanism="SCRAM-SHA-256",
    )
    async with client:
        while True:
            try:
                await _configure(client, f"127.0.0.1:{port}")
                await _until_primary(client)
                await _grant(client, password)
            except PyMongoError as exc:
                if not _is_passing(exc):
                    raise
                await asyncio.sleep(_POLL_S)
            else:
                return


def _is_passing(error: PyMongoError) -> bool:
    if isinstance(error, OperationFailure):
        return error.code in _PASSING
    return isinstance(error, AutoReconnect)


async def _accepts_connections(port: int) -> None:
    # PyMongo waits half a second between tries.
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
        except OSError:
            await asyncio.sleep(_POLL_S)
        else:
            return


async def _configure(client: AsyncMongoClient[dict[str, Any]], address: str) -> None:
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as exc:
        if exc.code != _NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": address}]
        await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    member = config["members"][0]
    if member["host"] == address:
        return
    # By force, because a server that its configuration does not name is no primary.
    config |= {"version": config["version"] + 1, "members": [member | {"host": address}]}
    await client.admin.command("replSetReconfig", config, force=True)


async def _until_primary(client: AsyncMongoClient[dict[str, Any]]) -> None:
    while True:
        hello = await client.admin.command("hello")
        if hello["isWritablePrimary"]:
            return
        await asyncio.sleep(_POLL_S)


async def _grant(client: AsyncMongoClient[dict[str, Any]], password: str) -> None:
    known = await client.admin.command("usersInfo", SERVICE_USER)
    await client.admin.command(
        "updateUser" if known["users"] else "createUser",
        SERVICE_USER,
        pwd=password,
        roles=list(SERVICE_ROLES),
        mechanisms=["SCRAM-SHA-256"],
        writeConcern={"w": "majority", "j": True},
    )
