"""`usher detect` as a process, over real clips, against a small API on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.detector.command import app, read_key
from services.detector.config import config_schema
from usher.domain.errors import ConfigurationError
from usher.settings import Settings

from .conftest import KEY, FakeApi, problem

STARTED_AT = "2026-03-01T12:00:00Z"
Detect = Callable[..., "Running"]
USHER = str(Path(sys.executable).with_name("usher"))


@dataclass(frozen=True, slots=True)
class Running:
    """A process, and the file that its standard error goes to."""

    process: subprocess.Popen[bytes]
    errors: Path

    def wait_for(self, event: str) -> None:
        """Until the log holds it."""
        while event not in self.errors.read_text():
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(0.02)

    def ended(self, timeout_s: float = 60) -> tuple[int, list[Any], str]:
        """Its exit status, its log's records, and its other lines."""
        status = self.process.wait(timeout_s)
        lines = self.errors.read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        rest = " ".join(line for line in lines if not line.startswith("{"))
        return status, records, rest


@pytest.fixture
def detect(tmp_path: Path) -> Iterator[Detect]:
    """Runs `usher detect` in an empty folder, with nothing of ours in its environment."""
    running: list[Running] = []
    inherited = {name: value for name, value in os.environ.items() if "USHER" not in name}

    def run(*arguments: str | Path, **environment: str) -> Running:
        errors = tmp_path / f"{len(running)}.log"
        with errors.open("wb") as file:
            process = subprocess.Popen(
                [USHER, "detect", *map(str, arguments)],
                cwd=tmp_path,
                env={**inherited, "USHER_API_KEY": KEY, **environment},
                stderr=file,
            )
        running.append(Running(process, errors))
        return running[-1]

    yield run
    for one in running:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def clip(test_data: Path) -> Path:
    return test_data / "videos" / "head-pose-face-detection-male.gif"


def of_desk(clip: Path, api: FakeApi) -> tuple[str | Path, ...]:
    return "--source", clip, "--camera-id", "desk", "--max-fps", "6", "--api", api.url


def test_detect_uploads_the_faces_of_a_clip(detect: Detect, api: FakeApi, clip: Path) -> None:
    running = detect(*of_desk(clip, api), "--started-at", STARTED_AT)
    status, records, rest = running.ended()
    assert (status, rest) == (0, "")
    summary = records[-1]
    assert summary["event"] == "finished"
    assert summary["frames"] == 31  # of 62, at 12.5 a second
    assert summary["tracks"] == 1
    assert summary["crops"] == summary["uploaded"] == len(api.stored) >= 2
    assert summary["refused"] == summary["dropped"] == summary["waiting"] == 0
    assert {state for _, state in api.reports} >= {"finished"}
    for metadata, image in api.stored.values():
        assert metadata.camera_id == "desk"
        assert metadata.captured_at.isoformat().startswith("2026-03-01T12:00:0")
        assert metadata.box is not None and metadata.frame is not None
        assert len(image) < 100_000


def test_detect_stores_nothing_twice_when_it_was_killed_and_runs_again(
    detect: Detect, api: FakeApi, clip: Path
) -> None:
    arguments = (*of_desk(clip, api), "--started-at", STARTED_AT)
    running = detect(*arguments)
    while not api.requests:
        time.sleep(0.01)
    running.process.kill()
    running.process.wait()
    before = dict(api.stored)
    status, records, _ = detect(*arguments).ended()
    assert status == 0
    assert records[-1]["refused"] == 0  # the API refuses a key with another body
    assert len(api.stored) >= 2
    assert before.items() <= api.stored.items()


