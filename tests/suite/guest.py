"""Checks that boot the kernel in QEMU, by the direct way in."""

import glob
import re
import subprocess

from suite import host, machine, tap
from suite.machine import ARCHES, EXIT_PASS

HELLO = "Hello from ThemeliOS"
# (name, CPUs, interrupt controller) of each machine that runs all guest tests.
MACHINES = {
    "x86_64": [("smp1", 1, 3), ("smp2", 2, 3), ("smp4", 4, 3)],
    "aarch64": [("smp1", 1, 3), ("smp2-gic2", 2, 2), ("smp2", 2, 3), ("smp4", 4, 3)],
}
GUEST_TIMEOUT_S = 300
BOOT_TIMEOUT_S = 60
GDB_PORT = 12340


def guest_test_files(arch):
    files = glob.glob("kernel/**/*.c", recursive=True) + glob.glob("lib/base/*.c")
    return [f for f in files if not f.endswith("_fuzz.c")
            and not re.match(rf"kernel/arch/(?!{arch}/)", f)]


def expected_tests(arch):
    return tap.names_in_sources(guest_test_files(arch), ("TEST", "GUEST_TEST"))


def seed_word(seed):
    return f" seed={seed}" if seed else ""


def guest_tests(arch, smp, gic, pattern, seed, log):
    """One machine, all tests or those that match; returns (verdicts, run)."""
    machine.build(arch)
    command = machine.qemu(arch, smp, gic=gic,
                           append=f"test={pattern} exit=emulator panic=exit{seed_word(seed)}")
    run = machine.boot(command, log, GUEST_TIMEOUT_S)
    verdicts = tap.judge(run.output, expected_tests(arch) if pattern == "all" else None)
    if HELLO not in run.output:
        verdicts.problems.append(f"no {HELLO!r}")
    if f"cpus: {smp} of {smp} online" not in run.output:
        verdicts.problems.append(f"not all of {smp} CPUs came online")
    if run.timed_out or run.code != EXIT_PASS:
        if all(ok for ok, _, _ in verdicts.results.values()):
            verdicts.problems.append(run.ending())
    return verdicts, run


def matrix_stage(arch, name, smp, gic):
    def stage(report):
        verdicts, run = guest_tests(arch, smp, gic, "all", report.seed, f"guest-{arch}-{name}")
        tap.record(report, verdicts, run.output)
    return stage


def selected_stage(arch, pattern):
    """`make test T=...` with the name of a guest test."""
    def stage(report):
        verdicts, run = guest_tests(arch, 2, 3, pattern, report.seed, f"selected-{arch}")
        if verdicts.results:
            tap.record(report, verdicts, run.output)
        elif "1..0" in run.output:
            report.skip(pattern, "no guest test of this name")
        else:
            report.fail(pattern, run.ending())
    return stage


# --- The way up: banner, version, machine, first program.

def boot_stage(arch, flavour):
    def stage(report):
        machine.build(arch, flavour)
        with open("VERSION", encoding="utf-8") as file:
            version = file.read().strip()
        command = machine.qemu(arch, 2, flavour=flavour)
        run = machine.boot(command, f"boot-{arch}-{flavour}", BOOT_TIMEOUT_S,
                           until=r"bootstrap: .*\n|PANIC")
        lines = [line for line in run.output.splitlines() if line.strip()]
        kernel_lines = lines[next((i for i, l in enumerate(lines) if HELLO in l), 0):]
        report.ok("the kernel's first line", bool(lines) and kernel_lines[0].strip() == HELLO,
                  run.ending())
        for what, pattern in (
            ("version and architecture", rf"ThemeliOS {re.escape(version)}, {arch}, {flavour}"),
            ("memory", r"memory: \d+ MiB, \d+ MiB free"),
            ("CPUs", r"cpus: 2 of 2 online"),
            ("the first program speaks", r"bootstrap: "),
            ("it has read the system image", rf"bootstrap: .*{re.escape(version)}"),
        ):
            report.ok(what, re.search(pattern, run.output) is not None, run.ending())
    return stage


