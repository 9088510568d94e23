"""Containers in a running system: what a user asks of them, what hostile ones can do, and whether busybox
does the same here as on Linux. Starting a machine takes longer than a container does, so each boot runs many."""

import difflib
import hashlib
import os
import random
import re
import shutil
import stat
import sys

import pytest

import machine
from images import onlinux, workloads
from suite import images, linux
from suite import machine as suite

sys.path.insert(0, "tools/run-containers")
import bundle  # noqa: E402
import pack  # noqa: E402
import packages  # noqa: E402

BOOT_S = 400
MIB = 1 << 20
MODES = ("split", "fused")


def image(make, *words):
    try:
        return make(*words)
    except packages.Missing as problem:
        pytest.skip(f"packages cannot be had: {problem}")


class Ran:
    """What became of the containers of one boot: lines and status by name."""

    def __init__(self, arch, name, archive, wanted, mem="1G"):
        """`archive`: the path of the image of those that name none of their own as Archive."""
        suite.build(arch)
        requests, archives = [], {}
        for key, options in wanted.items():
            path = options.get("Archive", archive)
            archives[os.path.basename(path)] = path
            requests.append(bundle.request(os.path.basename(path), key, {"Image": None, **options}))
        if len(requests) == 1:  # `run` prefixes lines only where there are several
            requests.append(bundle.request(os.path.basename(path), "other", {"Cmd": ["true"]}))
        volume = bundle.write(arch, f"out/{arch}/e2e-{name}", {"Containers": requests, "PowerOff": True}, archives)
        self.run = suite.boot(machine.direct(arch, mem=mem, initrd=volume), f"e2e-{arch}-{name}", BOOT_S)
        self.text = machine.Transcript(self.run).text
        assert not self.run.timed_out, self.run.ending()
        assert "KERNEL PANIC" not in self.text, self.run.ending()

    def lines(self, key):
        return re.findall(rf"(?m)^run: {key}: (.*)$", self.text)

    def status(self, key):
        found = re.search(rf"(?m)^run: {key} exited with status (\d+)", self.text)
        return int(found[1]) if found else None


def shell(text, **options):
    return {"Cmd": ["sh", "-c", text], **options}


# Each fails on a root that may not change.
CHANGES = ("echo x >/x", "echo x >>/bin/hostile", "mkdir /x", "rmdir /srv", "rm /bin/hostile", "mv /bin/hostile /x",
           "ln /bin/hostile /x", "ln -s x /x", "mkfifo /x", "chmod 700 /bin/hostile", "chown 1 /bin/hostile",
           "touch /bin/hostile", "truncate -s 0 /bin/hostile")
KEPT = (f"for c in {' '.join(repr(change) for change in CHANGES)}; do "
        "sh -c \"$c\" 2>&1 | grep -q 'Read-only file system' || echo \"done: $c\"; done; "
        "grep -o '^overlay / overlay r[ow]' /proc/mounts; mount -o remount,rw / 2>/dev/null || echo held; "
        "echo x >/dev/shm/x && cat /dev/shm/x && echo x >/dev/null && pwd && cat /etc/hostname")

