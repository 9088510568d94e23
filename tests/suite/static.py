"""Checks that read the tree, or what was built from it, and boot nothing."""

import glob
import json
import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from suite import machine
from suite.machine import ARCHES

# What is shipped; the debug flavour has the tests and two test programs in it.
KERNEL_BYTES_MAX = {"release": 512 * 1024, "debug": 1024 * 1024}
# What the release flavour must not contain: names that only shell and tests have.
FORBIDDEN_IN_RELEASE = re.compile(r"shell|test_|_test\b|bench_|crash_|coroutine|console_receive")
FORBIDDEN_STRINGS = (b"commands:", b"TAP version", b"not ok", b"bench=", b"crash=")


def tracked(*endings):
    """The files of the tree, those not yet added included."""
    result = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True,
    )
    if result.returncode == 0:
        files = result.stdout.splitlines()
    else:  # an exported tree
        files = [
            os.path.relpath(os.path.join(folder, name))
            for folder, _, names in os.walk(".") for name in names
        ]
        files = [f for f in files if not f.startswith(("out/", ".git/"))]
    return sorted(f for f in set(files) if f.endswith(endings or "") and os.path.isfile(f))


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def in_parallel(function, items):
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(zip(items, pool.map(function, items)))


def formatted(report):
    files = tracked(".c", ".h")
    result = run(["clang-format", "--dry-run", "-Werror", *files])
    bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.stderr, re.M)))
    report.ok("every source is as clang-format writes it", not bad and result.returncode == 0,
              "\n".join(bad) or result.stderr)


def tidy(report):
    machine.make("out/host/tidy")
    result = run(["out/host/tidy", "tools/tidy.ratchet"], input="\n".join(tracked()) + "\n")
    report.ok("the rules of tools/tidy hold", result.returncode == 0, result.stdout)


def tidy_bites(report):
    """Each rule of tools/tidy finds its case."""
    machine.make("out/host/tidy")
    folder = os.path.abspath("out/tidy-cases")
    tool = os.path.abspath("out/host/tidy")
    cases = {
        "kernel/mm/long_line.c": "int a; /* " + "x" * 100 + " */\n",
        "kernel/mm/unfinished.c": "/* TO" + "DO: more */\n",
        "kernel/mm/direction.c": "#include <rt/syscall.h>\n",
        "lib/base/upwards.c": "#include <kernel/frame.h>\n",
        "kernel/sys/impl.c": "#include <arch_impl/pte.h>\n",
        "kernel/mm/cpu.c": "#ifdef __x86_" + "64__\n#endif\n",
        "kernel/mm/assembly.c": 'void f(void)\n{\n    __as' + 'm__("nop");\n}\n',
        "kernel/mm/long_function.c": "void f(void)\n{\n" + "    g();\n" * 80 + "}\n",
        "kernel/include/kernel/twice.h": "int a;\n",
        "kernel/mm/no_newline.c": "int a;",
        "kernel/mm/blank_end.c": "int a; \n",
        "kernel/mm/unbounded.c": "    str" + "cpy(a, b);\n",
        "docs/registry.md": "see deb.debian" + ".org\n",
        "kernel/mm/too_much.c": "int a;\n" * 14001,
    }
    for path, text in cases.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "w", encoding="utf-8") as file:
            file.write(text)
        result = run([tool, os.devnull], cwd=folder, input=path + "\n")
        report.ok(os.path.basename(path), result.returncode == 1 and ": " in result.stdout,
                  result.stdout)


def include_folders(arch, gen):
    """Where headers are found, of everything that is not a test's own."""
    return ["abi", *sorted(glob.glob("lib/*/include")), f"lib/rt/arch/{arch}/include", "linux/include",
            "kernel/include", f"kernel/arch/{arch}/include", "boot/common/include", gen]


def headers_alone(report):
    """Every header compiles with nothing before it."""
    machine.make("generated", "ARCH=x86_64")

    def compile_one(header):
        arch = "aarch64" if "aarch64" in header else "x86_64"
        target = f"--target={arch}-unknown-none-elf"
        includes = include_folders(arch, "out/x86_64/gen")
        if "/host/" in header or "_test" in header or "_fuzz" in header or header.startswith(("tools/", "tests/images/probes/")):
            target = "-DCONFIG_HOST=1"
            includes = [i.replace(f"arch/{arch}", "arch/host") if i.startswith("kernel") else i for i in includes]
        # arch_impl headers are entered through the contract, which declares first.
        entry = re.sub(r"^kernel/arch/\w+/include/arch_impl/", "kernel/include/arch/", header)
        if entry != header and os.path.exists(entry):
            header = entry
        hosted = [] if "HOST" in target else ["-ffreestanding"]
        return run(["clang", target, "-DCONFIG_DEBUG", "-DCONFIG_SHELL", "-DCONFIG_TESTS", "-std=gnu17",
                    *hosted, "-fsyntax-only", "-Wall", "-Wno-unused-function",
                    "-Wno-pragma-once-outside-header", "-x", "c", *(f"-I{i}" for i in includes), header])

    for header, result in in_parallel(compile_one, tracked(".h")):
        report.ok(header, result.returncode == 0, result.stderr)