# --- The way down: each deliberate crash says what is expected, and ends the emulator with a failure.

CRASHES = [
    # name, CPUs, patterns that must appear
    ("null-pointer", 2, [r"KERNEL PANIC: .*(fault|abort|kernel read at)", r"backtrace:", r"crash_\w+\+0x"]),
    ("stack-overflow", 2, [r"KERNEL PANIC: .*stack overflow", r"backtrace:", r"recurse\+0x"]),
    ("assert", 2, [r"KERNEL PANIC: assertion failed: crash_zero != 0", r"crash_\w+\+0x"]),
    ("panic-secondary", 2, [r"KERNEL PANIC: crash=panic-secondary", r"on CPU 1 of 2"]),
    ("panic-twice", 2, [r"PANIC WITHIN THE PANIC: crash=panic-twice"]),
]


def crash_stage(arch):
    def stage(report):
        machine.build(arch)
        for name, smp, patterns in CRASHES:
            command = machine.qemu(arch, smp, append=f"crash={name} panic=exit exit=emulator")
            run = machine.boot(command, f"crash-{arch}-{name}", BOOT_TIMEOUT_S)
            missing = [p for p in patterns if not re.search(p, run.output)]
            good = not missing and not run.timed_out and run.code != EXIT_PASS
            report.ok(name, good, f"{run.ending()}\nmissing: {missing}")
            after = run.output.rpartition("PANIC")[2]
            report.ok(f"{name}: nothing runs on", "bootstrap:" not in after, run.ending())
    return stage


# --- Nobody listens in the release flavour.

TYPED = "help\rmem\rreboot\r\x03\x04\x1b[A"


FIRST_PROGRAM = r"bootstrap: .*\n"


SERVICE_LINE = r"(init|console|audit|entropy|counter|sample-client): "


def silence_stage(arch):
    def stage(report):
        machine.build(arch)
        run = machine.boot(machine.qemu(arch, 2), f"silence-{arch}-debug", BOOT_TIMEOUT_S,
                           typed=[(FIRST_PROGRAM, "help\r")], until=r"this list")
        report.ok("the debug flavour answers", "this list" in run.output, run.ending())

        machine.build(arch, "release")
        command = machine.qemu(arch, 2, flavour="release")
        up = machine.boot(command, f"silence-{arch}-up", BOOT_TIMEOUT_S, until=FIRST_PROGRAM)
        listen_s = up.seconds * 2 / machine.PATIENCE + 3
        run = machine.boot(command, f"silence-{arch}-release", listen_s,
                           typed=[(FIRST_PROGRAM, TYPED)])
        # Services say that they are up; nothing may answer what was typed.
        after = re.split(FIRST_PROGRAM, run.output, maxsplit=1)[1].splitlines()
        answers = [line for line in after if not re.match(SERVICE_LINE, line)]
        report.ok("the release flavour is silent", answers == [], run.ending())
        report.ok("and still runs", run.timed_out, run.ending())
    return stage


# --- More CPUs than GICv2 or a small mask can name.

def many_cpus_stage(arch):
    def stage(report):
        machine.build(arch)
        for smp in (8, 16):
            command = machine.qemu(arch, smp, gic=2 if smp == 8 else 3,
                                   append="test=thread.* exit=emulator panic=exit")
            run = machine.boot(command, f"cpus-{arch}-{smp}", GUEST_TIMEOUT_S)
            report.ok(f"{smp} CPUs come online", f"cpus: {smp} of {smp} online" in run.output,
                      run.ending())
            verdicts = tap.judge(run.output)
            report.ok(f"threads run on {smp} CPUs", tap.good(verdicts) and run.code == EXIT_PASS,
                      run.ending())
    return stage


# --- The debugger.

