"""Workloads (tests/workloads/NAME) as images: packages.txt names the distribution's packages (`# base:
scratch`: nothing but busybox and links to it), run.sh is the first process; all of the folder is /wl/NAME. A
prepare.sh compiles a program before that, in a tree of its own with the packages named after `# build:`.

    tests/images/workloads.py ARCH NAME...        makes out/images/ARCH/NAME.tar
    tests/images/workloads.py ARCH A+B            one image for both: the packages of each
"""

import fcntl
import functools
import glob
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
SERVERS = ("www-data", "redis", "memcache", "haproxy", "postgres", "mysql", "caddy")  # whom servers run as
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:A User:/home:/bin/sh\n" +
                  "".join(f"{name}:x:{uid}:{uid}::/:/bin/false\n" for uid, name in enumerate(SERVERS, 33)) +
                  "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nshadow:x:42:\nuser:x:1000:\nstaff:x:50:user\n" +
                 "".join(f"{name}:x:{gid}:\n" for gid, name in enumerate(SERVERS, 33)) + "nogroup:x:65534:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "etc/gshadow": "root:*::\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 box\n",
    "etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
}
# What every installation has; of the distribution's essential packages, those that programs call.
ESSENTIAL = ("base-files", "bash", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils", "grep", "gzip",
             "hostname", "init-system-helpers", "libc-bin", "login", "mount", "ncurses-base", "ncurses-bin", "passwd",
             "perl-base", "sed", "sysvinit-utils", "tar", "util-linux")
# What packages leave to the scripts that run when they are installed: links, and how programs authenticate.
LINKS = {"bin/sh": "usr/bin/dash", "usr/bin/awk": "usr/bin/gawk", "usr/bin/vi": "usr/bin/vim.tiny", "usr/bin/cc": "usr/bin/gcc",
         "usr/bin/c++": "usr/bin/g++"}
MERGED = ("bin", "sbin", "lib", "lib64")  # links to the same below usr, before anything is unpacked
JAVA = "usr/lib/jvm/*/bin/*"  # each of them is a link in usr/bin
PAM = ("auth", "account", "password", "session", "session-noninteractive")
# What the distribution's small images leave out, too.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_text(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def base(tree):
    for name, mode in FOLDERS.items():
        os.makedirs(f"{tree}/{name}", exist_ok=True)
        if not os.path.islink(f"{tree}/{name}"):
            os.chmod(f"{tree}/{name}", mode)
    for name, text in FILES.items():
        write_text(f"{tree}/{name}", text)
    os.chmod(f"{tree}/etc/shadow", 0o600)
    os.chmod(f"{tree}/etc/gshadow", 0o600)


def scratch(arch, tree):
    base(tree)
    shutil.copy(pack.busybox_program(arch), f"{tree}/bin/busybox")
    for name in pack.applets(arch):
        os.symlink("busybox", f"{tree}/bin/{name}")


def configure(tree):
    """What the packages' own scripts would do."""
    java = {f"usr/bin/{os.path.basename(path)}": os.path.relpath(path, tree) for path in glob.glob(f"{tree}/{JAVA}")}
    for link, target in {**LINKS, **java}.items():
        if os.path.exists(f"{tree}/{target}") and not os.path.lexists(f"{tree}/{link}"):
            os.symlink(f"/{target}", f"{tree}/{link}")
    if os.path.isdir(f"{tree}/etc/pam.d"):
        for kind in PAM:
            write_text(f"{tree}/etc/pam.d/common-{kind}", f"{kind.split('-')[0]} required pam_unix.so\n")


def installed(arch, names, tree):
    for name in MERGED:
        os.makedirs(f"{tree}/usr/{name}", exist_ok=True)
        os.symlink(f"usr/{name}", f"{tree}/{name}")
    for path in packages.with_dependencies(names, arch, packages.fetched(arch)):
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-xp", "--keep-directory-symlink", "-C", tree], stdin=data.stdout, check=True)
        data.stdout.close()
        if data.wait() != 0:
            raise packages.Missing(f"{path} cannot be unpacked")
    for name in LEFT_OUT:
        shutil.rmtree(f"{tree}/{name}", ignore_errors=True)
    base(tree)
    configure(tree)


PREPARE = ("mount --make-rprivate / && mount -t proc proc $0/proc && mount --bind /dev $0/dev && "
           "exec chroot $0 sh -c 'cd /src && exec sh ./prepare.sh'")