def test_detect_reads_a_folder_told_by_a_configuration_file(
    detect: Detect, api: FakeApi, test_data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "archive.json"
    config.write_text(
        json.dumps(
            {
                "cameras": [
                    {
                        "camera_id": "archive",
                        "reader": "folder",
                        "source": str(test_data / "enrol" / "barack-obama"),
                        "min_face_px": 100,
                    }
                ]
            }
        )
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "detector.key").write_text(KEY + "\n")
    running = detect("--config", config, USHER_API_URL=api.url, USHER_API_KEY="")
    status, records, _ = running.ended()
    assert status == 0
    assert (records[-1]["frames"], records[-1]["uploaded"]) == (2, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_detect_ends_in_a_few_seconds_when_it_is_stopped_and_the_api_is_away(
    detect: Detect, clip: Path, number: signal.Signals
) -> None:
    running = detect("--source", clip, "--camera-id", "desk", "--api", "http://127.0.0.1:1")
    running.wait_for("upload_delayed")
    running.process.send_signal(number)
    status, records, _ = running.ended(timeout_s=15)
    assert status == 0
    summary = records[-1]
    assert summary["event"] == "finished"
    assert summary["crops"] == summary["waiting"] > 0
    assert summary["dropped"] == 0


def test_detect_waits_for_the_api_and_loses_nothing_of_a_file(
    detect: Detect, api: FakeApi, clip: Path
) -> None:
    api.script = [problem(503, "Unavailable")] * 2
    running = detect(*of_desk(clip, api))
    status, records, _ = running.ended()
    assert status == 0
    assert [record["event"] for record in records].count("upload_delayed") >= 1
    assert not api.script
    assert records[-1]["uploaded"] == records[-1]["crops"] == len(api.stored)


def test_detect_fails_with_one_clear_line_when_the_key_is_for_another_camera(
    detect: Detect, api: FakeApi, clip: Path
) -> None:
    api.script = [problem(403, "CameraDenied")] * 100
    status, records, rest = detect(*of_desk(clip, api)).ended()
    assert (status, rest) == (1, "usher: because of CameraDenied")
    assert records[-1]["refused"] == records[-1]["crops"] >= 1
    (refused, *_) = [record for record in records if record["event"] == "upload_refused"]
    assert (refused["level"], refused["camera"]) == ("error", "desk")


def test_detect_fails_with_one_clear_line_when_the_key_is_wrong(
    detect: Detect, api: FakeApi, clip: Path
) -> None:
    running = detect(*of_desk(clip, api), USHER_API_KEY="no")
    status, records, rest = running.ended()
    assert (status, rest) == (1, "usher: because of NotAuthenticated")
    assert records[-1]["event"] == "finished"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "none.mp4", "--camera-id", "a"], "there is no file none.mp4"),
        (["--source", "none.mp4", "--camera-id", "a/b"], "--camera-id: use 1 to 64"),
        (["--source", "none.mp4"], "--camera-id is missing"),
        (["--source", "gopher://x/1", "--camera-id", "a"], "nobody knows how to read gopher://"),
        (["--source", "none.mp4", "--camera-id", "a", "--detector", "x"], "choose one of hog"),
    ],
)
def test_detect_fails_with_one_clear_line_when_it_cannot_work(
    detect: Detect, arguments: list[str], message: str
) -> None:
    status, _, rest = detect(*arguments).ended()
    assert status == 1
    assert message in rest
    assert "Traceback" not in rest


def test_what_was_left_by_a_run_goes_out_with_the_next(
    detect: Detect, api: FakeApi, clip: Path, test_data: Path
) -> None:
    running = detect("--source", clip, "--camera-id", "desk", "--api", "http://127.0.0.1:1")
    running.wait_for("upload_delayed")
    running.process.kill()
    running.process.wait()
    another = test_data / "enrol" / "barack-obama"
    status, records, _ = detect(
        "--source", another, "--camera-id", "archive", "--api", api.url
    ).ended()
    assert status == 0
    assert {metadata.camera_id for metadata, _ in api.stored.values()} == {"desk", "archive"}
    assert records[-1]["uploaded"] == len(api.stored)


def test_log_holds_no_key_and_no_image(detect: Detect, api: FakeApi, clip: Path) -> None:
    running = detect(*of_desk(clip, api), USHER_LOG_LEVEL="DEBUG")
    assert running.ended()[0] == 0
    errors = running.errors.read_text()
    assert "uploaded" in errors
    assert KEY not in errors
    assert "JFIF" not in errors


