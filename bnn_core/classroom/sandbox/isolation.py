"""What Linux offers to shut a process in, through the C library: namespaces, mounts, capabilities, limits, a filter on
system calls. It needs the standard library alone and may not know what is being shut in, nor why: a copy of it runs
inside the sandbox before any learner's code does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import shlex
import socket
import stat
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

USER, MOUNT, PID, NETWORK, IPC, HOST_NAME, CGROUP = (
    0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000,
)  # fmt: skip
EVERY_NAMESPACE = USER | MOUNT | PID | NETWORK | IPC | HOST_NAME | CGROUP

INSIDE_ID = 1000
"""The user and the group as which processes inside see themselves."""

NOBODY = 65534
OLD_ROOT = "/.old-root"
ASIDE = "/.aside"
"""Where the new root keeps what it shows below a private folder, until that is there."""

TEMPORARY, COURSE = "/tmp", "/course"
PRIVATE = (TEMPORARY, COURSE)
"""Folders that each submission has for itself, whatever lies there outside."""

FILES_PER_MEGABYTE = 256
DEVICES = ("null", "full", "random", "urandom")  # not zero: memory mapped from it and shared is on nobody's account
SYSTEM_LIBRARIES = (
    "/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/alternatives", "/etc/ld.so.cache",
)  # fmt: skip
SYSTEM_FILES = {
    "/etc/passwd": f"learner:x:{INSIDE_ID}:{INSIDE_ID}::/tmp:/bin/false\n",
    "/etc/group": f"learner:x:{INSIDE_ID}:\n",
}

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_RECURSIVE, _MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV = 0x8000, 1, 2, 4
_MOUNT_ATTR_IDMAP = 0x100000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every processor, as all system calls since 2019
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _AT_EMPTY_PATH = 1, 4, 0x1000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 24, 38, 22
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_CHILD_SUBREAPER = 36
_CAPABILITY_VERSION = 0x20080522
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """The system doesn't offer what the sandbox needs. The message says what, in a few words."""


class OnlyRootCanRead(Unavailable):
    """Nobody, as whom root's submissions run, could import anything from this folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"only root can read {folder}, and submitted code runs as nobody; "
            f"chmod -R o+rX {shlex.quote(folder)} lets it be read"
        )


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
    """In a new user namespace, become the user and the group of the inside."""
    map_to(INSIDE_ID, outside_user, outside_group)


def map_to(inside: int, outside_user: int, outside_group: int, own_process: str = "/proc/self") -> None:
    """In a new user namespace, map the user and the group that the process had outside to this number."""
    Path(f"{own_process}/setgroups").write_text("deny")
    Path(f"{own_process}/uid_map").write_text(f"{inside} {outside_user} 1")
    Path(f"{own_process}/gid_map").write_text(f"{inside} {outside_group} 1")


def become_nobody() -> None:
    """Give up the superuser's identity, so that even outside all namespaces this process would own nothing."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)  # which for the superuser sets the saved one as well
    if sys.platform == "linux":
        _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self would still belong to the superuser


def keep_modules_reachable(descriptors: range) -> None:
    """Let modules be imported even by one who may not enter the folders around theirs: each folder stays open, and is
    reached by its descriptor.
    """
    folders = [path for path in sys.path if os.path.isdir(path)]
    if sys.platform != "linux" or all(
        os.stat(parent).st_mode & 0o001 for path in folders for parent in Path(path).parents
    ):
        return
    names = {}
    for folder, descriptor in zip(folders, descriptors, strict=False):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.dup2(opened, descriptor)
        os.close(opened)
        names[folder] = f"/proc/self/fd/{descriptor}"
    paths = [getattr(module, "__path__", None) for module in list(sys.modules.values())]
    for path in [sys.path, *(path for path in paths if isinstance(path, list))]:
        path[:] = [_renamed(entry, names) for entry in path]
    sys.path_importer_cache.clear()


def _renamed(path: str, names: dict[str, str]) -> str:
    folder = max((folder for folder in names if is_below(path, folder)), key=len, default="")
    return names[folder] + path.removeprefix(folder) if folder else path


