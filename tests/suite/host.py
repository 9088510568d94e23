"""Checks that run as ordinary programs: host units and models under sanitizers, fuzzers, end-to-end
tests by pytest."""

import contextlib
import glob
import os
import platform
import re
import subprocess
import time
import xml.etree.ElementTree

from suite import machine, static, tap

UNIT_TIMEOUT_S = 600
FUZZ_RUNS = 20000
FUZZ_SEED = 1
FUZZ_TIME_S = 10


def environment(seed=0):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
               UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    if seed:
        env["SEED"] = str(seed)
    return env


def unit_binaries():
    """Build them; the names of the host test programs."""
    return machine.make("host-units").split()


def run_units(report, patterns, expected):
    def run(binary):
        return subprocess.run([binary, *patterns], capture_output=True, text=True, timeout=UNIT_TIMEOUT_S * machine.PATIENCE,
                              env=environment(report.seed), errors="replace")

    seen = {}
    for binary, done in static.in_parallel(run, unit_binaries()):
        transcript = done.stdout + done.stderr
        if "1..0" in done.stdout and patterns:
            continue
        verdicts = tap.judge(done.stdout)
        if done.returncode != 0 and all(ok for ok, _, _ in verdicts.results.values()):
            verdicts.problems.append(f"{binary}: status {done.returncode}\n{transcript[-3000:]}")
        tap.record(report, verdicts, transcript)
        seen.update(verdicts.results)
    if expected is not None:
        for name in sorted(expected - set(seen)):
            report.fail(name, "is in the sources but no host program ran it")
    return seen


def host_test_files():
    files = glob.glob("lib/**/*_test.c", recursive=True)
    files += glob.glob("kernel/**/*_test.c", recursive=True)
    files += glob.glob("boot/**/*_test.c", recursive=True)
    files += glob.glob("tests/golden/**/*_test.c", recursive=True)
    files += glob.glob("linux/**/*_test.c", recursive=True)
    files += glob.glob("tests/calls/*_test.c")
    elsewhere = rf"kernel/arch/(?!host/)|linux/arch/(?!{platform.machine()}/)|linux/machine/native/"
    return [f for f in files if not re.match(elsewhere, f)]


def units(report):
    expected = tap.names_in_sources(host_test_files(), ("TEST", "HOST_TEST"))
    run_units(report, [], expected)
    # A fuzzer links the code without the tests: what the code needs of a test is missed here, not an hour later.
    machine.make("host-fuzzers")


def selected(pattern):
    def stage(report):
        if not run_units(report, [pattern], None):
            report.skip(pattern, "no host test of this name")
    return stage


MUTANTS = 12


def mutants(report):
    """Checks of the kernel that are chosen by the seed, deleted one at a time: some test must miss each. The lists
    of those that make no difference or need a guest name nothing that is not there."""
    machine.make("host-units")
    done = subprocess.run(["tests/mutate/run", "--sample", str(MUTANTS), "--seed", str(report.seed or 1)],
                          capture_output=True, text=True, timeout=UNIT_TIMEOUT_S * machine.PATIENCE)
    report.ok(f"{MUTANTS} mutants die", done.returncode == 0, done.stdout + done.stderr)


def fuzz_one(binary):
    name = os.path.basename(binary)
    corpus = f"tests/fuzz/corpus/{name.removeprefix('fuzz-')}"
    runs = FUZZ_RUNS * (20 if name == "fuzz-canary" else 1)
    command = [binary, f"-runs={runs}", f"-seed={FUZZ_SEED}", f"-max_total_time={FUZZ_TIME_S}", "-verbosity=0",
               "-artifact_prefix=out/logs/"]
    os.makedirs(f"out/fuzz/{name}", exist_ok=True)
    command.append(f"out/fuzz/{name}")
    if os.path.isdir(corpus):
        command.append(corpus)
    return subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=300 * machine.PATIENCE, env=environment())


def fuzz(report):
    """A short run of each fuzzer, one on each CPU: its corpus, then inputs from a fixed seed."""
    os.makedirs("out/logs", exist_ok=True)
    for binary, done in static.in_parallel(fuzz_one, machine.make("host-fuzzers").split()):
        name = os.path.basename(binary)
        crashed = done.returncode != 0
        if name == "fuzz-canary":
            report.ok(f"{name} crashes, as it must", crashed, done.stderr[-2000:])
        else:
            report.ok(name, not crashed, done.stderr[-3000:])


@contextlib.contextmanager
def fuzzing_calls(report, seconds, seed):
    """fuzz-calls for a time, beside whatever the caller does. Its corpus stays in out/fuzz."""
    machine.make("host-fuzzers")
    os.makedirs("out/fuzz/fuzz-calls", exist_ok=True)
    os.makedirs("out/logs", exist_ok=True)
    seed = seed or int(time.time()) & 0x7fffffff
    command = ["out/host/fuzz-calls", f"-seed={seed}", f"-max_total_time={seconds}", "-max_len=1600", "-len_control=0",
               "-print_final_stats=1", "-artifact_prefix=out/logs/", "out/fuzz/fuzz-calls"]
    with open("out/logs/fuzz-calls.log", "w+", encoding="utf-8", errors="replace") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        try:
            yield
        finally:
            code = running.wait(timeout=(seconds + 300) * machine.PATIENCE)
            log.seek(0)
            text = log.read()
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    print(f"    host: seed {seed}, {runs.group(1) if runs else 'no'} inputs")
    report.ok("fuzz-calls", code == 0, text[-3000:])


def python_with_pytest():
    """The package belongs to the system's Python, which need not be the first one in PATH."""
    for python in ("python3", "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import pytest"], capture_output=True).returncode == 0:
            return python
    return "python3"


def start_pytest(python, name, chosen):
    """(process, results): the tests of tests/e2e that -k chooses."""
    results = f"out/logs/e2e-{name}.xml"
    if os.path.exists(results):
        os.remove(results)
    log = open(f"out/logs/e2e-{name}.log", "w+", encoding="utf-8", errors="replace")
    return subprocess.Popen([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/e2e", "-k", chosen,
                             f"--junitxml={results}"], stdout=log, stderr=subprocess.STDOUT), log, results


def end_to_end(report):
    """tests/e2e by pytest: the ways to boot, from outside. Both architectures at once, since an emulator seldom keeps
    two cores busy; what they share is made before."""
    os.makedirs("out/logs", exist_ok=True)
    machine.make("out/host/authority")
    for arch in machine.ARCHES:
        machine.make("build", "image", "iso", f"ARCH={arch}", "LIMINE_DIR=")
    python = python_with_pytest()
    for running in [start_pytest(python, "x86_64", "not aarch64"), start_pytest(python, "aarch64", "aarch64")]:
        end_to_end_results(report, *running)


def end_to_end_results(report, process, log, results):
    code = process.wait()
    with log:
        log.seek(0)
        said = log.read()
    if not os.path.exists(results):
        report.fail("pytest", said)
        return
    if code not in (0, 1):
        report.fail("pytest", said[-3000:])
    for case in xml.etree.ElementTree.parse(results).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}".removeprefix("tests.e2e.")
        bad = [c for c in case if c.tag in ("failure", "error")]
        skip = [c for c in case if c.tag == "skipped"]
        if skip:
            report.skip(name, skip[0].get("message", ""))
        else:
            report.ok(name, not bad, "\n".join(c.text or "" for c in bad))
