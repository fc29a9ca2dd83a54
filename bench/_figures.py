"""How figures are written."""

from __future__ import annotations

from typing import Any


def rounded(value: Any) -> Any:
    """The same with four figures, for JSON: no more are meant."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