def die_with_parent() -> None:
    """Be killed when the parent ends; on Linux alone."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every process below this one that loses its own; on Linux alone."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def be_killed_first() -> None:
    """Where the system runs out of memory, let it end this process and its children before any other."""
    with contextlib.suppress(OSError):  # not every system asks
        Path("/proc/self/oom_score_adj").write_text("1000")


def forbid_inspection() -> None:
    """No process of the same user may trace this one or read its memory."""
    _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    encoded = [item.encode() if item is not None else None for item in (source, target, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), options.encode())


def mount_memory(target: str, megabytes: int, mode: str = "0700") -> None:
    """An empty file system in memory, which ends with its namespace."""
    options = f"size={megabytes}m,nr_inodes={megabytes * FILES_PER_MEGABYTE},mode={mode}"
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


@dataclass(frozen=True)
class View:
    """What of the file system can be seen inside.

    shown: (path inside, path outside), none with a link in it, of folders and files to be seen, read-only. covered:
    paths inside of folders and files in them of which nothing may be seen. uncovered: as `shown`, of what lies in a
    covered folder and is to be seen all the same. private: as `shown`, of what lies in one of the PRIVATE folders.
    """

    shown: list[tuple[str, str]]
    covered: list[str]
    uncovered: list[tuple[str, str]]
    private: list[tuple[str, str]]

    def place(self, path: str) -> str:
        """Where a path inside lies as long as the private folders aren't there."""
        for number, (top, _) in enumerate(self.private):
            if is_below(path, top):
                return f"{ASIDE}/{number}{path.removeprefix(top)}"
        return path


def view_of(readable: Iterable[str], hidden: Iterable[str]) -> View:
    """The view in which all these paths can be read under the names that they have here, and of what is hidden
    nothing but what is readable itself.
    """
    targets = {path: os.path.realpath(path) for path in map(os.path.normpath, readable) if os.path.exists(path)}
    targets |= {real: real for real in targets.values()}  # to which links inside may lead
    tops: dict[str, str] = {}
    for path in sorted(targets, key=lambda path: path.count("/")):
        if not any(is_below(path, top) for top in tops):
            tops[path] = targets[path]
    concealed = [os.path.realpath(path) for path in hidden]
    covered = [
        os.path.normpath(os.path.join(path, os.path.relpath(secret, real)))
        for path, real in tops.items()
        for secret in concealed
        if is_below(secret, real) and secret != real
    ]
    within = [
        (path, real) for path, real in targets.items() if path not in tops and any(is_below(path, c) for c in covered)
    ]
    private = [(path, real) for path, real in tops.items() if any(is_below(path, own) for own in PRIVATE)]
    shown = [pair for pair in tops.items() if pair not in private]
    return View(shown, covered, sorted(within), private)


