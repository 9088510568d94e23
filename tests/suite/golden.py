"""What the tree's generators write, against what they wrote when somebody last looked.

GOLDEN=update in the environment writes the expectations anew: read the difference before it is kept.
"""

import glob
import os
import re
import shutil
import subprocess

from suite import machine

FOLDER = "tests/golden/abigen"
TABLES = ("errors.def", "objects.def", "rights.def", "syscalls.abi", "protocols/door.abi", "protocols/room.abi")
OUT = "out/golden"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def abigen(*words):
    return subprocess.run(["out/host/abigen", *words], capture_output=True, text=True)


def bad_cases():
    """(table, line within the addition, message, addition) of each case in bad.txt."""
    cases = []
    for line in read(f"{FOLDER}/bad.txt").split("=====\n")[1].splitlines(keepends=True):
        head = re.fullmatch(r"(\S+) \| (\d+) \| (.*)\n", line)
        if head:
            cases.append([head[1], int(head[2]), head[3], ""])
        else:
            cases[-1][3] += line
    return cases


def bad_tables(report):
    """Each is refused with the line that is wrong and the right words."""
    good = {name: read(f"{FOLDER}/tables/{name}") for name in TABLES}
    folder = f"{OUT}/bad"
    os.makedirs(f"{folder}/protocols", exist_ok=True)
    for table, line, message, addition in bad_cases():
        good["protocols/empty.abi"] = ""
        for name in good:
            if os.path.exists(f"{folder}/{name}"):
                os.remove(f"{folder}/{name}")
            text = good[name] + (addition if name == table else "")
            if text:
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
        at = good[table].count("\n") + line
        done = abigen("check", folder)
        expected = f"{folder}/{table}:{at}: {message}\n"
        report.ok(f"refused: {message}", done.returncode == 1 and done.stderr == expected,
                  f"{addition}expected {expected}got      {done.stderr}{done.stdout}")


def outputs(report):
    """Every file that is made from the small contract is as expected."""
    made = f"{OUT}/made"
    shutil.rmtree(made, ignore_errors=True)
    os.makedirs(made)
    for what in ("code", "docs"):
        done = abigen(what, f"{FOLDER}/tables", made)
        if not report.ok(f"abigen {what}", done.returncode == 0, done.stderr):
            return
    if os.environ.get("GOLDEN") == "update":
        shutil.rmtree(f"{FOLDER}/expected", ignore_errors=True)
        os.makedirs(f"{FOLDER}/expected")
        for name in os.listdir(made):
            shutil.copy(f"{made}/{name}", f"{FOLDER}/expected/{name}.expected")
    wanted = {n.removesuffix(".expected") for n in os.listdir(f"{FOLDER}/expected")}
    for name in sorted(wanted | set(os.listdir(made))):
        done = subprocess.run(["diff", "-u", f"{FOLDER}/expected/{name}.expected", f"{made}/{name}"],
                              capture_output=True, text=True)
        report.ok(name, done.returncode == 0, done.stdout + done.stderr)


# Lists that have an end: (table, what comes before, the line repeated with another number, message).
ENDS = (
    ("errors.def", "", 'ERROR(MORE_{0}A, 10{0}, "x")', "more than 64 errors"),
    ("objects.def", "", 'OBJECT(MORE_{0}A, {0}, "x")', "more than 24 object types"),
    ("syscalls.abi", 'flags more "x"\n', 'bit a{0} {0} "x"', "numbers here are below 32"),
    ("syscalls.abi", 'enum more "x"\n', 'value a{0} {0} "x"', "more than 32 members"),
    ("syscalls.abi", "", 'enum a{0} "x"\nvalue a 1 "x"', "more than 24 enums and flags"),
    ("syscalls.abi", "", 'syscall {0} a{0} "x"\nself', "numbers of system calls are below 40"),
    ("syscalls.abi", 'syscall 4 more "x"\nregisters\n', "in a{0} slot", "more has more than 12 words in"),
    ("syscalls.abi", 'syscall 4 more "x"\nself\n', 'note "{0}"', "more than 8 notes"),
    ("protocols/room.abi", "", 'method {0} a{0} "x"', "more than 24 methods"),
    ("errors.def", "", 'ERROR(A{0}, 10{0}, "' + "x" * 8000 + '")', "the tables hold more text than fits"),
)


