"""How marks follow from checks and from the time at which something was handed in, as an instructor's file says. It is
read, told in words, and applied to rows; without one the rows stay as they are.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom import attempts
from bnn_core.classroom.grading import Row
from bnn_core.classroom.refusals import Unusable
from bnn_core.classroom.results import number
from bnn_core.lesson_files import lesson_called

POLICY = "grading.toml"
NUMBERS = ("grace_minutes", "penalty_per_day", "none_after_days", "late_days", "not_run", "near_boundary")
KEYS = ("attempt", "boundaries", "deadline", "time_zone", *NUMBERS, "points", "weights", "deadlines")
_OF_LATENESS = ("grace_minutes", "penalty_per_day", "none_after_days", "late_days")
_DAY = timedelta(days=1)
NEAR, MOST_NEAR = 1.0, 50.0
"""Points in a hundred: how near a boundary is near, where nothing is said, and at most."""

TOTAL, OTHERS = "total", "lessons"
"""Of what boundaries may be, beside lessons: of the points of all, and of every lesson that isn't named."""


class BadPolicy(Unusable):
    """A file that says what can't be meant."""


@dataclass(frozen=True)
class Policy:
    """points: by exercise, what it is worth. weights: by exercise and check, how much it counts, 1 where nothing is
    said. not_run: the share that a check earns which was not run for want of one before it. deadlines: by lesson; ""
    for all others. grace: after a deadline nothing is late for so long. penalty: the share of the points that each day
    costs. boundaries: between marks, in percent of the points, by lesson; "" for all others, TOTAL for those of all
    lessons together. near_boundary: so near one a person looks. attempt: the rule by which one of several counts.
    none_after: days after which nothing is had. late_days: days of a student's that cost nothing, in all.
    """

    points: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    not_run: float = 0.0
    deadlines: Mapping[str, datetime] = field(default_factory=dict)
    grace: timedelta = timedelta()
    penalty: float = 0.0
    none_after: float | None = None
    late_days: int = 0
    zone: tzinfo = UTC
    boundaries: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    near_boundary: float = NEAR
    attempt: str = attempts.USUAL

    def near(self, what: str, score: float, most: float) -> bool:
        """Whether a mark is so near a boundary that a person should look at it. what: a lesson, or TOTAL."""
        percent = 100 * score / most if most else math.inf
        return any(abs(percent - one) <= self.near_boundary + 1e-6 for one in self.boundaries_of(what))

    def boundaries_of(self, what: str) -> tuple[float, ...]:
        return self.boundaries.get(what, () if what == TOTAL else self.boundaries.get("", ()))

    def deadline(self, lesson: str) -> datetime | None:
        return self.deadlines.get(lesson, self.deadlines.get(""))


PLAIN = Policy()
"""Where nobody said anything."""


@dataclass(frozen=True)
class HandedIn:
    """When something was handed in, in ISO 8601, without a zone where the system gives none; empty where it gives no
    time. late: whether the system says that it was late.
    """

    when: str = ""
    late: bool = False


@dataclass(frozen=True)
class Applied:
    """Rows by the policy's rules. rules: a sentence for each that changed something. days_late: None where unknown.
    counts: whether it is the attempt that does.
    """

    rows: list[Row]
    rules: tuple[str, ...] = ()
    days_late: int | None = None
    free: int = 0
    """Late days used."""

    counts: bool = True

    @property
    def points(self) -> float:
        return float(sum(row["score"] for row in self.rows))


# Reading it


