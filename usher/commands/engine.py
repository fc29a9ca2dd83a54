"""The networks and the rule that the settings name, for commands that look at pictures."""

from __future__ import annotations

from dataclasses import dataclass

from usher.identity.rules import Rule, make_rule
from usher.settings import Settings
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """What describes faces, and what says how close those of one person lie."""

    runtime: Runtime
    pipeline: FacePipeline
    rule: Rule


def load_engine(settings: Settings) -> Engine:
    """The same as the API and the classifier use, loaded (about half a second).

    Raises
    ------
    ConfigurationError
        If weights are missing, or the provider does not work here.
    """
    runtime = Runtime(
        threads=settings.threads, provider=settings.provider, model_cache=settings.model_cache
    )
    pipeline = make_pipeline(runtime, settings.embedder_name)
    rule = make_rule(
        settings.identity_rule,
        model=pipeline.model_id,
        impostors=pipeline.impostors,
        budget=settings.identity_budget,
        fixed_distance=settings.identity_fixed_distance,
    )
    return Engine(runtime, pipeline, rule)
