"""JupyterLab on the lessons: served from this process, with this Python as the only kernel, and without the
questions and messages that JupyterLab has for people who aren't in a course. It knows nothing of checks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse

from bnn_core.lesson_files import Course

ServerApp = Any
"""Jupyter's own, which is loaded when it is needed and no sooner."""

SETTINGS = Path(__file__).with_name("lab_settings")
"""Defaults for JupyterLab's settings: no news and no updates, which need a network and ask in a pop-up."""

WORKSPACES = Path(".jupyter", "workspaces")
"""Which notebooks are open: the course's own memory, apart from that of the user's other projects."""


NOT_HERE = [
    (kind, name)
    for name, kinds in {
        "root_dir": ("ServerApp",),
        "notebook_dir": ("ServerApp",),
        "preferred_dir": ("ServerApp", "ContentsManager", "FileContentsManager", "AsyncLargeFileManager"),
        "default_url": ("ServerApp", "LabApp"),
    }.items()
    for kind in kinds
]
"""Where a user's configuration may set what the course itself has to."""


class NoLab(Exception):
    """JupyterLab can't be started; the message is its own reason, in a line."""


def serve(
    course: Course,
    lesson: str | None,
    *,
    port: int | None = None,
    ip: str | None = None,
    open_browser: bool | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serves JupyterLab until Ctrl-C, and says its address.

    lesson: the full name of the one to open; None opens what was open last. port, ip: where to serve; None leaves it
    to the user's own Jupyter configuration. If the port is taken, the next free one. open_browser: None opens one
    where there is a screen and the configuration doesn't forbid it. Raises NoLab where it can't be started.
    """
    config_path = [str(SETTINGS), *os.environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, config_path))
    if open_browser is None and not has_screen():
        open_browser = False
    lesson = lesson or first_to_open(course)
    path = f"/lab/tree/{lesson}.ipynb" if lesson else "/lab"
    settings = settings_of(course.root, path)
    chosen = {"ServerApp.port": port, "ServerApp.ip": ip, "ServerApp.open_browser": open_browser}
    settings |= {name: value for name, value in chosen.items() if value is not None}
    complaints = Complaints()
    server = _server([f"--{name}={value}" for name, value in settings.items()], complaints)
    # A kernel that the user installed for something else would hide this environment's own.
    server.kernel_spec_manager.kernel_dirs = []
    # Else the server tells its address itself, in ten lines.
    server.identity_provider.token_generated = False
    # In place of the server's question whether one is sure: that is what Ctrl-C says.
    signal.signal(signal.SIGINT, lambda *_: server.stop(from_signal=True))
    words = [f"JupyterLab is at  {address_of(server)}", *complaints.lines, *remarks_on(server), "Stop it with Ctrl-C."]
    # Said by the running server: from then on somebody answers there.
    server.io_loop.add_callback(say, "\n".join(words))
    server.start()


def settings_of(root: Path, path: str) -> dict[str, object]:
    """What has to be so for the course, and has the last word over the user's own configuration of Jupyter; all the
    rest is the user's.
    """
    return {
        "ServerApp.root_dir": root / "lessons",
        "ServerApp.preferred_dir": root / "lessons",
        "AsyncLargeFileManager.preferred_dir": "",
        "ServerApp.allow_root": True,
        "ServerApp.port_retries": 50,
        "ServerApp.default_url": path,
        "LabApp.default_url": path,
        "ServerApp.log_level": "ERROR",
        "LabApp.log_level": "ERROR",
        "LabApp.workspaces_dir": root / WORKSPACES,
        # Others on this machine can't listen in; without this a kernel warns that they could.
        "KernelManager.transport_encryption": "auto",
        # The one kernel that has the course.
        "KernelSpecManager.ensure_native_kernel": True,
        "MultiKernelManager.default_kernel_name": "python3",
    }


def _server(arguments: list[str], complaints: Complaints) -> ServerApp:
    from jupyterlab.labapp import LabApp

    with complaints.heard():
        return LabApp.initialize_server(argv=arguments)


class Complaints(logging.Filter):
    """What Jupyter would log with a time, a name and a stack while it starts; a line each is enough."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            reason = f": {record.exc_info[1]}" if record.exc_info and record.exc_info[1] else ""
            self.lines.append(" ".join(f"{record.getMessage()}{reason}".split()))
        return False

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Collects them, and raises NoLab with the last where the server gives up."""
        loggers = [logging.getLogger(name) for name in ("ServerApp", "LabApp")]
        for logger in loggers:
            logger.addFilter(self)
        try:
            yield
        except SystemExit as error:
            if error.code:
                raise NoLab(self.lines[-1] if self.lines else "it gave no reason") from None
        except Exception as error:
            raise NoLab(" ".join(str(error).split()) or type(error).__name__) from None
        finally:
            for logger in loggers:
                logger.removeFilter(self)


def address_of(server: ServerApp) -> str:
    """Where the running server answers, as it says itself, with the token that it asks for."""
    anywhere = server.ip in ("", "0.0.0.0", "::") and not server.custom_display_url
    parts = urlparse(server.local_url if anywhere else server.public_url)
    token = server.identity_provider.token
    address: str = parts._replace(query=urlencode({"token": token}) if token else "").geturl()
    return address


def remarks_on(server: ServerApp) -> list[str]:
    """What a person must know of their own configuration: which settings can't hold here, and whether a password is
    asked for.
    """
    own = _own_configuration(server)
    refused = [f"{kind}.{name}" for kind, name in NOT_HERE if any(name in one.get(kind, {}) for one in own)]
    lines = []
    if refused:
        lines.append(f"Of your Jupyter configuration, {', '.join(refused)} can't hold here: it serves the lessons.")
    if not server.identity_provider.token and server.identity_provider.auth_enabled:
        lines.append("It asks for the password of your Jupyter configuration.")
    return lines


def _own_configuration(server: ServerApp) -> list[dict[str, Any]]:
    """What stands in the configuration files that the server has read: settings by class, for each file."""
    found = []
    for file in [*server.loaded_config_files, *server.starter_app.loaded_config_files]:
        loader = server.python_config_loader_class if file.endswith(".py") else server.json_config_loader_class
        with contextlib.suppress(Exception):  # it has been told already
            found.append(loader(file).load_config())
    return found


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
