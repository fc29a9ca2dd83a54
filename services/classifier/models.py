"""Changing the model: from the crops that are kept, while the one before still serves.

Every face and detection gets a second vector, made by the other model. When all have one, both are
exchanged: names, people and history stay as they are. The reasons:
`docs/decisions/0009-two-models-side-by-side.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from services.classifier.comparison import Errors, count_errors, rule_of
from usher.domain.errors import ConfigurationError, Conflict, NoFaceFound, UsherError
from usher.domain.geometry import Box
from usher.domain.records import Vector
from usher.identity.rules import Rule
from usher.settings import Settings
from usher.storage.crops import CropStore
from usher.storage.database import Database
from usher.storage.embeddings import KINDS, REFERENCES, Embeddings, SideBySide, Undescribed
from usher.storage.serving import NOTICED_WITHIN_S, Embedders, Named, Serving
from usher.vision.images import CROP_FORMATS, RgbImage, decode_image
from usher.vision.pipeline import FacePipeline

Load = Callable[[str], FacePipeline]
"""The pipeline of an embedder's name, its network loaded."""
Report = Callable[[str, int, int], None]
"""Takes one of `usher.storage.embeddings.KINDS`, and how many of how many of it are done."""

_BATCH = 16
_MAX_PIXELS = 50_000_000
_FEW = 1000
"""So many that came after the preparation a change describes itself; more it refuses."""

log = structlog.get_logger()


