"""Reading a learner's notebook: what is read from good, sloppy and hostile files, and what of it then runs."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import sys
import threading
import time
import traceback
import types
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnn_core.answers import notebook as submission
from bnn_core.answers.notebook import (
    Notebook,
    Unreadable,
    answer_cells,
    answer_of,
    as_in_a_kernel,
    lesson_of,
    notebook_in,
    read_notebook,
)
from bnn_core.answers.program import Program, QuietShell, describe, run_program

LESSONS = {"03_linear": ("Layer",), "07_measures": ("entropy", "mutual")}


def code_cell(source: Any, **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": 1,
        **more,
    }


def notebook(*sources: Any, **more: Any) -> dict[str, Any]:
    return {"cells": [code_cell(source) for source in sources], "metadata": {}, "nbformat": 4, **more}


def written(folder: Path, content: Any, name: str = "answer.ipynb") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def kept(cells: Sequence[str], *names: str, lesson: Sequence[str] = ()) -> str:
    """What would run, as one text."""
    return "\n".join(code.replace("\n\n", "\n") for _, code in answer_cells(cells, names or ["A"], lesson).code())


@pytest.fixture(autouse=True)
def _main_module_stays() -> Iterator[None]:
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def run(*cells: str, names: Sequence[str] = ("A",)) -> dict[str, Any]:
    """The namespace of an answer that raises nothing."""
    namespace, errors = run_program(answer_cells(cells, names))
    assert errors == []
    return namespace


# Reading


class TestReadNotebook:
    plain = notebook("a = 1\n", "b = 2")
    text = json.dumps(plain).encode()

    @pytest.mark.parametrize(
        "content",
        [
            text,
            b"\xef\xbb\xbf" + text,
            json.dumps(plain).encode("utf-16"),
            json.dumps(plain).encode("utf-16-le"),
            json.dumps(plain, indent=1).replace("\n", "\r\n").encode(),
            b"\n\n  " + text + b"\n",
            json.dumps(notebook(["a = ", "1\n"], ["b = 2"])).encode(),
            json.dumps({"cells": [{"cell_type": "code", "source": s} for s in ("a = 1\n", "b = 2")]}).encode(),
            json.dumps({"cells": [{"outputs": [], "source": s} for s in ("a = 1\n", "b = 2")]}).encode(),
            json.dumps({**plain, "metadata": None, "nbformat": "four"}).encode(),
            json.dumps({**plain, "cells": [None, 3, {"cell_type": "markdown"}, *plain["cells"], []]}).encode(),
            json.dumps({**plain, "metadata": {"loss": float("nan"), "best": float("-inf")}}).encode(),
            json.dumps({"cells": [code_cell(s, outputs={"tool": 1}, id=5) for s in ("a = 1\n", "b = 2")]}).encode(),
            json.dumps({"cells": [code_cell(s, metadata={"tags": "x"}) for s in ("a = 1\n", "b = 2")]}).encode(),
        ],
        ids=[
            "plain", "byte order mark", "utf-16 with mark", "utf-16 without", "windows line ends", "blank around",
            "lists of lines", "only sources", "no cell types", "no metadata", "strange cells among them",
            "not a number", "another tool's outputs", "tags as text",
        ],
    )  # fmt: skip
    def test_whatever_wrote_it_the_code_is_read(self, tmp_path: Path, content: bytes) -> None:
        assert read_notebook(written(tmp_path, content)).cells == ("a = 1\n", "b = 2")

    @pytest.mark.parametrize("version", [2, 3])
    def test_old_formats(self, tmp_path: Path, version: int) -> None:
        sheets = [
            {"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"], "prompt_number": 1, "outputs": []}]},
            {"cells": [{"cell_type": "markdown", "source": "text"}, {"cell_type": "code", "input": "c = 3"}]},
            {"metadata": {}},
        ]
        path = written(tmp_path, {"worksheets": sheets, "nbformat": version, "metadata": {"name": ""}})
        assert read_notebook(path).cells == ("a = 1\nb = 2", "c = 3")

    def test_markdown_without_a_source_does_no_harm(self, tmp_path: Path) -> None:
        cells = [{"cell_type": "markdown", "source": None}, code_cell("a = 1")]
        assert read_notebook(written(tmp_path, {"cells": cells})).cells == ("a = 1",)

    def test_tags_and_lesson_are_read(self, tmp_path: Path) -> None:
        cells = [code_cell("import torch", metadata={"tags": ["setup", 3]}), code_cell("a = 1")]
        path = written(tmp_path, {"cells": cells, "metadata": {"bnn_course": {"lesson": "03_linear"}}})
        assert read_notebook(path).tagged("setup") == ["import torch"]
        assert read_notebook(path).lesson == "03_linear"

    @pytest.mark.parametrize("metadata", [[], "x", {"bnn_course": []}, {"bnn_course": {"lesson": 3}}])
    def test_spoiled_metadata_name_no_lesson(self, tmp_path: Path, metadata: Any) -> None:
        assert read_notebook(written(tmp_path, {"cells": [], "metadata": metadata})).lesson is None

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b" \n\t\n", "empty"),
            (b"\xef\xbb\xbf", "no JSON"),
            (b"# A script\nprint(1)\n", "no JSON"),
            (text[:-20], "no JSON"),
            (b"<html></html>", "no JSON"),
            (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not text"),
            (text.replace(b"a = 1", b"\xe9 = 1"), "not text"),
            (b"[" * 200_000, "no JSON"),
            (b'{"a":' * 200_000, "no JSON"),
            (b"[" + b"9" * 10_000 + b"]", "no JSON"),
            (b'{"cells": [' + b"[]," * 1_000_001 + b"0]}", "more values"),
            (b"null", "no notebook"),
            (b"NaN", "no notebook"),
            (b"[]", "no notebook"),
            (b'"cells"', "no notebook"),
            (b"{}", "no list of cells"),
            (b'{"cells": {"0": {}}}', "no list of cells"),
            (json.dumps(notebook("a = 1", None)).encode(), "cell 2 is not text"),
            (json.dumps(notebook(["a = 1\n", None])).encode(), "cell 1 is not text"),
            (json.dumps(notebook(3.5)).encode(), "cell 1 is not text"),
        ],
        ids=lambda value: ascii(value[:20]),
    )
    def test_no_notebook(self, tmp_path: Path, content: bytes, reason: str) -> None:
        with pytest.raises(Unreadable, match=reason) as caught:
            read_notebook(written(tmp_path, content))
        assert caught.value.reason.endswith(".")

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(Unreadable, match="no such file"):
            read_notebook(tmp_path / "none.ipynb")

    @pytest.mark.parametrize("name", ["x\0y", "x" * 5000])
    def test_impossible_name(self, name: str) -> None:
        with pytest.raises(Unreadable, match="can't be read"):
            read_notebook(Path(name))

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(Unreadable, match="folder"):
            read_notebook(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
    def test_a_pipe_is_refused_and_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.ipynb")
        caught: list[str] = []

        def read() -> None:
            try:
                read_notebook(tmp_path / "pipe.ipynb")
            except Unreadable as error:
                caught.append(error.reason)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(timeout=10)
        assert caught == ["It is a pipe, a socket or a device, not a file."]

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no such device")
    def test_device(self) -> None:
        with pytest.raises(Unreadable, match="device"):
            read_notebook(Path("/dev/zero"))

    def test_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "large.ipynb"
        with path.open("wb") as file:
            file.truncate(submission.MAX_BYTES + 1)
        with pytest.raises(Unreadable, match="larger than 20 MB"):
            read_notebook(path)

    def test_a_link_of_ones_own_is_followed(self, tmp_path: Path) -> None:
        written(tmp_path, self.plain)
        (tmp_path / "link.ipynb").symlink_to("answer.ipynb")
        assert read_notebook(tmp_path / "link.ipynb").cells == ("a = 1\n", "b = 2")

    def test_a_link_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "link.ipynb").symlink_to("link.ipynb")
        with pytest.raises(Unreadable, match="can't be read"):
            read_notebook(tmp_path / "link.ipynb")

    JSON = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["cells", "source", "cell_type", "metadata", "tags", "input"]), inner)
        ),
    )

    @given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | JSON.map(
        lambda value: json.dumps({"cells": [{"cell_type": "code", "source": value}, value]}).encode()
    ))  # fmt: skip
    def test_any_bytes_are_a_notebook_or_unreadable(self, content: bytes) -> None:
        try:
            document = submission._document(content)
            cells = submission._notebook(document).cells
        except Unreadable:
            return
        assert all(isinstance(source, str) for source in cells)


# Which statements run

TRAINING = "layer = A()\nfor step in range(1000):\n    loss = layer.step()\nprint(loss)"


class TestAnswerCells:
    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            (["class A: pass"], "class A: pass"),
            (["x = 1", "class A: pass", TRAINING], "class A: pass"),
            (["class A: pass\n" + TRAINING], "class A: pass"),
            (["class A: pass\ncheck(A)", "check(A)", "result = check(A)"], "class A: pass"),
            (["import torch\nimport seaborn", "def A(): return torch.ones(1)"],
             "import torch\ndef A(): return torch.ones(1)"),
            (["import torch.nn, torch.optim", "def A(): return torch.nn"],
             "import torch.nn, torch.optim\ndef A(): return torch.nn"),
            (["from math import *", "x = 1", "def A(): return pi"], "from math import *\ndef A(): return pi"),
            (["def helper(): return scale", "scale = 2", "def A(): return helper()", "other = helper()"],
             "def helper(): return scale\nscale = 2\ndef A(): return helper()"),
            (["class Base: pass", "class A(Base): pass"], "class Base: pass\nclass A(Base): pass"),
            (["size = 3", "def A(n=size): return n"], "size = 3\ndef A(n=size): return n"),
            (["def twice(f): return f", "@twice\ndef A(): pass"], "def twice(f): return f\n@twice\ndef A(): pass"),
            (["kind = int", "def A(x: kind) -> kind: pass"], "kind = int\ndef A(x: kind) -> kind: pass"),
            (["x = 5", "def A(x): return x"], "def A(x): return x"),
            (["x = 5", "def A(xs): return [x for x in xs]"], "def A(xs): return [x for x in xs]"),
            (["x = 5", "def A(x): return lambda: x"], "def A(x): return lambda: x"),
            (["weight = 5", "class A:\n    weight = 1\n    def f(self): return self.weight"],
             "class A:\n    weight = 1\n    def f(self): return self.weight"),
            (["weight = 5", "class A:\n    def f(self): return weight"],
             "weight = 5\nclass A:\n    def f(self): return weight"),
            (["def make(): pass", "A = make()"], "def make(): pass\nA = make()"),
            (["A, B = 1, 2"], "A, B = 1, 2"),
            (["A: int", "A: int = 3"], "A: int = 3"),
            (["A = 1", "A += 1"], "A = 1\nA += 1"),
            (["print(A := 3)"], "print(A := 3)"),
            (["[A := i for i in (1, 2)]"], "[A := i for i in (1, 2)]"),
            (["from bnn_core import A"], "from bnn_core import A"),
            (["class A: pass", "class A(A): x = 1"], "class A: pass\nclass A(A): x = 1"),
            (["class A: pass", "def forward(self): pass", "A.forward = forward"],
             "class A: pass\ndef forward(self): pass\nA.forward = forward"),
            (["class A: pass", "setattr(A, 'x', 1)", "setattr(B, 'x', 1)"], "class A: pass\nsetattr(A, 'x', 1)"),
            (["class A: pass", "for n in 'xy':\n    setattr(A, n, 1)"],
             "class A: pass\nfor n in 'xy':\n    setattr(A, n, 1)"),
            (["class A: pass", "del A.x"], "class A: pass\ndel A.x"),
            (["class A: pass", "A.a, A.b = 1, 2", "A(3)", "A.a"], "class A: pass\nA.a, A.b = 1, 2"),
            (["def add_to(c): return print", "class A: pass", "@add_to(A)\ndef f(self): pass"],
             "def add_to(c): return print\nclass A: pass\n@add_to(A)\ndef f(self): pass"),
            (["import functools", "@functools.singledispatch\ndef A(x): pass", "@A.register\ndef _(x: int): pass"],
             "import functools\n@functools.singledispatch\ndef A(x): pass\n@A.register\ndef _(x: int): pass"),
            (["import torch", "class A(torch.nn.Module): pass", "@torch.no_grad()\ndef test(): return layer"],
             "import torch\nclass A(torch.nn.Module): pass"),
            (["table = {}", "table['a'] = 1", "table.update(b=2)", "table.get(3)", "def A(): return table"],
             "table = {}\ntable['a'] = 1\ntable.update(b=2)\ndef A(): return table"),
            (["table = []", "for i in range(3):\n    table.append(i)", "def A(): return table"],
             "table = []\nfor i in range(3):\n    table.append(i)\ndef A(): return table"),
            (["try:\n    import quick as q\nexcept ImportError:\n    q = None", "def A(): return q"],
             "try:\n    import quick as q\nexcept ImportError:\n    q = None\ndef A(): return q"),
            (["if True:\n    def A(): pass"], "if True:\n    def A(): pass"),
            (["with open('x') as file:\n    A = file.read()"], "with open('x') as file:\n    A = file.read()"),
            (["match 3:\n    case A: pass"], "match 3:\n    case A: pass"),
            (["match []:\n    case [*A]: pass"], "match []:\n    case [*A]: pass"),
            (["size = 3", "def A(): return size", "for size in (1, 2): train(A, size)"],
             "size = 3\ndef A(): return size"),
            (["for size in (1, 2): pass", "def A(): return size"], "for size in (1, 2): pass\ndef A(): return size"),
            (["i = 5", "for i in 'a': A = i"], "for i in 'a': A = i"),
            (["eps = 1", "def A(): return eps", "check(A)", "eps = draw()"], "eps = 1\ndef A(): return eps"),
            (["eps = 1", "def A(): return eps", "eps = 2", "check(A)"], "eps = 1\ndef A(): return eps\neps = 2"),
            (["eps = 1", "def A(): return eps", "eps = 2"], "eps = 1\ndef A(): return eps"),
            (["def A(xs): return sum(xs)", "sum = 3"], "def A(xs): return sum(xs)"),
            (["def sum(xs): return 0", "def A(xs): return sum(xs)"],
             "def sum(xs): return 0\ndef A(xs): return sum(xs)"),
            (["import math", "y = 1", "def f(): pass", "def A(): return eval('math.pi')"],
             "import math\ndef f(): pass\ndef A(): return eval('math.pi')"),
            (["from __future__ import annotations", "def A(x: B): pass"],
             "from __future__ import annotations\ndef A(x: B): pass"),
            (["a = 1; plot(a); A = a; plot(A)"], "a = 1\nA = a"),
            (["é = 'ü'; A = é; print(é)"], "é = 'ü'\nA = é"),
            (["# note\r\nclass A:\r\n    x = 1\r\nprint(A)\r\n"], "class A:\n    x = 1"),
            (["class A:\n    '''One\x0cpage.'''\nprint(A)"], "class A:\n    '''One\x0cpage.'''"),
            (["await load()", "A = 1", "A = await load()"], "A = 1"),
            (["async def A(): await load()"], "async def A(): await load()"),
            (["del A", "A = 1"], "A = 1"),
            (["", "   \n", "# nothing", "A = 1"], "A = 1"),
            ([], ""),
            (["B = 1"], ""),
        ],
    )  # fmt: skip
    def test_only_what_the_exercise_needs(self, cells: list[str], expected: str) -> None:
        assert kept(cells) == expected

    @pytest.mark.parametrize(
        ("cell", "expected"),
        [
            ("%%time\nA = 1", "A = 1"),
            ("\n# first\n%%capture out\n%%time\nA = 1\nA", "A = 1"),
            ("%%timeit -n 1\nA = 1", "A = 1"),
            ("%%prun\nA = 1", "A = 1"),
            ("%matplotlib inline\nA = 1", "A = 1"),
            ("!pip install torch\n%pip install torch\nA = 1", "A = 1"),
            ("?A\nA = 1\nA??", "A = 1"),
            ("%timeit A()\nA = 1", "A = 1"),
            ("%time A = 1", "A = 1"),
            ("!cd {x} && \\\n  ls\nA = 1", "A = 1"),
            (">>> A = 1\n>>> print(A)", "A = 1"),
            ("In [3]: A = 1", "A = 1"),
            ("    A = 1\n    print(A)", "A = 1"),
            ("x = !ls\nA = 1", "A = 1"),
            ("if x:\n    !ls\nA = '''\n%time\n'''", "A = '''\n%time\n'''"),
        ],
    )
    def test_magics(self, cell: str, expected: str) -> None:
        program = answer_cells([cell], ["A"])
        assert [code for _, code in program.code()] == [expected]
        assert program.notes == ()

    @pytest.mark.parametrize("magic", ["bash", "html", "writefile a.py", "script python", "javascript", "", "é"])
    def test_cells_for_something_else_are_left_out(self, magic: str) -> None:
        program = answer_cells([f"%%{magic}\nA = 1", "B = 1"], ["A", "B"])
        assert [label for label, _ in program.code()] == ["cell 2"]
        assert program.notes[0].startswith("cell 1 is no Python but a cell for %%")
        assert set(program.broken) == {"A"}

    @pytest.mark.parametrize("body", ["    %time y = 2", "    y = 2\n    !false", "    y = 2\n    files = !false"])
    def test_magics_inside_a_function_do_nothing(self, body: str) -> None:
        assert run(f"def A():\n{body}\n    return y")["A"]() == 2

    def test_a_needed_shell_command_gives_nothing(self, tmp_path: Path) -> None:
        sign = tmp_path / "ran"
        namespace = run(f"files = !touch {sign}", f"get_ipython().system('touch {sign}')", "def A(): return files")
        assert namespace["A"]() == []
        assert not sign.exists()

    def test_a_cell_that_is_no_python_is_named(self) -> None:
        program = answer_cells(["A = 1", "x = 1\nclass A(:\n  pass"], ["A", "B"])
        assert kept(["A = 1", "class A(:"]) == "A = 1"
        assert program.notes == ("cell 2 isn't valid Python (line 2: invalid syntax), so it was left out",)
        assert program.broken == {"A": "cell 2 isn't valid Python (line 2: invalid syntax)"}
        assert program.defined == {"A": "cell 1"}

    @pytest.mark.parametrize(
        ("cell", "says"),
        [
            ("type A = int", "uses what Python 3.12 brought"),
            ("def A[T](x: T): pass", "uses what Python 3.12 brought"),
            ("class A[T]: pass", "uses what Python 3.12 brought"),
            ('A = f"{d["a"]}"', "uses what Python 3.12 brought"),
            ("try: A = 1\nexcept KeyError, ValueError:\n    A = 2", "uses what Python 3.14 brought"),
            ("A = t'{x}'", "uses what Python 3.14 brought"),
            ("<<<<<<< HEAD\nA = 1\n=======\nA = 2\n>>>>>>> theirs", "holds the marks of a merge conflict (line 1)"),
        ],
    )
    def test_why_it_is_no_python_is_said(self, cell: str, says: str) -> None:
        if "3." in says and sys.version_info >= (3, int(says.split("3.")[1].split(" ")[0])):
            pytest.skip("this Python has it")
        assert says in answer_cells([f"{cell}\nA = 1"], ["A"]).broken["A"]
        assert "brought" not in answer_cells(["A = = 1"], ["A"]).broken["A"]

    def test_the_python_that_it_was_written_with_is_named(self) -> None:
        assert "was written with Python 3.99" in answer_cells(["A = = 1"], ["A"], written_for=(3, 99)).broken["A"]
        assert "was written" not in answer_cells(["A = = 1"], ["A"], written_for=(3, 8)).broken["A"]

    @pytest.mark.parametrize(
        "source",
        [
            pytest.param("x" + " " * 99_000 + "?", id="a question after a long gap"),
            pytest.param("a?\n" * 33_000, id="questions"),
            pytest.param("x = !y\n" * 14_000, id="shell lines"),
            pytest.param("'''\n%x\n" * 14_000, id="strings"),
            pytest.param("!\\\n" * 33_000, id="a shell line that goes on"),
        ],
    )
    def test_no_cell_takes_long(self, source: str) -> None:
        began = time.process_time()
        answer_cells([source] * 4, ["A"])
        assert time.process_time() - began < 5

    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            (["A = 1", "A = 2"], "A is defined in cell 1 and again in cell 2, which counts"),
            (["A = 1\nA = 2"], "A is defined in cell 1, line 1 and again in cell 1, line 2, which counts"),
            (["def A(): pass", "x = 1", "from y import A"], "again in cell 3"),
            (["A = 1", "A = A + 1"], None),
            (["def A(): pass", "A = wrapped(A)"], None),
            (["A = 1"], None),
            (["%run helper.py\nA = scale"], "Cell 1 asks for helper.py by %run"),
            (["%run -i 'my helper.py'"], "write `from my_helper import *`"),
            (["%load helper.py\nA = 1"], None),
            (
                ["%run ../lib/helper.ipynb"],
                "Cell 1 asks for helper.ipynb by %run, which isn't carried out: write `from helper",
            ),
            (["exec(open('helper.py').read())"], "Cell 1 asks for helper.py by exec"),
            (["exec(compile(open(\"helper.py\").read(), 'x', 'exec'))"], "Cell 1 asks for helper.py by exec"),
            (["exec(code)"], None),
        ],
    )
    def test_what_its_author_may_not_have_meant_is_remarked(self, cells: list[str], says: str | None) -> None:
        remark = answer_cells(cells, ["A"]).remarks.get("A")
        assert remark is None if says is None else says in (remark or "")

    def test_an_exercise_can_t_be_run_where_no_other_cell_defines_it(self) -> None:
        broken, why = "class A(:\n  pass", "cell 1 isn't valid Python (line 1: invalid syntax)"
        assert answer_cells([broken], ["A"]).cannot_run("A") == ("error", why)
        assert answer_cells([broken, "A = 1"], ["A"]).cannot_run("A") is None
        nothing = ("not_attempted", "no cell of the notebook defines it")
        assert answer_cells(["B = 1"], ["A"]).cannot_run("A") == nothing
        assert answer_cells(["from x import *"], ["A"]).cannot_run("A") is None
        assert answer_cells(["from x import *"], ["A"]).undefined("A", []) == nothing

    @pytest.mark.parametrize(
        "source",
        [
            pytest.param("(" * 1000, id="brackets"),
            pytest.param("-" * 50_000 + "1", id="signs"),
            pytest.param("a" + ".b" * 40_000, id="attributes"),
            pytest.param("A = '\0'", id="null character"),
            pytest.param("A = '\ud800'", id="half a character"),
            pytest.param("9" * 5000, id="digits"),
            pytest.param("x\n" * 60_000, id="too long"),
            pytest.param("%x\n" * 5000, id="magics"),
            pytest.param("a" * 90_000 + "-?", id="a long line of help"),
            pytest.param("?" * 3000, id="question marks"),
        ],
    )
    def test_no_cell_stops_the_others(self, source: str) -> None:
        assert kept([source, "A = 1"]) == "A = 1"

    def test_long_chains_are_followed(self) -> None:
        """Each needs the next: as deep as recursion could not go."""
        links = [f"x{n} = x{n + 1}" for n in range(2000)]
        program = answer_cells(["\n".join(links) + "\nx2000 = 7", "A = x0"], ["A"])
        namespace, errors = run_program(program)
        assert (namespace["A"], errors) == (7, [])
        assert len(program.notes) < 50

    def test_code_beyond_the_limit_is_left_out(self) -> None:
        filler = "# " + "x" * 90_000
        program = answer_cells([filler] * 6 + ["A = 1"], ["A"])
        assert program.blocks == ()
        assert "beyond 500,000 characters" in program.broken["A"]

    def test_statements_beyond_the_limit_are_left_out(self) -> None:
        cells = ["x\n" * 6000, "A = 1", "x\n" * 6000, "B = 1"]
        assert kept(cells, "A", "B") == "A = 1\nB = 1"
        assert "10,000 statements" in answer_cells(cells, ["A"]).notes[0]

    def test_many_cells_of_magics_cost_little(self) -> None:
        program = answer_cells(["A = 1", *["%x\n" * 200 + "a " * 2000] * 200], ["A"])
        assert [label for label, _ in program.code()] == ["cell 1"]
        assert program.notes[-1] == "and 170 more remarks of this kind"

    def test_of_two_definitions_the_last_counts(self) -> None:
        namespace = run("def A(): return 1", "def A(): return 2", "check(A)")
        assert namespace["A"]() == 2

    @pytest.mark.parametrize(
        "cells",
        [
            ("class A(Base): pass", "class Base(nn): pass", "import types as nn\nnn = nn.SimpleNamespace"),
            ("A = helper()", "def helper(): return inner()", "def inner(): return math.pi", "import math"),
            ("A.x = f", "class A: pass", "def f(): pass"),
            ("@mark\nclass A: pass", "def mark(c): return c"),
        ],
    )
    def test_cells_in_another_order(self, cells: tuple[str, ...]) -> None:
        assert "A" in run(*cells)
        assert "which needs its" in answer_cells(cells, ["A"]).notes[0]

    def test_what_needs_itself_ends(self) -> None:
        assert kept(["A = A + 1", "def f(): return g", "def g(): return f", "B = f(g)"], "A", "B").count("\n") == 3

    def test_lost_imports_come_from_the_lesson(self) -> None:
        lesson = ["import math\nfrom math import tau as turn\nseed(0)", "from os import path"]
        program = answer_cells(["def A(): return math.pi, turn, print, other"], ["A"], lesson)
        assert program.code()[0][1] == "import math\n\nfrom math import tau as turn"
        assert program.notes == (
            "no cell binds math, so the lesson's own set-up was used for it",
            "no cell binds turn, so the lesson's own set-up was used for it",
        )

    def test_the_lesson_supplies_no_answer(self) -> None:
        assert kept(["x = A()"], "A", lesson=["from bnn_core import A"]) == ""

    def test_the_learners_own_import_counts(self) -> None:
        assert kept(["import m as math", "def A(): return math"], lesson=["import math"]).startswith("import m as")

    def test_several_exercises(self) -> None:
        cells = [
            "def B(): return A()",
            "y = 2",
            "def A(): return x",
            "x = 1",
            TRAINING,
            "check(A)",
            "check(B)",
        ]
        assert kept(cells, "A", "B") == "def B(): return A()\ndef A(): return x\nx = 1"

    STATEMENTS = st.lists(
        st.sampled_from(
            ["A = b", "b = c", "c = A", "def b(): return c", "for c in A: b = c", "class A(b): x = c", "b.x = A",
             "check(A)", "from c import *", "import b, c", "%time b", "!ls", "A(", "%%time", "with b as c: A = c"]
        )
    )  # fmt: skip

    @given(st.lists(STATEMENTS.map("\n".join) | st.text()))
    def test_any_cells_make_a_program(self, cells: list[str]) -> None:
        program = answer_cells(cells, ["A"])
        assert Program.from_json(program.to_json()) == program
        chosen = [(block.label, index) for block in program.blocks for index in block.statements]
        assert len(chosen) == len(set(chosen))
        for label, _ in program.code():
            assert label in program.sources


# Running


class TestRunProgram:
    def test_one_statement_that_raises_spoils_no_other(self) -> None:
        cells = [
            "import no_such_module_here as np\nA = 1",
            "def f(): raise KeyError('x')",
            "B = f()",
            "C = 3",
        ]
        program = answer_cells([*cells, "D = np"], ["A", "B", "C", "D"])
        namespace, errors = run_program(program)
        assert (namespace["A"], namespace["C"]) == (1, 3)
        assert [describe(label, error) for label, error in errors] == [
            "cell 1, line 1: ModuleNotFoundError: No module named 'no_such_module_here'",
            "cell 3, line 1: KeyError: 'x'",
            "cell 5, line 1: NameError: name 'np' is not defined",
        ]

    def test_exit_ends_nothing(self) -> None:
        namespace, errors = run_program(answer_cells(["A = exit()", "def B(): pass"], ["A", "B"]))
        assert "B" in namespace
        assert [type(error) for _, error in errors] == [SystemExit]

    def test_an_interruption_goes_through(self) -> None:
        program = answer_cells(["def stop(): raise KeyboardInterrupt\nA = stop()"], ["A"])
        with pytest.raises(KeyboardInterrupt):
            run_program(program)

    def test_the_learners_lines_are_shown(self) -> None:
        cell = "# Mine\nx = 0\n\nclass A:\n    def f(self):\n        # divide\n        return 1 / x\n"
        namespace = run(cell)
        assert inspect.getsource(namespace["A"].f).startswith("    def f(self):\n        # divide")
        with pytest.raises(ZeroDivisionError) as caught:
            namespace["A"]().f()
        frame = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert (frame.filename, frame.lineno, frame.line) == ("cell 1", 7, "return 1 / x")

    def test_it_is_a_main_module(self) -> None:
        namespace = run("class A: pass", "if __name__ == '__main__':\n    B = 1", names=["A", "B"])
        assert namespace["B"] == 1
        assert sys.modules["__main__"].__dict__ is namespace
        assert isinstance(sys.modules["__main__"], types.ModuleType)
        assert type(pickle.loads(pickle.dumps(namespace["A"]()))) is namespace["A"]

    def test_a_given_namespace_is_used(self) -> None:
        main = sys.modules["__main__"]
        given: dict[str, Any] = {"__name__": "mine", "x": 4}
        namespace, errors = run_program(answer_cells(["class A: y = x"], ["A"]), given)
        assert namespace is given
        assert errors == []
        assert (given["A"].y, given["A"].__module__) == (4, "mine")
        assert sys.modules["__main__"] is main

    def test_future_imports_hold_for_later_cells(self) -> None:
        namespace = run("x = 1\nfrom __future__ import annotations", "def A(x: Unknown) -> Missing: pass")
        assert namespace["A"].__annotations__ == {"x": "Unknown", "return": "Missing"}

    def test_without_them_annotations_are_evaluated(self) -> None:
        assert run("def A(x: int): pass")["A"].__annotations__ == {"x": int}

    def test_what_a_notebook_has_beside_the_builtins(self, capsys: pytest.CaptureFixture[str]) -> None:
        namespace = run("def A():\n    display('seen')\n    return get_ipython().run_line_magic('x', 'y')")
        assert namespace["A"]() is None
        assert capsys.readouterr().out == "seen\n"

    def test_warnings_of_the_learners_stop_nothing(self) -> None:
        """Under pytest of this project warnings are errors."""
        assert run("import warnings\ndef w(): warnings.warn('old')\nx = w()\nA = '\\s', x")["A"] == (
            "\\s",
            None,
        )

    def test_errors_of_the_compiler_are_remembered(self) -> None:
        _, errors = run_program(answer_cells(["x = 1\ndef A(x):\n    global x"], ["A"]))
        assert describe(*errors[0]) == "cell 1, line 3: SyntaxError: name 'x' is parameter and global"

    def test_an_exception_that_cannot_be_shown(self) -> None:
        class HostileError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        assert describe("cell 1", HostileError()) == "cell 1: an exception that can't be shown"

    def test_long_messages_are_cut(self) -> None:
        assert len(describe("cell 1", ValueError("x" * 10_000))) < 600

    def test_the_shell_is_quiet(self) -> None:
        assert QuietShell().getoutput("ls") == []
        assert QuietShell().anything("ls", at="all") is None

    def test_the_module_stands_alone(self) -> None:
        """A copy of it runs in a process that has nothing of the course."""
        source = inspect.getsource(sys.modules[run_program.__module__])
        assert "import bnn_core" not in source
        assert "from bnn_core" not in source


# Of which lesson, and what surrounds it


class TestLesson:
    @pytest.fixture(autouse=True)
    def _lessons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(submission, "_lessons", lambda: LESSONS)
        monkeypatch.setattr(submission, "setup_cells", lambda lesson: ("import math",))

    @pytest.mark.parametrize(
        ("name", "metadata", "source"),
        [
            ("renamed.ipynb", {"bnn_course": {"lesson": "07_measures"}}, ""),
            ("03_linear.ipynb", {"bnn_course": {"lesson": "07_measures"}}, ""),
            ("07_measures.ipynb", {"bnn_course": {"lesson": "99_unknown"}}, "class Layer: pass"),
            ("Ann_07_measures-Copy1 (2).ipynb", {}, "class Layer: pass"),
            ("07_measures/Untitled.ipynb", {}, "class Layer: pass"),
            ("Untitled.ipynb", {}, "from bnn_core import Layer\ndef mutual(): pass"),
            ("Untitled.ipynb", {}, "from mine import mutual"),
            ("Untitled.ipynb", {}, "check(mutual)"),
            ("Untitled.ipynb", {}, ">>> def mutual(): pass"),
        ],
    )
    def test_which_lesson_it_is(self, name: str, metadata: Any, source: str) -> None:
        read = notebook_in(json.dumps(notebook(source, metadata=metadata)).encode())
        assert lesson_of(read, Path(name)) == "07_measures"

    def test_a_notebook_of_no_lesson(self) -> None:
        with pytest.raises(Unreadable, match="no lesson of this course"):
            lesson_of(notebook_in(json.dumps(notebook("from bnn_core import Layer\nx = 1")).encode()), Path("x"))

    def test_what_the_answer_needs_and_what_is_left_out_is_noted(self) -> None:
        cells = ["def entropy(): return scale * math.tau", "%%bash"]
        program = answer_of(notebook_in(json.dumps(notebook(*cells)).encode()), "07_measures")
        assert program.notes == (
            "no cell binds math, so the lesson's own set-up was used for it",
            "cell 2 is no Python but a cell for %%bash, so it was left out",
        )

    def test_modules_beside_the_notebook_can_be_imported_and_nothing_stays(self, tmp_path: Path) -> None:
        main, path, here = sys.modules["__main__"], sys.path[:], os.getcwd()
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "beside_the_notebook.py").write_text(f"scale = {number}")
            (folder / "numbers.csv").write_text(f"{number}")
            with as_in_a_kernel(folder):
                namespace, errors = run_program(
                    answer_cells(["import beside_the_notebook as A", "B = open('numbers.csv').read()"], ["A", "B"])
                )
            assert (namespace["A"].scale, namespace["B"], errors) == (number, str(number), [])
        assert (sys.modules["__main__"], sys.path, os.getcwd()) == (main, path, here)
        assert "beside_the_notebook" not in sys.modules


def test_setup_cells_are_those_of_the_built_lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = submission.Course(tmp_path)
    course.solutions.mkdir()
    tagged = code_cell("import torch", metadata={"tags": ["setup"]})
    written(course.solutions, {"cells": [tagged, code_cell("x = 1")]}, "03_linear.ipynb")
    monkeypatch.setattr(submission, "Course", lambda: course)
    submission.setup_cells.cache_clear()
    assert submission.setup_cells("03_linear") == ("import torch",)
    assert submission.setup_cells("04_none") == ()
    submission.setup_cells.cache_clear()


def test_every_exercise_belongs_to_a_lesson() -> None:
    from bnn_core.autograder.exercises import EXERCISES

    for name, exercise in EXERCISES.items():
        assert name in submission.exercises_of(exercise.lesson)
    assert submission.exercises_of("99_unknown") == ()
    assert isinstance(Notebook(("a",), (frozenset(),)).tagged("setup"), list)


def test_nothing_is_remarked_on_the_course_s_own_notebooks() -> None:
    course = submission.Course()
    for lesson in course.names():
        for path in (course.learner_notebook(lesson), course.solved_notebook(lesson)):
            if path.exists():
                program = answer_of(read_notebook(path), lesson)
                assert (program.remarks, program.broken, program.notes) == ({}, {}, ()), path


def test_what_is_checked_says_more_than_what_is_defined() -> None:
    cells = ("def sample_gaussian():\n    pass", "def sample_preactivation():\n    pass\ncheck(sample_preactivation)")
    assert lesson_of(Notebook(cells, (frozenset(),) * 2), PurePath("mine.ipynb")) == "05_local_reparameterization"


@pytest.mark.parametrize(
    ("defined", "lesson"),
    [
        (["BayesianLinear", "gaussian_kl"], "03_bayesian_linear"),
        (["gaussian_kl", "monte_carlo_kl", "BayesianLinear"], "03_bayesian_linear"),
        (["sample_gaussian", "sample_preactivation", "gradient_correlation"], "05_local_reparameterization"),
        (["gaussian_kl", "gaussian_log_prob", "monte_carlo_kl"], "02_kl_divergence"),
        (["gaussian_kl"], "02_kl_divergence"),
    ],
)
def test_what_earlier_lessons_built_may_be_defined_again(defined: list[str], lesson: str) -> None:
    notebook = Notebook(tuple(f"def {name}():\n    pass" for name in defined), tuple(frozenset() for _ in defined))
    assert lesson_of(notebook, PurePath("mine.ipynb")) == lesson
