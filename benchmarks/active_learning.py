"""What guided recording is worth: the product's own plan and selector, against random and against recording freely.

    python benchmarks/active_learning.py [CACHE [SEEDS [PEOPLE]]]    # repetitions, 12; of the new people's world, 4

Landmarks and runs are kept in the folder CACHE, by the hand finder that ships (data/benchmarks/active_learning, unless
another is given): a stopped run goes on, and more repetitions later cost only themselves. Delete it to measure anew.
The worlds are described in worlds.py, what is recorded how in guided_recording.py. The tables and the figure are kept
in benchmarks/results/active_learning.md and .png.

`python benchmarks/active_learning.py CACHE tune` compares settings of the dealer on the pool's own people alone.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from guided_recording import FRAMES, MOST_OF_ROOM, recording_settings
from machine import measured_on
from people_hands import PeopleHands, folder_of_finder
from worlds import (
    BOTH,
    FREE,
    HARD,
    MARKED,
    NEW_PEOPLE,
    PLAN,
    RANDOM,
    UNMARKED,
    Run,
    add_in_rounds,
    all_hands,
    person_world,
    pool_world,
    record_once,
)

from static_gesture_classification.terminal import track

PROJECT = Path(__file__).resolve().parent.parent
RESULT = PROJECT / "benchmarks" / "results" / "active_learning.md"
CACHE = PROJECT / "data" / "benchmarks" / "active_learning"
REPETITIONS, OF_PEOPLE = 12, 4
POOL_POLICIES = (RANDOM, FREE, PLAN, HARD, BOTH)
POOL_POINTS = (20, 40, 60, 100, 200, 300)
COMPARED_POINTS = POOL_POINTS[:4]  # of all but random
POOL_START, USE_START = 5, 20
EARLY = 100  # samples up to which the curves are compared
PERSON_POLICIES = (FREE, PLAN, HARD, BOTH)
FREE_POINTS, GUIDED_POINTS = (30, 60, 100, 150), (30, 60)
GUIDED = 60
USE_POLICIES, USE_POINTS = (RANDOM, FREE, UNMARKED, MARKED), (20, 40, 60, 100)
RESAMPLES = 2000
TUNING_SEEDS = range(100, 104)
TUNED: tuple[tuple[str, dict[str, float]], ...] = (
    (FREE, {}),
    (HARD, {}),
    (PLAN, {}),
    (BOTH, {}),
    (BOTH, {"turn": 2, "views": 20}),
    (BOTH, {"trust": 0.0}),
    (BOTH, {"memory": 60.0}),
)
COLOURS = {
    RANDOM: "#444444",
    FREE: "#1f77b4",
    PLAN: "#c69c6d",
    HARD: "#2ca02c",
    BOTH: "#d62728",
    UNMARKED: "#c69c6d",
    MARKED: "#d62728",
}

Runs = Mapping[str, Sequence[Run]]

FRAMES_BEFORE = (
    "Hands are found by the finder that ships; until 27 November they were by MediaPipe's Hand Landmarker. "
    "In the earliest editions of this page a photograph stood for 5 frames, of which the selector took the "
    "best of ten: two photographs. Now it stands for 1: ten. So a selector looks at five times as many different views "
    "for each that it keeps, and figures from before and after that change differ by it too; they say nothing of what "
    "the product gained between them."
)
OWN_SHARE = (
    "How far to believe the plan's own share: 3 of these repetitions said +0.011 (-0.001 to +0.031), and 3 with "
    "MediaPipe's finder, on 27 November, +0.002 (-0.011 to +0.014). The pictures looked at are fewer than by the "
    "selector alone, not fewer than by recording freely, which takes what it sees."
)


def main() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    cache = str(folder_of_finder(Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE))
    hands = all_hands(cache)
    if sys.argv[2:] == ["tune"]:
        tune(cache, hands)
        return
    seeds = range(int(sys.argv[2]) if len(sys.argv) > 2 else REPETITIONS)
    people = of_new_people(cache, range(int(sys.argv[3]) if len(sys.argv) > 3 else OF_PEOPLE))
    use = in_use(cache, hands, seeds)
    pool = in_pool(cache, hands, seeds)
    text = report(hands, pool, people, use)
    print(text)
    RESULT.write_text(text, encoding="utf-8")
    draw(pool, people, use, RESULT.with_suffix(".png"))


def in_pool(cache: str, hands: PeopleHands, seeds: Sequence[int]) -> Runs:
    """World 1: a run for each policy and seed."""
    tasks = [
        (
            add_in_rounds,
            cache,
            pool_world(hands, seed, POOL_START),
            policy,
            seed,
            POOL_POINTS if policy == RANDOM else COMPARED_POINTS,
        )
        for seed in seeds
        for policy in POOL_POLICIES
    ]
    return of_policies(POOL_POLICIES, run_all(cache, tasks, "the pool"))


def of_new_people(cache: str, seeds: Sequence[int]) -> dict[str, Runs]:
    """World 2: new person and room -> a run for each policy and seed."""
    tasks = [
        (record_once, cache, who, policy, seed, FREE_POINTS if policy == FREE else GUIDED_POINTS)
        for seed in seeds
        for who in NEW_PEOPLE
        for policy in PERSON_POLICIES
    ]
    done = dict(zip(((task[2], task[3], task[4]) for task in tasks), run_all(cache, tasks, "new people"), strict=True))
    return {
        who: {policy: [done[who, policy, seed] for seed in seeds] for policy in PERSON_POLICIES} for who in NEW_PEOPLE
    }


def in_use(cache: str, hands: PeopleHands, seeds: Sequence[int]) -> Runs:
    """World 3: a run for each policy and seed."""
    tasks = [
        (add_in_rounds, cache, pool_world(hands, seed, USE_START), policy, seed, USE_POINTS)
        for seed in seeds
        for policy in USE_POLICIES
    ]
    return of_policies(USE_POLICIES, run_all(cache, tasks, "in use"))


def run_all(cache: str, tasks: Sequence[tuple[Any, ...]], name: str) -> list[Run]:
    """The runs of the tasks, each computed once for this cache."""
    memory = joblib.Memory(Path(cache) / "runs", verbose=0)
    with joblib.parallel_config("loky", n_jobs=-1, inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator")
        runs = parallel(joblib.delayed(memory.cache(run))(*arguments) for run, *arguments in tasks)
        return list(track(runs, name, len(tasks), "runs"))


def of_policies(names: Sequence[str], runs: Sequence[Run]) -> Runs:
    """The runs by policy; they come with the policies in turn."""
    return {name: runs[place :: len(names)] for place, name in enumerate(names)}


def tune(cache: str, hands: PeopleHands) -> None:
    """Print how settings of the dealer do on the pool's own people."""
    usual = recording_settings().dealing
    points = tuple(point for point in POOL_POINTS if point <= EARLY)
    tasks = [
        (add_in_rounds, cache, pool_world(hands, seed, POOL_START, tuning=True), policy, seed, points, settings)
        for policy, changes in TUNED
        for settings in [usual.model_copy(update=changes)]
        for seed in TUNING_SEEDS
    ]
    runs = run_all(cache, tasks, "tuning")
    for place, (policy, changes) in enumerate(TUNED):
        own = runs[place * len(TUNING_SEEDS) : (place + 1) * len(TUNING_SEEDS)]
        curve = curves(own).mean(axis=0)
        print(f"{policy} {changes or ''}: mean {curve[1:].mean():.4f}, {np.round(curve, 3)}")


