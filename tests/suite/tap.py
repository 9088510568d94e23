"""Judges a test run by its transcript: TAP among other lines, as it comes over a serial console."""

import os
import re

PLAN = re.compile(r"^1\.\.(\d+)\s*$")
RESULT = re.compile(r"^(not ok|ok) (\d+) - (\S+)(?:\s+# SKIP (.*))?\s*$")
# A line that no passing run prints, whatever the plan says.
BAD = re.compile(r"^(?:.*\bPANIC\b|.*\bpanic:|.*assertion failed)", re.IGNORECASE)


class Verdicts:
    def __init__(self):
        self.results = {}  # name: (ok, diagnostics, skip reason or None)
        self.problems = []  # of the run as a whole


def judge(text, expected=None):
    """`expected` is the set of names that must have run; None accepts what the plan says."""
    verdicts = Verdicts()
    plan = None
    notes = []
    for line in text.splitlines():
        line = line.strip("\r")
        if match := PLAN.match(line):
            if plan is not None:
                verdicts.problems.append("two plans: did it start again?")
            plan = int(match[1])
        elif match := RESULT.match(line):
            if int(match[2]) != len(verdicts.results) + 1:
                verdicts.problems.append(f"number {match[2]} out of order")
            if match[3] in verdicts.results:
                verdicts.problems.append(f"{match[3]} ran twice")
            verdicts.results[match[3]] = (match[1] == "ok", "\n".join(notes), match[4])
            notes = []
        elif line.startswith("#"):
            notes.append(line)
        elif BAD.match(line):
            verdicts.problems.append(line)
    if plan is None:
        verdicts.problems.append("no plan")
    elif plan != len(verdicts.results):
        verdicts.problems.append(f"{plan} planned, {len(verdicts.results)} reported")
    elif plan == 0:
        verdicts.problems.append("nothing ran")
    if expected is not None:
        for name in sorted(expected - set(verdicts.results)):
            verdicts.problems.append(f"{name} is in the sources but did not run")
        for name in sorted(set(verdicts.results) - expected):
            verdicts.problems.append(f"{name} ran but is not in the sources")
    return verdicts


def good(verdicts):
    return not verdicts.problems and all(ok for ok, _, _ in verdicts.results.values())


def record(report, verdicts, transcript, prefix=""):
    """Put each verdict into the report."""
    for name, (ok, notes, skip) in verdicts.results.items():
        if skip is not None and ok:
            report.skip(prefix + name, skip)
        else:
            report.ok(prefix + name, ok, notes)
    for problem in verdicts.problems:
        report.fail(prefix + "the run", f"{transcript[-2500:]}\n{problem}")


def names_in_sources(files, kinds):
    """The tests that these files register, by the macros in `kinds`: the suite's size, counted
    without running anything."""
    names = set()
    for path in files:
        stem = re.sub(r"(_test|_bench)?\.c$", "", os.path.basename(path))
        with open(path, encoding="utf-8") as file:
            for line in file:
                if match := re.match(rf"(?:{'|'.join(kinds)})\((\w+)\)", line):
                    names.add(f"{stem}.{match[1]}")
    return names
