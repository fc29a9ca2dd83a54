"""`usher classify` with leases of two seconds and a network that only looks at colours.

So that tests can wait for leases to run out. The one argument is how many seconds a face takes.
"""

from __future__ import annotations

import sys

from services.classifier import assigning, command, embedding
from tests.services.classifier.pictures import colour_pipeline
from usher.cli import app
from usher.identity.measured import impostors_of
from usher.identity.rules import NearestBudgetRule

LEASE_S = 2.0

if __name__ == "__main__":
    face_s = float(sys.argv.pop())
    embedding.LEASE_S = assigning.LEASE_S = LEASE_S
    command.make_pipeline = lambda *_: colour_pipeline(face_s)  # type: ignore[attr-defined]
    # Nobody has measured how close colours come: the numbers of another model do as well.
    rule = NearestBudgetRule(0.01, impostors_of("dlib-resnet-v1"))
    command.make_rule = lambda *_, **__: rule  # type: ignore[attr-defined]
    sys.argv.append("classify")
    app()
