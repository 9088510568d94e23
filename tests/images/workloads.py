"""Workloads (tests/workloads/NAME) as images: packages.txt names the distribution's packages (`# base:
scratch`: nothing but busybox and links to it), run.sh is the first process; all of the folder is /wl/NAME.

    tests/images/workloads.py ARCH NAME...        makes out/images/ARCH/NAME.tar
    tests/images/workloads.py ARCH A+B            one image for both: the packages of each
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, "tools/run-containers")
if __name__ == "__main__":
    sys.path.insert(0, "tests")

import pack  # noqa: E402
import packages  # noqa: E402
from suite import archives  # noqa: E402

FOLDERS = {"bin": 0o755, "sbin": 0o755, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "etc": 0o755,
           "root": 0o700, "home": 0o755, "srv": 0o755, "mnt": 0o755, "run": 0o755, "var": 0o755,
           "var/log": 0o755, "proc": 0o555, "sys": 0o555, "dev": 0o755, "tmp": 0o1777}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:A User:/home:/bin/sh\n"
                  "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nuser:x:1000:\nstaff:x:50:user\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 box\n",
}
# What every installation has; of the distribution's essential packages, those that programs call.
ESSENTIAL = ("base-files", "coreutils", "debianutils", "findutils", "grep", "hostname", "libc-bin", "ncurses-base",
             "ncurses-bin", "sed", "sysvinit-utils", "mount")
# What packages leave to the scripts that run when they are installed.
LINKS = {"bin/sh": ["dash"], "usr/bin/awk": ["gawk"], "usr/bin/vi": ["vim.tiny"]}
# What the distribution's small images leave out, too.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base(tree):
    for name, mode in FOLDERS.items():
        os.makedirs(f"{tree}/{name}", exist_ok=True)
        if not os.path.islink(f"{tree}/{name}"):
            os.chmod(f"{tree}/{name}", mode)
    for name, text in FILES.items():
        with open(f"{tree}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def scratch(arch, tree):
    base(tree)
    shutil.copy(pack.busybox_program(arch), f"{tree}/bin/busybox")
    for name in pack.applets(arch):
        os.symlink("busybox", f"{tree}/bin/{name}")


def installed(arch, names, tree):
    for path in packages.with_dependencies(names, arch, packages.fetched(arch)):
        subprocess.run(["dpkg-deb", "-x", path, tree], check=True)
    for name in LEFT_OUT:
        shutil.rmtree(f"{tree}/{name}", ignore_errors=True)
    base(tree)
    for link, targets in LINKS.items():
        for target in targets:
            there = os.path.join(tree, os.path.dirname(link), target)
            if os.path.exists(there) and not os.path.lexists(f"{tree}/{link}"):
                os.symlink(target, f"{tree}/{link}")


def tar(tree):
    """The tree as a layer: everything is root's, whoever packs."""
    def plain(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    return archives.tar_of(lambda archive: [archive.add(f"{tree}/{name}", name, filter=plain)
                                            for name in sorted(os.listdir(tree))])


def program(arch, name):
    """A static program of tests/images/programs, by the compiler that builds the tree; its path."""
    source, target = f"tests/images/programs/{name}.c", f"out/images/{arch}/{name}"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    more = ["-mno-outline-atomics"] if arch == "aarch64" else []
    subprocess.run(["clang", f"--target={arch}-linux-gnu", "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", *more,
                    "-ffreestanding", "-fno-stack-protector", "-static", "-nostdlib", "-fuse-ld=lld", "-o", target,
                    source], check=True)
    return target


def tree_of(arch, name):
    """Where workload() leaves the tree that it packed."""
    return f"out/images/{arch}/{name}"


def write(path, layers, config, arch):
    """A docker archive, and its path."""
    pack.archive(path, layers, config, packages.DEBIAN[arch], "test:" + os.path.basename(path)[:-4])
    return path


def packages_of(name):
    """The packages of a workload, or None if busybox is all that it has."""
    with open(f"tests/workloads/{name}/packages.txt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    return None if "# base: scratch" in lines else [line for line in lines if line and line[0] != "#"]


def newest(names):
    folders = [f"tests/workloads/{name}" for name in names]
    return max(os.path.getmtime(p) for p in [__file__, *(f"{d}/{f}" for d in folders for f in os.listdir(d))])


def workload(arch, name):
    """The path of the archive; made when it is not there or older than its workloads. `name`: one or several
    with + in between. The first process is that of the first."""
    names, target, tree = name.split("+"), f"out/images/{arch}/{name}.tar", tree_of(arch, name)
    if os.path.exists(target) and os.path.getmtime(target) >= newest(names):
        return target
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    wanted = [packages_of(n) for n in names]
    if wanted == [None]:
        scratch(arch, tree)
    else:
        installed(arch, sorted({*ESSENTIAL, *(p for some in wanted for p in some or ())}), tree)
    for n in names:
        shutil.copytree(f"tests/workloads/{n}", f"{tree}/wl/{n}")
    return write(target, [tar(tree)], {"Cmd": [f"/wl/{names[0]}/run.sh"], "Env": [PATH]}, arch)


def plain(arch):
    """The path of an archive with busybox and the programs, and no first process."""
    target, tree = f"out/images/{arch}/plain.tar", tree_of(arch, "plain")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    scratch(arch, tree)
    shutil.copy(program(arch, "hostile"), f"{tree}/bin/hostile")
    return write(target, [tar(tree)], {"Env": [PATH, "FROM=image"], "WorkingDir": "/srv"}, arch)


def pair(arch):
    """The path of an archive with two images of what plain() packs: test:plain, and test:quit with a StopSignal."""
    plain(arch)
    config = {"Env": [PATH, "FROM=image"]}
    target = f"out/images/{arch}/pair.tar"
    layer = tar(tree_of(arch, "plain"))
    with open(target + ".new", "wb") as file:
        file.write(archives.docker([(["test:plain"], [layer], config),
                                    (["test:quit"], [layer], {**config, "StopSignal": "SIGQUIT"})],
                                   architecture=packages.DEBIAN[arch]))
    os.replace(target + ".new", target)
    return target


if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        print(workload(sys.argv[1], wanted))
