"""The embedded server, for real: each test that starts one has it to itself, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from usher.domain.errors import EmbeddedServerError, Unavailable
from usher.storage.embedded import EmbeddedServer, find_mongod, uri_of_running

Client = AsyncMongoClient[dict[str, Any]]


def service(server: EmbeddedServer) -> Client:
    return AsyncMongoClient(server.uri)


def member(server: EmbeddedServer, directory: Path) -> Client:
    """A client with the rights of a member of the replica set."""
    return AsyncMongoClient(
        "127.0.0.1",
        server.port,
        directConnection=True,
        username="__system",
        password=(directory / "keyfile").read_text(),
        authSource="local",
    )


async def write(server: EmbeddedServer, name: str) -> None:
    async with service(server) as client:
        await client.test.things.insert_one({"_id": name})


async def written(server: EmbeddedServer) -> list[str]:
    async with service(server) as client:
        return [thing["_id"] async for thing in client.test.things.find().sort("_id")]


def kill(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


def has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


class TestRunning:
    @pytest.fixture(scope="class")
    @staticmethod
    def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("running") / "data" / "mongodb"

    @pytest.fixture(scope="class")
    @staticmethod
    async def server(directory: Path) -> AsyncIterator[EmbeddedServer]:
        async with EmbeddedServer(directory) as server:
            yield server

    async def test_server_commits_all_or_nothing_when_a_transaction_ends(
        self, server: EmbeddedServer
    ) -> None:
        async with service(server) as client, client.start_session() as session:
            things = client.test_transactions.things
            await things.insert_one({"_id": 0})
            async with await session.start_transaction():
                await things.insert_one({"_id": 1}, session=session)
            with pytest.raises(LookupError):
                async with await session.start_transaction():
                    await things.insert_one({"_id": 2}, session=session)
                    raise LookupError
            assert [thing["_id"] async for thing in things.find()] == [0, 1]

    async def test_server_tells_of_changes_when_a_stream_is_open(
        self, server: EmbeddedServer
    ) -> None:
        async with service(server) as client:
            things = client.test_changes.things
            async with await things.watch() as changes:
                await things.insert_one({"_id": 1})
                assert (await changes.next())["documentKey"] == {"_id": 1}

    async def test_server_names_its_replica_set_when_asked_by_a_client_of_its_uri(
        self, server: EmbeddedServer
    ) -> None:
        async with service(server) as client:
            hello = await client.admin.command("hello")
            assert hello["setName"] == "usher"
            assert hello["hosts"] == [f"127.0.0.1:{server.port}"]
            assert client.options.retry_writes

    async def test_server_refuses_when_a_client_does_not_authenticate(
        self, server: EmbeddedServer
    ) -> None:
        client: Client = AsyncMongoClient("127.0.0.1", server.port)
        async with client:
            with pytest.raises(OperationFailure, match="requires authentication"):
                await client.test.things.find_one()

    @pytest.mark.parametrize(
        "command",
        [
            {"createUser": "other", "pwd": "x", "roles": ["root"]},
            {"updateUser": "usher", "roles": ["root"]},
            {"replSetReconfig": {}, "force": True},
            {"shutdown": 1},
        ],
        ids=lambda command: next(iter(command)),
    )
    async def test_server_refuses_when_a_service_would_administer_it(
        self, server: EmbeddedServer, command: dict[str, Any]
    ) -> None:
        async with service(server) as client:
            with pytest.raises(OperationFailure, match="not authorized"):
                await client.admin.command(command)

    async def test_server_compresses_nothing_when_a_client_offers_to(
        self, server: EmbeddedServer
    ) -> None:
        async with service(server) as client:
            hello = await client.admin.command("hello", compression=["zlib", "snappy"])
            assert "compression" not in hello

    async def test_server_lets_a_service_drop_and_look_when_it_has_a_database(
        self, server: EmbeddedServer
    ) -> None:
        async with service(server) as client:
            await client.test_drop.things.create_index("name")
            await client.drop_database("test_drop")
            assert (await client.admin.command("serverStatus"))["pid"] == server.pid

    async def test_server_listens_on_loopback_only_when_it_runs(
        self, server: EmbeddedServer
    ) -> None:
        process = psutil.Process(server.pid)
        listening = [
            connection.laddr
            for connection in process.net_connections("all")
            if connection.status == psutil.CONN_LISTEN or connection.family == socket.AF_UNIX
        ]
        assert listening == [("127.0.0.1", server.port)]

    async def test_server_keeps_its_secrets_to_the_user_when_it_runs(
        self, server: EmbeddedServer, directory: Path
    ) -> None:
        process = psutil.Process(server.pid)
        exposed = " ".join(process.cmdline()) + str(process.environ()) + server.log_path.read_text()
        for name in ("password", "keyfile"):
            path = directory / name
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.read_text() not in exposed + repr(server)
        assert (directory / "password").read_text() in server.uri
        assert directory.stat().st_mode & 0o777 == 0o700

    async def test_server_logs_no_names_when_an_operation_is_slow(
        self, server: EmbeddedServer
    ) -> None:
        async with service(server) as client:
            people = [{"name": "Canary", "count": 1_500_000} for _ in range(10)]
            await client.test_slow.people.insert_many(people)
            numbers = {"$range": [0, "$count"]}
            total = {
                "$reduce": {"input": numbers, "initialValue": 0, "in": {"$add": [1, "$$this"]}}
            }
            began = time.monotonic()
            await client.test_slow.people.find_one({"name": "Canary", "$expr": {"$lt": [total, 0]}})
            assert time.monotonic() - began > 0.1
        assert "Canary" not in server.log_path.read_text()

    async def test_ping_returns_when_the_server_answers(self, server: EmbeddedServer) -> None:
        await server.ping()

    async def test_start_does_nothing_when_the_server_runs(self, server: EmbeddedServer) -> None:
        pid = server.pid
        await server.start()
        assert server.pid == pid

    async def test_start_says_who_has_the_directory_when_another_server_runs_in_it(
        self, server: EmbeddedServer, directory: Path
    ) -> None:
        with pytest.raises(EmbeddedServerError, match=rf"in use.*process {os.getpid()}\): stop"):
            await EmbeddedServer(directory).start()
        await server.ping()


async def test_server_keeps_data_port_and_password_when_it_is_stopped_and_started(
    tmp_path: Path,
) -> None:
    async with EmbeddedServer(tmp_path) as server:
        uri, pid = server.uri, server.pid
        await write(server, "before")
    assert pid is not None
    assert has_ended(pid)
    async with EmbeddedServer(tmp_path) as server:
        assert server.uri == uri
        assert await written(server) == ["before"]
    assert (tmp_path / "mongod.log.1").exists()


async def test_server_keeps_acknowledged_writes_when_mongod_is_killed(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path) as server:
        uri = server.uri
        await write(server, "before")
        kill(server)
        assert await server.wait() == -signal.SIGKILL
        assert server.pid is None
        assert "mongod was killed" in str(server.diagnosis())
        with pytest.raises(Unavailable):
            await server.ping()
        await server.start()
        await server.ping()
        assert server.uri == uri
        assert await written(server) == ["before"]


@pytest.mark.parametrize(
    "stage",
    [
        "WiredTiger opened",
        "Waiting for connections",
        "replSetInitiate admin command received",
        "Transition to primary complete",
    ],
)
async def test_start_completes_the_first_when_that_was_killed(tmp_path: Path, stage: str) -> None:
    server = EmbeddedServer(tmp_path)
    first = asyncio.create_task(server.start())
    while not (server.log_path.exists() and stage in server.log_path.read_text()):
        await asyncio.sleep(0)
    kill(server)
    with pytest.raises(EmbeddedServerError, match="mongod was killed"):
        await first
    async with EmbeddedServer(tmp_path) as server:
        await server.ping()


async def test_start_fails_when_mongod_is_killed_although_a_cancellation_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(tmp_path)

    async def deaf_at_first(*_: object, **__: object) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            kill(server)
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr("usher.storage.embedded.establish", deaf_at_first)
    with pytest.raises(EmbeddedServerError, match="mongod was killed"):
        await server.start()


async def test_start_makes_the_account_when_the_first_was_killed_before_that(
    tmp_path: Path,
) -> None:
    async with EmbeddedServer(tmp_path) as server:
        async with member(server, tmp_path) as client:
            await client.admin.command("dropUser", "usher")
        kill(server)
    async with EmbeddedServer(tmp_path) as server:
        await server.ping()


async def test_start_opens_the_data_with_new_secrets_when_the_old_ones_are_lost(
    tmp_path: Path,
) -> None:
    async with EmbeddedServer(tmp_path) as server:
        await write(server, "before")
    (tmp_path / "keyfile").unlink()
    (tmp_path / "password").unlink()
    async with EmbeddedServer(tmp_path) as server:
        assert await written(server) == ["before"]


async def test_server_moves_when_another_port_is_asked_for_or_its_own_is_taken(
    tmp_path: Path,
) -> None:
    async with EmbeddedServer(tmp_path) as server:
        first = server.port
        await write(server, "at first")
    async with await other_program() as other:
        second = other.sockets[0].getsockname()[1]
        with pytest.raises(EmbeddedServerError, match=rf"port {second} .*set USHER_MONGODB_PORT"):
            await EmbeddedServer(tmp_path, second).start()
    async with EmbeddedServer(tmp_path, second) as server:
        assert server.port == second != first
        await write(server, "when moved")
    async with await other_program(second), EmbeddedServer(tmp_path) as server:
        assert server.port not in {first, second}
        assert await written(server) == ["at first", "when moved"]


async def other_program(port: int = 0) -> asyncio.Server:
    """Something that has a port, and hangs up on who does not speak its language."""
    return await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)


_PARENT = """
import asyncio, sys
from pathlib import Path
from usher.storage.embedded import EmbeddedServer

