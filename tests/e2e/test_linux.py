"""Linux programs in one sandbox, without the services of containers: tests/services/sandbox starts the
personality with layers and arguments that come as boot modules."""

import re
import subprocess

import pytest

import machine
from suite import machine as suite
from test_services import volume_with

RUN_S = 120
OVER = r"sandbox: (done|cannot start|the personality is gone)"


def compiled(arch, name, folder):
    """A program of tests/linux, static and without a library."""
    program = folder / name
    subprocess.run(["clang", f"--target={arch}-linux-gnu", "-O1", "-static", "-nostdlib", "-ffreestanding",
                    "-fno-stack-protector", "-fuse-ld=lld", "-Itests/images/programs", "-o", program,
                    f"tests/linux/{name}.c"], check=True)
    return program


def run(arch, tmp_path, root, *arguments, fused=False):
    """What a program writes, and its status as wait4 gives it."""
    layer = tmp_path / "layer.0"
    subprocess.run(["mkfs.erofs", "--quiet", "-T0", "--all-root", layer, root], check=True)
    words = tmp_path / "arguments"
    words.write_text("".join(f"{word}\n" for word in ("PATH=/bin", *arguments)))
    modules = [layer, words]
    if fused:
        modules.append(tmp_path / "fused")
        modules[-1].write_text("yes\n")
    suite.make("build", f"ARCH={arch}")
    volume = volume_with(arch, "sandbox", "tests/e2e/sandbox.conf", modules)
    ran = suite.boot(machine.direct(arch, initrd=volume), f"e2e-{arch}-sandbox", RUN_S, until=OVER)
    transcript = machine.Transcript(ran)
    ended = re.search(r"sandbox: ended with (\d+)", transcript.text)
    assert ended, ran.ending()
    lines = [line.split("| ", 1)[1] for line in transcript.lines if line.startswith("sandbox: | ")]
    return lines, int(ended.group(1))


@pytest.mark.parametrize("arch", suite.ARCHES)
@pytest.mark.parametrize("fused", (False, True))
def test_a_program_writes_forks_and_ends(arch, fused, tmp_path):
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    compiled(arch, "first", root / "bin")
    lines, status = run(arch, tmp_path, root, "/bin/first", fused=fused)
    assert lines == ["hello from /bin/first", "the child", "fork works"]
    assert status == 7 << 8


@pytest.mark.parametrize("arch", suite.ARCHES)
@pytest.mark.parametrize("fused", (False, True))
def test_signals_and_threads_have_what_the_cpu_gives_them(arch, fused, tmp_path):
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    compiled(arch, "signals", root / "bin")
    lines, status = run(arch, tmp_path, root, "/bin/signals", fused=fused)
    assert lines == [
        "a fault is told with its address",
        "a page that may not be written is told from none",
        "an instruction that is none, on a stack of its own",
        "an alarm interrupts, and registers come back",
        "a wait for signals ends with one",
        "a thread runs with its own pointer and clears its word",
        "a child stops",
        "and goes on to its end",
    ]
    assert status == 0
