"""A tree as the root of processes of Debian's Linux, on the machine that ours runs on (onlinux.c says how)."""

import os
import re
import subprocess

from suite import linux, machine

from . import workloads

LINE_BYTES = 180
DISK_BYTES = 64 << 20


def init(arch):
    """The folder with the first process, /init."""
    folder = f"out/images/{arch}/onlinux"
    os.makedirs(folder, exist_ok=True)
    workloads.compile_static(arch, ["tests/images/onlinux.c"], f"{folder}/init")
    return folder


def disk(path):
    """QEMU's words for one with an empty file system."""
    with open(path, "wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-b", "4096", "-F", path], check=True)
    return ["-drive", f"file={path},format=raw,if=none,id=disk", "-device", "nvme,drive=disk,serial=1"]


def run(arch, tree, command, timeout_s):
    """The lines that it writes and its status."""
    at = f"out/images/{arch}/onlinux-{os.path.basename(tree)}"
    words = linux.command(machine.qemu(arch, mem="1G"), arch, linux.kernel(arch),
                          linux.initrd(f"{at}.cpio", (init(arch), "."), os.path.split(tree)),
                          f"loglevel=1 lsm= -- /{os.path.basename(tree)} {' '.join(command)}")
    ran = machine.boot(words + disk(f"{at}.ext4"), f"onlinux-{arch}", timeout_s)
    end = re.search(r"\ninit: status (\d+)\n", ran.output)
    if end is None:
        raise RuntimeError(ran.ending())
    return [part for line in ran.output[:end.start()].splitlines() for part in as_logged(line)], int(end[1])


def as_logged(line):
    """A line as services/run writes it on the console: without control characters, and long ones in pieces."""
    line = "".join(c if c.isprintable() else "?" for c in line.replace("\r", ""))
    return [line[at:at + LINE_BYTES] for at in range(0, len(line), LINE_BYTES)] or [""]