async def main():
    async with EmbeddedServer(Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await server.wait()

asyncio.run(main())
"""


async def test_server_ends_and_another_takes_over_when_its_parent_is_killed(
    tmp_path: Path,
) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    async with EmbeddedServer(tmp_path) as server:
        assert has_ended(pid)
        await server.ping()


async def test_server_is_killed_when_it_neither_answers_nor_ends(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, stop_timeout_s=0.3)
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await server.ping()
    assert time.monotonic() - began < 10
    await server.stop()
    assert await server.wait() == -signal.SIGKILL


async def test_start_leaves_nothing_behind_when_it_is_cancelled(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    start = asyncio.create_task(server.start())
    while server.pid is None:
        await asyncio.sleep(0)
    pid = server.pid
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert has_ended(pid)
    assert server.pid is None


async def test_start_says_so_when_a_mongod_of_somebody_else_uses_the_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "mongod.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedServerError, match=f"another mongod uses {tmp_path}: stop it"):
            await EmbeddedServer(tmp_path).start()


async def test_start_says_so_when_the_directory_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match="choose another data directory"):
        await EmbeddedServer(tmp_path / "file" / "mongodb").start()


async def test_server_says_so_when_it_has_not_been_started(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "mongodb")
    with pytest.raises(EmbeddedServerError, match="not been started"):
        _ = server.uri
    with pytest.raises(EmbeddedServerError, match="not been started"):
        await server.wait()
    with pytest.raises(Unavailable):
        await server.ping()
    await server.stop()
    assert not (tmp_path / "mongodb").exists()


def fake_mongod(folder: Path, *, version: str = "echo db version v6.0.5", run: str = "") -> Path:
    """A program in mongod's place. In `run`, `$log` is where its log goes."""
    folder.mkdir(exist_ok=True)
    binary = folder / "mongod"
    binary.write_text(
        f"""#!/bin/sh
        if [ "$1" = --version ]; then {version}; exit; fi
        while [ "$1" != --logpath ]; do shift; done
        log="$2"
        {run}
        """
    )
    binary.chmod(0o755)
    return binary


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (
            "echo 'mongod: error while loading shared libraries: libcurl.so.4: cannot open' >&2;"
            " exit 127",
            r"needs the library libcurl\.so\.4.*apt-get install libcurl4.*USHER_MONGODB_URI",
        ),
        (
            "echo 'mongod: error while loading shared libraries: libodd.so.1: cannot open' >&2;"
            " exit 127",
            r"needs the library libodd\.so\.1.*the package that has it",
        ),
        (
            "echo \"mongod: /lib/libc.so.6: version 'GLIBC_2.34' not found\" >&2; exit 1",
            r"newer C library.*install MongoDB 6 or later",
        ),
        ("echo db version v5.0.31", r"MongoDB 5\.0, which is too old: install MongoDB 6 or later"),
        ("kill -ILL $$", r"processor with AVX; set USHER_MONGODB_URI"),
        ("echo out of order; exit 3", r"exit status 3\): out of order"),
        ("true", r"exit status 0\): no output"),
    ],
)
async def test_start_says_what_to_do_when_the_program_cannot_run(
    tmp_path: Path, version: str, told: str
) -> None:
    binary = fake_mongod(tmp_path / "bin", version=version)
    with pytest.raises(EmbeddedServerError, match=told):
        await EmbeddedServer(tmp_path / "data", binary=binary).start()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", [None, b"\x7fELF of another machine"])