WANTED = {
    "echo": {"Cmd": ["echo", "hello", "a  b"]},
    "zero": {"Cmd": ["true"]},
    "three": shell("exit 3"),
    "term": shell("sh -c 'kill -TERM $$'; exit $?"),
    "immune": shell("kill -TERM $$; echo lives"),  # as on Linux: the first process has to want it
    "fault": {"Cmd": ["hostile", "fault"]},
    "absent": {"Cmd": ["hostile", "absent"]},
    "apart": shell("printf out; printf error >&2; printf put; printf s >&2; echo; echo >&2"),
    "environment": shell("echo $FROM; echo $ALSO", Env=["ALSO=request"]),
    "working": {"Cmd": ["pwd"]},
    "elsewhere": {"Cmd": ["pwd"], "WorkingDir": "/usr/bin"},
    "user": shell("id -u; id -g; touch /x || echo held back", User="1000:50"),
    "named": shell("id -u; id -G", User="user"),
    "kept": shell(KEPT, ReadonlyRootfs=True, WorkingDir="/made/new"),
    "added": shell("cat /root/added; stat -c %a /root; ls -a /root | wc -l"),
    "capable": shell("/caps/cat /proc/self/status | grep -E 'CapPrm|CapEff'; grep CapEff /proc/self/status; "
                     "/caps/true || echo $?", User="1000"),
    "missing": {"Cmd": ["/no/such/program"]},
    "rewritten": shell("cd /tmp; cp /bin/busybox .; ./busybox true; echo >>busybox && echo written; ./busybox sleep 9 & sleep 0.5; "
                       "(echo >>busybox) 2>/dev/null || echo busy; kill %1"),
    "left": shell("echo mine >/tmp/left; sleep 1; ls /tmp; ps | grep -c '[s]leep 77'"),
    "right": shell("echo mine >/tmp/right; sleep 77 & sleep 1; ls /tmp; kill %1"),
}
HOSTILE = {
    "memory": {"Cmd": ["hostile", "memory"], "Memory": 32 * MIB},
    "forks": {"Cmd": ["hostile", "forks"], "PidsLimit": 40},
    "all-forks": {"Cmd": ["hostile", "forks"], "Memory": 32 * MIB},
    "files": {"Cmd": ["hostile", "files"]},
    "flood": shell("yes $(printf %0150d 0) | head -c 2000000; echo over >&2"),
    "random": {"Cmd": ["hostile", "random", "1", "300"]},
    "random2": {"Cmd": ["hostile", "random", "77", "300"]},
    "read": {"Cmd": ["hostile", "read"]},
    "write": {"Cmd": ["hostile", "write"]},
    "jump": {"Cmd": ["hostile", "jump"]},
    "neighbour": shell("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; echo $i | grep -q $i || exit 9; done; echo lives"),
}


@pytest.mark.parametrize("arch", suite.ARCHES)
@pytest.mark.parametrize("mode", MODES)
def test_a_container_runs_as_it_was_asked_to(arch, mode):
    ran = Ran(arch, f"asked-{mode}", image(workloads.plain, arch),
              {name: {**options, "Isolation": mode} for name, options in WANTED.items()})
    status = {name: ran.status(name) for name in WANTED}
    ending = ran.run.ending()
    assert status == {**dict.fromkeys(WANTED, 0), "three": 3, "term": 128 + 15, "fault": 128 + 11,
                      "missing": None, "left": 1}, ending
    assert "run: missing failed" in ran.text and ran.lines("missing") == [
        "/no/such/program: no such file or directory"], ending
    assert ran.lines("echo") == ["hello a  b"] and ran.lines("immune") == ["lives"], ending
    assert sorted(ran.lines("apart")) == ["errors", "output"], ending
    assert ran.lines("environment") == ["image", "request"], ending
    assert ran.text.count("absent: linux: call 99999 is not there") == 1 and not ran.lines("absent"), ending
    assert re.search(r"absent: linux: calls that were not there, and how often: \d+ \(3\)", ran.text), ending
    assert ran.lines("working") == ["/srv"] and ran.lines("elsewhere") == ["/usr/bin"], ending
    assert ran.lines("user")[:2] == ["1000", "50"] and ran.lines("user")[-1] == "held back", ending
    assert ran.lines("named") == ["1000", "1000 50"], ending
    assert ran.lines("rewritten") == ["written", "busy"], ending
    assert ran.lines("added") == ["added", "700", "3"], ending
    # What a file gives within what the container may have; of the rest nothing, and then it is not run at all.
    assert [re.split("[ ?]", line)[-1] for line in ran.lines("capable")] == [
        f"{1 << 13:016x}", f"{1 << 13:016x}", f"{0:016x}", "permitted", "126"], ending
    assert ran.lines("kept") == ["overlay / overlay ro", "held", "x", "/made/new", "kept"], ending
    assert ran.lines("left") == ["left", "0"] and ran.lines("right")[0] == "right", ending


@pytest.mark.parametrize("arch", suite.ARCHES)
@pytest.mark.parametrize("mode", MODES)
def test_a_hostile_container_harms_itself_alone(arch, mode):
    wanted = {name: {**options, "Isolation": mode} for name, options in HOSTILE.items()
              # Fused, a container's own personality is within its reach: the boundary is the container.
              if mode == "split" or name not in ("read", "write", "jump")}
    ran = Ran(arch, f"hostile-{mode}", image(workloads.plain, arch), wanted)
    ending = ran.run.ending()
    assert ran.lines("neighbour") == ["lives"] and ran.status("neighbour") == 0, ending
    assert ran.status("memory") == 128 + 9 and not ran.lines("memory"), ending
    assert ran.status("forks") == 0 and ran.lines("forks") == ["children: 39"], ending
    # Without a limit of its own, its memory is the limit, or the threads that its budget has.
    assert ran.status("all-forks") == 0 and re.fullmatch(r"children: \d+", *ran.lines("all-forks")), ending
    assert ran.status("files") == 0 and ran.lines("files") == ["descriptors: 1021"], ending
    for name in ("random", "random2"):
        assert ran.status(name) == 0 and re.fullmatch(r"children that ended: \d+", ran.lines(name)[-1]), ending
    assert "over" in ran.lines("flood") and ran.status("flood") == 0, ending
    if mode == "split":
        for name in ("read", "write", "jump"):
            assert ran.status(name) == 128 + 11 and not ran.lines(name), ending
    assert "run: exit status" in ran.text, ending


