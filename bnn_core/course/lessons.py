"""Which lesson a person means. It may not know what a lesson is for."""

from __future__ import annotations

from bnn_core.course.arguments import BadArgument


def graded_lessons() -> list[str]:
    """The lessons that have exercises."""
    from bnn_core.autograder.exercises import EXERCISES

    return sorted({exercise.lesson for exercise in EXERCISES.values()})


def graded_lesson(wanted: str) -> str:
    """By its name, its number or its topic. Raises BadArgument."""
    from bnn_core.lesson_files import lesson_called

    lessons = graded_lessons()
    if lesson := lesson_called(wanted, lessons):
        return lesson
    raise BadArgument(f"there is no lesson {wanted!r} with exercises; there are: {', '.join(lessons)}")
