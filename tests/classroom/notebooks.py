"""Submissions that are hostile, broken, or merely odd, each with the row that grading must give it.

A hostile one carries a wrong layer, so that any point beyond what the layer earns would be stolen; where its code
gets at something that it must not reach, it raises an error that says FOUND.
"""

# ruff: noqa: E501  (each case stays together)

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.bayesian_linear import BASE as RIGHT

LESSON = "03_bayesian_linear"
FILE = f"{LESSON}.ipynb"
COURSE = Path(__file__).parents[2]
FORBIDDEN = "FOUND"
FULL, NONE = "all the points", "no point"

# A layer that forgets to sample: its parameters and shapes are right, so it earns a few checks.
WRONG = RIGHT.replace("weight_std * weight_epsilon", "0").replace("bias_std * bias_epsilon", "0")

Place = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A submission: how its folder is filled, and what its row must say.

    statuses: one of these. points: FULL, NONE, or None where it may have earned some. says: a part of what the row says.
    """

    name: str
    place: Place
    statuses: tuple[str, ...]
    points: str | None = None
    says: str = ""


def notebook(*sources: str, **fields: Any) -> dict[str, Any]:
    """A notebook of format 4 with these code cells."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{n}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for n, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **fields}


def cells(*sources: str) -> Place:
    return document(notebook(*sources))


def document(content: Any, name: str = FILE) -> Place:
    return raw(json.dumps(content).encode(), name)


def raw(content: bytes, name: str = FILE) -> Place:
    def place(home: Path) -> None:
        (home / name).write_bytes(content)

    return place


def both(*places: Place) -> Place:
    def place(home: Path) -> None:
        for one in places:
            one(home)

    return place


def in_forward(statements: str) -> str:
    """The wrong layer, whose forward first does this."""
    return f"{WRONG}\n\n_forward = BayesianLinear.forward\n\n\ndef attack(self):\n{_indented(statements)}\n\n\n" + (
        "def forward(self, x):\n    attack(self)\n    return _forward(self, x)\n\n\nBayesianLinear.forward = forward\n"
    )


def when_imported(statements: str, layer: str = WRONG) -> str:
    """A layer, and a function that does this as soon as the cell runs."""
    return f"{layer}\n\n\ndef attack():\n{_indented(statements)}\n\n\nBayesianLinear.done = attack()\n"


def _indented(statements: str) -> str:
    return "\n".join("    " + line for line in statements.strip("\n").split("\n"))


ERROR, FAILED, PASSED, TIMEOUT, UNREADABLE = ("error",), ("failed",), ("passed",), ("timeout",), ("unreadable",)
NOT_ATTEMPTED = ("not_attempted",)
ENDED = ("error", "timeout")

