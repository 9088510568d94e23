"""Every way in leads to the kernel's first line and to the first program's."""

import pytest

import machine
from suite import machine as suite

ISO = {arch: f"out/{arch}/themelios.iso" for arch in suite.ARCHES}
DISK = {arch: f"out/{arch}/themelios.img" for arch in suite.ARCHES}
LIMINE_ISO = {arch: f"out/{arch}/media/limine.iso" for arch in suite.ARCHES}


def way_direct(arch):
    suite.make("build", f"ARCH={arch}")
    return machine.direct(arch)


def way_bios_disc(arch):
    suite.make("iso", f"ARCH={arch}", "LIMINE_DIR=")
    return machine.bare(arch) + machine.disc(arch, ISO[arch])


def way_bios_disk(arch):
    """The same file, written to a disk as it is."""
    suite.make("iso", f"ARCH={arch}", "LIMINE_DIR=")
    return machine.bare(arch) + machine.disk(ISO[arch])


def way_uefi_disc(arch):
    suite.make("iso", f"ARCH={arch}", "LIMINE_DIR=")
    return machine.bare(arch) + machine.uefi(arch) + machine.disc(arch, ISO[arch])


def way_uefi_disk(arch):
    suite.make("image", f"ARCH={arch}")
    return machine.bare(arch) + machine.uefi(arch) + machine.disk(DISK[arch])


def limine_iso(arch):
    suite.make(LIMINE_ISO[arch], f"ARCH={arch}", f"LIMINE_DIR={machine.LIMINE_DIR}")
    return machine.disc(arch, LIMINE_ISO[arch])


def way_limine_bios_disc(arch):
    return machine.bare(arch) + limine_iso(arch)


def way_limine_uefi_disc(arch):
    return machine.bare(arch) + machine.uefi(arch) + limine_iso(arch)


WAYS = [
    ("x86_64", way_direct), ("x86_64", way_bios_disc), ("x86_64", way_bios_disk),
    ("x86_64", way_uefi_disc), ("x86_64", way_uefi_disk),
    ("aarch64", way_direct), ("aarch64", way_uefi_disc), ("aarch64", way_uefi_disk),
]
LIMINE_WAYS = [
    ("x86_64", way_limine_bios_disc), ("x86_64", way_limine_uefi_disc),
    ("aarch64", way_limine_uefi_disc),
]


def names(ways):
    return [f"{arch}-{way.__name__.removeprefix('way_')}" for arch, way in ways]


def reaches_first_program(arch, way, loader):
    command = way(arch)
    log = f"{arch}-{way.__name__.removeprefix('way_')}"
    transcript = machine.run(command, log, until=r"(?m)^bootstrap:.*\n")
    lines = transcript.lines
    assert not transcript.failures(), transcript.run.ending()
    # A line of its own, wherever the firmware left its cursor; Limine's business is Limine's.
    hello = [i for i, line in enumerate(lines) if line == "Hello from ThemeliOS" or
             (loader == "Limine" and line.endswith("Hello from ThemeliOS"))]
    program = [i for i, line in enumerate(lines) if line.startswith("bootstrap:")]
    assert len(hello) == 1 and program and hello[0] < program[0], transcript.run.ending()
    assert any(loader in line for line in lines), f"not loaded by {loader}\n{transcript.text}"


@pytest.mark.parametrize("arch,way", WAYS, ids=names(WAYS))
def test_way(arch, way):
    reaches_first_program(arch, way, "ThemeliOS boot")


@pytest.mark.skipif(not machine.LIMINE_DIR, reason="LIMINE_DIR names no Limine binaries")
@pytest.mark.parametrize("arch,way", LIMINE_WAYS, ids=names(LIMINE_WAYS))
def test_limine_way(arch, way):
    """The kernel speaks the protocol itself, not a dialect that only our loader knows."""
    reaches_first_program(arch, way, "Limine")
