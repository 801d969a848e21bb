"""The files that an instructor gives beside the submissions: the list of the class, the policy, and overrides. They are
read before anything is graded, and what is wrong with one is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnn_core.classroom.text import as_name
from bnn_core.course.arguments import BadArgument, refusing_unusable

if TYPE_CHECKING:
    from bnn_core.classroom.roster import Person

LARGEST_POLICY = 1_000_000


def policy_beside(submissions: Path | None) -> Path | None:
    """The file that lies in the folder of submissions, or where the zip lies."""
    if submissions is None:
        return None
    path = (submissions if submissions.is_dir() else submissions.parent) / "grading.toml"
    return path if path.is_file() else None


def policy_text(given: Path | None, submissions: Path) -> str | None:
    """The text of the policy, which is one that can be used; None where no file was given this time."""
    path = given or policy_beside(submissions)
    return _text(path) if path is not None else None


def _text(path: Path) -> str:
    from bnn_core.classroom.policy import read_policy

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_POLICY + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise BadArgument(f"{path} can't be read: {error.strerror}; give the policy's file") from None
    except UnicodeDecodeError:
        raise BadArgument(f"{path} is no text in UTF-8; save it as that") from None
    if len(content) > LARGEST_POLICY:
        raise BadArgument(f"{path} is larger than {LARGEST_POLICY // 1_000_000} MB; give the policy's file")
    with refusing_unusable():
        read_policy(text, as_name(str(path)))
    return text


def rule_of(given: str | None, before: str) -> str:
    """By which rule one of several attempts counts. given: the policy's text of this time; before: the report's."""
    from bnn_core.classroom.policy import read_policy

    return read_policy(before if given is None else given).attempt


def explained(path: Path | None) -> list[str]:
    """The policy in words."""
    from bnn_core.classroom.policy import in_words, read_policy

    return in_words(read_policy(_text(path) if path is not None else ""))


def people_in(roster: Path | None) -> Sequence[Person] | None:
    """Everyone on the list that was given."""
    if roster is None:
        return None
    from bnn_core.classroom.roster import read_roster
    from bnn_core.classroom.tables import Table

    with refusing_unusable():
        return read_roster(Table.read(roster)).people


def look_at_overrides(report: Path) -> None:
    """Raises BadArgument where the file can't be read, before anything is graded."""
    from bnn_core.classroom.overrides import read_overrides

    with refusing_unusable():
        read_overrides(report)
