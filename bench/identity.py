"""Who is it, among many and with strangers? By the product's own rule, beside the classic one.

Open set: of people with two or more photographs, N are known by up to R of theirs, and the rest of
their photographs are probes; who has a single photograph is a stranger. FPIR is the share of
strangers called by a name, FNIR the share of known people's probes that are not called by theirs.
The rule's prior was measured on the first, third, fifth, ... of the people by name, and everything
here is of the others: no person counts in both. The oracle is the best single threshold for these
very scores, which nobody can know beforehand.

Stream: all photographs in random order, from an empty gallery, each as if a detection: how well
the persons that come of it are the people, by BCubed, as they come and after consolidation.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from _lfw import add_data, face_in, photographs_in
from usher.domain.geometry import Box
from usher.identity.calibrate import StrangerScores
from usher.identity.consolidate import Sightings, consolidate
from usher.identity.crowd import Crowd
from usher.identity.decide import Identifier
from usher.identity.gallery import Gallery, Reference, TemplateGallery, template_of, unit
from usher.identity.rules import BudgetRule, Rule, make_rule
from usher.vision.embed import DLIB, DLIB_CROPS, EMBEDDERS
from usher.vision.images import RgbImage
from usher.vision.pipeline import make_pipeline

SIZES = (50, 200, None)
REFERENCES = (1, 5)
BUDGETS = (0.01, 0.05)
SHOTS = (1, 2, 3)
_BATCH = 64
_FIT_PERSONS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 400)
_FIT_SHARES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
_FIT_DRAWS = 24

Vectors = NDArray[np.float32]
Numbers = NDArray[np.intp]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Photographs: whose each is, (M,), and its vectors, (M, D), described and raw."""

    people: Numbers
    vectors: Vectors
    raw: Vectors

    def of(self, chosen: Numbers) -> Faces:
        """The photographs of some people, numbered anew from 0."""
        rows = np.flatnonzero(np.isin(self.people, chosen))
        people = np.searchsorted(np.sort(chosen), self.people[rows])
        return Faces(people, self.vectors[rows], self.raw[rows])

    def by_person(self) -> list[Numbers]:
        return [np.flatnonzero(self.people == person) for person in range(self.people.max() + 1)]


