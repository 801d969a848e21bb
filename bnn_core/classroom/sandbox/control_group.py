"""A bound on the memory of a whole sandbox, kept by the kernel, where this process may set one: as root, on Linux. An
extra beside the limits of each submission, which hold for everybody. It may not know what the processes do.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

HIERARCHIES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),  # version 1
    (Path("/sys/fs/cgroup"), "memory.max"),  # version 2
)


class MemoryGroup:
    """A control group with these processes in it; their later children follow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def around(cls, process: int, memory: int) -> MemoryGroup | None:
        """A group for a process and its children, which together may use `memory` bytes; None where there can be
        none.
        """
        for hierarchy, limit in HIERARCHIES:
            group = cls(hierarchy / f"bnn-course-{process}")
            try:
                group.folder.mkdir()
                (group.folder / limit).write_text(str(memory))
                for member in (process, *_children(process)):
                    (group.folder / "cgroup.procs").write_text(str(member))
                return group
            except OSError:
                group.remove()
        return None

    def remove(self) -> None:
        """Remove the group once its processes have ended."""
        for _ in range(20):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # they are about to
                time.sleep(0.05)
            else:
                return


def _children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in text.split()]


def is_allowed() -> bool:
    return os.name == "posix" and os.geteuid() == 0
