"""Settings of every service: read once in `main`, from `USHER_*` variables and the command line."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the services need to know. `.env.example` lists each with its unit."""

    model_config = SettingsConfigDict(env_prefix="USHER_", env_file=".env", extra="ignore")

    data: Path = Field(Path("data"), description="Data directory: database, crops, keys, logs.")
    log_level: str = "INFO"

    # API
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    admin_dist: Path = Field(
        Path(__file__).resolve().parent.parent / "admin" / "dist",
        description="The built admin panel.",
    )
    secure_cookies: bool = Field(False, description="Set it where the panel is served over HTTPS.")

    # MongoDB
    mongodb_uri: SecretStr | None = Field(
        None, description="A replica set of MongoDB 6 or later; without it the embedded server."
    )
    mongodb_database: str = "usher"
    mongodb_port: int = Field(0, ge=0, le=65535, description="Embedded server; 0: any free one.")

    # Services that talk to the API
    api_url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = Field(None, description="A device's or the notifier's key.")

    # Identity
    identity_rule: str = Field("budget", pattern="^(budget|fixed)$")
    identity_budget: float = Field(
        0.01, gt=0, lt=0.5, description="Share of strangers that may be called by a name (FPIR)."
    )
    identity_fixed_distance: float = Field(0.6, gt=0, lt=2)
    visit_gap_s: float = Field(300.0, gt=0, description="Quiet seconds that end a visit.")
