"""Builds, and boots what was built. QEMU's flags come from build/qemu.mk alone."""

import os
import re
import shlex
import signal
import subprocess
import time

ARCHES = ("x86_64", "aarch64")
EXIT_PASS = 33
# Slow machines: give every guest this much more time.
PATIENCE = float(os.environ.get("PATIENCE", "1"))
LOGS = "out/logs"

_built = {}


def make(*words, timeout=1200):
    """Run make; its output if it fails is the exception."""
    result = subprocess.run(
        ["make", "-s", "-j2", *words], capture_output=True, text=True, timeout=timeout
    )
    if result.returncode != 0:
        raise RuntimeError(f"make {' '.join(words)}:\n{result.stdout}{result.stderr}")
    return result.stdout


def out_of(arch, flavour="debug", compiler="clang"):
    folder = f"out/{arch}"
    if (flavour, compiler) != ("debug", "clang"):
        folder += f"-{flavour}"
    return folder if compiler == "clang" else f"{folder}-{compiler}"


def build(arch, flavour="debug", compiler="clang", goal="build"):
    """Build once for each combination; returns the output folder."""
    key = (arch, flavour, compiler, goal)
    if key not in _built:
        try:
            make(goal, f"ARCH={arch}", f"FLAVOUR={flavour}", f"COMPILER={compiler}")
            _built[key] = None
        except RuntimeError as error:
            _built[key] = error
    if _built[key] is not None:
        raise _built[key]
    return out_of(arch, flavour, compiler)


def qemu(arch, smp=2, mode="test", flavour="debug", compiler="clang", append="", gic=3, mem="512M"):
    """The command of a direct boot, as a list of words."""
    line = make(
        "qemu", f"ARCH={arch}", f"SMP={smp}", f"MODE={mode}", f"FLAVOUR={flavour}",
        f"COMPILER={compiler}", f"APPEND={append}", f"GIC={gic}", f"MEM={mem}",
    )
    return shlex.split(line)


class Run:
    """What a machine said, and how it ended."""

    def __init__(self, output, code, timed_out, seconds):
        self.output = output.replace("\r\n", "\n")
        self.code = code
        self.timed_out = timed_out
        self.seconds = seconds

    def ending(self):
        how = f"no end after {self.seconds:.0f} s" if self.timed_out else f"exit code {self.code}"
        return f"{self.output[-2500:]}\n[{how}]"


def boot(command, log, timeout=300, typed=None, until=None):
    """Run a machine to its end, or until a pattern appeared, or until the time is over.

    `typed` is a list of (pattern, text): when the pattern appeared, the text is typed.
    """
    os.makedirs(LOGS, exist_ok=True)
    typed = list(typed or [])
    start = time.monotonic()
    deadline = start + timeout * PATIENCE
    path = f"{LOGS}/{log}.log"
    with open(path, "wb") as sink:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = False
        try:
            while child.poll() is None:
                text = _read(path)
                if typed and re.search(typed[0][0], text):
                    child.stdin.write(typed.pop(0)[1].encode())
                    child.stdin.flush()
                elif until is not None and not typed and re.search(until, text):
                    break
                if time.monotonic() > deadline:
                    timed_out = True
                    break
                time.sleep(0.02)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.stdin.close()
            code = child.wait()
    return Run(_read(path), code, timed_out, time.monotonic() - start)


def _read(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")