ONE_IMAGE = {"fused": ("bash", "dash", "pty"), "split": ("bash", "dash", "pty", "users", "init", "sqlite")}


@pytest.mark.parametrize("arch", suite.ARCHES)
@pytest.mark.parametrize("mode", MODES)
def test_workloads_pass_side_by_side(arch, mode):
    several = image(workloads.workload, arch, "+".join(ONE_IMAGE["split"]))
    wanted = {name: {"Cmd": [f"/wl/{name}/run.sh"]} for name in ONE_IMAGE[mode]}
    wanted["busybox"] = {"Archive": image(workloads.workload, arch, "busybox")}
    ran = Ran(arch, f"workloads-{mode}", several,
              {name: {**options, "Isolation": mode} for name, options in wanted.items()}, mem="2G")
    failed = [f"{name}: status {ran.status(name)}\n" + "\n".join(ran.lines(name)[-40:]) for name in wanted
              if ran.status(name) != 0 or ran.lines(name)[-1] != f"PASS {name}"]
    assert not failed, "\n".join(failed)


# What a container sees of its tree, as hexadecimal numbers, for names are any bytes.
SEEN = """exec >/dev/shm/seen
find / -xdev -exec stat -c '%f %u %g %Y %s %h %i %n' {} +; echo =
find / -xdev -type f -exec sha1sum {} +; echo =
find / -xdev -type l -exec readlink -n {} \\; -exec printf ' %s\\n' {} \\;
od -v -An -tx1 /dev/shm/seen >&2"""
SEES_WITH = ("sh", "find", "stat", "sha1sum", "readlink", "printf", "od")
TREE_SEED = 9  # of layers that end in 91 paths, 12 of them names of files with several, and delete 12
OURS = {"/dev", "/proc", "/sys"}  # what every container has


def tree_seen(lines):
    """{path: what matters} out of what SEEN wrote."""
    entries, sums, links = (part.splitlines() for part in
                            bytes.fromhex("".join(lines)).decode(errors="surrogateescape").split("=\n"))
    text = {path: total for total, path in (line.split("  ", 1) for line in sums)}
    text |= {path: target for target, path in (line.rsplit(" ", 1) for line in links)}
    found, names = {}, {}
    for line in entries:
        mode, uid, gid, modified, size, count, inode, path = line.split(" ", 7)
        plain, directory = stat.S_ISREG(int(mode, 16)), stat.S_ISDIR(int(mode, 16))
        found[path] = [oct(int(mode, 16)), int(uid), int(gid), 0 if directory else int(modified),
                       int(size) if plain else 0, text.get(path, "-"), ""]
        if int(count) > 1 and not directory:
            names.setdefault(inode, []).append(path)
    for paths in names.values():
        for path in paths:
            found[path][-1] = ",".join(sorted(paths))
    return found


