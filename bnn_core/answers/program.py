"""A learner's answer as a program: which statements of which cells to run, and running them as a kernel
would.

This module stands alone: it needs the standard library and nothing of the course, so that a copy of it can
run what it is sent in a process that holds no check. It may not know what an exercise expects, nor how a
notebook is read.
"""

from __future__ import annotations
import __future__

import ast
import json
import linecache
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

MODULE_NAME = "__main__"
"""What a notebook's module is called in a kernel, and so here."""

MAX_MESSAGE = 500
"""How many characters of an exception's message `describe` shows."""

_FUTURE_FLAGS = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]


@dataclass(frozen=True)
class Block:
    """Statements of one cell that run one after the other.

    label: the cell, as in "cell 5", the fifth code cell of the notebook. statements: the positions, among
    the cell's top-level statements, of those to run.
    """

    label: str
    statements: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """The learner's answer, ready to run.

    sources: by its label, all of each cell that the blocks take statements from, so that line numbers are
    the learner's. notes: sentences on what was left out or put right. defined: for each exercise that a
    cell defines, the label of the last such cell. broken: for each exercise that seems to stand in a cell
    that can't be run, what is wrong with it. imports_all: whether a star import may define any name.
    remarks: for an exercise, sentences on what may keep it from passing, with what to do.
    """

    blocks: tuple[Block, ...]
    sources: dict[str, str]
    notes: tuple[str, ...] = ()
    defined: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    imports_all: bool = False
    remarks: dict[str, str] = field(default_factory=dict)

    def cannot_run(self, name: str) -> tuple[str, str] | None:
        """The status of an exercise of which there is nothing to run, and why; None where there is something."""
        if name in self.defined:
            return None
        if name in self.broken:
            return "error", self._with_remark(name, self.broken[name])
        if self.imports_all:
            return None
        return "not_attempted", self._with_remark(name, "no cell of the notebook defines it")

    def undefined(self, name: str, errors: Sequence[str]) -> tuple[str, str]:
        """The status of an exercise that the program, which raised these errors, didn't define; and why."""
        if not errors and name not in self.defined:
            return "not_attempted", self._with_remark(name, "no cell of the notebook defines it")
        why = "; ".join(errors) or f"{self.defined[name]} does not define it when it runs"
        return "error", self._with_remark(name, why)

    def _with_remark(self, name: str, why: str) -> str:
        return f"{why}. {self.remarks[name]}".removesuffix(".") if name in self.remarks else why

    def statements(self) -> Iterator[tuple[str, ast.stmt]]:
        """Each statement with its cell's label, in the order in which they run."""
        bodies = {label: _body(label, source) for label, source in self.sources.items()}
        for block in self.blocks:
            for position in block.statements:
                yield block.label, bodies[block.label][position]

    def code(self) -> list[tuple[str, str]]:
        """What runs, as text to read: for each block its cell's label and its statements."""
        lines = {label: source.split("\n") for label, source in self.sources.items()}
        parts = ((label, statement_text(lines[label], node)) for label, node in self.statements())
        return [(label, "\n\n".join(text for _, text in group)) for label, group in groupby(parts, itemgetter(0))]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Program:
        """What `to_json` wrote."""
        values = json.loads(text)
        blocks = tuple(Block(block["label"], tuple(block["statements"])) for block in values["blocks"])
        return cls(**{**values, "blocks": blocks, "notes": tuple(values["notes"])})


def run_program(
    program: Program, namespace: dict[str, Any] | None = None, interruptible: bool = True
) -> tuple[dict[str, Any], list[tuple[str, BaseException]]]:
    """Run the statements in order, in one namespace; give the namespace, and for each statement that raised
    its cell's label and the exception. The statements after it still run.

    Without a namespace a new module takes the place of `__main__` in `sys.modules`, so that the learner's
    classes can be pickled and inspected; to put the old one back is the caller's affair. Magics that are
    left do nothing here. interruptible: whether someone may press Ctrl-C, and KeyboardInterrupt ends the run.
    """
    if namespace is None:
        namespace = _new_main_module()
    namespace.setdefault("display", print)
    namespace.setdefault("get_ipython", QuietShell)
    _show_sources(program)
    errors: list[tuple[str, BaseException]] = []
    flags = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for label, statement in program.statements():
            try:
                code = compile(ast.Module([statement], []), label, "exec", flags, dont_inherit=True)
                flags |= _future_flags(code)
                exec(code, namespace)
            except BaseException as error:  # SystemExit too: a cell that calls exit() ends nothing here
                if interruptible and isinstance(error, KeyboardInterrupt):
                    raise
                errors.append((label, error))
    return namespace, errors


def describe(label: str, error: BaseException) -> str:
    """The exception in a line, as in "cell 5, line 3: NameError: name 'nn' is not defined"."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        text = f"{type(error).__name__}: {message}".removesuffix(": ")
    except BaseException:  # the exception is the learner's, and so is its __str__
        text = "an exception that can't be shown"
    line = _line_of(label, error)
    place = label if line is None else f"{label}, line {line}"
    return f"{place}: {text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + '…'}"


def statement_text(lines: list[str], statement: ast.stmt) -> str:
    """The text of a top-level statement, its decorators included, in a cell of these lines."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    last = (statement.end_lineno or statement.lineno) - 1
    text = [line.encode() for line in lines[first : last + 1]]  # columns count bytes
    text[-1] = text[-1][: statement.end_col_offset]
    text[0] = text[0][statement.col_offset :]
    return b"\n".join(text).decode()


class QuietShell:
    """Stands where IPython's shell would: takes every command and carries out none."""

    def getoutput(self, *_: Any, **__: Any) -> list[str]:
        return []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _new_main_module() -> dict[str, Any]:
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = module
    return module.__dict__


def _show_sources(program: Program) -> None:
    """Let tracebacks and `inspect` find the cells' lines, as in a kernel those of functions and not of classes."""
    for name, source in program.sources.items():
        lines = [line + "\n" for line in source.split("\n")]
        linecache.cache[name] = (len(source), None, lines, name)


def _body(label: str, source: str) -> list[ast.stmt]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\s" in a label of a plot is no affair of ours
        return ast.parse(source, label).body


def _future_flags(code: types.CodeType) -> int:
    """The `from __future__` imports in force, which in a kernel hold for all later statements."""
    return sum(flag for flag in _FUTURE_FLAGS if code.co_flags & flag)


def _line_of(label: str, error: BaseException) -> int | None:
    """The line of that cell in which the exception arose."""
    if isinstance(error, SyntaxError) and error.filename == label:
        return error.lineno
    line, traceback = None, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == label:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
