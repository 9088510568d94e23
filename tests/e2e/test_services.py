"""The running system: init starts what the manifest names, with exactly that authority, and keeps it
running. Other manifests than the system's own come in a volume that replaces the bundle."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest

import machine
from suite import machine as suite

BOOT_S = 120
CHAOS_S = 1500
CHAOS_KILLS = 1000
TOUCHED_BYTES = 5 * 4096  # one page for each service
UUID = "5d1ac46e-7b4e-4a0e-9c57-3f6f7c0a1e52"


def authority(manifest):
    suite.make("out/host/authority")
    done = subprocess.run(["out/host/authority", "lines", manifest], capture_output=True, text=True,
                          check=True)
    return done.stdout.splitlines()


def image_with(arch, name, manifest, instead=()):
    """The system image with another manifest, and with programs in the place of others."""
    suite.make("build", f"ARCH={arch}")
    tree = f"out/{arch}/e2e-{name}"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(f"out/{arch}/system", tree)
    shutil.copy(manifest, f"{tree}/system/system.conf")
    for program, other in instead:
        shutil.copy(f"{tree}/bin/{other}", f"{tree}/bin/{program}")
    image = f"out/{arch}/e2e-{name}.erofs"
    subprocess.run(["mkfs.erofs", "--quiet", "-T0", "--all-root", "-U", UUID, image, tree], check=True)
    return image


def volume_with(arch, name, manifest, modules=(), instead=()):
    """A boot volume around it, with more modules: files by their names."""
    image = image_with(arch, name, manifest, instead)
    with open(image, "rb") as file:
        digest = hashlib.blake2b(file.read()).hexdigest()
    config = f"out/{arch}/e2e-{name}.limine.conf"
    with open("system/limine.conf", encoding="utf-8") as file:
        text = file.read().replace("@BLAKE2B@", digest).rstrip("\n") + "\n"
    text += "".join(f"    module_path: boot():/modules/{os.path.basename(m)}\n" for m in modules)
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    volume = f"out/{arch}/e2e-{name}.cpio"
    subprocess.run(["out/host/mkbundle", volume, f"boot/limine.conf={config}",
                    f"boot/themelios=out/{arch}/themelios", f"boot/system.erofs={image}",
                    *(f"modules/{os.path.basename(m)}={m}" for m in modules)], check=True)
    return volume


def boot(arch, name, until, manifest=None, timeout=BOOT_S, modules=(), instead=()):
    suite.make("build", f"ARCH={arch}")
    volume = volume_with(arch, name, manifest, modules, instead) if manifest else None
    run = suite.boot(machine.direct(arch, initrd=volume), f"e2e-{arch}-{name}", timeout, until=until)
    assert not run.timed_out, run.ending()
    return machine.Transcript(run)


def printed_authority(transcript):
    return [line.split("init: authority: ", 1)[1] for line in transcript.lines
            if "init: authority: " in line]


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_services_come_up_with_the_authority_of_the_manifest(arch):
    """What the kernel lists is what the tool computes: nothing more, nothing less."""
    last = (r"sample-client: counter says \d", "init: sample-client is up", "init: run is up")  # in any order
    transcript = boot(arch, "services", r"(?s)\A" + "".join(f"(?=.*{line})" for line in last))
    for name in ("console", "audit", "entropy", "counter", "sample-client"):
        assert re.search(rf"(?m)^init: {name} is up$", transcript.text), transcript.run.ending()
    assert sorted(printed_authority(transcript)) == sorted(authority("system/system.conf"))
    own = [line.split("init: its own authority: ", 1)[1] for line in transcript.lines
           if "init: its own authority: " in line]
    names = [line.split()[1] for line in own]
    # What has no name is the memory that init itself lies in.
    assert names == ["system", "process", "budget", "device-memory", "device-ports", "dma", "irq", "image", "?"], \
        transcript.run.ending()
    assert re.search(r"audit: \d+ records chained", transcript.text), transcript.run.ending()
    assert re.search(r"sample-client: 16 random bytes, not all alike", transcript.text)


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_a_service_that_crashes_comes_back_with_back_off(arch):
    transcript = boot(arch, "crash", r"init: crash died: again in (320|640) ms", "tests/e2e/crash.conf")
    delays = [int(d) for d in re.findall(r"init: crash died: again in (\d+) ms", transcript.text)]
    assert len(delays) >= 3 and delays == sorted(delays) and delays[-1] >= 320, transcript.run.ending()
    assert "sample-client: counter says" in transcript.text, "the others do not mind"


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_a_program_ends_with_all_its_threads(arch):
    """By returning from main, by exit() in another thread, by a write to what relocation made."""
    transcript = boot(arch, "exit", r"(?s)^(?=.*returns has ended)(?=.*protected has ended)"
                      r"(?=.*fails died.*fails is up again)", "tests/e2e/exit.conf")
    text = transcript.text
    for name in ("returns", "protected"):
        end = text.index(f"init: {name} has ended")
        assert f"{name}: still here" not in text[end:], transcript.run.ending()
    assert "protected: the address reads right" in text and "it could be written" not in text, \
        transcript.run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_the_end_of_init_is_the_end_of_the_machine(arch, tmp_path):
    bad = tmp_path / "empty.conf"
    bad.write_text("service\n")
    suite.make("build", f"ARCH={arch}")
    volume = volume_with(arch, "init-ends", str(bad))
    command = machine.direct(arch, initrd=volume, append="panic=exit")
    run = suite.boot(command, f"e2e-{arch}-init-ends", BOOT_S)
    assert not run.timed_out and "init: cannot go on" in run.output, run.ending()
    assert "KERNEL PANIC: the first program has ended" in run.output, run.ending()


def power_command(arch, tmp_path, name):
    suite.make("build", f"ARCH={arch}")
    manifest = tmp_path / "power.conf"
    with open("tests/e2e/power.template", encoding="utf-8") as file:
        manifest.write_text(file.read().replace("service NAME", f"service {name}"))
    return machine.direct(arch, initrd=volume_with(arch, name, str(manifest)))


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_power_off_ends_the_machine(arch, tmp_path):
    command = power_command(arch, tmp_path, "turns-off")
    run = suite.boot(command, f"e2e-{arch}-turns-off", BOOT_S)
    assert not run.timed_out and run.code == 0, run.ending()
    assert "system: power off" in run.output and "runs on" not in run.output, run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_restart_begins_anew(arch, tmp_path):
    command = [word for word in power_command(arch, tmp_path, "starts-again") if word != "-no-reboot"]
    run = suite.boot(command, f"e2e-{arch}-starts-again", BOOT_S,
                     until=r"(?s)Hello from ThemeliOS.*system: restart.*Hello from ThemeliOS")
    assert not run.timed_out and "runs on" not in run.output, run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_the_c_library_keeps_its_promises(arch):
    transcript = boot(arch, "libc", r"libc: \d+ passed, \d+ failed", "tests/e2e/libc.conf")
    assert re.search(r"libc: [1-9]\d* passed, 0 failed", transcript.text), transcript.run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_what_the_loader_brings_is_there_for_who_may_have_it(arch, tmp_path):
    modules = []
    for name, size in (("one.tar", 3 * 4096 + 1), ("two", 1), ("three.json", 70000)):
        modules.append(tmp_path / name)
        modules[-1].write_bytes(bytes((i * 7 + size) % 251 for i in range(size)))
    transcript = boot(arch, "modules", r"modules: modules: .*", "tests/e2e/modules.conf",
                      modules=modules)
    for module in modules:
        content = module.read_bytes()
        line = f"{module.name} {len(content)} {hashlib.sha256(content).hexdigest()}"
        assert line in transcript.text, transcript.run.ending()
    assert "modules: 3 listed: ok" in transcript.text, transcript.run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_chaos(arch):
    """Any service but init, killed at random: all come back, and no account has grown."""
    transcript = boot(arch, "chaos", r"chaos: (everything is back|something is lost)",
                      "tests/e2e/chaos.conf", CHAOS_S)
    result = re.search(r"chaos: (\d+) killed, memory (-?\d+), capabilities (-?\d+), threads (-?\d+)",
                       transcript.text)
    assert "chaos: everything is back" in transcript.text, transcript.run.ending()
    killed, memory, capabilities, threads = (int(n) for n in result.groups())
    assert [killed, capabilities, threads] == [CHAOS_KILLS, 0, 0], transcript.run.ending()
    # What is mapped is charged when it is touched: an instance may have used a page more or less. One
    # page left behind in two hundred kills would be more.
    assert abs(memory) <= TOUCHED_BYTES, transcript.run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES[:1])
def test_a_bad_manifest_is_named_by_its_line(arch, tmp_path):
    bad = tmp_path / "bad.conf"
    with open("system/system.conf", encoding="utf-8") as file:
        text = file.read()
    bad.write_text(text + "    take nothing from nobody\n")
    line = text.count("\n") + 1
    transcript = boot(arch, "bad", r"init: cannot go on", str(bad))
    assert f"init: system.conf:{line}: no service 'nobody' to take from" in transcript.text, \
        transcript.run.ending()
