"""Containers as a client has them (tests/services/container-client): what it asks for and what it finds are in C, in one
boot for each architecture; here is what the documents say, and who ran."""

import os
import re

import pytest

import machine
from images import workloads
from suite import machine as suite
from test_containers import image
from test_services import volume_with

FOLDER = "tests/services/container-client"
BOOT_S = 900
KILLS = int(os.environ.get("KILLS", "60"))
SEED = int(os.environ.get("SEED", "0"))
# docs/architecture/containers.md: the table of what a sandbox may do. The badge of `creator` is the container's bit.
AUTHORITY = [
    "process PROCESS map,spawn,inspect 0",
    "budget BUDGET charge,split,inspect 0",
    "container MEMORY read,map 0",
    "events MEMORY read,write,map 0",
    "commands MEMORY read,write,map 0",
    "creator NOTIFICATION signal BIT",
    "sandbox NOTIFICATION signal,wait 0",
    "clock MEMORY read,map 0",
    "layer.0 MEMORY read,execute,map 0",
]


def boot(arch, pattern, tmp_path):
    suite.build(arch)
    archive = image(workloads.pair, arch)
    plan = tmp_path / "plan"
    plan.write_text(f"pattern={pattern} kills={KILLS} seed={SEED}\n")
    named = tmp_path / "image.tar"
    named.symlink_to(os.path.abspath(archive))
    volume = volume_with(arch, "client", "tests/e2e/container-client.conf", [str(named), str(plan)])
    run = suite.boot(machine.direct(arch, mem="1G", initrd=volume), f"e2e-{arch}-container-client", BOOT_S,
                     until=r"container-client: (failures: |cannot begin)[^\n]*\n|KERNEL PANIC")
    return machine.Transcript(run)


def registered():
    """The tests that the sources name."""
    found = []
    for name in sorted(os.listdir(FOLDER)):
        with open(f"{FOLDER}/{name}", encoding="utf-8") as file:
            found += [f"{name[:-2]}.{test}" for test in re.findall(r"(?m)^TEST\((\w+)\)", file.read())]
    return found


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_what_containers_promise_their_clients(arch, tmp_path):
    transcript = boot(arch, "all", tmp_path)
    said = [line.split("container-client: ", 1)[1] for line in transcript.lines if "container-client: " in line]
    text = "\n".join(said)
    ending = text + transcript.run.ending()
    assert not re.search(r"(?m)^not ok", text), ending
    assert sorted(re.findall(r"(?m)^ok \d+ - (\S+)$", text)) == sorted(registered()), ending
    assert said[-1] == "failures: 0" and "its sandbox died" not in transcript.text, ending
    for how in ("split", "fused", "terminal"):
        computed = re.findall(rf"(?m)^authority of {how}: (.*)$", text)
        assert [re.sub(r"^(creator .*) [0-9a-f]+$", r"\1 BIT", line) for line in computed] == AUTHORITY, ending
