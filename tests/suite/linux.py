"""Debian's cloud kernel on the machine that our own boots on: what ours is compared with. Fetched by the
package client into out/, so that any user can do it for any architecture."""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, "tools/run-containers")
from packages import DEBIAN, Missing, apt, fetched, unpack  # noqa: E402

CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}


def newest_kernel(arch, folder):
    text = apt("apt-cache", arch, folder, "depends", f"linux-image-cloud-{DEBIAN[arch]}").stdout
    match = re.search(r"Depends: (linux-image-\S+)", text)
    if not match:
        raise Missing(f"no cloud kernel for {DEBIAN[arch]} in the package lists")
    return match[1]


def kernel(arch):
    """Its path."""
    folder = fetched(arch)
    if not glob.glob(f"{folder}/root/boot/vmlinuz-*"):
        unpack(newest_kernel(arch, folder), arch, folder)
    return glob.glob(f"{folder}/root/boot/vmlinuz-*")[0]


def release(arch):
    """(major, minor) of the kernel."""
    return tuple(int(part) for part in re.search(r"vmlinuz-(\d+)\.(\d+)", kernel(arch)).groups())


def initrd(target, *parts):
    """An archive with parts, each (folder, what in it), "." for all; its path. Everything is root's."""
    with open(target, "wb") as file:
        for folder, part in parts:
            names = sorted({os.path.relpath(f"{at}/{name}", folder) for at, folders, files in os.walk(f"{folder}/{part}")
                            for name in (".", *folders, *files)})
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=folder, input="\n".join(names).encode(),
                           stdout=file, check=True)
    return target


def command(own, arch, kernel, initrd, more=""):
    """The same machine as `own`, with Linux in it. `more`: words of its command line."""
    words = list(own)
    words[words.index("-kernel") + 1] = kernel
    return words + ["-initrd", initrd, "-append",
                    f"console={CONSOLE[arch]} quiet panic=-1 mitigations=off {more}".rstrip()]
