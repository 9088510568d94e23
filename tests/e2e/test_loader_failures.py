"""What is missing or damaged is named by the loader in exactly one line, and nothing starts."""

import os
import subprocess

import pytest

import machine
from suite import machine as suite

ARCHES = suite.ARCHES
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}
CONFIG = "boot/limine.conf"
KERNEL = "boot/themelios"
MODULE = "boot/system.erofs"
ENTRY = "/ThemeliOS\n    protocol: limine\n    kernel_path: boot():/boot/themelios\n"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def damaged(data):
    """One bit, in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]


def built(arch, name):
    return read(f"out/{arch}/{name}")


# Each: the files that differ from a good volume (None: removed), and the line.
CASES = {
    "configuration_missing": (
        lambda arch: {CONFIG: None},
        "the configuration limine.conf is missing"),
    "configuration_not_text": (
        lambda arch: {CONFIG: b"timeout: 0\n\x00\x01\x02\n"},
        "the configuration /boot/limine.conf is corrupt: line 2: it contains bytes that are not text"),
    "configuration_without_entry": (
        lambda arch: {CONFIG: b"timeout: 0\n"},
        "the configuration /boot/limine.conf is corrupt: it has no default entry"),
    "kernel_missing": (
        lambda arch: {CONFIG: ENTRY.replace("themelios", "nothing").encode()},
        "the kernel /boot/nothing is missing"),
    "kernel_cut_short": (
        lambda arch: {KERNEL: built(arch, "themelios")[:5000]},
        "the kernel /boot/themelios cannot be used: a segment lies outside the file"),
    "kernel_not_elf": (
        lambda arch: {KERNEL: b"#!/bin/sh\n" * 100},
        "the kernel /boot/themelios cannot be used: it is not an ELF file"),
    "kernel_of_another_architecture": (
        lambda arch: {KERNEL: built(OTHER[arch], "themelios")},
        "the kernel /boot/themelios cannot be used: it is for another architecture"),
    "module_missing": (
        lambda arch: {CONFIG: (ENTRY + "    module_path: boot():/boot/nothing\n").encode()},
        "the module /boot/nothing is missing"),
    "module_damaged": (
        # The direct file's own configuration names no digest.
        lambda arch: {CONFIG: built(arch, "limine.conf"),
                      MODULE: damaged(built(arch, "system.erofs"))},
        "the module /boot/system.erofs is corrupt: its BLAKE2b digest is not the configured one"),
    "memory_too_little": (
        lambda arch: {
            CONFIG: (ENTRY + "    module_path: boot():/boot/large\n" * 8).encode(),
            "boot/large": bytes(24 << 20)},
        "not enough memory for the module /boot/large"),
}
# Without a bundle there is no loader for direct boot, so its volume always has a configuration.
DIRECT_CASES = [name for name in CASES if name != "configuration_missing"]
UEFI_CASES = ["configuration_missing", "kernel_missing", "kernel_of_another_architecture",
              "module_damaged", "memory_too_little"]


@pytest.fixture(scope="module", autouse=True)
def everything_built():
    for arch in ARCHES:
        suite.make("build", "image", f"ARCH={arch}")


def cpio(files):
    """An archive of the kind "newc", which later on the volume hides earlier files."""
    archive = b""
    for name, data in [*files.items(), ("TRAILER!!!", b"")]:
        fields = [0, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return archive


def fat(arch, files, image):
    """A copy of the UEFI volume with other files. It may grow: the file system is made anew."""
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1")
    loader = {"x86_64": "BOOTX64.EFI", "aarch64": "BOOTAA64.EFI"}[arch]
    volume = {
        f"EFI/BOOT/{loader}": built(arch, f"media/{loader}"),
        CONFIG: built(arch, "limine.conf"),
        KERNEL: built(arch, "themelios"),
        MODULE: built(arch, "system.erofs"),
        **files,
    }
    volume = {name: data for name, data in volume.items() if data is not None}
    sectors = (sum(len(data) for data in volume.values()) // 1048576 + 8) * 2048

    def mtool(*words, data=None):
        subprocess.run(words, env=env, input=data, check=True)

    mtool("mformat", "-i", image, "-C", "-T", str(sectors), "-h", "64", "-s", "32", "::")
    mtool("mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/boot")
    for name, data in volume.items():
        mtool("mcopy", "-i", image, "-", f"::/{name}", data=data)


def fails_with(command, log, line):
    transcript = machine.run(command, log, until=r"themelios-boot: [^\n]*\n|Hello from")
    assert transcript.failures() == [machine.FAILED + line], transcript.run.ending()
    assert "Hello from" not in transcript.text


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("case", DIRECT_CASES)
def test_direct(arch, case, tmp_path):
    files, line = CASES[case]
    archive = tmp_path / "files.cpio"
    archive.write_bytes(cpio(files(arch)))
    memory = "128M" if case == "memory_too_little" else "512M"
    fails_with(machine.direct(arch, memory, archive), f"{arch}-direct-{case}", line)


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("case", UEFI_CASES)
def test_uefi(arch, case, tmp_path):
    files, line = CASES[case]
    image = tmp_path / "volume.img"
    fat(arch, files(arch), str(image))
    memory = "128M" if case == "memory_too_little" else "512M"
    command = machine.bare(arch, memory) + machine.uefi(arch) + machine.disk(image)
    fails_with(command, f"{arch}-uefi-{case}", line)


@pytest.mark.parametrize("file,line", [
    ("/boot/efi.img", "the configuration limine.conf is missing"),
    ("/boot/loader", "the loader /boot/loader cannot be started"),
])
def test_bios_disc_without(file, line, tmp_path):
    """What GRUB cannot find is missed by whoever needs it."""
    suite.make("iso", "ARCH=x86_64", "LIMINE_DIR=")
    data = read("out/x86_64/themelios.iso")
    name = os.path.basename(file).upper().encode()
    renamed = data.replace(name, name[:-1] + b"_").replace(name.lower(), name[:-1].lower() + b"_")
    assert renamed != data
    image = tmp_path / "disc.iso"
    image.write_bytes(renamed)
    command = machine.bare("x86_64") + machine.disc("x86_64", image)
    fails_with(command, f"x86_64-bios-without-{os.path.basename(file)}", line)


@pytest.mark.parametrize("arch", ARCHES)
def test_command_line_too_long_for_the_loader(arch):
    """Nothing is cut: what stands behind the cut might have been the important word."""
    command = machine.direct(arch, append="log=debug " + "x" * 1014)
    fails_with(command, f"{arch}-direct-cmdline", "the command line is longer than 1023 bytes")


@pytest.mark.parametrize("arch", ARCHES)
def test_command_line_too_long_for_the_kernel(arch, tmp_path):
    """Two halves, from the configuration and from the monitor, which only together are too long."""
    archive = tmp_path / "files.cpio"
    archive.write_bytes(cpio({CONFIG: f"{ENTRY}    cmdline: {'x' * 512}\n".encode()}))
    command = machine.direct(arch, initrd=archive, append="x" * 511)
    transcript = machine.run(command, f"{arch}-kernel-cmdline", until=r"than 1023 bytes|Hello from")
    assert "boot: the command line is longer than 1023 bytes" in transcript.text
    assert "Hello from" not in transcript.text


def test_almost_no_memory():
    """The smallest machine whose firmware still runs. What fits into it depends on the kernel."""
    transcript = machine.run(machine.direct("x86_64", "2M"), "x86_64-direct-2M",
                             until=r"themelios-boot: [^\n]*\n|Hello from")
    failures = transcript.failures()
    assert len(failures) == 1, transcript.run.ending()
    assert failures[0].startswith(machine.FAILED + "not enough memory for the ")
    assert "Hello from" not in transcript.text
