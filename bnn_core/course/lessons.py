"""Which lesson a person means. It may not know what a lesson is for."""

from __future__ import annotations

from pathlib import Path

from bnn_core.course.arguments import BadArgument


def graded_lessons() -> list[str]:
    """The lessons that have exercises."""
    from bnn_core.autograder.exercises import EXERCISES

    return sorted({exercise.lesson for exercise in EXERCISES.values()})


def graded_lesson(wanted: str) -> str:
    """By its name, its number or its topic. Raises BadArgument."""
    name = Path(wanted).name.removesuffix(".ipynb")
    lessons = graded_lessons()
    for lesson in lessons:
        number, _, topic = lesson.partition("_")
        if name in (lesson, number, number.lstrip("0") or "0", topic):
            return lesson
    raise BadArgument(f"there is no lesson {wanted!r} with exercises; there are: {', '.join(lessons)}")