def endless_tables(report):
    """Every list has an end, and says so; the numbers start at 3, which the small tables leave free."""
    good = {name: read(f"{FOLDER}/tables/{name}") for name in TABLES}
    folder = f"{OUT}/endless"
    os.makedirs(f"{folder}/protocols", exist_ok=True)
    for table, before, line, message in ENDS:
        addition = before + "".join(line.format(n) + "\n" for n in range(7 if "syscall {" in line else 3, 39 if "method" in line else 90))
        for name in TABLES:
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(good[name] + (addition if name == table else ""))
        done = abigen("check", folder)
        report.ok(message, done.returncode == 1 and done.stderr.endswith(f": {message}\n"),
                  done.stderr)


def bad_command(report):
    for words in ([], ["code", "abi"], ["check", "abi", "x"], ["check", "no-such-folder"],
                  ["code", "abi", "no-such-folder"]):
        report.ok(f"refused: abigen {' '.join(words)}", abigen(*words).returncode == 2)
    report.ok("the tree's own tables", abigen("check", "abi").returncode == 0)


def abi(report):
    machine.make("out/host/abigen")
    outputs(report)
    bad_tables(report)
    endless_tables(report)
    bad_command(report)


# --- The manifest

MANIFESTS = "tests/golden/manifest"
SERVICE = ("service {0}\n program bin/x\n memory 1M\n capabilities 64\n threads 1\n priority 1\n"
           " restart always\n")


def authority(mode, path):
    return subprocess.run(["out/host/authority", mode, path], capture_output=True, text=True)


def refused(report, name, addition, message, line=None):
    """good.conf with the addition is refused, with this message at this line of the addition."""
    good = read(f"{MANIFESTS}/good.conf")
    path = f"{OUT}/{name}.conf"
    os.makedirs(OUT, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(good + addition)
    done = authority("check", path)
    at = "" if line is None else f"{path}:{good.count(chr(10)) + line}"
    report.ok(f"refused: {message}", done.returncode == 1 and done.stderr.startswith(at) and
              done.stderr.endswith(f": {message}\n") and done.stderr.count("\n") == 1,
              f"{addition}expected {at}: {message}\ngot      {done.stderr}{done.stdout}")


def bad_manifests(report):
    case = None
    cases = []
    for text in read(f"{MANIFESTS}/bad.txt").split("=====\n")[1].splitlines(keepends=True):
        head = re.fullmatch(r"(\d+) \| (.*)\n", text)
        if head:
            case = [int(head[1]), head[2], ""]
            cases.append(case)
        else:
            case[2] += text
    for line, message, addition in cases:
        refused(report, "bad", addition, message, line)


def endless_manifests(report):
    """Every list has an end."""
    many = "".join(SERVICE.format(f"s{n}") for n in range(40))
    refused(report, "endless", many, "more than 32 services")
    refused(report, "endless", "".join(f"serve s{n}\n" for n in range(70)), "more than 64 endpoints")
    refused(report, "endless", "".join(f"serve s{n}\n" for n in range(60)),
            "keeper starts with more than 48 capabilities", -8)
    refused(report, "endless", "take door from server\n" * 300, "more than 256 capabilities taken")
    refused(report, "endless", "#\n" * 40000, "more than 65536 bytes")


def manifest(report):
    machine.make("out/host/authority")
    for mode in ("text", "lines", "dot"):
        done = authority(mode, f"{MANIFESTS}/good.conf")
        path = f"{MANIFESTS}/good.{mode}.expected"
        if os.environ.get("GOLDEN") == "update":
            with open(path, "w", encoding="utf-8") as file:
                file.write(done.stdout)
        report.ok(f"authority {mode}", done.returncode == 0 and done.stdout == read(path),
                  done.stdout + done.stderr)
    bad_manifests(report)
    endless_manifests(report)
    for path in sorted(glob.glob("system/*.conf") + glob.glob("tests/*/*.conf")):
        if read(path).startswith("# The manifest"):
            report.ok(path, authority("check", path).returncode == 0, authority("check", path).stderr)
    report.ok("refused: no such mode", authority("draw", f"{MANIFESTS}/good.conf").returncode == 2)
    report.ok("refused: no such file", authority("check", "no-such-file").returncode == 2)
