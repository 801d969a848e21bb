"""Which statements of a notebook are the answer to its exercises: those that define what is asked for, and
those that these need. It reads the code and runs none of it, and may not know what the exercises expect.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from bnn_core.answers.cell_code import PARSER_ERRORS, NotPython, Version, parse
from bnn_core.answers.program import Block, Program, statement_text

MAX_CHARACTERS = 500_000
MAX_STATEMENTS = 10_000
"""How much code of one notebook is looked at, of its top-level statements; a cell beyond that is left out."""

CHANGING_METHODS = frozenset({"append", "extend", "insert", "add", "update", "setdefault"})
"""Methods that fill a container: the call is part of what defines it."""

DYNAMIC = frozenset({"eval", "exec", "globals"})
"""Code that uses one of these may need any name."""

MAX_NOTES = 30
COURSE_PACKAGE = "bnn_core"
OVERHEAD = 100  # characters of code that a cell costs as much as

_TOO_MUCH = f"stands beyond {MAX_CHARACTERS:,} characters or {MAX_STATEMENTS:,} statements of code"
_RUNS_A_FILE = re.compile(
    r"""^[ \t]*(%run|%load|exec(?=\())(?:[ \t]+-\w+)*(?:[ \t]+|.{1,40}?\bopen\([ \t]*)"""
    r"""['"]?([\w./ -]{1,100})(?:['"]|[ \t]*$)""",
    re.MULTILINE,
)
_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
_BUILTINS = frozenset(dir(builtins))
_WITH_EFFECTS = frozenset(
    {ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}
    | {ast.Import, ast.ImportFrom, ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.For, ast.withitem}
    | {ast.Await, ast.AsyncFor, ast.AsyncWith, ast.comprehension}
)
_WITHOUT_PARTS = frozenset(
    {ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.alias}
    | {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda}  # theirs aren't evaluated, or not here
)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def answer_cells(
    cells: Sequence[str],
    exercise_names: Iterable[str],
    lesson_cells: Sequence[str] = (),
    written_for: Version | None = None,
) -> Program:
    """The program that defines the exercises as the notebook does.

    cells: the sources of the notebook's code cells. lesson_cells: those of the lesson's own setup cells,
    which supply what the notebook uses and nowhere binds (a lost `import torch`). written_for: the Python that
    the notebook was written with.

    A top-level statement runs when it binds a name that is needed, or changes what the name stands for.
    Binding is a definition, an import, an assignment, also inside `if`, `try`, `with`, `match`; a loop
    binds only what nothing else does. Changing is `name.attribute = …`, `name[key] = …`, `setattr(name,
    …)`, `name.append(…)` and its kin, a decorator that is given the name (`@add_to_class(name)`), and
    `@name.register`. Needed are the exercises, and every global name that a statement which runs refers to.
    Star imports, those from `__future__` and changes of `sys.path` always run, and all imports and definitions do where
    code that runs uses `eval`, `exec` or `globals`. Nothing else runs: no other call that stands alone, `check(…)`
    among them, no experiment, no plot, no magic, no shell command, no `await` outside a function.

    The statements keep the notebook's order, but for one whose name is needed earlier than any statement
    binds it. Of several that bind an exercise all run, so the last counts. Of those that bind what an
    exercise needs, those count that stand before its last definition or its last check, as when the check
    last ran; only where there is none, later ones.
    """
    names = list(dict.fromkeys(exercise_names))
    learner = _Notebook.read(cells, "cell", names, written_for)
    chosen, unbound = learner.select(names)
    lesson = _Notebook.read(lesson_cells, "the lesson's set-up cell", ())
    lost = sorted(name for name in unbound.difference(names) if name in lesson.binders)
    supplied, _ = lesson.select(lost)
    order, moved = _in_order(supplied + chosen)
    notes = [f"no cell binds {name}, so the lesson's own set-up was used for it" for name in lost]
    notes = _shortened([*notes, *learner.notes, *moved])
    sources = {statement.label: "\n".join(statement.lines) for statement in order}
    defined = {name: learner.binders[name][-1].label for name in names if learner.binders[name]}
    program = Program(
        tuple(_blocks(order)),
        sources,
        tuple(notes),
        defined,
        learner.broken,
        any(statement.imports_all for statement in order),
    )
    return replace(program, remarks=_remarks(learner, cells, names, unbound.difference(lost)))


@dataclass(eq=False)
class _Statement:
    """A top-level statement, and what running it would do to the names of the notebook.

    binds, changes: the names it binds, and those whose objects it changes. checks: the names handed to
    `check`. own: the variables of its loops and `with`s, which it needs from nowhere.
    """

    label: str
    lines: list[str] = field(repr=False)
    index: int
    node: ast.stmt
    position: int
    binds: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    is_unconditional: bool = False
    imports_all: bool = False
    awaits: bool = False

    def __post_init__(self) -> None:
        """Look at all that happens at the statement's top level, so not into functions and classes."""
        queue: list[ast.AST] = [self.node]
        while queue:
            node = queue.pop()
            if type(node) in _WITH_EFFECTS:
                self._note_effects(node)
            queue.extend(_evaluated_parts(node))

    def _note_effects(self, node: ast.AST) -> None:
        match node:
            case ast.Name(ctx=ast.Store()):
                self.binds.add(node.id)
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                self.changes |= _root(node)
                self.is_unconditional |= _is_search_path(node)
            case ast.Call():
                self._note_call(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.binds.add(node.name)
                self.changes |= _names_decorated_for(node)
            case ast.Import():
                self.binds |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom():
                self.binds |= {alias.asname or alias.name for alias in node.names} - {"*"}
                self.imports_all |= node.names[0].name == "*"
                self.is_unconditional |= self.imports_all or node.module == "__future__"
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                self.binds.add(name)
            case ast.For():
                self.own |= _stored(node.target)
            case ast.withitem(optional_vars=ast.expr() as target):
                self.own |= _stored(target)
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith() | ast.comprehension(is_async=1):
                self.awaits = True

    def _note_call(self, call: ast.Call) -> None:
        first = {argument.id for argument in call.args[:1] if isinstance(argument, ast.Name)}
        match call.func:
            case ast.Name(id="setattr" | "delattr"):
                self.changes |= first
            case ast.Name(id="check") | ast.Attribute(attr="check"):
                self.checks |= first
            case ast.Attribute(attr=method, value=container) if method in CHANGING_METHODS:
                self.changes |= _root(call.func)
                self.is_unconditional |= _is_search_path(container)

    @property
    def is_loop(self) -> bool:
        return isinstance(self.node, ast.For | ast.While)

    @property
    def is_import_or_definition(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom | _Definition)

    @cached_property
    def needs(self) -> tuple[set[str], set[str]]:
        """The global names it refers to when it runs, and those that its functions refer to when they are
        called.
        """
        at_once, later = _global_names(statement_text(self.lines, self.node))
        return at_once - self.own, later

    @property
    def all_needs(self) -> set[str]:
        at_once, later = self.needs
        return at_once | later


@dataclass
class _Notebook:
    """A notebook's statements, by what they do to which name."""

    statements: list[_Statement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    binders: defaultdict[str, list[_Statement]] = field(default_factory=lambda: defaultdict(list))
    changers: defaultdict[str, list[_Statement]] = field(default_factory=lambda: defaultdict(list))
    last_check: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(
        cls, cells: Sequence[str], kind: str, exercise_names: Collection[str], written_for: Version | None = None
    ) -> _Notebook:
        """Take in all cells; of one that can't be run, keep the reason."""
        notebook = cls()
        characters = 0
        for number, source in enumerate(cells, start=1):
            if not source.strip():
                continue
            label = f"{kind} {number}"
            characters += len(source) + OVERHEAD
            try:
                if characters > MAX_CHARACTERS:
                    raise NotPython(_TOO_MUCH)
                notebook._add(label, *parse(source, written_for))
            except NotPython as error:
                notebook.notes.append(f"{label} {error}, so it was left out")
                lost = (name for name in exercise_names if seems_to_define(source, name))
                notebook.broken.update(dict.fromkeys(lost, f"{label} {error}"))
        return notebook

    def _add(self, label: str, text: str, tree: ast.Module) -> None:
        if len(self.statements) + len(tree.body) > MAX_STATEMENTS:
            raise NotPython(_TOO_MUCH)
        lines = text.split("\n")
        for index, node in enumerate(tree.body):
            statement = _Statement(label, lines, index, node, position=len(self.statements))
            if statement.awaits:
                self.notes.append(f"{label}, line {node.lineno}, awaits outside a function and was left out")
                continue
            self.statements.append(statement)
            for name in statement.binds:
                self.binders[name].append(statement)
            for name in statement.changes:
                self.changers[name].append(statement)
            for name in statement.checks:
                self.last_check[name] = statement.position

    def select(self, names: Iterable[str]) -> tuple[list[_Statement], set[str]]:
        """The statements that provide the names and all that these need, in order; and the names that
        nothing binds.
        """
        chosen = {statement for statement in self.statements if statement.is_unconditional}
        unbound: set[str] = set()
        needed = {name for statement in chosen for name in statement.all_needs if self.binders[name]}
        for name in [*names, *sorted(needed)]:
            chosen |= self._needed_for(name, unbound)
        return sorted(chosen, key=lambda statement: statement.position), unbound

    def _needed_for(self, exercise: str, unbound: set[str]) -> set[_Statement]:
        chosen: set[_Statement] = set()
        defining = self.binders[exercise] + self.changers[exercise]
        horizon = max([self.last_check.get(exercise, -1), *(statement.position for statement in defining)])
        seen: set[str] = set()
        queue = {exercise}
        while queue:
            name = queue.pop()
            seen.add(name)
            new = set(self._providers(name, horizon)) - chosen
            chosen |= new
            if not self.binders[name]:
                unbound.add(name)
            queue |= {needed for statement in new for needed in statement.all_needs} - seen
        return chosen

    def _providers(self, name: str, horizon: int) -> Iterator[_Statement]:
        """What binds or changes the name: up to the horizon, or after it where nothing else binds it."""
        if name in DYNAMIC:
            yield from (statement for statement in self.statements if statement.is_import_or_definition)
        binders = [statement for statement in self.binders[name] if statement.position <= horizon]
        if not binders and name not in _BUILTINS:
            binders = self.binders[name]
        yield from [statement for statement in binders if not statement.is_loop] or binders
        yield from (statement for statement in self.changers[name] if statement.position <= horizon)


def _in_order(statements: Sequence[_Statement]) -> tuple[list[_Statement], list[str]]:
    """The statements such that what a statement needs at once is bound before it, and a note for each that
    was moved.
    """
    ordering = _Ordering(statements)
    notes: list[str] = []
    order: list[_Statement] = []
    for root in statements:
        stack = [] if root in ordering.begun else [(root, ordering.needed_before(root))]
        while stack:  # depth first, without recursion: a notebook may be made to exhaust the stack
            statement, pending = stack[-1]
            ordering.begun.add(statement)
            name, first = next(((name, first) for name, first in pending if first not in ordering.begun), ("", None))
            if first is None:
                order.append(statement)
                stack.pop()
            else:
                notes.append(f"{first.label} was run before {statement.label}, which needs its {name}")
                stack.append((first, ordering.needed_before(first)))
    return order, list(dict.fromkeys(notes))


class _Ordering:
    """Which statements have had, or are having, their turn; and which must have theirs before another's."""

    def __init__(self, statements: Sequence[_Statement]) -> None:
        self.begun: set[_Statement] = set()
        self.seen: set[str] = set()  # names that are bound by now, or about to be
        self.binders: defaultdict[str, list[_Statement]] = defaultdict(list)
        for statement in statements:
            for name in statement.binds:
                self.binders[name].append(statement)

    def needed_before(self, statement: _Statement) -> Iterator[tuple[str, _Statement]]:
        """The names that the statement needs at once and that nothing has bound, each with what binds it.

        That includes the names that a function which the statement may call refers to.
        """
        queue = sorted(statement.needs[0])
        while queue:
            name = queue.pop()
            if name in self.seen:
                continue
            self.seen.add(name)
            binders = self.binders.get(name, [])
            if self.begun.isdisjoint(binders):
                yield from ((name, binder) for binder in binders)
            queue += sorted({later for binder in binders for later in binder.needs[1]} - self.seen)


def _remarks(
    notebook: _Notebook, cells: Sequence[str], names: Sequence[str], unbound: Collection[str]
) -> dict[str, str]:
    """For each exercise, what its author may not have meant: a second definition, a file that isn't run."""
    needs_more = not _BUILTINS.issuperset(unbound)
    files = [*_unread_files(cells)] if needs_more else []
    remarks = {}
    for name in names:
        sentences = [_said_of_two_definitions(name, notebook.binders[name]), *files]
        if told := " ".join(filter(None, sentences)):
            remarks[name] = told
    return remarks


def _said_of_two_definitions(name: str, binders: Sequence[_Statement]) -> str:
    """That another definition than the last one doesn't count, unless the last one makes use of it."""
    if len(binders) < 2 or name in binders[-1].needs[0]:
        return ""
    first, last = binders[-2], binders[-1]
    same = first.label == last.label
    places = [f"{one.label}, line {one.node.lineno}" if same else one.label for one in (first, last)]
    return f"{name} is defined in {places[0]} and again in {places[1]}, which counts: delete the one you don't mean."


def _unread_files(cells: Sequence[str]) -> Iterator[str]:
    """The files whose code the notebook asks for in a way that isn't followed."""
    for number, source in enumerate(cells, start=1):
        for means, name in _RUNS_A_FILE.findall(source[:MAX_CHARACTERS]):
            file = name.strip().rpartition("/")[2]
            module = re.sub(r"\W", "_", re.sub(r"\.(?:py|ipynb)$", "", file))
            yield (
                f"Cell {number} asks for {file} by {means}, which isn't carried out: write `from {module} import *`, "
                f"and hand in {module}.py beside the notebook."
            )


def _shortened(notes: list[str]) -> list[str]:
    more = len(notes) - MAX_NOTES
    return notes if more <= 0 else [*notes[:MAX_NOTES], f"and {more} more remarks of this kind"]


def _blocks(statements: Iterable[_Statement]) -> Iterator[Block]:
    for label, group in groupby(statements, key=lambda statement: statement.label):
        yield Block(label, tuple(member.index for member in group))


def _evaluated_parts(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node whose effects are those of the notebook's top level."""
    if type(node) in _WITHOUT_PARTS or (isinstance(node, ast.AnnAssign) and node.value is None):
        return ()
    if isinstance(node, ast.comprehension):  # its variable is its own
        return [node.iter, *node.ifs]
    return ast.iter_child_nodes(node)


def _global_names(text: str) -> tuple[set[str], set[str]]:
    """The global names that a statement refers to as it runs, and those that its functions do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            top = symtable.symtable(text, "cell", "exec")
    except PARSER_ERRORS:  # running it will say what is wrong
        return set(), set()
    at_once = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    later: set[str] = set()
    queue = [(table, at_once) for table in top.get_children()]
    while queue:
        table, names = queue.pop()
        if table.get_type() == "function" and table.get_name() not in _COMPREHENSIONS:
            names = later
        names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
        queue += [(child, names) for child in table.get_children()]
    return at_once, later


def _names_decorated_for(definition: _Definition) -> set[str]:
    """The names that a definition changes through its decorators: `@add_to_class(Name)`, `@name.register`."""
    names: set[str] = set()
    for decorator in definition.decorator_list:
        function = decorator
        if isinstance(decorator, ast.Call):
            names |= {argument.id for argument in decorator.args if isinstance(argument, ast.Name)}
            function = decorator.func
        if isinstance(function, ast.Attribute) and function.attr == "register":
            names |= _root(function)
    return names


def _root(node: ast.expr) -> set[str]:
    """The name before all attributes and indices, where there is one."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _is_search_path(node: ast.expr) -> bool:
    """Whether it is `sys.path`, or a part of it."""
    while isinstance(node, ast.Subscript):
        node = node.value
    match node:
        case ast.Attribute(attr="path", value=ast.Name(id="sys")):
            return True
    return False


def _stored(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def seems_to_define(source: str, name: str, at_top: bool = False) -> bool:
    """Whether a line of the text begins as a definition of the name does; for text that can't be parsed, or needn't.

    at_top: only a line that isn't indented counts.
    """
    begin = r"^(?:>>> |In \[\d+\]: )?" if at_top else r"^[ \t]*"
    definition = rf"{begin}(?:(?:class|def|async[ \t]+def)[ \t]+{name}\b|{name}[ \t]*=(?!=))"
    return re.search(definition, source, re.MULTILINE) is not None


def imported_modules(statement: ast.stmt) -> set[str]:
    """The top-level names of the modules that the statement imports, at whatever depth."""
    found: set[str] = set()
    for node in ast.walk(statement):
        match node:
            case ast.Import():
                found |= {alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found