async def test_start_says_what_to_do_when_the_program_is_not_for_this_machine(
    tmp_path: Path, content: bytes | None
) -> None:
    binary = tmp_path / "mongod"
    if content is not None:
        binary.write_bytes(content)
        binary.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=r"cannot run on this machine.*USHER_MONGODB_URI"):
        await EmbeddedServer(tmp_path / "data", binary=binary).start()


@pytest.mark.parametrize(
    ("run", "told"),
    [
        # Another program took the port after it was found to be free.
        (
            """echo '{"msg":"Error setting up listener","attr":{"error":{"code":9001,"""
            """"errmsg":"Address already in use"}}}' > $log; exit 48""",
            "port [0-9]+ of 127.0.0.1 is in use: .*set USHER_MONGODB_PORT",
        ),
        (
            """echo '{"msg":"Write error","attr":"28: No space left on device"}' > $log; exit 14""",
            "disk that holds .* is full: make room",
        ),
        (
            'echo \'{"msg":"Failed to open /x: Permission denied"}\'; exit 1',
            "may not write in .*: make this user the owner",
        ),
        (
            """echo '{"msg":"IllegalOperation: Attempted to create a lock file on a read-only"""
            """ directory: /x"}' > $log; exit 100""",
            "may not write in .*: make this user the owner",
        ),
        (
            """echo '{"msg":"WiredTiger.wt is corrupted: WT_TRY_SALVAGE"}' > $log; exit 14""",
            "are damaged: restore a backup",
        ),
        (
            """echo '{"msg":"Shutting down","attr":{"exitCode":62}}' > $log; exit 62""",
            "written by another version of MongoDB",
        ),
        ("kill -ILL $$", "processor with AVX"),
        ("kill -KILL $$", "ran out of memory"),
        (
            """echo '{"msg":"Something new","attr":{"error":7}}' > $log; exit 51""",
            r"""exit status 51 \(log: .*mongod.log\)\n  Something new {"error": 7}""",
        ),
        ("echo Error parsing option; exit 2", r"exit status 2 .*\n  Error parsing option"),
    ],
)
async def test_start_says_why_when_mongod_ends(tmp_path: Path, run: str, told: str) -> None:
    binary = fake_mongod(tmp_path / "bin", run=run)
    with pytest.raises(EmbeddedServerError, match=told):
        await EmbeddedServer(tmp_path / "data", binary=binary).start()