def tree_on_linux(root):
    """The same of a tree on this machine; extended attributes are compared where layers are made."""
    found = images.tree_of(root)
    for path, entry in found.items():
        del entry[6]
        if stat.S_ISREG(int(entry[0], 8)):
            with open(root + path, "rb") as file:
                entry[5] = hashlib.sha1(file.read()).hexdigest()
    return found


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_layers_by_umoci_look_as_on_linux(arch, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("umoci gives files to other users, which only root may")

    def finish(root):  # whatever chance did to it
        if os.path.islink(f"{root}/bin") or os.path.isfile(f"{root}/bin"):
            os.unlink(f"{root}/bin")
        shutil.rmtree(f"{root}/bin", ignore_errors=True)
        os.mkdir(f"{root}/bin", 0o755)
        shutil.copy(pack.busybox_program(arch), f"{root}/bin/busybox")
        for name in SEES_WITH:
            os.symlink("busybox", f"{root}/bin/{name}")

    layout, bundle_ = images.built(tmp_path, random.Random(TREE_SEED), packages.DEBIAN[arch], finish)
    images.pack(layout, f"{tmp_path}/layers.tar")
    ran = Ran(arch, "layers", f"{tmp_path}/layers.tar", {"seen": shell(SEEN)})
    assert ran.status("seen") == 0, ran.run.ending()
    mine, theirs = tree_seen(ran.lines("seen")), tree_on_linux(f"{bundle_}/rootfs")
    wrong = images.differences({path: entry for path, entry in mine.items() if path not in OURS}, theirs)
    assert len(theirs) > 60 and not wrong, "\n".join(wrong[:30])


def sections(lines):
    """What each case wrote, by the case; what comes before the first, too."""
    found, key = {"": []}, ""
    for line in lines:
        if line.startswith("== "):
            key = line
            found[key] = []
        else:
            found[key].append(line)
    return found


# What runs here and on Linux, and must write the same there.
COMPARED = {"applets": ["/wl/applets/run.sh"], "probe": ["probe"]}
# Where we differ on purpose: the section, which of its lines, and why. Each must be needed, but where the reason says that
# Linux did the same `before` the version that runs, or does `since`.
DIFFERENCES = (
    ("attributes.modes_and_owners", r"syscall\(452", "fchmodat2 is there, as since Linux 6.6"),
    ("rw.splices", ".*", "ENOSYS: programs then copy"),
    ("rw.vectors", ".*RWF_APPEND|size ", "EOPNOTSUPP: programs then open with O_APPEND"),
    ("channels.packets", ".*", "pipes with O_DIRECT are refused"),
    ("channels.events", "lseek", "what has no position says so"),
    ("descriptors.memory_files", "map|mprotect", "a shared view of a sealed file is refused, as before Linux 6.7"),
    ("open.temporary_files", r"linkat\(fd, \"\"", "needs the capability, as before Linux 6.10"),
    ("memory.sharing", ". . *", "a private mapping shows the file as it was; POSIX leaves it open"),
    ("proc.entries", ".*/(io|mem|oom_adj)", "not there"),
    ("proc.memory_of_a_process", ".*", "/proc/PID/mem is not there"),
    ("proc.links_and_errors", "chmod", "modes in /proc stay as they are"),
)


def is_as_linux(reason, release):
    """Linux of this release, (major, minor), does the same by what the reason says of versions."""
    named = re.search(r"(before|since) Linux (\d+)\.(\d+)", reason)
    return named is not None and (release < (int(named[2]), int(named[3]))) == (named[1] == "before")


def without_differences(section, here, there, release):
    """Both without the lines that may differ; all of them must be different."""
    for name, pattern, reason in DIFFERENCES:
        if section == f"== {name}":
            may = re.compile(pattern)
            dropped = [[line for line in lines if may.match(line)] for lines in (here, there)]
            assert dropped[0] != dropped[1] or is_as_linux(reason, release), f"{name}, {pattern}: no difference any more ({reason})"
            here, there = ([line for line in lines if not may.match(line)] for lines in (here, there))
    return here, there


def compare(here, there, release):
    """The lines of each section that are not the same."""
    found, wrong = sections(here), []
    for case, lines in sections(there).items():
        ours, theirs = without_differences(case, found.get(case, []), lines, release)
        wrong += [case, *(line for line in difflib.unified_diff(theirs, ours, "linux", "here", lineterm="", n=1))] \
            if ours != theirs else []
    return wrong


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_programs_do_what_they_do_on_linux(arch):
    archive, tree = image(workloads.compared, arch), workloads.tree_of(arch, "compared")
    release = image(linux.release, arch)
    expected = {key: onlinux.run(arch, tree, command, BOOT_S) for key, command in COMPARED.items()}
    assert len(expected["applets"][0]) >= 150 and len(expected["probe"][0]) >= 2000
    ran = Ran(arch, "compared", archive,
              {f"{name}-{mode}": {"Cmd": command, "Isolation": mode} for name, command in COMPARED.items() for mode in MODES})
    wrong = []
    for name, (lines, status) in expected.items():
        for mode in MODES:
            differs = compare(ran.lines(f"{name}-{mode}"), lines, release)
            if ran.status(f"{name}-{mode}") != status:
                differs.append(f"status {ran.status(f'{name}-{mode}')}, and on Linux {status}")
            wrong += [f"{name} {mode}:", *differs] if differs else []
    assert not wrong, "\n".join(wrong)
