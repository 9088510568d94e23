"""Verdicts, counted. A stage is a named group of checks; what it raises is a failure of its own."""

import sys
import time
import traceback


class Report:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []
        self.stage_name = ""

    def ok(self, name, good=True, why=""):
        """Record a verdict; returns it."""
        if good:
            self.passed += 1
        else:
            self.fail(name, why)
        return good

    def fail(self, name, why=""):
        full = f"{self.stage_name}: {name}"
        self.failures.append((full, why))
        print(f"    FAILED {full}")
        for line in str(why).rstrip().splitlines()[-40:]:
            print(f"        {line}")
        sys.stdout.flush()

    def skip(self, name, reason):
        full = f"{self.stage_name}: {name}"
        self.skips.append((full, reason))
        print(f"    skipped {full}: {reason}")

    def stage(self, name, function):
        self.stage_name = name
        before = self.passed, len(self.failures), len(self.skips)
        start = time.monotonic()
        try:
            function(self)
        except Exception:
            self.fail("the stage itself", traceback.format_exc())
        passed, failed = self.passed - before[0], len(self.failures) - before[1]
        if passed + failed + len(self.skips) - before[2] == 0:
            self.fail("the stage itself", "it checked nothing")
            failed = 1
        verdict = "ok  " if failed == 0 else "FAIL"
        seconds = time.monotonic() - start
        print(f"{verdict} {name:<34} {passed:4} passed {failed:3} failed {seconds:7.1f} s", flush=True)

    def close(self):
        """The last line, and the exit status."""
        for name, reason in self.skips:
            print(f"skipped: {name}: {reason}")
        for name, _ in self.failures:
            print(f"failed: {name}")
        line = f"{self.passed} passed, {len(self.failures)} failed"
        if self.skips:
            line += f", {len(self.skips)} skipped"
        print(line, flush=True)
        return 1 if self.failures or self.passed == 0 else 0