async def test_uri_is_that_of_the_server_that_runs_in_a_directory_when_one_does(
    tmp_path: Path,
) -> None:
    assert uri_of_running(tmp_path) is None
    async with EmbeddedServer(tmp_path) as server:
        assert uri_of_running(tmp_path) == server.uri
    assert uri_of_running(tmp_path) is None


async def test_start_gives_up_when_mongod_is_not_ready_in_time(tmp_path: Path) -> None:
    binary = fake_mongod(tmp_path / "bin", run="exec sleep 60")
    server = EmbeddedServer(tmp_path / "data", binary=binary, start_timeout_s=0.3)
    with pytest.raises(EmbeddedServerError, match=r"not ready within 0\.3 s"):
        await server.start()
    assert server.pid is None


def test_find_mongod_takes_the_one_on_the_path_when_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = fake_mongod(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == binary


def test_find_mongod_takes_the_packaged_one_without_importing_when_the_path_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fiftyone"
    (package / "db").mkdir(parents=True)
    for folder in (package, package / "db"):
        (folder / "__init__.py").write_text("raise ImportError('imported')")
    binary = fake_mongod(package / "db" / "bin")
    binary.chmod(0o644)
    monkeypatch.setenv("PATH", "")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_mongod() == binary
    assert os.access(binary, os.X_OK)


def test_find_mongod_says_what_to_do_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fiftyone").mkdir()
    (tmp_path / "fiftyone" / "__init__.py").touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EmbeddedServerError, match="no mongod for this platform: install MongoDB 6"):
        find_mongod()
