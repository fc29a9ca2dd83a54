"""The tables of the models that Usher brings."""

from __future__ import annotations

import pytest

from usher.domain.errors import ConfigurationError
from usher.identity.measured import MEASURED, STRANGERS, impostors_of


def test_every_model_has_both_tables() -> None:
    assert MEASURED.keys() == STRANGERS.keys()


def test_loosest_distances_accept_the_same_share_whatever_the_model() -> None:
    shares = [impostors.share_below(impostors.loosest) for impostors in MEASURED.values()]
    assert shares == pytest.approx([shares[0]] * len(shares), rel=0.1)


def test_impostors_are_refused_with_a_way_to_measure_when_the_model_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match=r"the model new-v1.*bench/impostors\.py"):
        impostors_of("new-v1")
