"""What Linux offers to shut a process in, through the C library: namespaces, mounts, capabilities, limits, a filter on
system calls. It needs the standard library alone and may not know what is being shut in, nor why: a copy of it runs
inside the sandbox before any learner's code does.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

USER, MOUNT, PID, NETWORK, IPC, HOST_NAME, CGROUP = (
    0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000,
)  # fmt: skip
EVERY_NAMESPACE = USER | MOUNT | PID | NETWORK | IPC | HOST_NAME | CGROUP

INSIDE_ID = 1000
"""The user and the group as which processes inside see themselves."""

NOBODY = 65534
OLD_ROOT = "/.old-root"
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM_LIBRARIES = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/local/lib")
SYSTEM_FILES = {
    "/etc/passwd": f"learner:x:{INSIDE_ID}:{INSIDE_ID}::/tmp:/bin/false\n",
    "/etc/group": f"learner:x:{INSIDE_ID}:\n",
}

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_RECURSIVE, _MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV = 0x8000, 1, 2, 4
_MOUNT_SETATTR = 442  # the same number on every processor, as for all system calls since 2019
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 24, 38, 22
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION = 0x20080522
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """The system doesn't offer what the sandbox needs. The message says what, in a few words."""


def _call(function: str, *arguments: object) -> int:
    result: int = getattr(_libc, function)(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function}: {os.strerror(error)}")
    return result


def unshare(namespaces: int) -> None:
    """Leave these namespaces for new ones; a new pid namespace begins with the next child."""
    _call("unshare", namespaces)


def become_inside_user(outside_user: int, outside_group: int) -> None:
    """In a new user namespace, map the user and the group that the process had outside to the one of the inside."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INSIDE_ID} {outside_user} 1")
    Path("/proc/self/gid_map").write_text(f"{INSIDE_ID} {outside_group} 1")


def become_nobody() -> None:
    """Give up the superuser's identity, so that even outside all namespaces this process would own nothing."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self would still belong to the superuser


def die_with_parent() -> None:
    """Be killed when the parent ends; on Linux alone."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def forbid_inspection() -> None:
    """No process of the same user may trace this one or read its memory."""
    _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    encoded = [item.encode() if item is not None else None for item in (source, target, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), options.encode())


def mount_memory(target: str, megabytes: int, mode: str = "0700") -> None:
    """An empty file system in memory, which ends with its namespace."""
    options = f"size={megabytes}m,nr_inodes={megabytes * 256},mode={mode}"
    mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def mount_processes() -> None:
    """Show in /proc the processes of this pid namespace."""
    mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def keep_mounts_to_oneself() -> None:
    mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def make_read_only(target: str, with_devices: bool = False) -> None:
    """Make a mount, and all that is mounted below it, read-only."""
    attributes = _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | (0 if with_devices else _MOUNT_ATTR_NODEV)
    wanted = struct.pack("=QQQQ", attributes, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, -100, target.encode(), _AT_RECURSIVE, wanted, len(wanted))


def enter_new_root(readable: Sequence[str], hidden: Iterable[str]) -> None:
    """Replace the file system by one in memory that holds, read-only, what is readable; needs a mount namespace.

    readable: existing absolute paths of folders. hidden: those of folders and files; what lies inside a readable one
    is covered by nothing at all.
    """
    keep_mounts_to_oneself()
    mount_memory("/tmp", 1, "0755")
    os.mkdir("/tmp" + OLD_ROOT)
    _call("syscall", _system_call("pivot_root"), b"/tmp", ("/tmp" + OLD_ROOT).encode())
    os.chdir("/")
    for folder in readable:
        _show(folder)
    for path in hidden:
        _cover(path)
    os.makedirs("/dev")
    for device in DEVICES:
        Path(f"/dev/{device}").touch()
        mount(f"{OLD_ROOT}/dev/{device}", f"/dev/{device}", None, _MS_BIND)
    for path, text in SYSTEM_FILES.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    for folder in ("/proc", "/tmp", "/course"):
        os.makedirs(folder, exist_ok=True)
    mount_processes()  # while the old one can still be seen, without which the kernel doesn't allow it
    _call("umount2", OLD_ROOT.encode(), _MNT_DETACH)
    os.rmdir(OLD_ROOT)


def close_root() -> None:
    """Let nobody write in the root any more; mounts that come later stay as they are made."""
    wanted = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, -100, b"/", 0, wanted, len(wanted))


def _show(folder: str) -> None:
    """A folder of the old root, under the same path; a link becomes a link."""
    old = OLD_ROOT + folder
    if os.path.lexists(folder) or not os.path.lexists(old):
        return
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    if os.path.islink(old):
        os.symlink(os.readlink(old), folder)
        return
    os.mkdir(folder)
    mount(old, folder, None, _MS_BIND | _MS_REC)
    make_read_only(folder)


def _cover(path: str) -> None:
    if os.path.isdir(path):
        mount_memory(path, 1, "0000")
    elif os.path.exists(path):
        mount("/dev/null", path, None, _MS_BIND)


def _system_call(name: str) -> int:
    try:
        return _SYSTEM_CALLS[platform.machine()][name]
    except KeyError:
        raise Unavailable(f"a sandbox for {platform.machine()} processors") from None


def drop_privileges() -> None:
    """Drop every capability, for good: no program that is started later can have one again."""
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _call("capset", header, struct.pack("=6I", *[0] * 6))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def limit_resources(limits: dict[str, int]) -> None:
    """Limit this process and all that it starts, by the names that `resource` has for the limits; and keep no core
    file.
    """
    for name, value in ({"CORE": 0, "MEMLOCK": 0, "MSGQUEUE": 0} | limits).items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue  # not every system has every limit
        _, highest = resource.getrlimit(kind)
        value = value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(kind, (value, value))


def address_space() -> int:
    """The bytes of address space that this process has."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except FileNotFoundError:
        return 1 << 40  # where nobody can tell, memory stays unlimited