def is_below(path: str, folder: str) -> bool:
    """Whether the path is the folder, or lies in it, by its name."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def enter_new_root(view: View) -> None:
    """Replace the file system by one in memory that holds the view; needs a mount namespace."""
    keep_mounts_to_oneself()
    mount_memory("/tmp", 1, "0755")
    os.mkdir("/tmp" + OLD_ROOT)
    _call("syscall", _system_call("pivot_root"), b"/tmp", ("/tmp" + OLD_ROOT).encode())
    os.chdir("/")
    for path, real in [*view.shown, *view.private]:
        if os.geteuid() == 0 and path not in SYSTEM_LIBRARIES and is_roots_alone(OLD_ROOT + real):
            _show_as_nobodys(real, view.place(path))
        else:
            _show(OLD_ROOT + real, view.place(path))
    covered = [view.place(path) for path in view.covered]
    for path in covered:
        _cover(path)
    for path, real in view.uncovered:
        _show(OLD_ROOT + real, view.place(path))
    for path in filter(os.path.isdir, covered):
        make_read_only(path)
    os.makedirs("/dev", exist_ok=True)
    for device in DEVICES:
        Path(f"/dev/{device}").touch()
        mount(f"{OLD_ROOT}/dev/{device}", f"/dev/{device}", None, _MS_BIND)
    for path, text in SYSTEM_FILES.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    for folder in ("/proc", *PRIVATE):
        os.makedirs(folder, exist_ok=True)
    mount_processes()  # while the old one can still be seen, without which the kernel doesn't allow it
    _call("umount2", OLD_ROOT.encode(), _MNT_DETACH)
    os.rmdir(OLD_ROOT)


def show_private(view: View) -> None:
    """Show what lies in the private folders, whatever has been mounted there."""
    for path, _ in view.private:
        _show(view.place(path), path)


def close_root() -> None:
    """Let nobody write in the root any more; mounts that come later stay as they are made."""
    wanted = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, -100, b"/", 0, wanted, len(wanted))


def _show(source: str, path: str) -> None:
    _make_place(source, path)
    mount(source, path, None, _MS_BIND | _MS_REC)
    make_read_only(path)


def _make_place(source: str, path: str) -> None:
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).touch()


def is_roots_alone(path: str) -> bool:
    """Whether others may not read it, or not enter it."""
    mode = os.stat(path).st_mode
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & needed != needed


def _show_as_nobodys(real: str, path: str) -> None:
    """Show what only root can read, read-only, as if its files were nobody's. Raises OnlyRootCanRead where its file
    system can't be shown so.
    """
    source = OLD_ROOT + real
    _make_place(source, path)
    owners = _namespace_of_nobody()
    attributes = _MOUNT_ATTR_IDMAP | _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV
    wanted = struct.pack("=QQQQ", attributes, 0, 0, owners)
    try:
        tree = _call("syscall", _OPEN_TREE, -100, source.encode(), _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE)
        _call("syscall", _MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, wanted, len(wanted))
        _call("syscall", _MOVE_MOUNT, tree, b"", -100, path.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
        os.close(tree)
    except OSError:
        raise OnlyRootCanRead(real) from None
    finally:
        os.close(owners)


def _namespace_of_nobody() -> int:
    """The descriptor of a user namespace in which root is nobody."""
    here, there = socket.socketpair()
    with here, there:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError):
                become_nobody()
                unshare(USER)
                map_to(0, NOBODY, NOBODY, f"{OLD_ROOT}/proc/self")
                socket.send_fds(there, [b"!"], [os.open(f"{OLD_ROOT}/proc/self/ns/user", os.O_RDONLY)])
            os._exit(0)
        there.close()
        os.waitpid(child, 0)
        _, descriptors, _, _ = socket.recv_fds(here, 1, 1)
    if not descriptors:
        raise Unavailable("a user namespace of nobody's")
    return descriptors[0]


def _cover(path: str) -> None:
    if os.path.isdir(path):
        mount_memory(path, 1, "0755")
    elif os.path.exists(path):
        mount("/dev/null", path, None, _MS_BIND)


def _system_call(name: str) -> int:
    try:
        return _SYSTEM_CALLS[platform.machine()][name]
    except KeyError:
        raise Unavailable(f"a sandbox for {platform.machine()} processors") from None


def bound_privileges() -> None:
    """Let no program that is started later have a capability."""
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break


def drop_privileges() -> None:
    """Drop every capability, for good."""
    bound_privileges()
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _call("capset", header, struct.pack("=6I", *[0] * 6))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def limit_resources(limits: dict[str, int]) -> None:
    """Limit this process and all that it starts, by the names that `resource` has for the limits; and keep no core
    file.
    """
    for name, value in ({"CORE": 0, "MEMLOCK": 0, "MSGQUEUE": 0, "SIGPENDING": 256} | limits).items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue  # not every system has every limit
        _, highest = resource.getrlimit(kind)
        value = value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(kind, (value, value))


def processes_are_counted_by_namespace() -> bool:
    """Whether a limit on processes counts those of the user namespace alone, and not all of the user's."""
    version = platform.release().split(".")
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version[:2]) >= (5, 14)


