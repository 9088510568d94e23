"""The ways into a machine: what QEMU is given for each, and what the machine then says. How QEMU is
started as such comes from build/qemu.mk, through `make -s qemu`."""

import os
import re

from suite import machine as suite

# Firmware under emulation takes 5 to 15 s on a quiet machine.
BOOT_TIMEOUT_S = 180
LIMINE_DIR = os.environ.get("LIMINE_DIR", "")
# Debian's names. The variables are written to a snapshot: no run sees another's.
FIRMWARE = {
    "x86_64": ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "aarch64": ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
}
ESCAPES = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]")
FAILED = "themelios-boot: "


def bare(arch, mem="512M", smp=2):
    """The machine without anything to boot."""
    command = suite.qemu(arch, smp=smp, mem=mem)
    at = command.index("-kernel")
    return command[:at] + command[at + 2:]


def direct(arch, mem="512M", initrd=None, append=""):
    command = suite.qemu(arch, mem=mem, append=append)
    return command + (["-initrd", str(initrd)] if initrd else [])


def uefi(arch):
    code, variables = FIRMWARE[arch]
    return [
        "-drive", f"if=pflash,format=raw,readonly=on,file={code}",
        "-drive", f"if=pflash,format=raw,snapshot=on,file={variables}",
    ]


def disc(arch, image):
    """A CD in a drive that the architecture's firmware knows."""
    drive = f"file={image},format=raw,if=none,id=disc,media=cdrom,readonly=on"
    if arch == "x86_64":
        return ["-drive", drive, "-device", "ide-cd,drive=disc"]
    return ["-drive", drive, "-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=disc"]


def disk(image):
    drive = f"file={image},format=raw,if=none,id=disk,readonly=on"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=disk"]


class Transcript:
    """What came over the serial port, without the firmware's colours and cursor movements."""

    def __init__(self, run):
        self.text = ESCAPES.sub("", run.output).replace("\r", "")
        self.lines = self.text.splitlines()
        self.run = run

    def failures(self):
        return [line for line in self.lines if FAILED in line]


def run(command, log, until):
    """Boot until a pattern appears. That it does not appear is for the caller to find."""
    return Transcript(suite.boot(command, f"e2e-{log}", BOOT_TIMEOUT_S, until=until))