# The filter on system calls: what no solution needs and the kernel need not be asked by a learner's code. Numbers
# differ by processor. Refused calls fail with EPERM, as if the user weren't allowed to.
_SYSTEM_CALLS = {
    "x86_64": {
        "audit": 0xC000003E, "clone": 56, "clone3": 435, "pivot_root": 155, "unshare": 272, "setns": 308,
        "mount": 165, "umount2": 166, "chroot": 161, "ptrace": 101, "process_vm_readv": 310,
        "process_vm_writev": 311, "keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "memfd_create": 319, "memfd_secret": 447, "shmget": 29,
        "semget": 64, "msgget": 68, "io_uring_setup": 425, "kexec_load": 246, "init_module": 175,
        "finit_module": 313, "open_by_handle_at": 304, "fsopen": 430, "open_tree": 428, "move_mount": 429,
        "mount_setattr": 442, "swapon": 167, "reboot": 169, "personality": 135, "mq_open": 240,
    },
    "aarch64": {
        "audit": 0xC00000B7, "clone": 220, "clone3": 435, "pivot_root": 41, "unshare": 97, "setns": 268,
        "mount": 40, "umount2": 39, "chroot": 51, "ptrace": 117, "process_vm_readv": 270,
        "process_vm_writev": 271, "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280,
        "perf_event_open": 241, "userfaultfd": 282, "memfd_create": 279, "memfd_secret": 447, "shmget": 194,
        "semget": 190, "msgget": 186, "io_uring_setup": 425, "kexec_load": 104, "init_module": 105,
        "finit_module": 273, "open_by_handle_at": 265, "fsopen": 430, "open_tree": 428, "move_mount": 429,
        "mount_setattr": 442, "swapon": 224, "reboot": 142, "personality": 92, "mq_open": 180,
    },
}  # fmt: skip
_NOT_REFUSED = ("audit", "clone", "clone3")
_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_OTHER_CALLING_CONVENTION = 0x40000000  # x32, which would have numbers of its own


def filter_system_calls() -> None:
    """Refuse the calls above, and new namespaces; does nothing on processors whose numbers aren't known."""
    numbers = _SYSTEM_CALLS.get(platform.machine())
    if numbers is None:
        return
    program = b"".join(_filter(numbers))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _call("prctl", _PR_SET_SECCOMP, 2, header, 0, 0)


def _filter(numbers: dict[str, int]) -> list[bytes]:
    """The filter as the kernel's instructions (code, jump if true, jump if false, value), each of eight bytes."""

    def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    def load(offset: int) -> bytes:
        return instruction(0x20, offset)

    def answer(value: int) -> bytes:
        return instruction(0x06, value)

    equal, at_least, any_bit = 0x15, 0x35, 0x45
    program = [load(4), instruction(equal, numbers["audit"], 1, 0), answer(_KILL)]
    program += [load(0), instruction(at_least, _OTHER_CALLING_CONVENTION, 0, 1), answer(_KILL)]
    for name, number in numbers.items():
        if name not in _NOT_REFUSED:
            program += [instruction(equal, number, 0, 1), answer(_ERRNO | _EPERM)]
    # clone3 hides its flags behind a pointer; told that it doesn't exist, the C library uses clone.
    program += [instruction(equal, numbers["clone3"], 0, 1), answer(_ERRNO | _ENOSYS)]
    program += [instruction(equal, numbers["clone"], 0, 3), load(16)]
    program += [instruction(any_bit, EVERY_NAMESPACE, 0, 1), answer(_ERRNO | _EPERM)]
    return [*program, answer(_ALLOW)]