def curves(runs: Sequence[Run], test: int = 0) -> np.ndarray:
    """Weighted F1 (runs, points) on one of the tests."""
    return np.array([run.scores[test] for run in runs])


def added_to_reach(added: np.ndarray, curve: np.ndarray, target: float) -> float:
    """Samples added where a curve first is at the target, linear between points; infinite if it never is."""
    above = np.flatnonzero(curve >= target)
    if not len(above):
        return float("inf")
    last = int(above[0])
    if last == 0:
        return 0.0
    share = (target - curve[last - 1]) / (curve[last] - curve[last - 1])
    return float(added[last - 1] + share * (added[last] - added[last - 1]))


def interval(statistic: Callable[[np.ndarray], float], count: int) -> tuple[float, float, float]:
    """A statistic of run numbers, and its 95 % percentile bootstrap interval over runs."""
    random = np.random.default_rng(0)
    drawn = [statistic(random.integers(count, size=count)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return statistic(np.arange(count)), float(low), float(high)


def difference(one: Sequence[Run], other: Sequence[Run], points: int, test: int = 0) -> tuple[float, float, float]:
    """Mean difference of weighted F1 over the first points (but the start), with its interval."""
    gaps = (curves(one, test)[:, 1 : points + 1] - curves(other, test)[:, 1 : points + 1]).mean(axis=1)
    return interval(lambda chosen: float(gaps[chosen].mean()), len(gaps))


def reach(own: Sequence[Run], base: Sequence[Run]) -> tuple[float, float, float]:
    """Samples added to reach the mean score that another policy ends with."""
    mine, others = curves(own), curves(base)
    return interval(
        lambda rows: added_to_reach(own[0].added, mine[rows].mean(axis=0), float(others[rows, -1].mean())), len(mine)
    )


def free_worth(guided: Sequence[Run], free: Sequence[Run], test: int) -> tuple[float, float, float]:
    """Free samples that bring what the guided recording's last point brings."""
    mine, others = curves(guided, test)[:, -1], curves(free, test)
    added = np.mean([run.added for run in free], axis=0)
    return interval(lambda rows: added_to_reach(added, others[rows].mean(axis=0), float(mine[rows].mean())), len(mine))


def looked_share(one: Sequence[Run], other: Sequence[Run], point: int) -> tuple[float, float, float]:
    """Pictures that one looked at up to a point, as a share of those that the other looked at."""
    mine, others = (np.array([run.looked_at[point] for run in runs], np.float64) for runs in (one, other))
    return interval(lambda rows: float(mine[rows].sum() / others[rows].sum()), len(mine))


def report(hands: PeopleHands, pool: Runs, people: Mapping[str, Runs], use: Runs) -> str:
    """The page of results."""
    return "\n".join(
        [
            *_about(hands, pool, people),
            *_goals(pool, people),
            *_pool_section(pool),
            *_people_section(hands, people),
            *_use_section(use),
        ]
    )


def _about(hands: PeopleHands, pool: Runs, people: Mapping[str, Runs]) -> list[str]:
    dealing = recording_settings().dealing
    seeds, of_people = len(pool[RANDOM]), len(people[NEW_PEOPLE[0]][FREE])
    return [
        "# What guided recording is worth",
        "",
        f"{measured_on('ai-edge-litert', 'numpy', 'scipy', 'torch')}, beside other work; "
        f"{seeds} repetitions, of each new person and place {of_people}; in brackets 95 % bootstrap intervals over "
        "them. They tell the luck of the start and of the order; other people may differ by more.",
        "",
        f"Driven is what ships: gestures are dealt by `active_learning.planning.dealing` ({dealing}), pictures chosen "
        "by `recording.judging.selection`, the last layer learns by `recording.judging.learning_head`, all with the "
        "settings of conf/. The landmark model trains as `gestures retrain` does, anew at every point. A photograph "
        f"stands for {FRAMES} frame. Scores: weighted F1, no room counts for more than {MOST_OF_ROOM} hands.",
        "",
        FRAMES_BEFORE,
        "",
        f"{len(hands):,} of {hands.looked_at:,} hands, in which landmarks were found: hagrid_mini, hands_mini, "
        "recorded_legacy, hagrid_people, more_people and other_hands of ../shared/data.",
        "",
        "Chosen on whom: nothing was chosen on the people below. The dealer's settings were set by reasoning, "
        "`views` after a look at runs on the pool's own people divided again (`tune` in the script compares more). "
        "Random takes from everything that is left; free recording "
        "takes each gesture alike, every n-th frame.",
        "",
        "![Weighted F1 by samples added](active_learning.png)",
        "",
    ]


def _goals(pool: Runs, people: Mapping[str, Runs]) -> list[str]:
    """What was wanted, and what came out."""
    early = int((pool[RANDOM][0].added <= EARLY).sum()) - 1
    reached, share = reach(pool[BOTH], pool[RANDOM]), difference(pool[BOTH], pool[HARD], early)
    whole = {policy: [run for runs in people.values() for run in runs[policy]] for policy in PERSON_POLICIES}
    worth, kept = free_worth(whole[BOTH], whole[FREE], 0), np.mean([run.added[-1] for run in whole[BOTH]])
    of_people = difference(whole[BOTH], whole[HARD], len(GUIDED_POINTS))
    rows = [
        ["wanted", "measured", ""],
        ["random's end from at most 60 of 300", of_samples(reached, EARLY), _met(reached[0] <= 60)],
        ["the plan's own share above 0, in the pool", signed(share), _met(share[1] > 0)],
        ["the same, of a new person", signed(of_people), _met(of_people[1] > 0)],
        [f"{GUIDED} guided worth 150 free", f"{of_samples(worth, 150)} from {kept:.0f} kept", _met(worth[0] >= 150)],
    ]
    return [markdown(rows), OWN_SHARE, ""]


def _met(met: bool) -> str:
    return "met" if met else "missed"


def _pool_section(pool: Runs) -> list[str]:
    points = pool[RANDOM][0].added
    early = int((points <= EARLY).sum()) - 1
    rows = [["policy", "added to reach random's end", "minus random", "minus free", f"looked at for {EARLY}"]]
    rows[0] += [f"{point}" for point in points]
    for name, runs in pool.items():
        gaps = [signed(difference(runs, pool[base], early)) if base != name else "" for base in (RANDOM, FREE)]
        looked = f"{np.mean([run.looked_at[early] for run in runs]):,.0f}"
        scores = [f"{score:.3f}" for score in curves(runs).mean(axis=0)]
        scores += [""] * (len(points) - len(scores))
        rows.append([name, of_samples(reach(runs, pool[RANDOM]), int(runs[0].added[-1])), *gaps, looked, *scores])
    return [
        "## The pool of today",
        "",
        f"Start: {POOL_START} samples a gesture. Test: people and rooms that are nowhere else (the webcam frames show "
        "one man in many rooms; a room is on one side, he is on both). Differences are means over the points up to "
        f"{EARLY}. Where a recording ends early because nothing more is learned, free recording fills up.",
        "",
        markdown(rows),
        f"The plan's own share: {signed(difference(pool[BOTH], pool[HARD], early))} beside the selector, "
        f"{signed(difference(pool[PLAN], pool[FREE], early))} without it. Pictures looked at with it, of those "
        f"without: {part(looked_share(pool[BOTH], pool[HARD], early))}.",
        "",
    ]


def _people_section(hands: PeopleHands, people: Mapping[str, Runs]) -> list[str]:
    lines = [
        "## A new person in a new room",
        "",
        "Start: everybody but them. One session is recorded; the score is on that person's other places, and on "
        "everybody else (people that nobody trains on). Three people: the man of the webcam frames in three kinds of "
        "places, and two who stand far from the camera, of whom half of the pictures are recorded and the other half "
        f"tested, since they have one session each. Kept: of {GUIDED} wanted; a recording ends when nothing more is "
        "learned.",
        "",
    ]
    for test, title in enumerate(("that person, other places", "everybody else")):
        lines += [f"Weighted F1 on {title}:", "", markdown(_people_rows(people, test)), ""]
    whole = {policy: [run for runs in people.values() for run in runs[policy]] for policy in PERSON_POLICIES}
    last = len(GUIDED_POINTS)
    worth = of_samples(free_worth(whole[BOTH], whole[FREE], 0), FREE_POINTS[-1])
    lines += [
        f"All of them: a guided recording of at most {GUIDED} is worth {worth} free pictures on that person's "
        f"other places. The plan's own share: {signed(difference(whole[BOTH], whole[HARD], last))} beside the "
        f"selector, {signed(difference(whole[PLAN], _at(whole[FREE], GUIDED_POINTS), last))} without it. "
        f"Pictures looked at with the plan, of those without: {part(looked_share(whole[BOTH], whole[HARD], last))}.",
        "",
    ]
    places = ", ".join(f"{who}: {len(person_world(hands, who, 0).pool)}" for who in people)
    return [*lines, f"Pictures to record from: {places}.", ""]


def _people_rows(people: Mapping[str, Runs], test: int) -> list[list[str]]:
    rows = [["who", "start", f"free {GUIDED}", f"free {FREE_POINTS[-1]}"]]
    rows[0] += [
        *(f"{policy} {GUIDED}" for policy in PERSON_POLICIES[1:]),
        "kept by plan and selector",
        "looked at",
        "by the selector alone",
        "that is worth",
    ]
    for who, runs in people.items():
        free = curves(runs[FREE], test).mean(axis=0)
        ends = [f"{curves(runs[policy], test)[:, -1].mean():.3f}" for policy in PERSON_POLICIES[1:]]
        kept = f"{np.mean([run.added[-1] for run in runs[BOTH]]):.0f}"
        worth = of_samples(free_worth(runs[BOTH], runs[FREE], test), int(runs[FREE][0].added[-1]))
        at = [free[0], free[1 + FREE_POINTS.index(GUIDED)], free[-1]]
        looked = [f"{np.mean([run.looked_at[-1] for run in runs[policy]]):,.0f}" for policy in (BOTH, HARD)]
        rows.append([who, *(f"{score:.3f}" for score in at), *ends, kept, *looked, f"{worth} free"])
    return rows


def _at(runs: Sequence[Run], points: Sequence[int]) -> list[Run]:
    """The runs of free recording at the points of the guided ones."""
    places = [0, *(1 + FREE_POINTS.index(point) for point in points)]
    return [Run(run.scores[:, places], run.looked_at[places], run.added[places]) for run in runs]


def _use_section(use: Runs) -> list[str]:
    points = use[RANDOM][0].added
    rows = [["what is added", "minus random", "hands seen", *(f"{point}" for point in points)]]
    for name, runs in use.items():
        gap = "" if name == RANDOM else signed(difference(runs, use[RANDOM], len(points) - 1))
        seen = f"{np.mean([run.looked_at[-1] for run in runs]):,.0f}"
        rows.append([name, gap, seen, *(f"{score:.3f}" for score in curves(runs).mean(axis=0))])
    return [
        "## Errors caught in use",
        "",
        f"Start: {USE_START} samples a gesture. The pool's people pass before the model in random order; what the "
        "admission rule calls wrong (somebody says so) or unsure is caught with the right label and trained on after "
        "every 20. Unsure only: nobody says a word while it runs, and the label comes afterwards.",
        "",
        markdown(rows),
    ]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:], ""])