def prepared(arch, name, tree):
    """Run prepare.sh of the workload, if it has one, and leave what it made in the tree."""
    source = f"tests/workloads/{name}"
    if not os.path.exists(f"{source}/prepare.sh"):
        return
    if arch != os.uname().machine or os.geteuid() != 0:
        raise packages.Missing(f"{name} is compiled by programs that only root of a machine of {arch} can run")
    with open(f"{source}/packages.txt", encoding="utf-8") as file:
        wanted = [word for line in file if line.startswith("# build: ") for word in line.split()[2:]]
    builder = tree_of(arch, f"prepare-{name}")
    shutil.rmtree(builder, ignore_errors=True)
    os.makedirs(builder)
    installed(arch, sorted({*ESSENTIAL, *wanted}), builder)
    shutil.copytree(source, f"{builder}/src")
    subprocess.run(["unshare", "-mp", "--fork", "sh", "-c", PREPARE, os.path.abspath(builder)], check=True,
                   env={"PATH": PATH[5:], "HOME": "/root"}, timeout=600)
    shutil.copytree(f"{builder}/src", f"{tree}/wl/{name}", dirs_exist_ok=True)
    shutil.rmtree(builder)


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


def compile_static(arch, sources, target):
    """A static program with the distribution's C library; its path."""
    folder = packages.fetched(arch)
    for package in ("libc6-dev", "linux-libc-dev", "libgcc-12-dev"):
        if not os.path.exists(f"{folder}/{package}.there"):
            packages.unpack(package, arch, folder)
            open(f"{folder}/{package}.there", "w", encoding="utf-8").close()
    subprocess.run(["clang", f"--target={arch}-linux-gnu", f"--sysroot={folder}/root", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-Wall",
                    "-Wextra", "-Werror", "-static", "-fuse-ld=lld", "-o", target, *sources], check=True)
    return target


def probe(arch):
    """tests/images/probes as one program; its path."""
    return compile_static(arch, sorted(glob.glob("tests/images/probes/*.c")), f"out/images/{arch}/probe")


def tree_of(arch, name):
    """Where workload() leaves the tree that it packed."""
    return f"out/images/{arch}/{name}"


def write(path, layers, config, arch):
    """A docker archive, and its path."""
    pack.archive(path, layers, config, packages.DEBIAN[arch], "test:" + os.path.basename(path)[:-4])
    return path


def one_at_a_time(make):
    """Tests of both architectures run beside each other, and what they make for this machine is one."""
    @functools.wraps(make)
    def locked(*words):
        os.makedirs("out/images", exist_ok=True)
        with open("out/images/lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return make(*words)
    return locked


def packages_of(name):
    """The packages of a workload, or None if busybox is all that it has."""
    with open(f"tests/workloads/{name}/packages.txt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    return None if "# base: scratch" in lines else [line for line in lines if line and line[0] != "#"]


def newest(names):
    folders = [f"tests/workloads/{name}" for name in names]
    return max(os.path.getmtime(p) for p in [__file__, *(f"{d}/{f}" for d in folders for f in os.listdir(d))])


@one_at_a_time
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
        prepared(arch, n, tree)
    return write(target, [tar(tree)], {"Cmd": [f"/wl/{names[0]}/run.sh"], "Env": [PATH]}, arch)


def capable(name, program, capabilities):
    """A program that has these, and they take effect at once: setcap's version 2."""
    value = b"".join(word.to_bytes(4, "little") for word in (2 << 24 | 1, capabilities, 0, 0, 0))
    return archives.pax({"SCHILY.xattr.security.capability": value}) + archives.entry(name, data=program, mode=0o755)


def added(arch):
    """A layer on top: programs with capabilities, and something in a directory that it has no entry for."""
    with open(pack.busybox_program(arch), "rb") as file:
        program = file.read()
    return archives.end(capable("caps/cat", program, 1 << 13), capable("caps/true", program, 1 << 21),
                        archives.entry("root/added", data=b"added\n"))


@one_at_a_time
def compared(arch):
    """The path of an archive with busybox, its applets' lines and the probes: what is compared with Linux."""
    target, tree = f"out/images/{arch}/compared.tar", tree_of(arch, "compared")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    scratch(arch, tree)
    shutil.copy(probe(arch), f"{tree}/bin/probe")
    shutil.copytree("tests/workloads/applets", f"{tree}/wl/applets")
    return write(target, [tar(tree)], {"Env": [PATH]}, arch)


@one_at_a_time
def plain(arch):
    """The path of an archive with busybox and the programs, and no first process."""
    target, tree = f"out/images/{arch}/plain.tar", tree_of(arch, "plain")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    scratch(arch, tree)
    shutil.copy(program(arch, "hostile"), f"{tree}/bin/hostile")
    return write(target, [tar(tree), added(arch)], {"Env": [PATH, "FROM=image"], "WorkingDir": "/srv"}, arch)


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
