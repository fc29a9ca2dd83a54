"""The regions that were drawn in the panel, kept beside the spool."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.detector.drawn import DrawnRegions
from usher.wire import CameraRegions

LEFT = CameraRegions(exclude=[[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]])


def test_regions_are_known_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    drawn = DrawnRegions(path)
    assert drawn.of("door") is None
    assert drawn.keep("door", LEFT)
    assert not drawn.keep("door", LEFT)
    assert DrawnRegions(path).of("door") == LEFT

    assert DrawnRegions(path).keep("door", None)
    assert DrawnRegions(path).of("door") is None


@pytest.mark.parametrize("damage", [b"", b"{", b'{"door": {"include": [[[0, 0]]]}}', b"\xff"])
def test_damaged_file_counts_as_none_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "regions.json"
    path.write_bytes(damage)
    with capture_logs() as logs:
        drawn = DrawnRegions(path)
    assert [entry["event"] for entry in logs] == ["regions_not_read"]
    assert drawn.of("door") is None
    drawn.keep("door", LEFT)
    assert DrawnRegions(path).of("door") == LEFT


def test_regions_count_although_they_cannot_be_written(tmp_path: Path) -> None:
    drawn = DrawnRegions(tmp_path / "no folder" / "regions.json")
    with capture_logs() as logs:
        assert drawn.keep("door", LEFT)
    assert "regions_not_kept" in [entry["event"] for entry in logs]
    assert drawn.of("door") == LEFT