def signed(values: tuple[float, float, float]) -> str:
    return f"{values[0]:+.3f} ({values[1]:+.3f} to {values[2]:+.3f})"


def part(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.0%} ({values[1]:.0%} to {values[2]:.0%})"


def of_samples(values: tuple[float, float, float], most: int) -> str:
    shown = [f"more than {most}" if np.isinf(value) else f"{value:.0f}" for value in values]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if len(set(shown)) > 1 else shown[0]


def draw(pool: Runs, people: Mapping[str, Runs], use: Runs, path: Path) -> None:
    """A panel for each world: mean weighted F1 by samples added; bands are 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    whole = {policy: [run for runs in people.values() for run in runs[policy]] for policy in PERSON_POLICIES}
    panels = {"The pool of today": pool, "A new person, their other places": whole, "Errors caught in use": use}
    figure, axes = pyplot.subplots(1, len(panels), figsize=(16, 6), layout="constrained")
    for axis, (title, runs) in zip(axes, panels.items(), strict=True):
        for name, own in runs.items():
            _draw_curve(axis, name, own)
        axis.set(title=title, xlabel="samples added", ylabel="weighted F1")
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right", fontsize=9)
    axes[0].axhline(curves(pool[RANDOM])[:, -1].mean(), color="black", linewidth=0.8, linestyle="--")
    figure.suptitle("What to record next (bands: 95 % over repetitions; dashed: where random ends)")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_curve(axis, name: str, runs: Sequence[Run]) -> None:  # type: ignore[no-untyped-def]
    own, added = curves(runs), np.mean([run.added for run in runs], axis=0)
    axis.plot(added, own.mean(axis=0), color=COLOURS[name], linewidth=2.2 if name == BOTH else 1.4, label=name)
    if name in (RANDOM, FREE, BOTH, MARKED):
        drawn = np.random.default_rng(0).integers(len(own), size=(RESAMPLES, len(own)))
        low, high = np.quantile(own[drawn].mean(axis=1), [0.025, 0.975], axis=0)
        axis.fill_between(added, low, high, color=COLOURS[name], alpha=0.12, linewidth=0)


if __name__ == "__main__":
    main()