def read_policy(text: str, name: str = POLICY) -> Policy:
    """Raises BadPolicy. name: the file's, for what is said."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(f"{name} is no TOML: {error}") from None
    for key in said:
        if key not in KEYS:
            raise BadPolicy(f"{name} has an unknown key {key!r}{_meant(key, KEYS)}")
    numbers = {key: _number(said[key], key, name) for key in NUMBERS if key in said}
    for key in ("penalty_per_day", "not_run"):
        if numbers.get(key, 0.0) > 1:
            raise BadPolicy(f"{name}: {key} is a share, from 0 to 1; it is {number(numbers[key])}")
    if numbers.get("late_days", 0.0) % 1:
        raise BadPolicy(f"{name}: late_days are whole days; it is {number(numbers['late_days'])}")
    zone = _zone(said.get("time_zone"), name)
    deadlines = _deadlines(said, zone, name)
    if not deadlines and (needless := [key for key in _OF_LATENESS if numbers.get(key)]):
        raise BadPolicy(f"{name} has {needless[0]} and no deadline; add one, or leave it out")
    if numbers.get("late_days") and not (numbers.get("penalty_per_day") or "none_after_days" in numbers):
        raise BadPolicy(f"{name} has late_days, and lateness costs nothing; add penalty_per_day, or leave them out")
    boundaries = _boundaries(said.get("boundaries", []), name)
    attempt = said.get("attempt", attempts.USUAL)
    if "attempt" in said and attempt not in attempts.RULES:
        known = " or ".join(f'"{one}"' for one in attempts.RULES)
        raise BadPolicy(f"{name}: attempt is {known}; it is {attempt!r}")
    if numbers.get("near_boundary", 0.0) > MOST_NEAR:
        near = number(numbers["near_boundary"])
        raise BadPolicy(f"{name}: near_boundary is in percent of the points, at most {number(MOST_NEAR)}; it is {near}")
    if "near_boundary" in numbers and not boundaries:
        raise BadPolicy(f"{name} has near_boundary and no boundaries; add some, such as boundaries = [50, 60]")
    return Policy(
        points=_points(said.get("points", {}), name),
        weights=_weights(said.get("weights", {}), name),
        not_run=numbers.get("not_run", 0.0),
        deadlines=deadlines,
        grace=timedelta(minutes=numbers.get("grace_minutes", 0.0)),
        penalty=numbers.get("penalty_per_day", 0.0),
        none_after=numbers.get("none_after_days"),
        late_days=int(numbers.get("late_days", 0)),
        zone=zone or UTC,
        boundaries=boundaries,
        near_boundary=numbers.get("near_boundary", NEAR),
        attempt=attempt,
    )


def _number(value: object, key: str, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise BadPolicy(f"{name}: {key} must be a number that isn't negative; it is {value!r}")
    return float(value)


def _boundaries(said: object, name: str) -> dict[str, tuple[float, ...]]:
    """A list, of every lesson; or a table that says of which, and of the total."""
    table = said if isinstance(said, dict) else {OTHERS: said}
    found = {}
    for key, value in table.items():
        what = {OTHERS: "", TOTAL: TOTAL}.get(key)
        found[_lesson(key, name) if what is None else what] = _percentages(value, name)
    return {what: boundaries for what, boundaries in found.items() if boundaries}


def _percentages(value: object, name: str) -> tuple[float, ...]:
    found = [_number(one, "a boundary", name) for one in value] if isinstance(value, list) else None
    if found is None or any(one > 100 for one in found):
        raise BadPolicy(f"{name}: boundaries are a list of percentages, such as [50, 60]; it is {value!r}")
    if shares := [one for one in found if 0 < one <= 1]:
        meant = f"write {number(100 * shares[0])} for {number(shares[0])}"
        raise BadPolicy(f"{name}: boundaries are in percent of the points, such as [50, 60], and no shares; {meant}")
    return tuple(sorted(found))


def _lesson(key: str, name: str) -> str:
    """The lesson of this name, number or topic."""
    lessons = sorted({exercise.lesson for exercise in EXERCISES.values()})
    lesson = lesson_called(key, lessons)
    if not lesson:
        raise BadPolicy(f"{name}: there is no lesson {key!r} with exercises{_meant(key, lessons)}")
    return lesson


def _zone(value: object, name: str) -> tzinfo | None:
    if value is None:
        return None
    try:
        return ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadPolicy(f"{name}: there is no time zone {value!r}; write one such as 'Europe/Zurich'") from None


def _deadlines(said: Mapping[str, Any], zone: tzinfo | None, name: str) -> dict[str, datetime]:
    found = {"": _moment(said["deadline"], "deadline", zone, name)} if "deadline" in said else {}
    for key, value in _table(said.get("deadlines", {}), "deadlines", name).items():
        found[_lesson(key, name)] = _moment(value, f"the deadline of {key}", zone, name)
    return found


def _moment(value: object, what: str, zone: tzinfo | None, name: str) -> datetime:
    """A date alone means its end."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(23, 59, 59))
    if not isinstance(value, datetime):
        raise BadPolicy(f"{name}: {what} must be a date and a time, such as 2026-11-30T18:00:00+01:00; it is {value!r}")
    if value.tzinfo is None and zone is None:
        raise BadPolicy(
            f'{name}: {what} has no time zone; add time_zone = "Europe/Zurich" or the like, or write +01:00'
        )
    return value if value.tzinfo is not None else value.replace(tzinfo=zone)


