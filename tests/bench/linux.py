"""Debian's cloud kernel with busybox as its only program: what boot time is compared with. Fetched by the
package client into out/, into lists of its own, so that any user can do it for any architecture."""

import glob
import os
import re
import shutil
import subprocess

MARKER = r"init is up"
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
INIT = """#!/bin/busybox sh
/bin/busybox echo init is up
/bin/busybox poweroff -f
"""


def apt(tool, arch, folder, *words, **options):
    """The package client with state of its own and one architecture; the machine's own sources."""
    state = os.path.abspath(f"{folder}/apt")
    for part in ("lists/partial", "cache/archives/partial"):
        os.makedirs(f"{state}/{part}", exist_ok=True)
    open(f"{state}/status", "a", encoding="utf-8").close()
    settings = [
        f"APT::Architecture={DEBIAN[arch]}", f"APT::Architectures={DEBIAN[arch]}",
        f"Dir::State={state}", f"Dir::State::lists={state}/lists", f"Dir::Cache={state}/cache",
        f"Dir::State::status={state}/status", "APT::Sandbox::User=root",
    ]
    command = [tool, *(w for s in settings for w in ("-o", s)), *words]
    return subprocess.run(command, capture_output=True, text=True, **options)


def unpack(package, arch, folder):
    """Download a package and unpack it below `folder`."""
    done = apt("apt-get", arch, folder, "download", package, cwd=folder)
    found = glob.glob(f"{folder}/{package}_*.deb")
    if not found:
        raise RuntimeError(f"{package} for {DEBIAN[arch]} cannot be had: {done.stderr.strip()}")
    subprocess.run(["dpkg-deb", "-x", found[0], f"{folder}/root"], check=True)


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
        done = apt("apt-get", arch, folder, "update")
        if done.returncode != 0:
            raise RuntimeError(f"no package lists: {done.stderr.strip()[-300:]}")
        unpack(newest_kernel(arch, folder), arch, folder)
        unpack("busybox-static", arch, folder)
        kernels = glob.glob(f"{folder}/root/boot/vmlinuz-*")
    return kernels[0], make_initrd(folder)


def command(own, arch, kernel, initrd):
    """The same machine as `own`, with Linux in it."""
    words = list(own)
    words[words.index("-kernel") + 1] = kernel
    return words + ["-initrd", initrd, "-append",
                    f"console={CONSOLE[arch]} quiet panic=-1 mitigations=off"]