HOSTILE = [
    # Cheating: comparisons, tensors, the checks' machinery.
    Case("patched-comparisons", cells(when_imported("""
import torch, builtins
for name in ("equal", "allclose", "isclose", "eq"):
    setattr(torch, name, lambda *a, **k: True)
torch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__lt__ = lambda *a: True
builtins.abs = lambda *a: 0
""")), ("failed", "error")),
    Case("lying-tensor-subclass", cells(RIGHT.replace("return F.linear(x, weight, bias)", """
        class Liar(torch.Tensor):
            def __eq__(self, other): return True
            def __lt__(self, other): return True
            def isfinite(self): return torch.ones(())
            def double(self): return self
            def __torch_function__(self, *a, **k): return self
        return F.linear(x, self.weight_mean, self.bias_mean).as_subclass(Liar)""")), ("failed", "error")),
    Case("patched-tensor-methods", cells(when_imported("""
import torch
torch.Tensor.detach = lambda self: torch.zeros(())
torch.Tensor.clone = lambda self: torch.zeros(())
""")), ("failed", "error")),
    Case("looks-for-the-checks-in-frames", cells(in_forward("""
import sys
frame = sys._getframe()
while frame is not None:
    for name in ("expected", "evidence", "exercise", "outcomes", "Failed"):
        if name in frame.f_locals or name in frame.f_globals:
            raise RuntimeError("FOUND " + name)
    frame = frame.f_back
""")), FAILED),
    Case("looks-for-the-checks-in-memory", cells(when_imported("""
import gc
gc.unfreeze()
for thing in gc.get_objects():
    name = getattr(type(thing), "__module__", "") or ""
    if isinstance(name, str) and name.startswith("bnn_core") and type(thing).__name__ in ("Exercise", "Check", "Report"):
        raise RuntimeError("FOUND " + name)
    if isinstance(thing, dict) and "has_its_parameters" in thing:
        raise RuntimeError("FOUND the checks")
    if type(thing).__name__ == "function" and thing.__module__ == "bnn_core.bayesian_linear":
        raise RuntimeError("FOUND the reference")
""")), FAILED),
    Case("searches-the-memory-map", cells(when_imported("""
import re
needle = re.compile(rb"one forward is x\\xc2\\xb7[W]")  # which is no such text itself
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        span, rights, *_ = line.split()
        start, end = (int(part, 16) for part in span.split("-"))
        if rights.startswith("rw") and end - start < 1 << 26:
            try:
                memory.seek(start)
                if needle.search(memory.read(end - start)):
                    raise RuntimeError("FOUND the checks")
            except (OSError, ValueError):
                pass
""")), FAILED),
    Case("imports-the-checks", cells(f"from bnn_core.autograder.exercises import EXERCISES\nx = EXERCISES\n{WRONG}\nBayesianLinear.x = x"),
         FAILED, says="can't be imported"),
    Case("imports-the-reference", cells("from bnn_core import BayesianLinear"), ERROR, NONE, "it is what this lesson asks for"),
    Case("imports-the-reference-module", cells("from bnn_core.bayesian_linear import BayesianLinear"), ERROR, NONE,
         "it is what this lesson asks for"),
    Case("imports-a-later-lesson", cells("from bnn_core import HiddenLayer as BayesianLinear"), ERROR, NONE, "a later lesson"),
    Case("imports-the-classroom", cells("from bnn_core.classroom.grading import Exercise as BayesianLinear"), ERROR, NONE,
         "can't be imported"),
    Case("reads-the-reference", cells(when_imported(f"""
import os
for path in {[str(COURSE / name) for name in ("bnn_core/autograder/exercise.py", "bnn_core/hidden_layer.py", "solutions", "tests")]}:
    if os.path.exists(path):
        raise RuntimeError("FOUND " + path)
for folder, inner, files in os.walk("/"):
    if folder.endswith("-packages"):
        inner[:] = [name for name in inner if "bnn" in name]
    if folder == "/":
        inner[:] = [name for name in inner if name not in ("proc", "usr", "lib", "lib64")]
    for name in files:
        path = os.path.join(folder, name)
        if name.endswith((".ipynb", ".jsonl", ".csv")) and "-packages" not in path and "python3" not in path:
            raise RuntimeError("FOUND " + path)
        if "bnn_core" in path and "def kl_divergence" in open(path).read():
            raise RuntimeError("FOUND " + path)
""")), FAILED),
    Case("follows-the-editable-install", cells(when_imported("""
import glob, os, sys
for folder in sys.path:
    for path in glob.glob(os.path.join(folder, "*.pth")):
        for line in open(path):
            if os.path.exists(os.path.join(line.strip(), "bnn_core", "autograder")):
                raise RuntimeError("FOUND " + line)
""")), FAILED),
    Case("patches-its-own-answers", cells(in_forward("""
import sys
frame = sys._getframe()
while frame is not None:
    answerer = frame.f_locals.get("self")
    if type(answerer).__name__ == "InProcess":
        type(answerer).perform = lambda self, requests: [{"passed": True, "score": 10} for _ in requests]
    frame = frame.f_back
""")), ERROR, says="an answer that isn't one"),
    Case("spoofs-results", cells(in_forward("""
import json, sys
row = {"exercise": "BayesianLinear", "status": "passed", "score": 10, "passed": True}
print(json.dumps({"results": [row]}))
print(json.dumps(row), file=sys.stderr)
""")), FAILED),
    Case("computes-only-what-was-published", cells(in_forward("import torch; torch.manual_seed(0)")), FAILED),
    Case("pickle-bomb", cells(RIGHT.replace("return F.linear(x, weight, bias)", """
        class Bomb:
            def __reduce__(self): return (exec, ("raise SystemExit('FOUND')",))
        return Bomb()""")), FAILED),
    # Ending things.
    Case("exits-quietly", cells(when_imported("import os; os._exit(0)")), ERROR, NONE, "exit status 0"),
    Case("exits-in-forward", cells(in_forward("import os; os._exit(0)")), ERROR, says="exit status 0"),
    Case("system-exit", cells(in_forward("raise SystemExit(0)")), ("error", "failed"), says="checks passed"),
    Case("keyboard-interrupt", cells(in_forward("raise KeyboardInterrupt")), ERROR, says="raised KeyboardInterrupt"),
    Case("generator-exit", cells(in_forward("raise GeneratorExit('enough')")), ERROR, says="raised GeneratorExit: enough"),
    Case("null-pointer", cells(in_forward("import ctypes; ctypes.string_at(0)")), ERROR, says="crashed Python"),
    Case("aborts", cells(when_imported("import os; os.abort()")), ERROR, NONE, "crashed Python"),
    Case("endless-recursion", cells(when_imported("""
import sys
sys.setrecursionlimit(10**9)
def deeper(n): return deeper(n + 1) + 1
deeper(0)
""")), ENDED + FAILED),
    Case("kills-its-parent", cells(when_imported("""
import os, signal
for target in (os.getppid(), 1):
    try:
        os.kill(target, signal.SIGKILL)
    except OSError:
        pass
""", RIGHT)), PASSED, FULL),
    Case("kills-everyone", cells(when_imported("""
import os, signal
try:
    os.kill(-1, signal.SIGKILL)
except OSError:
    os.kill(os.getpid(), signal.SIGKILL)
""")), ERROR, NONE),
    Case("stops-itself", cells(in_forward("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")), TIMEOUT),
    Case("closes-every-file", cells(when_imported("import os; os.closerange(0, 1000)")), ERROR, NONE),
    # Staying.
    Case("leaves-orphans", cells(when_imported("""
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
""", RIGHT)), PASSED, FULL),
    Case("at-exit", cells(when_imported("import atexit, time; atexit.register(time.sleep, 1000)", RIGHT)), PASSED, FULL),
    Case("background-threads", cells(when_imported("""
import threading, torch
def meddle():
    while True:
        torch.Tensor.__eq__ = lambda *a: True
threading.Thread(target=meddle, daemon=True).start()
""")), ("failed", "error", "timeout")),
    Case("ignores-signals", cells(when_imported("""
import signal, time
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
while True:
    time.sleep(1)
""")), TIMEOUT, NONE),
    Case("swallows-exceptions", cells(in_forward("""
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
""")), TIMEOUT),
    Case("holds-the-lock", cells(when_imported("import re; re.match(r'(a+)+$', 'a' * 64 + 'b')")), TIMEOUT, NONE),
    Case("closes-its-output-and-stays", cells(when_imported("""
import os, time
os.close(1)
os.close(2)
while True:
    time.sleep(1)
""")), TIMEOUT, NONE, "took more than"),
    Case("a-child-closes-its-output-and-stays", cells(when_imported("""
import os, time
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 100)
    while True:
        time.sleep(1)
""", RIGHT)), PASSED, FULL),
    Case("stops-its-watcher", cells(when_imported("""
import os, signal, time
for target in [os.getppid(), *(int(name) for name in os.listdir("/proc") if name.isdigit())]:
    if target != os.getpid():
        try:
            os.kill(target, signal.SIGSTOP)
        except OSError:
            pass
while True:
    time.sleep(1)
""")), TIMEOUT, NONE, "took more than"),
    Case("spins-beside-its-children", cells(when_imported("""
import os
for _ in range(60):
    try:
        if os.fork() == 0:
            break
    except OSError:
        break
while True:
    pass
""")), ENDED, NONE),
    Case("sleeps", cells(in_forward("import time; time.sleep(1000)")), TIMEOUT, says="took more than"),
    # Taking.
    Case("fork-bomb", cells(when_imported("""
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""")), ENDED, NONE),
    Case("thread-bomb", cells(when_imported("""
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(1000,)).start()
""")), ENDED + FAILED),
    Case("memory-at-once", cells(in_forward("import torch; self.hoard = torch.ones(1 << 32)")), ERROR),
    Case("memory-bit-by-bit", cells(in_forward("""
hoard = []
while True:
    hoard.append(bytearray(1 << 24))
""")), ENDED),
    Case("memory-by-children", cells(when_imported("""
import os, time
for _ in range(8):
    if os.fork() == 0:
        hoard = bytearray(b"x") * (200 << 20)
        time.sleep(1000)
time.sleep(1000)
""")), ENDED, NONE),
    Case("memory-that-is-shared", cells(when_imported("""
import mmap
mmap.mmap(-1, 1 << 20)
""")), FAILED, says="PermissionError"),
    Case("memory-by-spinning-children", cells(when_imported("""
import os
for _ in range(60):
    try:
        if os.fork() == 0:
            break
    except OSError:
        break
hoard = []
while True:
    hoard.append(bytearray(b"x") * (1 << 22))
""")), ENDED, NONE),
    Case("socket-buffers", cells(when_imported("""
import os, socket, time
for _ in range(60):
    try:
        if os.fork() == 0:
            break
    except OSError:
        break
pairs = []
try:
    while True:
        pair = socket.socketpair()
        pairs.append(pair)
        for end in pair:
            end.setblocking(False)
            try:
                while True:
                    end.send(bytes(1 << 16))
            except BlockingIOError:
                pass
except OSError:
    pass
total = 2 * len(pairs)
if total > 64:
    raise RuntimeError("FOUND too many sockets")
time.sleep(1000)
""")), ENDED, NONE),
    Case("larger-socket-buffers", cells(when_imported("""
import socket
one, other = socket.socketpair()
one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
""")), FAILED, says="PermissionError"),
    Case("fills-the-disk", cells(when_imported("""
with open("/tmp/big", "wb") as file:
    while True:
        file.write(b"x" * (1 << 20))
""")), ERROR + FAILED, says="cell 1"),
    Case("many-files", cells(when_imported("""
number = 0
while True:
    open(f"/tmp/{number}", "w").close()
    number += 1
""")), ERROR + FAILED, says="No space left"),
    Case("writes-elsewhere", cells(when_imported("""
import os, sys
places = ["/", "/etc", "/usr/lib", "/lib", "/course", "/course/bnn_core", "/dev", "/home", "/root", "/var", *sys.path]
for place in places:
    try:
        open(os.path.join(place, "trace"), "w").close()
    except OSError:
        continue
    if place not in ("", "/tmp"):
        raise RuntimeError("FOUND a place to write: " + place)
""")), FAILED),
    Case("floods-output", cells(when_imported("""
import sys
for _ in range(400):
    print("x" * 100_000)
    print("y" * 10_000, file=sys.stderr)
""", RIGHT)), PASSED, FULL),
    # Breaking out.
    Case("network", cells(when_imported("""
import socket
for address in [("1.1.1.1", 53), ("127.0.0.1", 22), ("127.0.0.1", 8888)]:
    try:
        socket.create_connection(address, 0.3)
    except OSError:
        continue
    raise RuntimeError("FOUND the network")
if len(open("/proc/net/unix").read().splitlines()) > 4 or len(socket.if_nameindex()) > 1:
    raise RuntimeError("FOUND other sockets")
""")), FAILED),
    Case("other-sockets", cells(when_imported("""
import socket
for family in range(46):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        for make in (socket.socket, socket.socketpair):
            try:
                make(family, kind)
            except OSError:
                continue
            if make is socket.socket or family != socket.AF_UNIX:
                raise RuntimeError(f"FOUND sockets of family {family}")
""")), FAILED),
    Case("settings-of-the-kernel", cells(when_imported("""
import os
with open("/proc/self/uid_map") as file:
    inside, outside, _ = map(int, file.read().split())
if os.getuid() - inside + outside == 0 or os.getuid() == 0:
    raise RuntimeError("FOUND the superuser")
places = [os.path.join(folder, name) for folder, _, files in os.walk("/proc/sys") for name in files]
for path in [*places, "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/self/coredump_filter"]:
    try:
        open(path, "r+").close()
    except OSError:
        continue
    raise RuntimeError("FOUND a way to change " + path)
""")), FAILED),
    Case("other-processes", cells(when_imported("""
import os
processes = [name for name in os.listdir("/proc") if name.isdigit()]
if len(processes) > 2:
    raise RuntimeError("FOUND other processes")
for what in ("mem", "environ", "fd/0"):
    try:
        open(f"/proc/1/{what}", "rb").read(1)
    except OSError:
        continue
    raise RuntimeError("FOUND the memory of the first process")
""")), FAILED),
    Case("traces-the-first-process", cells(when_imported("""
import ctypes
libc = ctypes.CDLL(None)
if libc.ptrace(16, 1, 0, 0) == 0 or libc.ptrace(0x4206, 1, 0, 0) == 0:
    raise RuntimeError("FOUND a way to trace")
""")), FAILED),
    Case("new-namespaces", cells(when_imported("""
import ctypes
libc = ctypes.CDLL(None)
for flag in (0x10000000, 0x20000, 0x40000000):
    if libc.unshare(flag) == 0:
        raise RuntimeError("FOUND privileges")
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 or libc.umount2(b"/course", 2) == 0:
    raise RuntimeError("FOUND a mount")
""")), FAILED),
    Case("regains-privileges", cells(when_imported("""
import ctypes, os
for function in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot("/tmp")):
    try:
        function()
    except OSError:
        continue
    raise RuntimeError("FOUND privileges")
status = open("/proc/self/status").read()
for line in ("CapEff:\\t0000000000000000", "CapBnd:\\t0000000000000000", "NoNewPrivs:\\t1"):
    if line not in status:
        raise RuntimeError("FOUND " + line)
""")), FAILED),
    Case("raises-its-limits", cells(when_imported("""
import resource
for limit in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
    if resource.getrlimit(limit)[1] == resource.RLIM_INFINITY:
        raise RuntimeError("FOUND no limit")
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        continue
    raise RuntimeError("FOUND a way to raise a limit")
""")), FAILED),
    Case("memory-outside-the-limits", cells(when_imported("""
import os
os.memfd_create("hoard")
""")), FAILED, says="PermissionError"),
    Case("environment", cells(when_imported("""
import os
known = {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE", "MPLBACKEND", "MPLCONFIGDIR"}
for name in os.environ:
    if name not in known and not name.endswith("_NUM_THREADS") and not name.startswith(("KMP", "TORCH", "PYTORCH")):
        raise RuntimeError("FOUND " + name)
""")), FAILED),
    Case("starts-a-shell", cells(when_imported("""
import subprocess
print(subprocess.run(["sh", "-c", "echo FOUND"], check=True))
""")), FAILED, says="FileNotFoundError"),
    # Speaking nonsense on the wire.
    Case("garbage-replies", cells(in_forward("import os; os.write(3, b'garbage' * 10)")), ERROR, says="could be read"),
    Case("huge-replies", cells(in_forward("import os, struct; os.write(3, struct.pack('<4sIQ', b'bnn1', 10, 1 << 62))")), ERROR,
         says="announces"),
    Case("deep-replies", cells(in_forward("""
import os, struct
text = b"[" * 100_000
os.write(3, struct.pack("<4sIQ", b"bnn1", len(text), 0) + text)
""")), ERROR, says="no JSON"),
    Case("forged-replies", cells(in_forward("""
import json, os, struct
text = json.dumps({"id": 1, "answer": {}}).encode()
os.write(3, struct.pack("<4sIQ", b"bnn1", len(text), 0) + text)
""")), ERROR, says="an answer that isn't one"),
    Case("half-a-reply", cells(in_forward("import os, time; os.write(3, b'bnn1'); time.sleep(1000)")), TIMEOUT),
    Case("endless-replies", cells(in_forward("""
import os
while True:
    os.write(3, b"bnn1" + bytes(4096))
""")), ERROR),
    Case("patched-json", cells(in_forward("""
import json
json.dumps = lambda *a, **k: '{"id": null}'
""")), ERROR),
    Case("long-names", cells(RIGHT.replace("return F.linear(x, weight, bias)", "return type('N' * 5_000_000, (), {})()")), ERROR),
    Case("many-dimensions", cells(RIGHT.replace("return F.linear(x, weight, bias)", "return torch.ones([1] * 20)")), ERROR,
         says="20 dimensions"),
    Case("tensors-of-every-kind", cells(RIGHT.replace("return F.linear(x, weight, bias)", """
        y = F.linear(x, weight, bias).detach()
        kinds = [lambda: y.to("meta"), lambda: y.to_sparse_csr(), lambda: torch.nested.nested_tensor([y, y]), lambda: y.to(torch.float8_e5m2),
                 lambda: torch.quantize_per_tensor(y, 0.1, 10, torch.qint8), lambda: torch.sparse_coo_tensor(size=(1 << 40, 1 << 20))]
        BayesianLinear.calls = getattr(BayesianLinear, "calls", 0) + 1
        return kinds[BayesianLinear.calls % len(kinds)]()""")), ("failed", "error")),
    Case("huge-tensor", cells(RIGHT.replace("return F.linear(x, weight, bias)", "return torch.ones(1).expand(1 << 40)")), ("error", "failed")),
    Case("a-long-complaint", cells(in_forward("raise ValueError('x' * 10_000_000)")), ("error", "failed")),
    Case("a-complaint-that-raises", cells(in_forward("""
class Broken(Exception):
    def __str__(self): raise RuntimeError("never shown")
raise Broken
""")), ERROR, says="raised Broken: an exception that can't be shown"),
    Case("a-complaint-in-a-cell-that-raises", cells(when_imported("""
class Broken(BaseException):
    def __str__(self): raise KeyboardInterrupt
raise Broken
""")), FAILED, says="an exception that can't be shown"),
    Case("a-long-line-that-raises", cells(in_forward("raise ValueError('" + "ж" * 5_000 + "')")), ERROR, says="raised ValueError"),
    Case("an-error-with-a-long-name", cells(in_forward("raise type('N' * 100_000, (Exception,), {})('why')")), ERROR, says="why"),
    Case("markup-in-a-complaint", cells(in_forward(
        "raise ValueError('<script>alert(1)</script><img src=x onerror=alert(1)>\\x1b[2J\\u202e\\x00 javascript:')")),
         ("error", "failed")),
]  # fmt: skip