def _points(said: object, name: str) -> dict[str, float]:
    points = {}
    for key, value in _table(said, "points", name).items():
        _known_exercise(key, name)
        points[key] = _number(value, f"the points of {key}", name)
        if not points[key]:
            raise BadPolicy(f"{name}: the points of {key} must be more than 0")
    return points


def _weights(said: object, name: str) -> dict[str, dict[str, float]]:
    weights: dict[str, dict[str, float]] = {}
    for key, table in _table(said, "weights", name).items():
        _known_exercise(key, name)
        checks = [check.name for check in EXERCISES[key].checks]
        weights[key] = {}
        for check, value in _table(table, f"weights.{key}", name).items():
            if check not in checks:
                raise BadPolicy(f"{name}: {key} has no check {check!r}{_meant(check, checks)}")
            weights[key][check] = _number(value, f"the weight of {check!r}", name)
        if not any(weights[key].get(check, 1.0) for check in checks):
            raise BadPolicy(
                f"{name}: all checks of {key} have the weight 0, so it can't be marked; leave one its weight"
            )
    return weights


def _known_exercise(key: str, name: str) -> None:
    if key not in EXERCISES:
        raise BadPolicy(f"{name}: there is no exercise {key!r}{_meant(key, list(EXERCISES))}")


def _table(value: object, key: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadPolicy(f"{name}: {key} must be a table, [{key}]; it is {value!r}")
    return value


def _meant(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(known)}" if len(known) <= 12 else ""


# Telling it


def in_words(policy: Policy, lesson: str = "") -> list[str]:
    """The policy, a sentence for each rule. lesson: the only one of interest."""
    if lesson:
        policy = _of_lesson(policy, lesson)
    told = ["An exercise gives its points times the share of its checks that passed."]
    if policy.not_run:
        share = _percent(policy.not_run)
        told.append(
            f"A check that was not run, for want of one before it, earns {share} of its share where a check of the "
            "exercise passed."
        )
    else:
        told.append("A check that was not run, for want of one before it, earns nothing.")
    told += [f"{exercise} is worth {number(points)} points." for exercise, points in policy.points.items()]
    for exercise, weights in policy.weights.items():
        told += [f"In {exercise}, the check “{check}” counts {number(one)} times." for check, one in weights.items()]
    told.append(attempts.IN_WORDS[policy.attempt])
    if policy.attempt != attempts.EXACT_NAME:
        told.append(attempts.OF_THOSE)
    if not lesson:
        told += _told_of_boundaries(policy)
    for lesson, moment in sorted(policy.deadlines.items()):
        what = lesson or ("All other lessons" if len(policy.deadlines) > 1 else "Every lesson")
        told.append(f"{what}: to be handed in by {_shown(moment)}.")
    if not policy.deadlines:
        return [*told, "There is no deadline."]
    if policy.grace:
        told.append(f"Up to {number(policy.grace.total_seconds() / 60)} minutes later is not late.")
    if policy.late_days:
        told.append(f"Each student has {policy.late_days} late days that cost nothing, used in the order of deadlines.")
        told.append("What gives no points uses none of them.")
    if policy.penalty:
        told.append(f"Each day begun after the deadline costs {_percent(policy.penalty)} of the points had.")
    if policy.none_after is not None:
        told.append(f"What is more than {number(policy.none_after)} days late gives no points.")
    if not policy.penalty and policy.none_after is None:
        told.append("Lateness is shown, and costs nothing.")
    return told


def _told_of_boundaries(policy: Policy) -> list[str]:
    of_others = "any other lesson's" if set(policy.boundaries) - {"", TOTAL} else "a lesson's"
    whose = {what: f"{what}'s" for what in policy.boundaries} | {"": of_others, TOTAL: "all lessons'"}
    return [
        f"Marks within {number(policy.near_boundary)} % of {' %, '.join(map(number, boundaries))} % of {whose[what]} "
        "points are shown to the instructor."
        for what, boundaries in policy.boundaries.items()
    ]


def _of_lesson(policy: Policy, lesson: str) -> Policy:
    mine = {name for name, exercise in EXERCISES.items() if exercise.lesson == lesson}
    deadline = policy.deadline(lesson)
    return replace(
        policy,
        points={name: points for name, points in policy.points.items() if name in mine},
        weights={name: weights for name, weights in policy.weights.items() if name in mine},
        deadlines={lesson: deadline} if deadline is not None else {},
    )


def _percent(share: float) -> str:
    return f"{number(100 * share)} %"


def _shown(moment: datetime, with_seconds: bool = False) -> str:
    seconds = f":{moment:%S}" if with_seconds else ""
    return f"{moment:%d %B %Y, %H:%M}{seconds} ({moment:%Z})".lstrip("0")


# Applying it


def scored(policy: Policy, row: Row) -> Row:
    """A row with the points that its checks give by the policy."""
    exercise = row["exercise"]
    most = policy.points.get(exercise, row["max_score"])
    weights = policy.weights.get(exercise, {})
    checks = row["checks"]
    plain = not weights and not (policy.not_run and row["status"] != "passed")
    if plain or not checks:
        factor = most / row["max_score"] if row["max_score"] else 1.0
        return row | {"score": round(row["score"] * factor, 6), "max_score": most}
    passed = [check["passed"] for check in checks]
    kept = policy.not_run if any(passed) else 0.0
    earned = [1.0 if check["passed"] else kept if check["message"].startswith("Not run") else 0.0 for check in checks]
    counts = [weights.get(check["name"], 1.0) for check in checks]
    share = sum(count * one for count, one in zip(counts, earned, strict=True)) / sum(counts)
    return row | {"score": round(most * share, 6), "max_score": most}


def apply(policy: Policy, results: Iterable[tuple[str, HandedIn, Sequence[Row]]]) -> list[Applied]:
    """The results of one student: for each attempt at a lesson the lesson's name, when it was handed in, and its rows.
    Of several attempts the one with the most points counts, and of those the one that used the fewest late days, and of
    those the last.
    """
    listed = list(results)
    found: dict[int, Applied] = {}
    left = policy.late_days
    lessons: dict[str, list[int]] = {}
    for position, (lesson, _, _) in enumerate(listed):
        lessons.setdefault(lesson, []).append(position)
    for lesson in sorted(lessons, key=lambda one: policy.deadline(one) or datetime.max.replace(tzinfo=UTC)):
        tried = {position: _applied(policy, *listed[position], left) for position in lessons[lesson]}
        best = max(tried, key=lambda position: (round(tried[position].points, 6), -tried[position].free, position))
        left -= tried[best].free
        found |= {position: replace(one, counts=position == best) for position, one in tried.items()}
    return [found[position] for position in range(len(listed))]


def _applied(policy: Policy, lesson: str, handed_in: HandedIn, rows: Sequence[Row], left: int) -> Applied:
    """left: late days that the student still has."""
    by_points = [scored(policy, row) for row in rows]
    rules = _rules_of_checks(policy, rows, by_points)
    days = _days_late(policy, lesson, handed_in)
    free = min(left, days or 0)
    factor, told = _lateness(policy, lesson, handed_in, days, free)
    if free and not any(row["score"] * factor for row in by_points):  # a late day would be spent on nothing
        free = 0
        factor, told = _lateness(policy, lesson, handed_in, days, free)
    final = [row | {"score": round(row["score"] * factor, 6)} for row in by_points]
    return Applied(final, (*rules, *told), days, free)


def _rules_of_checks(policy: Policy, before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    rules = []
    for old, new in zip(before, after, strict=True):
        if not old["max_score"] or math.isclose(old["score"], new["score"], abs_tol=1e-6):
            continue
        name = old["exercise"]
        why = []
        if not math.isclose(old["max_score"], new["max_score"]):
            why.append(f"it is worth {number(new['max_score'])} points")
        if policy.weights.get(name):
            why.append("checks have the weights that the instructor gave them")
        if policy.not_run and old["status"] != "passed":
            why.append(f"checks that were not run earn {_percent(policy.not_run)} of their share")
        rules.append(
            f"{name}: {number(new['score'])} points instead of {number(old['score'])}, for {' and '.join(why)}."
        )
    return rules


def moment_of(policy: Policy, handed_in: HandedIn) -> datetime | None:
    """A time without a zone is one in the policy's."""
    if not handed_in.when:
        return None
    moment = datetime.fromisoformat(handed_in.when)
    return moment if moment.tzinfo else moment.replace(tzinfo=policy.zone)


def time_shown(policy: Policy, handed_in: HandedIn) -> str:
    """For a page; a time with a zone is shown in the policy's."""
    moment = moment_of(policy, handed_in)
    if moment is None:
        return ""
    is_told = datetime.fromisoformat(handed_in.when).tzinfo is not None or policy.zone is not UTC
    return _shown(moment.astimezone(policy.zone)) if is_told else f"{moment:%d %B %Y, %H:%M}".lstrip("0")


def _days_late(policy: Policy, lesson: str, handed_in: HandedIn) -> int | None:
    """Days begun after the deadline; where only the system says that it was late, one."""
    deadline, moment = policy.deadline(lesson), moment_of(policy, handed_in)
    if deadline is None:
        return None
    if moment is None:
        return 1 if handed_in.late else None
    after = moment - deadline
    return math.ceil(after / _DAY) if after > policy.grace else 0


def _lateness(policy: Policy, lesson: str, handed_in: HandedIn, days: int | None, free: int) -> tuple[float, list[str]]:
    """By what points are multiplied, and what is to be said."""
    if not days:
        return 1.0, []
    deadline, moment = policy.deadline(lesson), moment_of(policy, handed_in)
    assert deadline is not None
    began = f"{days} day{'s' if days > 1 else ''}"
    if moment is None:
        told = ["The system says that it was late, and not by how much: taken as one day."]
    else:
        moment = moment.astimezone(deadline.tzinfo)
        needs_seconds = f"{moment:%H:%M}" == f"{deadline:%H:%M}"  # else it seems to be in time, or days to be too many
        when, by = (_shown(one, needs_seconds) for one in (moment, deadline))
        told = [f"Handed in {when}, after the deadline {by}: {began} late."]
    if free:
        told.append(f"{free} of the {policy.late_days} late days {'was' if free == 1 else 'were'} used.")
    costly = days - free
    if policy.none_after is not None and costly > policy.none_after:
        return 0.0, [*told, f"What is more than {number(policy.none_after)} days late gives no points."]
    factor = max(0.0, 1.0 - policy.penalty * costly)
    if factor < 1:
        told.append(f"{_percent(1 - factor)} of the points were taken off.")
    return factor, told