def links(report):
    """Every relative link of a document leads somewhere, and the summary lists every document."""
    with open("docs/SUMMARY.md", encoding="utf-8") as file:
        summary = file.read()
    for path in tracked(".md"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        dead = []
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not os.path.exists(os.path.join(os.path.dirname(path), target)):
                dead.append(target)
        if path.startswith("docs/") and path != "docs/SUMMARY.md":
            if f"({path[len('docs/'):]})" not in summary:
                dead.append(f"{path} is not in docs/SUMMARY.md")
        report.ok(path, not dead, "\n".join(dead))


def clang_tidy(report):
    machine.build("x86_64")
    machine.build("aarch64")
    seen = set()
    jobs = []
    for arch in ARCHES:
        with open(f"out/{arch}/compile_commands.json", encoding="utf-8") as file:
            for entry in json.load(file):
                name = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
                if name.endswith(".c") and name not in seen and not name.startswith("out/"):
                    seen.add(name)
                    jobs.append((arch, name))

    # Paths through tests are not worth the time that looking for them takes.
    def checks(name):
        return ["--checks=-clang-analyzer-*"] if name.endswith(("_test.c", "_bench.c")) else []

    # One target for all: with the UEFI application's, duplicate includes are seen where none are.
    def look(job):
        arch, name = job
        return run(["clang-tidy", "--quiet", "-p", f"out/{arch}",
                    f"--extra-arg=--target={arch}-unknown-none-elf", *checks(name), name])

    for (_, name), result in in_parallel(look, jobs):
        report.ok(name, result.returncode == 0, result.stdout)


def other_arch(arch):
    """What is not compiled for an architecture."""
    mine = {"x86_64": "arm64-image|common/aarch64|uefi/aarch64",
            "aarch64": "pvh|multiboot2|common/x86_64|uefi/x86_64"}[arch]
    return rf"kernel/arch/(?!{arch})|boot/({mine}|common/host)/"


def cppcheck(report):
    def look(arch):
        sources = [f for f in tracked(".c") if re.match(rf"(boot|kernel|lib|linux|services)/", f)
                   and not re.match(other_arch(arch), f) and not f.endswith(("_fuzz.c", "_test.c"))]
        return run([
            "cppcheck", "-D__cppcheck__", "-USEEK_SET", "-USEEK_CUR", "-USEEK_END",
            "-DVDSO_NAME(name)=name", "-DCONFIG_DEBUG", "-DCONFIG_TESTS", "-DCONFIG_SHELL",
            "-DKERNEL_VERSION=\"0\"", "-DKERNEL_FLAVOUR=\"debug\"", "--std=c11",
            "--enable=warning,performance,portability",
            "--inline-suppr", "--suppress=comparePointers", "--suppress=preprocessorErrorDirective",
            "--error-exitcode=1", "--quiet", "-Iboot/uefi",
            *(f"-I{folder}" for folder in include_folders(arch, f"out/{arch}/gen")), *sources,
        ])

    for arch in ARCHES:
        machine.build(arch)
    for arch, result in in_parallel(look, ARCHES):
        report.ok(arch, result.returncode == 0, result.stderr)


def builds(report):
    """Everything compiles, without a warning, in each combination."""
    for arch in ARCHES:
        for flavour in ("debug", "release"):
            machine.build(arch, flavour)
            report.ok(f"{arch} {flavour}")
        machine.build(arch, "bench", goal=f"out/{arch}-bench/themelios")  # benchmarks are in the kernel alone
        report.ok(f"{arch} bench")
        machine.build(arch, "debug", "gcc")  # everything that is in a release, and the tests
        report.ok(f"{arch} debug gcc")


def kernel_size(report):
    for arch in ARCHES:
        for flavour in ("debug", "release"):
            size = os.path.getsize(f"{machine.build(arch, flavour)}/themelios")
            report.ok(f"{arch} {flavour}: {size} bytes", size < KERNEL_BYTES_MAX[flavour],
                      f"{size} bytes, at most {KERNEL_BYTES_MAX[flavour] - 1}")


def symbols_of(path):
    """(address, name) of every symbol, in order."""
    result = run(["llvm-nm", "-n", path], check=True)
    found = []
    for line in result.stdout.splitlines():
        words = line.split()
        if len(words) == 3:
            found.append((int(words[0], 16), words[2]))
    return found


def release_contents(report):
    """No shell, no tests, no console input in the release flavour; and the search finds them where
    they are."""
    for arch in ARCHES:
        for flavour in ("debug", "release"):
            out = machine.build(arch, flavour)
            names = [n for _, n in symbols_of(f"{out}/themelios.debug")
                     if FORBIDDEN_IN_RELEASE.search(n) and not n.startswith(("__start_", "__stop_"))]
            with open(f"{out}/themelios", "rb") as file:
                image = file.read()
            texts = [t.decode() for t in FORBIDDEN_STRINGS if t in image]
            if flavour == "debug":
                report.ok(f"{arch}: debug has what release must lack", names and texts)
            else:
                report.ok(f"{arch}: release has none of it", not names and not texts,
                          "\n".join(names + texts))


PRODUCTS = ("themelios", "themelios.debug", "themelios-direct", "system.erofs", "themelios.iso", "themelios.img")


def copy_of_tree(folder):
    """The tracked files, and third-party sources as they were fetched."""
    run(["rm", "-rf", folder])
    os.makedirs(folder)
    archive = subprocess.Popen(["tar", "-cf", "-", *tracked(), *glob.glob("out/ports/*/files")], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-xf", "-", "-C", folder], stdin=archive.stdout, check=True)
    archive.wait()


def reproducible(report):
    """Two builds of the same tree, in folders of different names, give the same bytes."""
    other = "out/reproducible/deeper"
    copy_of_tree(other)
    digests = []
    for folder in (".", other):
        found = {}
        for arch in ARCHES:
            done = run(["make", "-s", "-j2", "build", "iso", "image", f"ARCH={arch}",
                        "FLAVOUR=release", "LIMINE_DIR="],
                       cwd=folder)
            if done.returncode != 0:
                report.fail(f"{arch} builds in {folder}", done.stderr)
                return
            for product in PRODUCTS:
                path = f"{folder}/out/{arch}-release/{product}"
                if os.path.exists(path):
                    found[f"{arch} {product}"] = run(["sha256sum", path]).stdout.split()[0]
        digests.append(found)
    for name in sorted(digests[0]):
        report.ok(name, digests[0][name] == digests[1].get(name), "the two builds differ")


def vector_slots(report):
    """aarch64: 16 slots of 128 bytes, each beginning with code, the table aligned to 2048."""
    out = machine.build("aarch64")
    table = [(at, name) for at, name in symbols_of(f"{out}/themelios.debug")
             if name in ("vectors", "exception_vectors", "vector_table", "trap_vectors")]
    if not report.ok("the table has a name", len(table) == 1, str(table)):
        return
    start = table[0][0]
    report.ok("aligned to 2048", start % 2048 == 0, hex(start))
    listing = run(["llvm-objdump", "-d", "--no-show-raw-insn", f"--start-address={start:#x}",
                   f"--stop-address={start + 2048:#x}", f"{out}/themelios.debug"]).stdout
    code = dict(re.findall(r"^\s*([0-9a-f]+):\s+(\S.*)$", listing, re.M))
    code = {int(at, 16): text for at, text in code.items()}
    for slot in range(16):
        first = code.get(start + slot * 128, "nothing")
        report.ok(f"slot {slot} begins with code", not first.startswith(("udf", "nothing", "<unk")),
                  first)
        last = code.get(start + slot * 128 + 124, "udf")
        report.ok(f"slot {slot} ends before the next", leaves(last), last)


def leaves(text):
    """The last word of a slot is padding, or an instruction that does not run on into the next."""
    return bool(re.match(r"(udf|nop|b\s|b\t|br\b|eret|ret)", text + " "))


def parameters(report):
    """An unknown parameter or value is an error, never a default."""
    for words in (["ARCH=arm64"], ["FLAVOUR=fast"], ["SMP=0"], ["SMP=many"], ["MEM=big"],
                  ["ACCEL=hvf"], ["GIC=4"], ["DISPLAY=yes"], ["COMPILER=tcc"], ["ARCHE=x86_64"],
                  ["--arm64"], ["no-such-target"]):
        result = run(["make", "-s", "qemu", *words] if "target" not in words[0] else
                     ["make", "-s", *words])
        report.ok(" ".join(words), result.returncode != 0, result.stdout)
    for words in (["--arm64"], ["no-such-test"], ["--stress", "soon"]):
        result = run(["tests/run", "--fast", *words])
        report.ok("tests/run " + " ".join(words), result.returncode != 0, result.stdout)
    for arch in ARCHES:
        line = run(["make", "-s", "qemu", f"ARCH={arch}"]).stdout
        report.ok(f"qemu {arch} prints one command",
                  line.count("\n") == 1 and line.startswith(f"qemu-system-{arch} "), line)
    # Without what it is made of: -n runs lines that call make, and those of a library need its sources.
    command, environment = "sh -c 'echo a \"b\"'", "A='x y' B=z"
    plan = run(["make", "-n", "-o", "build", "-o", "out/host/mkbundle", "run", f"CMD={command}",
                f"ENV={environment}"]).stdout
    words = shlex.split(next((line for line in plan.splitlines() if "run-containers/run " in line), ""))
    report.ok("quotes in CMD and ENV reach the tool", command in words and environment in words, str(words))
