"""What the tests of storage share."""

from __future__ import annotations

import pytest

from tests.unit.storage.house import House
from usher.storage.database import Database


@pytest.fixture
async def house(prepared: Database) -> House:
    return House(prepared)
