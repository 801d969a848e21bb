"""JupyterLab on the lessons: served from this process, with this Python as the only kernel, and without the
questions and messages that JupyterLab has for people who aren't in a course. It knows nothing of checks.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bnn_core.lesson_files import Course

SETTINGS = Path(__file__).with_name("lab_settings")
"""Defaults for JupyterLab's settings: no news and no updates, which need a network and ask in a pop-up."""

WORKSPACES = Path(".jupyter", "workspaces")
"""Which notebooks are open: the course's own memory, apart from that of the user's other projects."""


def serve(
    course: Course,
    lesson: str | None,
    *,
    port: int = 8888,
    ip: str = "localhost",
    open_browser: bool | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serves JupyterLab until Ctrl-C, on the first free port from `port` on, and says its address.

    lesson: the full name of the one to open; None opens what was open last. open_browser: None opens one where
    there is a screen.
    """
    from jupyterlab.labapp import LabApp

    config_path = [str(SETTINGS), *os.environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, config_path))
    if open_browser is None:
        open_browser = has_screen()
    token = secrets.token_hex(24)
    lesson = lesson or first_to_open(course)
    path = f"/lab/tree/{lesson}.ipynb" if lesson else "/lab"
    server = LabApp.initialize_server(argv=arguments(course.root, port, ip, token, path, open_browser))
    # A kernel that the user installed for something else would hide this environment's own.
    server.kernel_spec_manager.kernel_dirs = []
    # In place of the server's question whether one is sure: that is what Ctrl-C says.
    signal.signal(signal.SIGINT, lambda *_: server.stop(from_signal=True))
    host = server.ip if server.ip not in ("", "0.0.0.0", "::") else "127.0.0.1"
    address = f"http://{host}:{server.port}{path}?token={token}"
    # Said by the running server: from then on somebody answers there.
    server.io_loop.add_callback(say, f"JupyterLab is at  {address}\nStop it with Ctrl-C.")
    server.start()


def arguments(root: Path, port: int, ip: str, token: str, path: str, open_browser: bool) -> list[str]:
    """JupyterLab's own command line, which has the last word over any configuration of the user's."""
    settings = {
        "ServerApp.root_dir": root / "lessons",
        "ServerApp.allow_root": True,
        "ServerApp.ip": ip,
        "ServerApp.port": port,
        "ServerApp.port_retries": 50,
        "ServerApp.open_browser": open_browser,
        "ServerApp.default_url": path,
        "ServerApp.log_level": "ERROR",
        "LabApp.log_level": "ERROR",
        "IdentityProvider.token": token,
        "LabApp.workspaces_dir": root / WORKSPACES,
        # Others on this machine can't listen in; without this a kernel warns that they could.
        "KernelManager.transport_encryption": "auto",
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def first_to_open(course: Course) -> str | None:
    """On the first visit the first lesson; later JupyterLab itself opens what was open last."""
    if (course.root / WORKSPACES).exists():
        return None
    return next((name for name in course.names() if course.learner_notebook(name).exists()), None)


def has_screen() -> bool:
    """Whether a browser could open here; as root browsers refuse to."""
    if sys.platform in ("win32", "darwin"):
        return True
    return os.geteuid() != 0 and any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
