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

    lesson: the full name of the one to open. open_browser: None opens one where there is a screen.
    """
    from jupyterlab.labapp import LabApp

    if open_browser is None:
        open_browser = has_screen()
    token = secrets.token_hex(24)
    path = f"/lab/tree/{lesson}.ipynb" if lesson else "/lab"
    server = LabApp.initialize_server(argv=arguments(course.root, port, ip, token, path, open_browser))
    # A kernel that the user installed for something else would hide this environment's own.
    server.kernel_spec_manager.kernel_dirs = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in place of the server's "are you sure?"
    host = server.ip if server.ip not in ("", "0.0.0.0", "::") else "127.0.0.1"
    say(f"JupyterLab is at  http://{host}:{server.port}{path}?token={token}")
    say("Stop it with Ctrl-C.")
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
        # The open tabs are the course's own, not those of the user's last project.
        "LabApp.workspaces_dir": root / ".jupyter" / "workspaces",
        # News and updates need a network, and ask for permission in a pop-up.
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def has_screen() -> bool:
    """Whether a browser could open here; as root browsers refuse to."""
    if sys.platform in ("win32", "darwin"):
        return True
    return os.geteuid() != 0 and any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