def gdb_stage(report):
    for arch in ARCHES:
        machine.build(arch)
        done = subprocess.run(["make", "-s", "gdb", f"ARCH={arch}", f"GDB_PORT={GDB_PORT}"],
                              input="backtrace\nkill\nquit\n", capture_output=True, text=True,
                              timeout=BOOT_TIMEOUT_S * machine.PATIENCE)
        report.ok(f"{arch}: stops at kernel_main, called by kernel_entry",
                  re.search(r"Breakpoint 1,(?s:.*)kernel_main(?s:.*)in kernel_entry", done.stdout)
                  is not None, done.stdout + done.stderr)


# --- The rig itself: what must fail does.

def canary_stage(report):
    ok = "TAP version 14\n1..2\nok 1 - a.a\nok 2 - a.b\n"
    for name, text, expected in (
        ("no plan", ok.replace("1..2\n", ""), None),
        ("a test missing", ok.replace("ok 2 - a.b\n", ""), None),
        ("a failed test", ok.replace("ok 2", "not ok 2"), None),
        ("a plan of nothing", "1..0\n", None),
        ("two plans", ok + ok, None),
        ("a wrong number", ok.replace("ok 2", "ok 3"), None),
        ("a panic afterwards", ok + "KERNEL PANIC: x\n", None),
        ("a test of the sources that did not run", ok, {"a.a", "a.b", "a.c"}),
        ("a test that is not in the sources", ok, {"a.a"}),
    ):
        report.ok(f"refused: {name}", not tap.good(tap.judge(text, expected)))
    report.ok("accepted: a good run", tap.good(tap.judge(ok, {"a.a", "a.b"})))

    for arch in ARCHES:
        machine.build(arch)
        for what, sign in (("fail", "not ok 1 - canary.canary"), ("leak", "not ok 1 - canary.canary"),
                           ("hang", "1..1"), ("panic", "KERNEL PANIC")):
            command = machine.qemu(
                arch, 2, append=f"test=canary.canary canary={what} exit=emulator panic=exit")
            run = machine.boot(command, f"canary-{arch}-{what}", 8 if what == "hang" else 60)
            failed = run.timed_out == (what == "hang") and run.code != EXIT_PASS
            report.ok(f"{arch}: {what} in the guest is a failure",
                      failed and sign in run.output and not tap.good(tap.judge(run.output)),
                      run.ending())
        command = machine.qemu(arch, 2, append="test=no.such.test exit=emulator")
        run = machine.boot(command, f"canary-{arch}-none", 60)
        report.ok(f"{arch}: a pattern that matches nothing is a failure",
                  not run.timed_out and run.code != EXIT_PASS, run.ending())


# --- Stress: threads, migration, shootdown and timers at once, for a time; and random system calls.

def timed_test(report, name, arch, seconds, smp, seed, words=""):
    machine.build(arch)
    command = machine.qemu(arch, smp, append=f"test={name}.* stress={seconds} exit=emulator "
                           f"panic=exit{seed_word(seed)}{words}")
    run = machine.boot(command, f"{name}-{arch}", seconds * 4 + GUEST_TIMEOUT_S)
    verdicts = tap.judge(run.output)
    if run.code != EXIT_PASS:
        verdicts.problems.append(run.ending())
    tap.record(report, verdicts, run.output)
    for line in run.output.splitlines():
        if line.startswith("# seed") or " calls on " in line:
            print(f"    {arch}: {line[2:]}, {seconds} s on {smp} CPUs")


def stress_stage(arch, seconds, smp, seed):
    return lambda report: timed_test(report, "stress", arch, seconds, smp, seed)


def fuzz_calls_stage(arch, seconds, smp, seed):
    """Random system calls in the guest, and beside the model on the host at the same time."""
    def stage(report):
        with host.fuzzing_calls(report, seconds, seed):
            timed_test(report, "random_calls", arch, seconds, smp, seed, " log=warn")
    return stage
