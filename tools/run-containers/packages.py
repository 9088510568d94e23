"""The distribution's packages for any architecture: fetched by its own client into out/, with lists of their
own, so that any user can do it and the machine's own lists stay as they are."""

import glob
import os
import re
import subprocess
import time

DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


class Missing(RuntimeError):
    """A package that cannot be had here."""


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


def update(arch, folder):
    for pause in (0, 5, 20):  # an archive may be out of breath for a moment
        time.sleep(pause)
        done = apt("apt-get", arch, folder, "update")
        if done.returncode == 0:
            return
    raise Missing(f"no package lists for {DEBIAN[arch]}: {done.stderr.strip()[-300:]}")


def fetched(arch):
    """The folder that packages of this architecture are fetched into, with lists that are there."""
    folder = f"out/images/{arch}/packages"
    if not os.path.exists(f"{folder}/updated"):
        os.makedirs(folder, exist_ok=True)
        update(arch, folder)
        open(f"{folder}/updated", "w", encoding="utf-8").close()
    return folder


def unpack(package, arch, folder):
    """Download a package and unpack it below `folder`."""
    done = apt("apt-get", arch, folder, "download", package, cwd=folder)
    found = glob.glob(f"{folder}/{package}_*.deb")
    if not found:
        raise Missing(f"{package} for {DEBIAN[arch]} cannot be had: {done.stderr.strip()}")
    subprocess.run(["dpkg-deb", "-x", found[0], f"{folder}/root"], check=True)


def with_dependencies(names, arch, folder):
    """The paths of these packages and of all that they depend on."""
    install = ("install", "-y", "--no-install-recommends")
    planned = apt("apt-get", arch, folder, *install, "--simulate", *names)
    wanted = re.findall(r"(?m)^Inst (\S+) \((\S+) ", planned.stdout)
    done = apt("apt-get", arch, folder, *install, "--download-only", *names)
    paths = [path for name, version in wanted
             for path in glob.glob(f"{folder}/apt/cache/archives/{name}_{version.replace(':', '%3a')}_*.deb")]
    if done.returncode != 0 or not wanted or len(paths) != len(wanted):
        raise Missing(f"{' '.join(names)} for {DEBIAN[arch]}: {(planned.stderr + done.stderr).strip()[-300:]}")
    return paths
