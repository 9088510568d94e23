"""`make run` as a user types it: what it prints and how it ends."""

import subprocess

import pytest

from images import workloads
from suite import machine as suite
from test_containers import image

RUN_S = 200


def make_run(arch, *words):
    """Its output, and make's status. The time is a limit: nobody types, and the machine ends by itself."""
    suite.build(arch)
    done = subprocess.run(["make", "-s", "run", f"ARCH={arch}", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=RUN_S * suite.PATIENCE)
    return done.stdout.replace("\r", ""), done.returncode


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_a_busybox_greets_where_nothing_is_asked(arch):
    image(workloads.plain, arch)  # or the packages cannot be had
    output, status = make_run(arch)
    assert "Hello from a container: BusyBox" in output and "run: exit status 0" in output, output[-2000:]
    assert status == 0


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_images_run_side_by_side_and_make_tells_that_one_failed(arch):
    plain = image(workloads.plain, arch)
    output, status = make_run(arch, f"IMAGE={plain} {plain}", 'CMD=sh -c "echo $$FROM $$ALSO; exit 7"', "ENV=ALSO='a  b'", "MEMORY=64M",
                              "ISOLATION=fused")
    for name in ("plain", "plain-2"):
        assert f"run: {name}: image a b" in output and f"run: {name} exited with status 7" in output, output[-2000:]
    assert "run: exit status 7" in output and status == 2, output[-2000:]


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_a_bad_archive_is_named_with_the_reason(arch, tmp_path):
    bad = tmp_path / "bad.tar"
    bad.write_bytes(b"no archive at all" * 1000)
    output, status = make_run(arch, f"IMAGE={bad}")
    assert "run: bad.tar is refused: what should be a header is none" in output, output[-2000:]
    assert "run: exit status 125" in output and status == 2, output[-2000:]
    output, status = make_run(arch, f"IMAGE={tmp_path}/none.tar")
    assert f"run: {tmp_path}/none.tar: there is no such archive" in output and status == 2, output[-2000:]
