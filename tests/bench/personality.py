"""What Linux costs its programs, here and there: tests/images/programs/bench.c as the first process of a
container, split and fused, and of Debian's cloud kernel, on the same machine with one CPU."""

import os
import re
import sys

from suite import linux, machine

sys.path.insert(0, "tools/run-containers")
import bundle  # noqa: E402
import pack  # noqa: E402
import packages  # noqa: E402
from images import workloads  # noqa: E402

MODES = ("split", "fused")
HOW = {"bench": "count", "test": "wall"}
TIMEOUT_S = 300


def archive(arch):
    """The smallest image: the program and a folder to write in."""
    folder = f"out/images/{arch}/bench-tree"
    os.makedirs(f"{folder}/bin", exist_ok=True)
    os.makedirs(f"{folder}/tmp", exist_ok=True)
    target = f"out/images/{arch}/bench.tar"
    os.replace(workloads.program(arch, "bench"), f"{folder}/bin/bench")
    pack.archive(target, [workloads.tar(folder)], {"Entrypoint": ["/bin/bench"]}, packages.DEBIAN[arch],
                 "bench:latest")
    return target


def lines(output):
    return {name: int(value) for name, value in re.findall(r"bench (\S+) (\d+)\s*$", output, re.M)}


def finish(run):
    found = lines(run.output)
    if run.timed_out or "bench end" not in run.output:
        raise RuntimeError(run.ending())
    return found


def container(arch, mode, isolation, word):
    """Boot with one container."""
    plan = {"Containers": [bundle.request("image.tar", "bench", {"Cmd": [word], "Isolation": isolation})],
            "PowerOff": True, "Times": True}
    machine.build(arch, "release")
    volume = bundle.write(arch, f"out/bench/{arch}-{isolation}", plan, {"image.tar": archive(arch)},
                          out=machine.out_of(arch, "release"))
    command = machine.qemu(arch, 1, mode=mode, flavour="release", mem="1G") + ["-initrd", volume]
    return machine.boot(command, f"bench-{arch}-{isolation}-{mode}-{word}", TIMEOUT_S)


def start(arch, mode, isolation):
    """From the request to the program's first instructions, and to the news of its end; unpacked before."""
    run = container(arch, mode, isolation, "stamp")
    times = re.search(r"^run: bench times (\d+) (\d+) (\d+)", run.output, re.M)
    began = lines(run.output).get("stamp")
    if times is None or began is None:
        raise RuntimeError(run.ending())
    return {"container_start": began - int(times[1]), "container_start_to_end": int(times[3]) - int(times[1])}


def here(arch, mode, isolation):
    """{name: instructions, or nanoseconds}. `mode`: of build/qemu.mk."""
    return finish(container(arch, mode, isolation, HOW[mode])) | start(arch, mode, isolation)


def on_linux(arch, mode):
    """The same of Linux: the program is the first process, and mounts what it needs."""
    tree = f"out/bench/linux-{arch}-{mode}"
    for part in ("dev", "tmp"):
        os.makedirs(f"{tree}/{part}", exist_ok=True)
    os.replace(workloads.program(arch, "bench"), f"{tree}/init")
    own = machine.qemu(arch, 1, mode=mode, flavour="release", mem="1G")
    command = linux.command(own, arch, linux.kernel(arch), linux.initrd(f"{tree}.cpio", (tree, ".")),
                            f"init_on_alloc=0 -- {HOW[mode]}")
    return finish(machine.boot(command, f"bench-{arch}-linux-{mode}", TIMEOUT_S))
