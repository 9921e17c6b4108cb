"""inject.py - makes a running process execute one system call of our choice.

That is how the sandbox tests try, inside the real programs, what they must
never do.  x86-64, and root (the programs are undumpable).
"""
import ctypes
import os
import platform
import signal
import time

import ll

ATTACH, DETACH, STEP, GETREGS, SETREGS = 16, 17, 9, 12, 13
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax "
         "rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()
OPENAT, SOCKET, EXECVE, FORK, KILL, PTRACE = 257, 41, 59, 57, 62, 101
AT_FDCWD = -100


class Regs(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request} of {pid}")


def can():
    if platform.machine() != "x86_64":
        raise ll.Skip("written for x86-64")
    if os.getuid() != 0:
        raise ll.Skip("needs root to trace undumpable processes")


def wait(pid):
    _, status = os.waitpid(pid, 0x40000000)
    return status


def stop_in_call(pid, text):
    """Stops pid while it waits in a system call, whose instruction stands
    before rip: (registers, address of text)."""
    for _ in range(500):
        ptrace(ATTACH, pid)
        wait(pid)
        saved = Regs()
        ptrace(GETREGS, pid, ctypes.byref(saved))
        place = saved.rsp - 1024
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(saved.rip - 2)
            if memory.read(2) == b"\x0f\x05":
                memory.seek(place)
                memory.write((text or b"") + b"\0" * 8)
                return saved, place
        ptrace(DETACH, pid)
        time.sleep(0.005)
    raise ll.Failure(f"{pid} never waited in a system call")


def call(pid, number, *args, text=None):
    """The call's result (negative: -errno), or "killed" when the kernel ended
    the process for it.  text is put on the stack; the argument None stands
    for its address."""
    can()
    saved, place = stop_in_call(pid, text)
    regs = Regs.from_buffer_copy(bytes(saved))
    regs.rax, regs.orig_rax = number, 2 ** 64 - 1
    regs.rip = saved.rip - 2
    values = [place if a is None else a for a in args] + [0] * 6
    for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values):
        setattr(regs, name, value & (2 ** 64 - 1))
    ptrace(SETREGS, pid, ctypes.byref(regs))
    ptrace(STEP, pid)
    status = wait(pid)
    if os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSYS:
        libc.ptrace(STEP, pid, None, ctypes.c_void_p(signal.SIGSYS))
        status = wait(pid)
    if not os.WIFSTOPPED(status):
        return "killed"
    ptrace(GETREGS, pid, ctypes.byref(regs))
    result = regs.rax - 2 ** 64 if regs.rax >= 2 ** 63 else regs.rax
    # the kernel begins the interrupted call anew by itself
    ptrace(SETREGS, pid, ctypes.byref(saved))
    ptrace(DETACH, pid)
    return result


def open_file(pid, path):
    return call(pid, OPENAT, AT_FDCWD, None, 0, 0, text=path.encode())


def internet(pid):
    return call(pid, SOCKET, 2, 1, 0)


def execute(pid):
    return call(pid, EXECVE, None, 0, 0, text=b"/bin/true")


def kill_init(pid):
    return call(pid, KILL, 1, 0)
