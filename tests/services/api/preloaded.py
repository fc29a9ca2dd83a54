"""What every forked API shares; imported by the fork server alone."""

from __future__ import annotations

import services.api.command  # noqa: F401 - loaded once for all
from usher.vision.pipeline import make_pipeline

PIPELINE = make_pipeline()
