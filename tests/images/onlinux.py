"""A tree as the root of processes of this machine's own Linux, as much like a container as can be: namespaces of
its own, the usual devices, and the capabilities, limits and first process that a container has here."""

import os
import signal
import subprocess

CAPABILITIES = ("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service",
                "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap")
DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
FOLDERS = ("proc", "dev", "tmp", "sys")
LINE_BYTES = 180
TMPFS = "mount -t tmpfs -o mode"


def prepare():
    """The shell commands that make the place; $0 is the tree, what follows is the program."""
    devices = " && ".join(f"mknod -m 666 $0/dev/{name} c 1 {minor}" for name, minor in DEVICES.items())
    capabilities = ",".join(f"+{name}" for name in CAPABILITIES)
    return " && ".join((
        "umask 0", "mount --make-rprivate /", "mount --bind $0 $0", "mount -t proc proc $0/proc", f"{TMPFS}=755 none $0/dev", devices,
        "mknod -m 666 $0/dev/tty c 5 0", "mkdir $0/dev/pts $0/dev/shm", f"{TMPFS}=1777 none $0/dev/shm",
        "mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 none $0/dev/pts", "ln -s pts/ptmx $0/dev/ptmx",
        "ln -s /proc/self/fd $0/dev/fd", "ln -s fd/0 $0/dev/stdin", "ln -s fd/1 $0/dev/stdout", "ln -s fd/2 $0/dev/stderr",
        f"{TMPFS}=1777 none $0/tmp", "umask 022", "ulimit -S -n 1024", "ulimit -S -c 0",
        f"exec setpriv --inh-caps=-all --bounding-set=-all,{capabilities} chroot $0 \"$@\""))


def signals_as_born():
    """Whoever started us may have had signals ignored or blocked (a shell does in the background)."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Refused(RuntimeError):
    """This Linux, or this user, cannot do it."""


def run(tree, command, environment, timeout_s):
    """The lines that it writes and its status."""
    if os.geteuid() != 0:
        raise Refused("only root may run a tree of its own on Linux")
    for name in FOLDERS:
        os.makedirs(f"{tree}/{name}", exist_ok=True)
    words = ["unshare", "-mpui", "--fork", "--kill-child", "sh", "-c"]
    for check in (["true"], command):
        done = subprocess.run([*words, prepare(), os.path.abspath(tree), *check], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout_s,
                              preexec_fn=signals_as_born)
        if check == ["true"] and done.returncode != 0:
            raise Refused(f"this Linux does not let us: {done.stdout.strip()[-300:]}")
    return [part for line in done.stdout.splitlines() for part in as_logged(line)], done.returncode


def as_logged(line):
    """A line as services/run writes it on the console: without control characters, and long ones in pieces."""
    line = "".join(c if c.isprintable() else "?" for c in line.replace("\r", ""))
    return [line[at:at + LINE_BYTES] for at in range(0, len(line), LINE_BYTES)] or [""]