# ---- Open set -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Who is known by which photographs, and who is looked at."""

    references: dict[int, Numbers]
    mates: Numbers
    strangers: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an open-set trial went, mean over seeds; `se` is over seeds alone."""

    n: int
    r: int
    budget: float
    fpir: float
    fpir_se: float
    fnir: float
    fnir_se: float
    fnir_oracle: float
    fpir_fixed: float
    fnir_fixed: float


def draw_trial(faces: Faces, size: int | None, most: int, random: np.random.Generator) -> Trial:
    """Draw who is known, and by what; everybody with one photograph is a stranger."""
    images = faces.by_person()
    several = [person for person, rows in enumerate(images) if len(rows) > 1]
    known = random.permutation(several)[:size]
    references, mates = {}, []
    for person in known:
        rows = random.permutation(images[person])
        count = min(most, len(rows) - 1)
        references[int(person)] = rows[:count]
        mates.append(rows[count:])
    singles = np.array([rows[0] for rows in images if len(rows) == 1])
    return Trial(references, np.concatenate(mates), singles)


def fill(gallery: Gallery, trial: Trial, vectors: Vectors) -> None:
    """Make those people known."""
    for person, rows in trial.references.items():
        gallery.put(f"{person:06d}", [Reference(str(row), vectors[row]) for row in rows])


def rates(
    trial: Trial, people: Numbers, persons: Numbers, scores: Scores, threshold: float
) -> tuple[float, float]:
    """FPIR and FNIR of best persons and their scores, both by photograph."""
    taken = scores[trial.strangers] >= threshold
    right = persons[trial.mates] == people[trial.mates]
    found = right & (scores[trial.mates] >= threshold)
    return float(taken.mean()), float(1 - found.mean())


def oracle(trial: Trial, scores: Scores, budget: float) -> float:
    """The loosest threshold that no more than `budget` of these strangers reach."""
    ordered = np.sort(scores[trial.strangers])[::-1]
    return float(np.nextafter(ordered[int(budget * len(ordered))], np.inf))


def best_of_templates(gallery: TemplateGallery, probes: Vectors) -> tuple[Numbers, Scores]:
    """Whom each probe stands out for, and the score."""
    crowd = Crowd.of(gallery)
    best, scores = crowd.stand_outs(probes)
    return np.array([int(person) for person in crowd.persons], np.intp)[best], scores


def best_of_nearest(gallery: Gallery, probes: Vectors) -> tuple[Numbers, Scores]:
    """Whose nearest reference each probe has, and the score."""
    found = [match for probe in probes if (match := gallery.best(probe)) is not None]
    persons = np.array([int(match.person_id) for match in found], np.intp)
    return persons, np.array([match.score for match in found])


def open_set(
    faces: Faces, rules: dict[float, BudgetRule], fixed: Rule, seeds: int
) -> Iterator[Outcome]:
    """Every size of gallery and number of references, at every budget."""
    for size in SIZES:
        for most in REFERENCES:
            rows: dict[float, list[tuple[float, ...]]] = {budget: [] for budget in rules}
            for seed in range(seeds):
                trial = draw_trial(faces, size, most, np.random.default_rng(seed))
                for budget, row in one_trial(faces, trial, rules, fixed).items():
                    rows[budget].append(row)
            for budget, measured in rows.items():
                yield _outcome(len(trial.references), most, budget, np.array(measured))


def one_trial(
    faces: Faces, trial: Trial, rules: dict[float, BudgetRule], fixed: Rule
) -> dict[float, tuple[float, ...]]:
    """By budget: FPIR, FNIR, FNIR of the oracle, and FPIR and FNIR of the fixed rule."""
    classic = fixed.make_gallery()
    fill(classic, trial, faces.raw)
    nearest = best_of_nearest(classic, faces.raw)
    beside = rates(trial, faces.people, *nearest, fixed.calibrate(classic).threshold)
    found = {}
    for budget, rule in rules.items():
        gallery = rule.make_gallery()
        fill(gallery, trial, faces.vectors)
        persons, scores = best_of_templates(gallery, faces.vectors)
        threshold = rule.calibrate(gallery).threshold
        at_best = oracle(trial, scores, budget)
        found[budget] = (
            *rates(trial, faces.people, persons, scores, threshold),
            rates(trial, faces.people, persons, scores, at_best)[1],
            *beside,
        )
    return found


def _outcome(n: int, r: int, budget: float, rows: Scores) -> Outcome:
    fpir, fnir, fnir_oracle, fpir_fixed, fnir_fixed = rows.mean(axis=0).tolist()
    errors = rows.std(axis=0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.zeros(5)
    return Outcome(
        n=n,
        r=r,
        budget=budget,
        fpir=fpir,
        fpir_se=float(errors[0]),
        fnir=fnir,
        fnir_se=float(errors[1]),
        fnir_oracle=fnir_oracle,
        fpir_fixed=fpir_fixed,
        fnir_fixed=fnir_fixed,
    )


# ---- What more would take -----------------------------------------------------------------------


def what_more(faces: Faces, rule: BudgetRule, seeds: int) -> dict[str, float]:
    """FNIR of the oracle at the rule's budget, 100 persons, one reference.

    With the plain cosine in place of the score, and with several photographs of a person averaged
    to one probe. These are different photographs, so better than several shots of one track.
    """
    found: dict[str, list[float]] = {"plain cosine": []}
    for seed in range(seeds):
        trial = draw_trial(faces, 100, 1, np.random.default_rng(seed))
        gallery = rule.make_gallery()
        fill(gallery, trial, faces.vectors)
        found["plain cosine"].append(_plain(faces, trial, gallery, rule.budget))
        for shots in SHOTS:
            name = f"{shots} photographs a probe"
            found.setdefault(name, []).append(_several(faces, trial, gallery, rule, shots))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _plain(faces: Faces, trial: Trial, gallery: TemplateGallery, budget: float) -> float:
    near = unit(faces.vectors) @ gallery.templates().T
    persons = np.array([int(person) for person in gallery], np.intp)[near.argmax(axis=1)]
    scores = near.max(axis=1).astype(np.float64)
    return rates(trial, faces.people, persons, scores, oracle(trial, scores, budget))[1]


def _several(
    faces: Faces, trial: Trial, gallery: TemplateGallery, rule: BudgetRule, shots: int
) -> float:
    """Only people with three probes or more, whatever `shots`, so that the numbers compare."""
    by_person = [trial.mates[faces.people[trial.mates] == one] for one in trial.references]
    some = [rows[:shots] for rows in by_person if len(rows) >= max(SHOTS)]
    probes = np.stack([template_of(faces.vectors[rows]) for rows in some])
    _, strange = best_of_templates(gallery, faces.vectors[trial.strangers])
    persons, scores = best_of_templates(gallery, probes)
    at_best = np.nextafter(np.sort(strange)[::-1][int(rule.budget * len(strange))], np.inf)
    right = persons == np.array([faces.people[rows[0]] for rows in some])
    return float(1 - (right & (scores >= at_best)).mean())


# ---- Stream -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """How photographs became persons, mean over orders; `least` is the worst order's F."""

    people: int
    ids: float
    precision: float
    recall: float
    bcubed_f: float
    least: float
    ids_consolidated: float
    bcubed_f_consolidated: float
    least_consolidated: float
    ids_fixed: float
    bcubed_f_fixed: float


