"""The pin of a third-party source: what the archive serves is used only if it is the pinned bytes. An
archive of our own stands in for the distribution's, so that it may lie."""

import hashlib
import os
import subprocess
import tempfile

GOOD, BAD = b"what the port pins\n", b"what somebody else put there\n"

APT_GET = """#!/bin/sh
case "$*" in
*indextargets*) echo "http://archive/|stable|main" ;;
*" source "*) [ -f {served} ] && cp {served} source.dsc || { echo "E: Unable to find a source package" >&2; exit 100; } ;;
esac
"""


def fetch(work, served, present=None):
    """(status, what it says, what lies there then) of fetching, with an archive that serves `served`."""
    into, bin_dir = f"{work}/into", f"{work}/bin"
    for folder in (f"{into}/files", bin_dir):
        os.makedirs(folder, exist_ok=True)
    # Between its tries it waits, for an archive that is out of breath; ours never is.
    written = {f"{bin_dir}/sleep": "#!/bin/sh\n",
               f"{work}/port": f"package toy\nversion 1\nsha256 {hashlib.sha256(GOOD).hexdigest()} source.dsc\n",
               f"{bin_dir}/apt-get": APT_GET.replace("{served}", f"{work}/served")}
    for path, text in written.items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    for program in ("apt-get", "sleep"):
        os.chmod(f"{bin_dir}/{program}", 0o755)
    for path, content in ((f"{work}/served", served), (f"{into}/files/source.dsc", present)):
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
    done = subprocess.run(["tools/fetch-port", f"{work}/port", into], capture_output=True, text=True,
                          env=dict(os.environ, PATH=f"{bin_dir}:{os.environ['PATH']}"), timeout=60)
    kept = f"{into}/files/source.dsc"
    content = None
    if os.path.exists(kept):
        with open(kept, "rb") as file:
            content = file.read()
    return done.returncode, done.stderr, content


# The good bytes are no source package, so what follows the check fails: that is how we know it passed.
CASES = [
    ("other bytes are refused", BAD, None, "not what", BAD),
    ("the pinned bytes are taken", GOOD, None, "cannot be unpacked", GOOD),
    ("a file that was changed is fetched again", GOOD, BAD, "cannot be unpacked", GOOD),
    ("a changed file is not used for want of a better", None, BAD, "cannot be fetched", None),
    ("a version that is not there is named", None, None, "toy 1: cannot be fetched: E: Unable", None),
]


def pins(report):
    for name, served, present, says, left in CASES:
        with tempfile.TemporaryDirectory() as work:
            status, text, content = fetch(work, served, present)
            last = text.splitlines()[-1] if text else ""
            report.ok(name, status != 0 and says in last and content == left,
                      f"status {status}, {content!r} is left\n{text}")
