"""What people may type after a command, and how they are told that it can't be done: in one line, with exit status 2.
It knows no command.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from bnn_core.classroom.refusals import Unusable
from bnn_core.classroom.shares import Share
from bnn_core.classroom.tables import amount
from bnn_core.classroom.text import as_name, clean
from bnn_core.lesson_files import LessonFileError

MOST_NAMES = 20
"""How many names a line lists."""

_HELD = "\N{NON-BREAKING HYPHEN}"

LONGEST_TIME = 86_400.0
"""Seconds that anything may be given: a day."""


class BadArgument(click.ClickException):
    """What was asked for can't be done: one line, and exit status 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class Amount(click.FloatRange):
    """A number within bounds, which `nan` is not, with a point or a comma in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = amount(str(value))
        if found is None or math.isnan(found):
            self.fail(f"{value} is no number.", param, ctx)
        return float(super().convert(found, param, ctx))


class Folder(click.Path):
    """The path of a folder; an empty text, as from a variable that isn't set, is none."""

    def __init__(self, exists: bool = False) -> None:
        super().__init__(exists=exists, file_okay=not exists, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "" or "\0" in str(value):
            self.fail("it names no folder.", param, ctx)
        return super().convert(value, param, ctx)


class ShareArgument(click.ParamType[Share]):
    """One of several shares of a class."""

    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Share:
        try:
            return value if isinstance(value, Share) else Share.written(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class TableFile(click.Path):
    """The path of a file that holds a table, to be read or to be written; an empty text is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "" or "\0" in str(value):
            self.fail("it names no file.", param, ctx)
        return super().convert(value, param, ctx)


SECONDS = Amount(0.1, LONGEST_TIME)


class WholeWords(click.HelpFormatter):
    """Help in which no line ends within `--timeout` or `bnn-course`, so that what is to be typed can be copied."""

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HELD))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(first, second.replace("-", _HELD)) for first, second in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(_HELD, "-")


class CommandContext(click.Context):
    formatter_class = WholeWords


class Commands(click.Group):
    """Commands whose complaints are one line and no traceback."""

    context_class = CommandContext

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.context_class = CommandContext
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_line():
            return super().invoke(ctx)


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Turns what a person did wrong, and what the system refuses, into BadArgument."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "bnn-course"
        sentence = " ".join(error.format_message().split()).rstrip(".")
        raise BadArgument(f"{sentence}; `{command} --help` says what can be given") from None
    except LessonFileError as error:
        raise BadArgument(str(error)) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read has read enough
            raise
        raise BadArgument(f"{of_the_system(error)}; {what_to_do(error)}") from None


@contextlib.contextmanager
def refusing_unusable() -> Iterator[None]:
    """Turns what is wrong with a file that was given, and somebody else's writing to the report, into one line."""
    try:
        yield
    except Unusable as error:
        raise BadArgument(str(error)) from None


def of_the_system(error: OSError) -> str:
    """What the system refused, with the file if it names one."""
    place = f"{as_name(os.fsdecode(error.filename))}: " if isinstance(error.filename, str | bytes) else ""
    return f"{place}{error.strerror or as_name(str(error))}"


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Names in a line, as many as fit; with semicolons between them where a name has a comma."""
    between = "; " if any("," in name for name in names) else ", "
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(map(as_name, names[:most])) + more


def is_refusal(error: OSError) -> bool:
    """Whether the system will refuse it the next time too."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def what_to_do(error: OSError) -> str:
    """The advice that fits what the system says."""
    if is_refusal(error):
        return "choose a folder that you may write to, or change its permissions"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there and start it again to go on from here"
    return "start it again to go on from here"