def stream(faces: Faces, rule: BudgetRule, fixed: Rule, orders: int) -> Streamed:
    """All photographs in random orders through the decision, from an empty gallery."""
    rows = []
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(len(faces.people))
        persons = run(Identifier("", rule), faces.vectors, order)
        later = after_consolidation(faces.vectors, persons, rule)
        classic = run(Identifier("", fixed), faces.raw, order)
        rows.append(
            [
                value
                for found in (persons, later, classic)
                for value in (len(np.unique(found)), *bcubed(found, faces.people))
            ]
        )
    mean, least = np.mean(rows, axis=0).tolist(), np.min(rows, axis=0).tolist()
    return Streamed(
        people=int(faces.people.max()) + 1,
        ids=mean[0],
        precision=mean[1],
        recall=mean[2],
        bcubed_f=mean[3],
        least=least[3],
        ids_consolidated=mean[4],
        bcubed_f_consolidated=mean[7],
        least_consolidated=least[7],
        ids_fixed=mean[8],
        bcubed_f_fixed=mean[11],
    )


def run(identifier: Identifier, vectors: Vectors, order: Numbers) -> Numbers:
    """Whose each photograph is said to be, by number, in the order of their founding."""
    persons = np.empty(len(vectors), np.intp)
    for row in order:
        decision = identifier.decide(vectors[row], acceptable=True)
        person_id = decision.person_id or f"{len(identifier.strangers):06d}"
        identifier.learn(person_id, Reference(str(row), vectors[row]))
        persons[row] = int(person_id)
    return persons


def after_consolidation(vectors: Vectors, persons: Numbers, rule: BudgetRule) -> Numbers:
    """The same after another look at everything."""
    everything = np.ones(len(persons), np.bool_)
    count = len(np.unique(persons))
    sightings = Sightings(unit(vectors), persons, ~everything, everything)
    return consolidate(sightings, link=rule.link_among(count), merge=rule.merge_among(count))


def bcubed(found: Numbers, people: Numbers) -> tuple[float, float, float]:
    """BCubed precision, recall and F of a partition (Bagga and Baldwin, 1998)."""
    _, found = np.unique(found, return_inverse=True)
    both = np.zeros((found.max() + 1, people.max() + 1))
    np.add.at(both, (found, people), 1)
    together = both[found, people]
    precision = (together / both.sum(axis=1)[found]).mean()
    recall = (together / both.sum(axis=0)[people]).mean()
    return float(precision), float(recall), float(2 * precision * recall / (precision + recall))


# ---- The prior ----------------------------------------------------------------------------------