HONEST = [
    Case("plain", cells(RIGHT), PASSED, FULL),
    Case("wrong", cells(WRONG), FAILED),
    Case("stub", cells("class BayesianLinear:\n    def __init__(self, *sizes):\n        raise NotImplementedError"), NOT_ATTEMPTED, NONE),
    Case("empty-notebook", cells(), NOT_ATTEMPTED, NONE, "no cell of the notebook defines it"),
    Case("byte-order-mark", raw(b"\xef\xbb\xbf" + json.dumps(notebook(RIGHT)).encode()), PASSED, FULL),
    Case("windows-line-ends", cells(RIGHT.replace("\n", "\r\n")), PASSED, FULL),
    Case("utf-16", raw(json.dumps(notebook(RIGHT)).encode("utf-16")), PASSED, FULL),
    Case("sources-as-lists", document({"cells": [
        {"cell_type": "code", "source": RIGHT.splitlines(keepends=True)}], "nbformat": 4}), PASSED, FULL),
    Case("format-3", document({"worksheets": [{"cells": [
        {"cell_type": "code", "input": RIGHT, "language": "python", "outputs": []}]}], "nbformat": 3}), PASSED, FULL),
    Case("other-order", cells("layer = BayesianLinear(2, 3)", RIGHT.split("class ")[1].join(["class ", ""]), RIGHT.split("class ")[0]),
         PASSED, FULL),
    Case("magics", cells("%matplotlib inline\n!pip install torch\n%load_ext autoreload", "%%time\n" + RIGHT, "?torch"), PASSED, FULL),
    Case("the-last-definition-counts", cells(WRONG, RIGHT), PASSED, FULL),
    Case("the-last-definition-is-wrong", cells(RIGHT, WRONG), FAILED),
    Case("other-cells-raise", cells("1 / 0", RIGHT, "BayesianLinear(3, 2)(undefined)", "raise SystemExit"), PASSED, FULL),
    Case("a-cell-that-does-not-parse", cells("def broken(:", RIGHT), PASSED, FULL),
    Case("the-answer-does-not-parse", cells(RIGHT.replace("def forward(self, x):", "def forward(self x):")), ERROR, NONE, "isn't valid Python"),
    Case("uses-earlier-lessons", cells("from bnn_core import gaussian_kl, sample_gaussian\nfrom bnn_core.autograder import check\n"
         + RIGHT + "\n_unused = gaussian_kl\ncheck(BayesianLinear)"), PASSED, FULL),
    Case("trains-for-hours", cells(RIGHT, "import time\nfor epoch in range(10**9):\n    time.sleep(1)"), PASSED, FULL),
    Case("outputs-of-other-tools", document(notebook(RIGHT) | {"cells": [
        {**notebook(RIGHT)["cells"][0], "outputs": [{"output_type": "widget", "data": "x" * 1_000_000}, None, 7], "extra": []}]}),
         PASSED, FULL),
    Case("odd-cells", document({"cells": [None, 7, {}, {"cell_type": "raw"}, *notebook(RIGHT)["cells"]]}), PASSED, FULL),
    Case("a-statement-interrupts", cells(when_imported("raise KeyboardInterrupt", RIGHT)), PASSED, FULL, "KeyboardInterrupt"),
    Case("long-texts-in-any-script", cells(f"first = '{'ж' * 96_000}'", f"second = '{'я' * 96_000}'",
         f"{RIGHT}\nBayesianLinear.texts = first, second"), PASSED, FULL),
    Case("more-text-than-a-header-holds", cells(*(f"data{n} = '{'😀' * 96_000}'" for n in range(4)),
         f"{RIGHT}\nBayesianLinear.data = data0, data1, data2, data3"), PASSED, FULL),
    Case("many-threads", cells(when_imported("import torch; torch.set_num_threads(1000); torch.ones(10**6).sum()", RIGHT)), PASSED, FULL),
    Case("renamed", document(notebook(RIGHT), "my homework (final) v2.ipynb"), PASSED, FULL),
    Case("several", both(document(notebook(RIGHT)), document(notebook(WRONG), "copy of it.ipynb")), PASSED, FULL),
    Case("in-a-subfolder", lambda home: ((home / LESSON).mkdir(), document(notebook(RIGHT))(home / LESSON))[-1], PASSED, FULL),
    Case("empty-file", raw(b""), UNREADABLE, NONE, "empty"),
    Case("not-json", raw(b"class BayesianLinear: pass"), UNREADABLE, NONE, "no JSON"),
    Case("half-a-notebook", raw(json.dumps(notebook(RIGHT)).encode()[:-300]), UNREADABLE, NONE, "no JSON"),
    Case("json-but-no-notebook", document([1, 2, 3]), UNREADABLE, NONE, "no notebook"),
    Case("binary", raw(bytes(range(256)) * 100), UNREADABLE, NONE),
    Case("null-sources", document(notebook(None)), UNREADABLE, NONE, "not text"),  # type: ignore[arg-type]
    Case("deep-json", raw(b"[" * 1_000_000), UNREADABLE, NONE),
    Case("a-folder", lambda home: (home / FILE).mkdir(), UNREADABLE, NONE, "folder"),
    Case("a-fifo", lambda home: os.mkfifo(home / FILE), UNREADABLE, NONE, "pipe"),
    Case("a-device", lambda home: (home / FILE).symlink_to("/dev/zero"), UNREADABLE, NONE),
    Case("a-broken-link", lambda home: (home / FILE).symlink_to("nowhere"), UNREADABLE, NONE, "no such file"),
    Case("a-link-to-a-neighbour", lambda home: (home / FILE).symlink_to(f"../plain/{FILE}"), UNREADABLE, NONE, "outside"),
    Case("a-link-out", lambda home: (home / FILE).symlink_to("/etc/passwd"), UNREADABLE, NONE, "outside"),
    Case("a-hundred-megabytes", lambda home: os.truncate(_touched(home / FILE), 100_000_000), UNREADABLE, NONE, "larger"),
]  # fmt: skip


def _touched(path: Path) -> Path:
    path.touch()
    return path


CASES = [*HONEST, *HOSTILE]


def write_class(folder: Path, cases: list[Case]) -> None:
    """A folder of submissions, one student per case."""
    for case in cases:
        home = folder / case.name
        home.mkdir(parents=True)
        case.place(home)
