"""The zip that Gradescope takes as an autograder: how its machine is set up, what it runs for each submission, and the
course itself. What happens there is `gradescope_grader`'s business, which the zip holds.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from bnn_core.course.exports.course_copy import CPU_INDEX, course_files, requirements
from bnn_core.lesson_files import Course

SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the machine. It needs nothing of the network but apt and pip.
set -euo pipefail

source="${{BNN_AUTOGRADER:-/autograder}}/source"
environment="${{BNN_ENVIRONMENT:-/opt/bnn-course}}"
umask 022  # submitted code, which is nobody's, must be able to import what is installed

new_enough() {{
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}}

find_python() {{
    for candidate in "$environment/bin/python" python3.13 python3.12 python3.11 python3; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}}

if ! find_python >/dev/null; then  # Ubuntu 22.04 has Python 3.10
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends software-properties-common
    add-apt-repository -y ppa:deadsnakes/ppa
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv
fi

[ -x "$environment/bin/python" ] || "$(find_python)" -m venv "$environment"
pip=("$environment/bin/python" -m pip install --no-cache-dir)
"${{pip[@]}}" --extra-index-url {index} "$(grep '^torch==' "$source/requirements.txt")"  # without libraries for GPUs
"${{pip[@]}}" -r "$source/requirements.txt"
"""

RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission, as root.
set -euo pipefail

autograder="${{BNN_AUTOGRADER:-/autograder}}"
environment="${{BNN_ENVIRONMENT:-/opt/bnn-course}}"
chmod 700 "$autograder"  # where no sandbox can be had, submitted code runs as nobody: let nobody in
export OMP_NUM_THREADS=1
cd "$autograder/source/course"
exec "$environment/bin/python" -m bnn_core.course.exports.gradescope_grader "$autograder" {lesson} {visibility}
"""


def autograder_zip(course: Course, lesson: str, visibility: str = "visible") -> bytes:
    """The zip's content. visibility: when students see the tests. Raises LessonFileError where the course isn't
    whole.
    """
    scripts = {
        "setup.sh": SETUP.format(index=CPU_INDEX),
        "run_autograder": RUN.format(lesson=lesson, visibility=visibility),
    }
    own = {f"course/{name}": content for name, content in course_files(course, [lesson], solved=True).items()}
    plain = {"requirements.txt": requirements(course).encode(), **own}
    return _zipped({name: text.encode() for name, text in scripts.items()}, plain)


def _zipped(scripts: Mapping[str, bytes], plain: Mapping[str, bytes]) -> bytes:
    """A zip of these files, of which the scripts can be run; the same files give the same zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**scripts, **plain}.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name in scripts else 0o100644) << 16
            archive.writestr(entry, data)
    return content.getvalue()
