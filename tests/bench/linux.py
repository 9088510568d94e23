"""Debian's cloud kernel with busybox as its only program: what boot time is compared with. Fetched by the
package client into out/, into lists of its own, so that any user can do it for any architecture."""

import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, "tools/run-containers")
from packages import DEBIAN, apt, unpack, update  # noqa: E402

MARKER = r"init is up"
CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
INIT = """#!/bin/busybox sh
/bin/busybox echo init is up
/bin/busybox poweroff -f
"""


def newest_kernel(arch, folder):
    text = apt("apt-cache", arch, folder, "depends", f"linux-image-cloud-{DEBIAN[arch]}").stdout
    match = re.search(r"Depends: (linux-image-\S+)", text)
    if not match:
        raise RuntimeError(f"no cloud kernel for {DEBIAN[arch]} in the package lists")
    return match[1]


def make_initrd(folder):
    tree = f"{folder}/initrd"
    shutil.rmtree(tree, ignore_errors=True)
    for part in ("bin", "dev", "proc", "sys"):
        os.makedirs(f"{tree}/{part}")
    shutil.copy(glob.glob(f"{folder}/root/bin/busybox")[0], f"{tree}/bin/busybox")
    with open(f"{tree}/init", "w", encoding="utf-8") as file:
        file.write(INIT)
    os.chmod(f"{tree}/init", 0o755)
    # The console must exist before init runs: /init's output goes to /dev/console.
    names = "\n".join(["."] + sorted(
        os.path.relpath(os.path.join(at, name), tree)
        for at, folders, files in os.walk(tree) for name in folders + files))
    with open(f"{folder}/initrd.cpio", "wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input=names.encode(),
                       stdout=file, check=True)
    return f"{folder}/initrd.cpio"


def fetch(arch, folder):
    """Paths of kernel and initrd, made once."""
    os.makedirs(folder, exist_ok=True)
    kernels = glob.glob(f"{folder}/root/boot/vmlinuz-*")
    if not kernels:
        update(arch, folder)
        unpack(newest_kernel(arch, folder), arch, folder)
        unpack("busybox-static", arch, folder)
        kernels = glob.glob(f"{folder}/root/boot/vmlinuz-*")
    return kernels[0], make_initrd(folder)


def command(own, arch, kernel, initrd, more=""):
    """The same machine as `own`, with Linux in it. `more`: words of its command line."""
    words = list(own)
    words[words.index("-kernel") + 1] = kernel
    return words + ["-initrd", initrd, "-append",
                    f"console={CONSOLE[arch]} quiet panic=-1 mitigations=off {more}".rstrip()]
