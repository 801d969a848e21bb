"""The command by which the program bubblewrap shuts another one in, for systems that allow namespaces to that program
alone. It needs the standard library alone, and may not know what is being shut in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from bnn_core.classroom.sandbox.isolation import COURSE, DEVICES, INSIDE_ID, TEMPORARY, Unavailable, View

PROGRAM = "bwrap"
PYTHON = [os.path.realpath(sys.executable), "-I", "-S", "-B", "-W", "ignore", "-c"]
TRIAL_TIME = 20.0
COURSE_MEGABYTES = 4


def command(view: View, temporary: int, course: Mapping[str, int], as_root: bool) -> list[str]:
    """The beginning of a command line; what is to be run follows.

    temporary: megabytes of files that it may write. course: descriptors of files to be seen, read-only, by their path
    below COURSE. as_root: whether root runs it; then the program must give up that identity itself, for bubblewrap
    can map it to no other.
    """
    words = [PROGRAM, "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    words += ["--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    if as_root:
        words += [word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}")]
    else:
        words += ["--unshare-user", "--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID)]
    words += _shown(view.shown)
    words += ["--perms", "1777", "--size", str(temporary << 20), "--tmpfs", TEMPORARY]
    words += ["--perms", "0755", "--size", str(COURSE_MEGABYTES << 20), "--tmpfs", COURSE]
    for name, descriptor in course.items():
        words += [
            *_folders_around(f"{COURSE}/{name}"),
            "--perms",
            "0644",
            "--file",
            str(descriptor),
            f"{COURSE}/{name}",
        ]
    words += _shown(view.private)
    for path in view.covered:
        words += ["--perms", "0755", "--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]
    words += _shown(view.uncovered)
    words += _folders_around("/dev/null")
    for device in DEVICES:
        words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    words += ["--proc", "/proc"]
    for path in ("/proc", COURSE, *filter(os.path.isdir, view.covered), "/"):
        words += ["--remount-ro", path]
    return [*words, "--chdir", TEMPORARY, "--"]


def _shown(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [word for path, real in pairs for word in (*_folders_around(path), "--ro-bind", real, path)]


def _folders_around(path: str) -> list[str]:
    """Words that make the folders around a path, which bubblewrap alone would make for its own user only."""
    folders = [str(parent) for parent in reversed(PurePosixPath(path).parents) if str(parent) != "/"]
    return [word for folder in folders for word in ("--perms", "0755", "--dir", folder)]


def try_it(view: View) -> None:
    """Raises Unavailable, with the program's own words, where it can't do what `command` asks for."""
    words = [*command(view, 1, {}, os.geteuid() == 0), *PYTHON, "import ctypes"]
    try:
        trial = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_TIME, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"bubblewrap ({error})") from None
    if trial.returncode:
        said = trial.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise Unavailable(f"bubblewrap ({said[-1]})")
