"""Running a command as the superuser or as an ordinary user, whoever runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

COURSE = Path(__file__).parents[2]
ROOT, ORDINARY = "root", "ordinary user"
IS_ROOT = os.geteuid() == 0
IDENTITIES = [ROOT, ORDINARY] if IS_ROOT and shutil.which("setpriv") else [ROOT if IS_ROOT else ORDINARY]
SOME_USER = "12345"

WITH_A_SHORT_CONTROL = """
from bnn_core.classroom import control

control.LIBRARIES = ()
"""
"""Before a grading: no library is imported for a trial, which takes longer than many a submission."""

COMMAND = """
from bnn_core.course.command_line import main

main()
"""

# Shows the folders named by the arguments before "--" under an empty folder in place of one that others may not
# enter, in a mount namespace that ends with the command; then gives up the superuser's rights.
BECOME_ORDINARY = f"""
set -e
closed=$1; shift
stage=$(mktemp -d)
number=0; folders=
while [ "$1" != -- ]; do
  number=$((number + 1)); mkdir "$stage/$number"; mount --rbind "$1" "$stage/$number"; folders="$folders $1"; shift
done
shift
if [ -n "$folders" ]; then
  mount -t tmpfs -o mode=755 tmpfs "$closed"
  number=0
  for folder in $folders; do
    number=$((number + 1)); mkdir -p "$folder"; mount --move "$stage/$number" "$folder"
  done
fi
rmdir "$stage"/* "$stage"
exec setpriv --reuid={SOME_USER} --regid={SOME_USER} --clear-groups --inh-caps=-all --bounding-set=-all "$@"
"""


def run_as(identity: str, command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command as root or as an ordinary user; one that takes longer than `timeout` seconds raises."""
    if IS_ROOT and identity == ORDINARY:
        needed = [Path(sys.base_prefix), Path(sys.prefix), COURSE]
        closed = next((folder for path in needed for folder in reversed(path.parents) if _is_closed(folder)), None)
        shown = [str(path) for path in needed if closed is not None and path.is_relative_to(closed)]
        command = ["unshare", "--mount", "sh", "-c", BECOME_ORDINARY, "sh", str(closed), *shown, "--", *command]
    environment = {**os.environ, "HOME": "/tmp"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


def _is_closed(folder: Path) -> bool:
    """Whether others may not enter it."""
    return not folder.stat().st_mode & 0o001