def test_log_holds_no_address_and_password_of_a_stream_that_is_away(detect: Detect) -> None:
    source = "rtsp://viewer:hunter2@127.0.0.1:1/stream"
    running = detect("--source", source, "--camera-id", "yard", USHER_LOG_LEVEL="DEBUG")
    running.wait_for('"gone"')
    running.process.send_signal(signal.SIGTERM)
    status, records, rest = running.ended(timeout_s=15)
    assert (status, rest) == (0, "")
    assert "check its address" in str(records)
    errors = running.errors.read_text()
    assert "hunter2" not in errors
    assert "127.0.0.1:1/" not in errors
    assert "tcp://" not in errors


def test_check_says_what_a_file_would_do_and_warns_of_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "cameras.json"
    yard = {"camera_id": "yard", "source": "rtsp://viewer:hunter2@10.0.0.7/1", "max_fps": 4}
    desk = {"camera_id": "desk", "source": "none.mp4", "exclude": [[[0, 0], [1, 0], [1, 1]]]}
    file.write_text(json.dumps({"cameras": [yard, desk], "api_url": "https://usher.example"}))
    file.chmod(0o644)
    checked = CliRunner().invoke(app, ["--check", str(file)])
    assert checked.exit_code == 0
    assert checked.stdout.splitlines() == [
        "yard: rtsp://10.0.0.7 (opencv), hog from 80 px, at most 4 frames a second",
        "desk: none.mp4 (opencv), hog from 80 px, 1 area of no interest",
        f"{file} is in order: uploads go to https://usher.example/",
    ]
    assert checked.stderr.splitlines() == [
        "warning: camera desk: there is no file none.mp4",
        f"warning: {file} holds a password and others may read it: chmod 600 {file}",
    ]


def test_check_gives_all_errors_and_status_2_when_a_file_cannot_work(tmp_path: Path) -> None:
    file = tmp_path / "cameras.json"
    yard = {"camera_id": "yard", "source": "rtsp://viewer:hunter2@10.0.0.7/1", "max_fps": 0}
    file.write_text(json.dumps({"cameras": [yard, {"camera_id": "desk"}]}))
    checked = CliRunner().invoke(app, ["--check", str(file)])
    assert checked.exit_code == 2
    first, second = checked.stderr.splitlines()
    assert first.startswith(f"{file}: camera yard: max_fps: ")
    assert second == f"{file}: camera desk: source is missing: write it there"
    assert "hunter2" not in checked.output


def test_schema_is_printed() -> None:
    printed = CliRunner().invoke(app, ["--schema"])
    assert json.loads(printed.stdout) == config_schema()


def test_help_shows_examples_and_no_option_for_the_key_itself() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "usher detect --source 0 --camera-id front-door" in shown
    assert "--key-file" in shown
    assert "--key " not in shown


def test_key_comes_from_the_named_file_then_the_environment_then_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USHER_API_KEY", raising=False)
    (tmp_path / "detector.key").write_text("of-data\n")
    named = tmp_path / "named.key"
    named.write_text("of-file\n")
    settings = Settings(data=tmp_path)
    assert read_key(settings, None) == "of-data"
    monkeypatch.setenv("USHER_API_KEY", "of-environment")
    settings = Settings(data=tmp_path)
    assert read_key(settings, None) == "of-environment"
    assert read_key(settings, named) == "of-file"


def test_key_error_says_where_to_put_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USHER_API_KEY", raising=False)
    settings = Settings(data=tmp_path)
    with pytest.raises(ConfigurationError, match=r"--pair CODE.* or write the key into .*key"):
        read_key(settings, None)
    (tmp_path / "detector.key").write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        read_key(settings, None)


def test_importing_the_detector_brings_no_database_web_framework_or_model() -> None:
    script = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import services.detector.command
unwanted = {"pymongo", "fastapi", "starlette", "uvicorn"} & sys.modules.keys()
assert not unwanted, unwanted
assert not [name for name in opened if name.endswith(".dat")]
"""
    subprocess.run([sys.executable, "-c", script], check=True)
