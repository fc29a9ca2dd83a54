from __future__ import annotations

import time

from services.api.passwords import hash_password, new_password, password_fits


async def test_password_fits_its_own_hash_alone() -> None:
    first, second = await hash_password("correct horse"), await hash_password("correct horse")
    assert first.startswith("$argon2id$")
    assert first != second
    assert await password_fits("correct horse", first)
    assert not await password_fits("correct horse ", first)


async def test_password_takes_as_long_when_there_is_no_such_account() -> None:
    real = await hash_password("correct horse")

    async def cost(password_hash: str | None) -> float:
        begun = time.process_time()
        assert not await password_fits("wrong", password_hash)
        return time.process_time() - begun

    nobody = min([await cost(None) for _ in range(3)])
    somebody = min([await cost(real) for _ in range(3)])
    assert nobody > somebody / 4


def test_new_passwords_differ_and_are_long() -> None:
    passwords = {new_password() for _ in range(50)}
    assert len(passwords) == 50
    assert all(len(password) >= 20 for password in passwords)
