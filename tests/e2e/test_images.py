"""The service images in a running system: archives as modules of the loader, what a client then sees of
them, and that bad ones leave nothing behind."""

import hashlib
import re

import pytest

from suite import archives
from suite import machine as suite
from suite.archives import end, entry
from test_services import boot

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
BIG = bytes(i * 31 % 251 for i in range(300000))
BASE = end(entry("a", data=b"first"), entry("big", data=BIG), entry("d/e", data=b"below"))
UPPER = end(entry("a", data=b"second"), entry(".wh.big"))


def digest_of(pairs):
    """As the client makes it: names and contents of the files in the root, in order."""
    digest = hashlib.sha256()
    for name, data in sorted(pairs):
        digest.update(name.encode() + data)
    return digest.hexdigest()


def layout(arch, packing):
    made = archives.Layout()
    made.add(made.image([BASE, UPPER], {"Cmd": ["/bin/true", "x y"], "Env": ["A=b"]}, packing, ARCHITECTURE[arch]),
             "test:one")
    return made


def lying(arch):
    """A layer that is not what the configuration says."""
    made = archives.Layout()
    image = made.image([BASE], None, "+gzip", ARCHITECTURE[arch])
    other = archives.PACKERS["+gzip"](UPPER)
    old = archives.digest(archives.PACKERS["+gzip"](BASE))
    manifest = next(n for n, d in made.blobs.items() if old.encode() in d)
    changed = made.blobs.pop(manifest).replace(old.encode(), archives.digest(other).encode())
    changed = re.sub(rb'("layers": .*"size": )\d+', rb"\g<1>%d" % len(other), changed)
    made.blobs[archives.digest(other)] = other
    assert image
    made.add(made.blob(changed, archives.MANIFEST), "lie")
    return made.tar()


def corrupt(arch):
    """A layer whose blob has another byte."""
    made = layout(arch, "+gzip")
    name = archives.digest(archives.PACKERS["+gzip"](UPPER))
    made.blobs[name] = made.blobs[name][:-9] + b"!" + made.blobs[name][-8:]
    return made.tar()


def modules(arch, folder):
    """The archives, in this order."""
    config = {"Cmd": ["/bin/true", "x y"], "Env": ["A=b"]}
    bomb = archives.Layout()
    bomb.add(bomb.image([end(entry("bomb", data=b"\0" * (40 << 20)))], None, "+gzip", ARCHITECTURE[arch]))
    found = {
        "bomb.tar": bomb.tar(),
        "gzip.tar": layout(arch, "+gzip").tar(),
        "zstd.tar": layout(arch, "+zstd").tar(),
        "docker.tar": archives.docker([(["test:two"], [BASE, UPPER], config)], architecture=ARCHITECTURE[arch]),
        "again.tar": archives.docker([(["test:three"], [BASE], config)], architecture=ARCHITECTURE[arch]),
        "lie.tar": lying(arch),
        "corrupt.tar": corrupt(arch),
        "other.tar": archives.docker([(["test:s390x"], [BASE], config)], architecture="s390x"),
        "escape.tar": archives.docker([([], [end(entry("../x"))], {})], architecture=ARCHITECTURE[arch]),
        "junk.tar": b"junk" * 1000,
    }
    paths = []
    for name, data in found.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    return paths


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_archives_become_images(arch, tmp_path):
    transcript = boot(arch, "images", r"image-client: done", "tests/e2e/images.conf",
                      modules=modules(arch, tmp_path))
    lines = [line.split("image-client: ", 1)[1] for line in transcript.lines if "image-client: " in line]
    parts = re.split(r"(?m)^archive \d+ is (.*)$", "\n".join(lines))
    told = dict(zip(parts[1::2], parts[2::2]))
    base = digest_of([("a", b"first"), ("big", BIG)])
    upper = digest_of([("a", b"second")])
    objects = {}
    for name in ("gzip.tar", "zstd.tar", "docker.tar"):
        text = told[name]
        assert re.search(r"(?m)^  image \d+ of 2 layers$", text), text
        for line in ("command /bin/true", "command x y", "environment A=b", f"architecture {ARCHITECTURE[arch]}"):
            assert f"  {line}" in text.splitlines(), text
        found = re.findall(r"(?m)^  layer (\d): (\d+) bytes, object (\d+), (\d) files ([0-9a-f]{64})$", text)
        assert [(f[0], f[3], f[4]) for f in found] == [("0", "2", base), ("1", "1", upper)], text
        objects[name] = [f[2] for f in found]
    assert "  name test:one" in told["gzip.tar"].splitlines()
    assert "  name test:two" in told["docker.tar"].splitlines()
    assert f", object {objects['docker.tar'][0]}, 2 files {base}" in told["again.tar"], "the layer is shared"
    assert objects["gzip.tar"][0] != objects["docker.tar"][0], "other blobs are other layers"
    assert "whoever read it has crashed, or had too little memory" in told["bomb.tar"], told["bomb.tar"]
    assert re.search(r"refused: sha256:[0-9a-f]{64}: the digest of what it unpacks to is another one", told["lie.tar"]), told["lie.tar"]
    assert "its digest is another one than its name says" in told["corrupt.tar"], told["corrupt.tar"]
    assert f"it is for linux/s390x, and this node is linux/{ARCHITECTURE[arch]}" in told["other.tar"], told["other.tar"]
    assert "../x: its name leads out of the layer" in told["escape.tar"], told["escape.tar"]
    assert "what should be a header is none" in told["junk.tar"], told["junk.tar"]
    before, after = re.search(r"capabilities: (\d+) before, (\d+) after", told["junk.tar"]).groups()
    assert before == after, "what a client gave up comes back"
    for word in ("can be written to", "cannot be removed", "is left", "does not come"):
        assert word not in "\n".join(lines), transcript.run.ending()


NONSENSE = "what was read from it makes no sense"
CRASHED = "whoever read it has crashed, or had too little memory"
LIES = {**dict.fromkeys("abcdefghij", NONSENSE), "k": "k" * 150, "l": CRASHED, "m": CRASHED,
        **dict.fromkeys("nopqr", "a layer was not unpacked"), "s": "reading it took too long",
        "t": "found 0 more, wrote nothing, executed nothing"}


def lies_in(arch, tmp_path, lies):
    paths = []
    for lie in lies:
        paths.append(tmp_path / lie)
        paths[-1].write_bytes(lie.encode() * 100)
    transcript = boot(arch, "liar", r"image-client: done", "tests/e2e/images.conf", modules=paths,
                      instead=[("image-worker", "image-liar")])
    lines = [line.split("image-client: ", 1)[1] for line in transcript.lines if "image-client: " in line]
    parts = re.split(r"(?m)^archive \d+ is (.*)$", "\n".join(lines))
    told = dict(zip(parts[1::2], parts[2::2]))
    for lie in lies:
        assert f"refused: {LIES[lie]}" in told[lie], f"{lie}: {told[lie]}"
    before, after = re.search(r"capabilities: (\d+) before, (\d+) after", "\n".join(lines)).groups()
    assert before == after, "what a liar had comes back"
    assert "init: images died" not in transcript.text, transcript.run.ending()


@pytest.mark.parametrize("arch", suite.ARCHES)
def test_a_worker_that_lies_leaves_nothing(arch, tmp_path):
    """More lies than the loader has modules, so in two parts."""
    lies = sorted(LIES)
    lies_in(arch, tmp_path, lies[:10])
    lies_in(arch, tmp_path, lies[10:])