class Models:
    """The model that serves, and the one beside it.

    Parameters
    ----------
    load
        Loads embedders.
    report
        Hears of progress.
    """

    def __init__(
        self, settings: Settings, database: Database, *, load: Load, report: Report
    ) -> None:
        self._settings = settings
        self._embedders = Embedders(database)
        self._embeddings = Embeddings(database)
        self._crops = CropStore(settings.data / "crops")
        self._load = load
        self._report = report

    async def serving(self) -> Serving:
        """What serves, and what stands beside it.

        Raises
        ------
        ConfigurationError
            If no service has started on this database yet.
        """
        serving = await self._embedders.serving()
        if serving is None:
            raise ConfigurationError("no model serves yet: start Usher once, then change it")
        return serving

    async def prepare(self, name: str) -> Named:
        """Describe everything that is kept by another model too, beside the vectors that serve.

        It may be broken off and begun again: what is there stays, and what failed is tried again.
        With the model that serves it makes vectors where there are only others.

        Returns
        -------
        Named
            The embedder of that name and its model.

        Raises
        ------
        ConfigurationError
            If there is no such embedder, or no threshold can be told for it.
        Conflict
            While a change is under way.
        """
        serving = await self.serving()
        pipeline = await asyncio.to_thread(self._load, name)
        self._rule(pipeline)
        embedder = Named(name, pipeline.model_id)
        serves = embedder.model == serving.embedder.model
        if not serves:
            await self._embedders.put_beside(embedder)
        await self._embeddings.forget_failures(embedder.model)
        await self._describe_all(pipeline)
        if serves:
            await self._put_right(embedder.model)
        return embedder

    async def compare(self) -> tuple[SideBySide, dict[str, Errors]]:
        """References of known persons by both models, and what each gets wrong, by model.

        Raises
        ------
        ConfigurationError
            If there is no other model, or no reference that both have described.
        """
        serving = await self.serving()
        other = _other(serving)
        beside = await self._embeddings.side_by_side(serving.embedder.model, other.model)
        if not beside.person_ids:
            raise ConfigurationError(
                f"no face of somebody known has a vector of {other.model} beside the one that "
                f"serves: run `usher models prepare {other.name}`"
            )
        errors = {
            embedder.model: await asyncio.to_thread(self._errors, beside, embedder)
            for embedder in (serving.embedder, other)
        }
        return beside, errors

    async def switch(self, *, incomplete: bool = False) -> Named:
        """Let the prepared model serve, or end a change that was broken off; what serves now.

        Parameters
        ----------
        incomplete
            Leave out what has no vector of it, and do not wait for it.

        Raises
        ------
        Conflict
            If too much is missing, or the other model is the one that served before.
        """
        serving = await self.serving()
        if serving.served_before and not serving.changing:
            raise Conflict(
                f"{_other(serving).name} is what served before: `usher models back` goes back to "
                "it, `usher models prepare` prepares another"
            )
        return await self._switch(serving, incomplete=incomplete)

    async def back(self, *, incomplete: bool = False) -> Named:
        """Let the model serve that did before, or take back a change that was broken off.

        Raises
        ------
        Conflict
            If none did, or too much is missing.
        """
        serving = await self.serving()
        if serving.changing:
            lease = await self._embedders.begin_change()
            await self._embeddings.let_serve(REFERENCES, serving.embedder.model)
            await self._embedders.end_change(lease, switched=False)
            return serving.embedder
        if not serving.served_before:
            raise Conflict("no other model has served before this one")
        return await self._switch(serving, incomplete=incomplete)

    # ---- Switching -------------------------------------------------------------------------------

    async def _switch(self, serving: Serving, *, incomplete: bool) -> Named:
        other = _other(serving)
        pipeline = None if incomplete else await self._loaded(other)
        if pipeline and not serving.changing:
            await self._complete(pipeline, other)
        lease = await self._embedders.begin_change()
        try:
            if pipeline:
                await self._describe_all(pipeline)
        except BaseException:
            if not serving.changing:  # nothing has been exchanged yet
                await self._embedders.end_change(lease, switched=False)
            raise
        await self._embeddings.let_serve(REFERENCES, other.model)
        await self._embedders.end_change(lease, switched=True)
        log.info("another model serves", name=other.name, model=other.model)
        if pipeline:
            # Until they notice, services of the model before may go on writing its vectors.
            await asyncio.sleep(2 * NOTICED_WITHIN_S)
            await self._describe_all(pipeline)
        await self._put_right(other.model)
        return other

    async def _complete(self, pipeline: FacePipeline, other: Named) -> None:
        """Describe what came since the preparation, if that is little."""
        remedy = f"`usher models prepare {other.name}`, or leave them out with --incomplete"
        missing = sum([(await self._embeddings.standing(k, other.model)).missing for k in KINDS])
        if missing > _FEW:
            raise Conflict(f"{missing} faces have no vector of {other.model} yet: run {remedy}")
        await self._describe_all(pipeline)
        failed = sum([(await self._embeddings.standing(k, other.model)).failed for k in KINDS])
        if failed:
            raise Conflict(
                f"{failed} faces cannot be described by {other.model} (`usher models` says why): "
                f"mend them and run {remedy}"
            )

    async def _loaded(self, embedder: Named) -> FacePipeline:
        pipeline = await asyncio.to_thread(self._load, embedder.name)
        if pipeline.model_id != embedder.model:
            raise ConfigurationError(
                f"{embedder.name} makes vectors of {pipeline.model_id} now, not of "
                f"{embedder.model}: run `usher models prepare {embedder.name}`"
            )
        return pipeline

    async def _put_right(self, model: str) -> None:
        """Let vectors of the model serve that stand beside others, after it has come to serve.

        Detections are exchanged here: nobody is compared with them, so assignment need not wait.
        """
        exchanged = [await self._embeddings.let_serve(kind, model) for kind in KINDS]
        if any(exchanged):
            await self._embedders.references_changed()

    # ---- Comparing -------------------------------------------------------------------------------

    def _errors(self, beside: SideBySide, embedder: Named) -> Errors:
        rule = self._rule(self._load(embedder.name))
        return count_errors(beside.vectors[embedder.model], beside.person_ids, rule)

    def _rule(self, pipeline: FacePipeline) -> Rule:
        return rule_of(self._settings, pipeline.model_id, pipeline.impostors)

    # ---- Describing ------------------------------------------------------------------------------

    async def _describe_all(self, pipeline: FacePipeline) -> None:
        """Describe what is missing, and again what came meanwhile, until nothing comes."""
        while any([await self._describe_kind(kind, pipeline) for kind in KINDS]):
            pass

    async def _describe_kind(self, kind: str, pipeline: FacePipeline) -> bool:
        """Whether there was anything to describe."""
        model = pipeline.model_id
        standing = await self._embeddings.standing(kind, model)
        done = standing.total - standing.missing
        async for batch in self._embeddings.undescribed(kind, model, batch=_BATCH):
            outcomes = await asyncio.to_thread(self._outcomes, batch, pipeline)
            await self._embeddings.put_beside(kind, model, outcomes)
            done += len(batch)
            self._report(kind, done, standing.total)
        return standing.missing > 0

    def _outcomes(
        self, batch: Sequence[Undescribed], pipeline: FacePipeline
    ) -> dict[str, Vector | str]:
        """By id: the vector, or why there is none."""
        there = {item.id: item.embedding.vector for item in batch if item.embedding}
        rest = [item for item in batch if item.id not in there]
        return {**there, **self._described(rest, pipeline)}

    def _described(
        self, items: Sequence[Undescribed], pipeline: FacePipeline
    ) -> dict[str, Vector | str]:
        """All together; where that fails, each by itself."""
        if not items:
            return {}
        try:
            found = pipeline.describe_many([self._face(item, pipeline) for item in items])
        except Exception as error:  # noqa: BLE001 - becomes a state of the record
            if len(items) > 1:
                each = [self._described([item], pipeline) for item in items]
                return {key: outcome for one in each for key, outcome in one.items()}
            log.warning("a crop cannot be described", id=items[0].id, error=repr(error))
            return {items[0].id: str(error) if isinstance(error, UsherError) else repr(error)}
        return {item.id: face.embedding for item, face in zip(items, found, strict=True)}

    def _face(self, item: Undescribed, pipeline: FacePipeline) -> tuple[RgbImage, Box]:
        jpeg = self._crops.get(item.crop)
        image_rgb = decode_image(jpeg, formats=CROP_FORMATS, max_pixels=_MAX_PIXELS)
        return image_rgb, item.box or _central_box(image_rgb, pipeline)


def _other(serving: Serving) -> Named:
    if serving.other is None:
        raise ConfigurationError("no other model is there: run `usher models prepare NAME`")
    return serving.other


def _central_box(image_rgb: RgbImage, pipeline: FacePipeline) -> Box:
    """Where the face is in the crop of an enrolment from before its box was kept.

    Half a face's width was kept around it, so where none is found it is in the middle.
    """
    try:
        return pipeline.central_face(image_rgb).box
    except NoFaceFound:
        height, width = image_rgb.shape[:2]
        return Box(width // 4, height // 4, width - width // 4, height - height // 4)
