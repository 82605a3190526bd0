# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a function in a private machine: own network, mount, host name and process namespace, and own user namespace
unless it needs root's rights.

Three processes:

    supervisor   the one that was started; stays outside, passes signals on, waits
    init         process 1 of the new process namespace; reaps orphans; dies with the supervisor
    lab          does the work

When init ends, for whatever reason, the kernel kills everything in its process namespace, and with the last
process the networks, mounts and namespaces go too.  So nothing has to be cleaned up, not even after SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable

from . import kernel

SKIPPED = 77
_GRACE_S = 5.0
_ROOT_GRACE_S = 30.0  # containers end one after the other
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The lab was asked to end."""


def run(work: Callable[[], int], as_root: bool = False) -> int:
    """Runs work() inside and returns its exit status; SKIPPED if this machine does not allow namespaces."""
    sys.stdout.flush()
    try:
        _enter_namespaces(as_root)
    except OSError as error:
        return _skip(error)

    alive_read, alive_write = os.pipe()
    init = os.fork()
    if init == 0:
        try:
            os.close(alive_write)
            _init(work, alive_read)
        except BaseException:  # noqa: BLE001 -- a forked child must not return into its parent's code
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(alive_read)
    return _supervise(init, alive_write, _ROOT_GRACE_S if as_root else _GRACE_S)


def _skip(error: OSError) -> int:
    print(
        f"SKIP this machine does not let an ordinary user make namespaces ({error}); see the sysctls"
        " user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns,"
        " and in a container its seccomp profile and masked /proc",
        flush=True,
    )
    return SKIPPED


def _enter_namespaces(as_root: bool) -> None:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(
        (0 if as_root else kernel.CLONE_NEWUSER)
        | kernel.CLONE_NEWNET
        | kernel.CLONE_NEWNS
        | kernel.CLONE_NEWPID
        | kernel.CLONE_NEWUTS
        | kernel.CLONE_NEWIPC
    )
    mapping = (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"))
    for name, text in () if as_root else mapping:
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    kernel.interface_up("lo")


def _supervise(init: int, alive_write: int, grace_s: float) -> int:
    """Passes signals on as SIGTERM and waits for init; a lab that does not end in time is killed."""
    received: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        received.append(number)
        _signal(init, signal.SIGTERM if len(received) == 1 else signal.SIGKILL)
        signal.setitimer(signal.ITIMER_REAL, grace_s)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.signal(signal.SIGALRM, lambda *_: _signal(init, signal.SIGKILL))
    os.write(alive_write, b"!")
    _, wait_status = os.waitpid(init, 0)
    if received:
        return 128 + received[0]
    status = os.waitstatus_to_exitcode(wait_status)
    return status if status >= 0 else 128 - status


def _init(work: Callable[[], int], alive_read: int) -> None:
    """Process 1."""
    kernel.die_with_parent(signal.SIGKILL)
    if os.read(alive_read, 1) != b"!":  # the supervisor was killed before the line above
        return
    os.close(alive_read)
    kernel.set_process_name("lab-init")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the supervisor as well, which passes it on
    try:
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except OSError as error:
        os._exit(_skip(error))

    lab = os.fork()
    if lab == 0:
        _lab(work)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: _signal(lab, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == lab:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended just now
        os.kill(pid, number)


def _lab(work: Callable[[], int]) -> None:
    """The working process: never returns."""

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kernel.set_process_name("lab")
    status = 1
    try:
        status = work()
    except Interrupted:
        print("lab: interrupted", file=sys.stderr)
    except BaseException:  # noqa: BLE001 -- a forked child must not return into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