def address_space() -> int:
    """The bytes of address space that this process has."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except FileNotFoundError:
        return 1 << 40  # where nobody can tell, memory stays unlimited


# The filter on system calls: what no solution needs and the kernel need not be asked by a learner's code. Numbers
# differ by processor. Refused calls fail with EPERM, as if the user weren't allowed to. Of sockets there are pairs
# alone, with no name and with buffers as they are; of memory none that is shared and belongs to no file, nor any that
# a pipe holds on to: each would be on nobody's account.
_SYSTEM_CALLS = {
    "x86_64": {
        "audit": 0xC000003E, "clone": 56, "clone3": 435, "pivot_root": 155, "unshare": 272, "setns": 308,
        "mount": 165, "umount2": 166, "chroot": 161, "ptrace": 101, "process_vm_readv": 310,
        "process_vm_writev": 311, "keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "memfd_create": 319, "memfd_secret": 447, "shmget": 29,
        "semget": 64, "msgget": 68, "io_uring_setup": 425, "kexec_load": 246, "init_module": 175,
        "finit_module": 313, "open_by_handle_at": 304, "fsopen": 430, "open_tree": 428, "move_mount": 429,
        "mount_setattr": 442, "swapon": 167, "reboot": 169, "personality": 135, "mq_open": 240,
        "socket": 41, "bind": 49, "listen": 50, "connect": 42, "setsockopt": 54, "vmsplice": 278,
        "pidfd_getfd": 438,
        "socketpair": 53, "mmap": 9,
    },
    "aarch64": {
        "audit": 0xC00000B7, "clone": 220, "clone3": 435, "pivot_root": 41, "unshare": 97, "setns": 268,
        "mount": 40, "umount2": 39, "chroot": 51, "ptrace": 117, "process_vm_readv": 270,
        "process_vm_writev": 271, "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280,
        "perf_event_open": 241, "userfaultfd": 282, "memfd_create": 279, "memfd_secret": 447, "shmget": 194,
        "semget": 190, "msgget": 186, "io_uring_setup": 425, "kexec_load": 104, "init_module": 105,
        "finit_module": 273, "open_by_handle_at": 265, "fsopen": 430, "open_tree": 428, "move_mount": 429,
        "mount_setattr": 442, "swapon": 224, "reboot": 142, "personality": 92, "mq_open": 180,
        "socket": 198, "bind": 200, "listen": 201, "connect": 203, "setsockopt": 208, "vmsplice": 75,
        "pidfd_getfd": 438,
        "socketpair": 199, "mmap": 222,
    },
}  # fmt: skip
_NOT_REFUSED = ("audit", "clone", "clone3", "socketpair", "mmap")
_AF_UNIX = 1
_SHARED_AND_OF_NO_FILE = 0x21  # MAP_SHARED | MAP_ANONYMOUS
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

    def load_argument(position: int) -> bytes:
        return load(16 + 8 * position)

    equal, at_least, any_bit, mask = 0x15, 0x35, 0x45, 0x54
    program = [load(4), instruction(equal, numbers["audit"], 1, 0), answer(_KILL)]
    program += [load(0), instruction(at_least, _OTHER_CALLING_CONVENTION, 0, 1), answer(_KILL)]
    for name, number in numbers.items():
        if name not in _NOT_REFUSED:
            program += [instruction(equal, number, 0, 1), answer(_ERRNO | _EPERM)]
    # clone3 hides its flags behind a pointer; told that it doesn't exist, the C library uses clone.
    program += [instruction(equal, numbers["clone3"], 0, 1), answer(_ERRNO | _ENOSYS)]
    program += [instruction(equal, numbers["clone"], 0, 4), load_argument(0)]
    program += [instruction(any_bit, EVERY_NAMESPACE, 0, 1), answer(_ERRNO | _EPERM), answer(_ALLOW)]
    program += [instruction(equal, numbers["socketpair"], 0, 4), load_argument(0)]
    program += [instruction(equal, _AF_UNIX, 1, 0), answer(_ERRNO | _EPERM), answer(_ALLOW)]
    program += [instruction(equal, numbers["mmap"], 0, 5), load_argument(3)]
    program += [instruction(mask, _SHARED_AND_OF_NO_FILE)]
    program += [instruction(equal, _SHARED_AND_OF_NO_FILE, 0, 1), answer(_ERRNO | _EPERM), answer(_ALLOW)]
    return [*program, answer(_ALLOW)]