def fit_prior(faces: Faces) -> StrangerScores:
    """The best scores of strangers: random galleries, everybody else a stranger once."""
    random = np.random.default_rng(0)
    images = faces.by_person()
    table = []
    for size in _FIT_PERSONS:
        found = []
        for draw in range(_FIT_DRAWS if size >= 50 else 2 * _FIT_DRAWS):
            most = REFERENCES[draw % 2]
            known = random.permutation(len(images))[: min(size, len(images) * 2 // 3)]
            templates = [
                template_of(faces.vectors[random.permutation(images[p])[:most]]) for p in known
            ]
            others = np.setdiff1d(np.arange(len(images)), known)
            probes = [random.choice(images[person]) for person in others]
            crowd = Crowd([str(person) for person in known], np.stack(templates))
            found.append(crowd.stand_outs(faces.vectors[probes])[1])
        quantiles = np.quantile(np.concatenate(found), 1 - np.array(_FIT_SHARES))
        table.append(tuple(np.round(quantiles, 4).tolist()))
    return StrangerScores(_FIT_PERSONS, _FIT_SHARES, tuple(table))


# ---- Photographs --------------------------------------------------------------------------------


def describe(paths: Sequence[Path], embedder: str) -> Faces:
    """The most central face of each photograph, or else its middle."""
    pipelines = [make_pipeline(embedder=embedder), make_pipeline(embedder=DLIB)]
    names = np.array([path.parent.name for path in paths])
    vectors: list[list[Vectors]] = [[], []]
    batch: list[tuple[RgbImage, Box]] = []
    for index, path in enumerate(track(paths, "faces", console=Console(stderr=True)), start=1):
        batch.append(face_in(path, pipelines[0]))
        if len(batch) == _BATCH or index == len(paths):
            for pipeline, found in zip(pipelines, vectors, strict=True):
                found.extend(face.embedding for face in pipeline.describe_many(batch))
            batch.clear()
    _, people = np.unique(names, return_inverse=True)
    return Faces(people, *(np.array(found, np.float32) for found in vectors))


# ---- The command --------------------------------------------------------------------------------


def show_open_set(outcomes: Sequence[Outcome]) -> None:
    """Print the table."""
    print(
        f"{'persons':>7} {'refs':>5} {'budget':>7} {'FPIR':>7} {'(se)':>7} {'FNIR':>7} {'(se)':>7} "
        f"{'oracle':>7} {'fixed: FPIR':>12} {'FNIR':>7}"
    )
    for row in outcomes:
        refs = "1" if row.r == 1 else f"<= {row.r}"
        print(
            f"{row.n:7} {refs:>5} {row.budget:7.0%} {row.fpir:7.2%} {row.fpir_se:7.2%} "
            f"{row.fnir:7.1%} {row.fnir_se:7.1%} {row.fnir_oracle:7.1%} "
            f"{row.fpir_fixed:12.1%} {row.fnir_fixed:7.1%}"
        )


def show_stream(title: str, row: Streamed) -> None:
    """Print how one set of people streamed."""
    print(
        f"{title}: {row.people:,} people, {row.ids:,.0f} IDs ({row.ids / row.people - 1:+.1%}), "
        f"BCubed P {row.precision:.3f} R {row.recall:.3f} F {row.bcubed_f:.4f} "
        f"(least {row.least:.4f})\n"
        f"  consolidated: {row.ids_consolidated:,.0f} IDs "
        f"({row.ids_consolidated / row.people - 1:+.1%}), F {row.bcubed_f_consolidated:.4f} "
        f"(least {row.least_consolidated:.4f})\n"
        f"  fixed rule: {row.ids_fixed:,.0f} IDs, F {row.bcubed_f_fixed:.3f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser)
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default=DLIB_CROPS)
    parser.add_argument("--seeds", type=int, default=5, help="draws, and orders; default: 5")
    parser.add_argument("--fit", action="store_true", help="measure the prior anew, print it, stop")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    photographs = photographs_in(arguments.data, parser)
    faces = describe(photographs, arguments.embedder)
    everybody = np.arange(faces.people.max() + 1)
    fitted, reported = faces.of(everybody[::2]), faces.of(everybody[1::2])
    if arguments.fit:
        for row in fit_prior(fitted).scores:
            print(f"{row},")
        return 0
    model = make_pipeline(embedder=arguments.embedder).model_id
    rules = {budget: budget_rule(model, budget) for budget in BUDGETS}
    fixed = make_rule("fixed", model="dlib-resnet-v1", budget=0.01, fixed_distance=None)
    print(f"people whom the prior did not see: {reported.people.max() + 1:,}, {model}\n")
    outcomes = list(open_set(reported, rules, fixed, arguments.seeds))
    show_open_set(outcomes)
    more = what_more(reported, rules[BUDGETS[0]], arguments.seeds)
    print("\nFNIR of the oracle at 1%, 100 persons, one reference:")
    for name, value in more.items():
        print(f"  {name}: {value:.1%}")
    print()
    streams = {
        "stream": stream(faces, rules[BUDGETS[0]], fixed, arguments.seeds),
        "stream_unseen": stream(reported, rules[BUDGETS[0]], fixed, arguments.seeds),
    }
    show_stream("all people", streams["stream"])
    show_stream("people whom the prior did not see", streams["stream_unseen"])
    if arguments.json:
        found = {name: asdict(value) for name, value in streams.items()}
        print(json.dumps({"open_set": [asdict(row) for row in outcomes], **found, "more": more}))
    return 0


def budget_rule(model: str, budget: float) -> BudgetRule:
    """The rule of a model that Usher brings."""
    rule = make_rule("budget", model=model, budget=budget, fixed_distance=None)
    if not isinstance(rule, BudgetRule):
        raise TypeError(f"{model} has no prior")
    return rule


if __name__ == "__main__":
    sys.exit(main())
