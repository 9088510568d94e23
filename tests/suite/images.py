"""Archives of container images: what out/host/oci finds in well meant ones, and what it says of others; and
the layers of images that other programs built, stacked, against what those programs unpack."""

import base64
import json
import os
import random
import shutil
import stat
import subprocess
import tempfile

from suite import archives, layers, machine
from suite.archives import CONFIG, INDEX, MANIFEST, Layout, digest, end, entry, files

OCI = "out/host/oci"
ONE = end(entry("f", data=b"one"))
TWO = end(entry("f", data=b"two"), entry(".wh.g"))
FULL = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo \"hi\""], "Env": ["PATH=/bin", "EMPTY="], "WorkingDir": "/w",
        "User": "1000:1000", "StopSignal": "SIGQUIT", "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}}, "Labels": {"a": "b", "c": "d=e"}}
FULL_LINES = ["entrypoint /bin/sh", "entrypoint -c", "command echo\\040\"hi\"", "environment PATH=/bin",
              "environment EMPTY=", "port 80/tcp", "port 53/udp", "volume /data", "label a=b", "label c=d=e",
              "directory /w", "user 1000:1000", "signal SIGQUIT", "architecture amd64"]


def simple(**more):
    layout = Layout()
    layout.add(layout.image([ONE], **more), "one:latest")
    return layout


def with_index(kind="sha256", embed=False):
    """An index in the index, with images for three platforms and something that is no image."""
    layout = Layout(kind)
    found = []
    for architecture, variant in (("arm64", "v8"), ("amd64", ""), ("arm", "v7")):
        more = {"variant": variant} if variant else {}
        image = layout.image([ONE, TWO], {"Cmd": [architecture]}, "+zstd", architecture, **more)
        found.append({**image, "platform": {"os": "linux", "architecture": architecture, **more}})
    found.append({**layout.blob({"note": 1}, MANIFEST), "platform": {"os": "unknown", "architecture": "unknown"},
                  "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
    inner = layout.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}, INDEX)
    if embed:
        inner["data"] = archives.inline(layout.blobs.pop(inner["digest"]))
    layout.add(inner, "multi:1")
    return layout


def nested(depth):
    layout = Layout()
    inner = layout.image([ONE])
    for _ in range(depth):
        inner = layout.blob({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}, INDEX)
    layout.add(inner, "deep")
    return layout.tar()


def changed(change, **more):
    """A simple layout after `change(layout)`."""
    layout = simple(**more)
    change(layout)
    return layout.tar()


def json_blob(layout, media_type):
    """(descriptor holder, contents) of the one blob that has "layers", or "rootfs"."""
    key = {MANIFEST: "layers", CONFIG: "rootfs"}[media_type]
    name = next(n for n, data in layout.blobs.items() if data[:1] == b"{" and key in json.loads(data))
    return name, json.loads(layout.blobs[name])


def remade(media_type, change):
    """The manifest (or the configuration) as `change` leaves it, and everything above it made to fit."""
    def apply(layout):
        name, value = json_blob(layout, media_type)
        new = layout.blob(change(value) or value, media_type)
        if media_type == CONFIG:
            manifest_name, manifest = json_blob(layout, MANIFEST)
            del layout.blobs[manifest_name]
            manifest["config"] = new
            new = layout.blob(manifest, MANIFEST)
        del layout.blobs[name]
        layout.index["manifests"] = []
        layout.add(new, "one:latest")
    return lambda: changed(apply)


def corrupt(media_type):
    """One byte of the blob is another one, and its name stays."""
    def apply(layout):
        name, _ = json_blob(layout, media_type)
        layout.blobs[name] = layout.blobs[name].replace(b"linux", b"linuz").replace(b'"schemaVersion": 2', b'"schemaVersion": 3')
    return lambda: changed(apply)


def raw_index(text):
    return lambda: files([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
                          ("index.json", text if isinstance(text, bytes) else text.encode())])


def set_key(path, value):
    """A change for `remade`: the member at `path` becomes `value`."""
    def change(found):
        at = found
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return change


def twice(media_type, key):
    """The blob with one of its members again."""
    def change(found):
        text = json.dumps(found)
        return (text[:-1] + f', "{key}": {json.dumps(found[key])}}}').encode()
    return remade(media_type, change)


def legacy():
    """What older programs wrote: one layer is a link to another's file."""
    raw = json.dumps({"architecture": "amd64", "os": "linux",
                      "rootfs": {"type": "layers", "diff_ids": [digest(ONE), digest(ONE)]}}).encode()
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["aa/layer.tar", "bb/layer.tar"]}]
    return end(entry("aa/", "5"), entry("aa/layer.tar", data=ONE), entry("bb/layer.tar", "2", link="../aa/layer.tar"),
               entry("c.json", data=raw), entry("manifest.json", data=json.dumps(manifest).encode()))


def docker_with(change):
    """A docker archive whose list of images is changed."""
    def make():
        tar = archives.docker([(["a:1"], [ONE], {})])
        at = tar.rindex(b"manifest.json")
        size = int(tar[at + 124:at + 135], 8)
        manifest = json.loads(tar[at + 512:at + 512 + size])
        change(manifest)
        return tar[:at] + end(entry("manifest.json", data=json.dumps(manifest).encode()))
    return make


# name, archive, architecture, lines that must be there, number of images
GOOD = [
    ("a layout", lambda: simple(config=FULL).tar(), "amd64", ["name one:latest", *FULL_LINES], 1),
    ("a layout without names", lambda: changed(lambda l: l.index["manifests"][0].pop("annotations")), "amd64", [], 1),
    ("an index, for amd64", lambda: with_index().tar(), "amd64", ["name multi:1", "command amd64"], 1),
    ("an index, for arm64", lambda: with_index().tar(), "arm64", ["name multi:1", "command arm64", "architecture arm64/v8"], 1),
    ("an index, by SHA-512", lambda: with_index("sha512").tar(), "amd64", ["name multi:1", "command amd64"], 1),
    ("an index in a descriptor", lambda: with_index(embed=True).tar(), "arm64", ["command arm64"], 1),
    ("indexes in indexes", lambda: nested(4), "amd64", ["name deep"], 1),
    ("two names of one image", lambda: changed(lambda l: l.add(l.index["manifests"][0], "two")), "amd64",
     ["name one:latest", "name two"], 1),
    ("two images", lambda: changed(lambda l: l.add(l.image([TWO]), "two")), "amd64", ["name one:latest", "name two"], 2),
    ("an image of another platform beside ours", lambda: changed(lambda l: l.add(l.image([TWO], architecture="arm64"))),
     "amd64", ["name one:latest"], 1),
    ("a docker archive", lambda: archives.docker([(["a:1", "a:2"], [ONE, TWO], FULL)]), "amd64",
     ["name a:1", "name a:2", *FULL_LINES], 1),
    ("a docker archive of two images", lambda: archives.docker([(["a:1"], [ONE], {}), (["b:1"], [TWO], {"Cmd": ["x"]})]),
     "amd64", ["name a:1", "name b:1"], 2),
    ("a docker archive with links", legacy, "amd64", [], 1),
    ("null for what is not there", lambda: archives.docker([(None, [ONE], {"Entrypoint": None, "Cmd": None, "Env": None})]),
     "amd64", ["user "], 1),
    ("no layers", lambda: archives.docker([(["empty"], [], {})]), "amd64", ["name empty"], 1),
    ("names with ./ in front", lambda: end(*(entry("./" + n, data=d) for n, d in (
        ("manifest.json", json.dumps([{"Config": "c", "RepoTags": ["x"], "Layers": ["l"]}]).encode()),
        ("c", json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [digest(ONE)]}}).encode()),
        ("l", ONE)))), "amd64", ["name x"], 1),
]

# name, archive, words of the error
BAD = [
    ("nothing", lambda: b"", "neither index.json nor manifest.json"),
    ("no archive", lambda: b"junk" * 500, "what should be a header is none"),
    ("a tar of something else", lambda: files([("etc/passwd", b"x")]), "neither index.json nor manifest.json"),
    ("an archive that is compressed", lambda: archives.PACKERS["+gzip"](simple().tar()), "itself is compressed"),
    ("an archive that is cut off", lambda: simple().tar()[:3000], "ends within"),
    ("another platform only", lambda: simple(architecture="arm64").tar(), "nothing for linux/amd64; there is linux/arm64"),
    ("an index without our platform", lambda: changed(lambda l: l.index["manifests"][0].update(
        platform={"os": "windows", "architecture": "amd64"})), "there is windows/amd64"),
    ("a variant that not every machine has", lambda: changed(lambda l: l.index["manifests"][0].update(
        platform={"os": "linux", "architecture": "amd64", "variant": "v4"})), "there is linux/amd64/v4"),
    ("a docker archive for another platform", lambda: archives.docker([([], [ONE], {})], architecture="s390x"),
     "it is for linux/s390x, and this node is linux/amd64"),
    ("no images", lambda: changed(lambda l: l.index["manifests"].clear()), "it has no images"),
    ("indexes too deep", lambda: nested(6), "nested deeper than 4"),
    ("a layout of the future", lambda: changed(lambda l: l.marker.update(imageLayoutVersion="2.0.0")), "version that is not known"),
    ("a manifest with another digest", corrupt(MANIFEST), "its digest is another one than its name says"),
    ("a configuration with another digest", corrupt(CONFIG), "its digest is another one than its name says"),
    ("a blob that is missing", lambda: changed(lambda l: l.blobs.pop(json_blob(l, CONFIG)[0])), "not in the archive"),
    ("a layer that is missing", lambda: changed(lambda l: l.blobs.pop(digest(archives.PACKERS["+gzip"](ONE)))), "not in the archive"),
    ("a size that lies", lambda: changed(lambda l: l.index["manifests"][0].update(size=7)), "another size than its descriptor"),
    ("a layer's size that lies", remade(MANIFEST, set_key(["layers", 0, "size"], 1 << 40)), "another size than its descriptor"),
    ("a size that is no number", lambda: changed(lambda l: l.index["manifests"][0].update(size="7")), "without mediaType"),
    ("a negative size", lambda: changed(lambda l: l.index["manifests"][0].update(size=-1)), "without mediaType"),
    ("a size of 1e300", lambda: changed(lambda l: l.index["manifests"][0].update(size=1e300)), "without mediaType"),
    ("a digest of another kind", lambda: changed(lambda l: l.index["manifests"][0].update(digest="md5:" + "0" * 32)),
     "no digest of a kind that is known"),
    ("a digest that is a path", lambda: changed(lambda l: l.index["manifests"][0].update(digest="sha256:../../etc/passwd")),
     "no digest of a kind that is known"),
    ("a digest of 63 digits", lambda: changed(lambda l: l.index["manifests"][0].update(digest="sha256:" + "0" * 63)),
     "no digest of a kind that is known"),
    ("a digest of 65 digits", lambda: changed(lambda l: l.index["manifests"][0].update(digest="sha256:" + "0" * 65)),
     "no digest of a kind that is known"),
    ("a digest with a wrong first digit", lambda: changed(lambda l: l.index["manifests"][0].update(digest="sha256:" + "g0" * 32)),
     "no digest of a kind that is known"),
    ("a digest with a wrong second digit", lambda: changed(lambda l: l.index["manifests"][0].update(digest="sha256:" + "0g" * 32)),
     "no digest of a kind that is known"),
    ("a digest in capitals", lambda: changed(lambda l: l.index["manifests"][0].update(
        digest=l.index["manifests"][0]["digest"].replace("sha256:", "").upper())), "no digest of a kind"),
    ("data that is no base64", lambda: changed(lambda l: l.index["manifests"][0].update(data="!!!!")), "no base64"),
    ("data of another size", lambda: changed(lambda l: l.index["manifests"][0].update(data="AAAA")), "another size than"),
    ("data with another digest", lambda: changed(lambda l: l.index["manifests"][0].update(
        data=base64.b64encode(b"x" * l.index["manifests"][0]["size"]).decode())), "its digest is another one"),
    ("an artifact", remade(MANIFEST, set_key(["config", "mediaType"], "application/vnd.something.v1+json")), "no container image"),
    ("a layer of an unknown type", remade(MANIFEST, set_key(["layers", 0, "mediaType"],
                                                            "application/vnd.oci.image.layer.v1.tar+encrypted")),
     "media type that is not known"),
    ("a manifest without layers", remade(MANIFEST, lambda m: m.pop("layers") and None), "without config or layers"),
    ("a manifest with layers twice", twice(MANIFEST, "layers"), "without config or layers"),
    ("a configuration with config twice", twice(CONFIG, "config"), "or comes twice"),
    ("a configuration with rootfs twice", twice(CONFIG, "rootfs"), "without a list of layers"),
    ("a configuration with os twice", twice(CONFIG, "os"), "for which platform"),
    ("a member of config twice", remade(CONFIG, lambda c: json.dumps(c).replace('"config": {', '"config": {"Env": [], "Env": []').encode()),
     "Env: a configuration's member"),
    ("config that is a list", remade(CONFIG, set_key(["config"], [])), "config: a configuration's member"),
    ("no architecture", remade(CONFIG, lambda c: c.pop("architecture") and None), "for which platform"),
    ("a variant that is a number", remade(CONFIG, set_key(["variant"], 8)), "for which platform"),
    ("a root without a type", remade(CONFIG, lambda c: c["rootfs"].pop("type") and None), "without a list of layers"),
    ("DiffIDs that are an object", remade(CONFIG, set_key(["rootfs", "diff_ids"], {"a": digest(ONE)})), "without a list of layers"),
    ("a DiffID that is a number", remade(CONFIG, set_key(["rootfs", "diff_ids"], [5])), "a DiffID that is no digest"),
    ("a DiffID too few", remade(CONFIG, set_key(["rootfs", "diff_ids"], [])), "different numbers of layers"),
    ("a DiffID too many", remade(CONFIG, set_key(["rootfs", "diff_ids"], [digest(ONE)] * 2)), "different numbers of layers"),
    ("a DiffID that is none", remade(CONFIG, set_key(["rootfs", "diff_ids"], ["x"])), "a DiffID that is no digest"),
    ("a root of another type", remade(CONFIG, set_key(["rootfs", "type"], "x")), "without a list of layers"),
    ("no platform", remade(CONFIG, lambda c: c.pop("os") and None), "for which platform"),
    ("an environment that is no list", remade(CONFIG, set_key(["config", "Env"], "A=b")), "Env: a configuration's member"),
    ("a command of numbers", remade(CONFIG, set_key(["config", "Cmd"], [1])), "Cmd: a configuration's member"),
    ("labels of numbers", remade(CONFIG, set_key(["config", "Labels"], {"a": 1})), "Labels: a configuration's member"),
    ("a user that is a number", remade(CONFIG, set_key(["config", "User"], 1000)), "User: a configuration's member"),
    ("volumes that are a list", remade(CONFIG, set_key(["config", "Volumes"], ["/x"])), "Volumes: a configuration's member"),
    ("texts of half a megabyte", remade(CONFIG, set_key(["config", "Env"], ["A" * 1000] * 500)), "256 KiB of text"),
    ("9000 texts", remade(CONFIG, set_key(["config", "Env"], ["A"] * 9000)), "8192 texts"),
    ("a zero byte in a text", remade(CONFIG, set_key(["config", "User"], "root\0x")), "zero byte"),
    ("129 layers", remade(MANIFEST, lambda m: m.update(layers=m["layers"] * 129)), "more than 128 layers"),
    ("index.json that is none", raw_index("[}"), "index.json: it is no JSON"),
    ("index.json with something behind", raw_index('{"manifests":[]} x'), "something follows"),
    ("index.json that is a list", raw_index("[]"), "without a list of manifests"),
    ("JSON of depth 33", raw_index('{"x":' + "[" * 33 + "]" * 33 + "}"), "nested too deeply"),
    ("JSON of depth 100000", raw_index("[" * 100000), "nested too deeply"),
    ("JSON of many values", raw_index("[" + "1," * 140000 + "1]"), "too many values"),
    ("JSON of 5 MiB", raw_index(" " * (5 << 20) + "{}"), "more than 4 MiB"),
    ("more descriptors than 1024", raw_index(json.dumps({"manifests": [
        {"mediaType": "x/y", "digest": "sha256:" + "0" * 64, "size": 1}] * 1025})), "more than 1024 descriptors"),
    ("a name of 2000 bytes", lambda: changed(lambda l: l.index["manifests"].__setitem__(0, {
        **l.index["manifests"][0], "annotations": {"org.opencontainers.image.ref.name": "n" * 2000}})), "empty or too long"),
    ("a name of no bytes", lambda: archives.docker([([""], [ONE], {})]), "empty or too long"),
    ("17 names", lambda: archives.docker([([f"n:{i}" for i in range(17)], [ONE], {})]), "more than 16 names"),
    ("65 images", lambda: changed(lambda l: [l.add(l.image([], {"Cmd": [str(i)]})) for i in range(64)]), "more than 64 images"),
    ("a layer that is not there", docker_with(lambda m: m[0]["Layers"].__setitem__(0, "no/layer.tar")), "no/layer.tar: a layer"),
    ("a layer that is a number", docker_with(lambda m: m[0]["Layers"].__setitem__(0, 5)), "a layer that is not in"),
    ("a layer outside", docker_with(lambda m: m[0]["Layers"].__setitem__(0, "../../../etc/passwd")), "a layer that is not in"),
    ("a configuration that is not there", docker_with(lambda m: m[0].update(Config="x")), "x: a configuration that is not"),
    ("an image without Config", docker_with(lambda m: m[0].pop("Config")), "without Config or Layers"),
    ("layers that are a name", docker_with(lambda m: m[0].update(Layers="x")), "without Config or Layers"),
    ("a name that is a number", docker_with(lambda m: m[0].update(RepoTags=[1])), "a name that is no text"),
    ("names that are a text", docker_with(lambda m: m[0].update(RepoTags="x")), "RepoTags is no list"),
    ("Config twice", lambda: files([("manifest.json", b'[{"Config":"c","Config":"c","Layers":[]}]'), ("c", b"{}")]),
     "without Config or Layers"),
    ("a list that is none", lambda: files([("manifest.json", b"{}")]), "it is no list of images"),
    ("a configuration with another name", lambda: archives.docker([(["a"], [ONE], {})]).replace(b'"os": "linux"', b'"os" : "linux"', 1)
     .replace(b'", "os"', b'","os"', 1), "its digest is another one than its name says"),
    ("links in a circle", lambda: end(entry("manifest.json", "2", link="x"), entry("x", "2", link="manifest.json")),
     "neither index.json nor manifest.json"),
    ("a link that leads out", lambda: end(entry("manifest.json", "2", link="../../manifest.json")), "neither index.json"),
    ("65537 files", lambda: entry("f") * 65537, "more than 65536 files"),
    ("a link that leads to a name of 4200 bytes", lambda: end(
        archives.pax({"path": "d" * 4000 + "/l"}), entry("x", "2", link="y" * 97),
        entry("manifest.json", data=json.dumps([
            {"Config": "c", "Layers": ["d" * 4000 + "/l"]}]).encode()), entry("c", data=b"{}")), "a layer that is not in"),
    ("a sparse file", lambda: end(archives.pax({"GNU.sparse.size": 20, "GNU.sparse.map": "0,1"}), entry("s", data=b"x")),
     "a sparse file in an archive"),
]


def read_archives(report):
    machine.make(OCI)
    with tempfile.TemporaryDirectory() as work:
        path = f"{work}/archive"
        for name, make, architecture, lines, count in GOOD:
            with open(path, "wb") as file:
                file.write(make())
            done = layers.run(OCI, "images", path, architecture)
            found = [line.strip(" ") if line.startswith("  user ") is False else line[2:] for line in done.stdout.split("\n")]
            missing = [line for line in lines if line not in found]
            images = sum(line.startswith("image ") for line in found)
            report.ok(name, done.returncode == 0 and not missing and images == count,
                      f"missing {missing}, {images} images\n{done.stdout}{done.stderr}")
        for name, archive in (("layout", with_index(embed=True).tar()), ("docker", archives.docker([(["a:1"], [ONE, TWO], FULL)]))):
            with open(path, "wb") as file:
                file.write(archive)
            wrong = layers.without_memory(lambda word: layers.run(OCI, "images", path, "amd64", word), 20)
            report.ok(f"every allocation fails: {name}", not wrong, "\n".join(wrong))
        for name, make, words in BAD:
            with open(path, "wb") as file:
                file.write(make())
            done = layers.run(OCI, "images", path, "amd64")
            report.ok(name, done.returncode == 1 and words in done.stderr and not done.stdout,
                      f"status {done.returncode}: {done.stdout}{done.stderr}")


# --- Stacked layers against what umoci unpacks.

SEED = 7
LAYERS = 6
NAMES = [*"defghijk", "a", "b", "c", "dir", "sub", "x.txt", "é", "long-" + "n" * 120, ".hidden"]


def tree_of(root):
    """{path: what matters} of a directory of this machine; files with the same inode share a name."""
    found, first = {}, {}
    for folder, folders, names in os.walk(root):
        for name in [""] * (folder == root) + folders + names:
            path = os.path.join(folder, name) if name else root
            info = os.lstat(path)
            inside = "/" + os.path.relpath(path, root) if name else "/"
            text = "-"
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    text = layers.contents(file.read())
            elif stat.S_ISLNK(info.st_mode):
                text = os.readlink(path)
            xattrs = sorted(f"{n}={os.getxattr(path, n, follow_symlinks=False)!r}"
                            for n in os.listxattr(path, follow_symlinks=False) if n.startswith("user."))
            if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
                first.setdefault(info.st_ino, []).append(inside)
            found[inside] = [oct(info.st_mode), info.st_uid, info.st_gid,
                             info.st_mtime_ns // 10**9 if not stat.S_ISDIR(info.st_mode) else 0,
                             info.st_size if stat.S_ISREG(info.st_mode) else 0, text, xattrs, ""]
    for paths in first.values():
        for path in paths:
            found[path][-1] = ",".join(sorted(paths)) if len(paths) > 1 else ""
    return found


def unescape(text):
    return text.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


def stacked(images):
    """The listings of layers, one upon the other, by the rules of overlay file systems."""
    tree = {}
    for number, image in enumerate(images):
        found = layers.listing(image)
        for path, entry_ in sorted(found.items()):
            mode, xattrs = entry_[0], entry_[8]
            below = [p for p in tree if p != "/" and (path == "/" or p.startswith(path + "/"))]
            whiteout = stat.S_ISCHR(mode) and entry_[6] == "device=0,0"
            was_directory = path in tree and stat.S_ISDIR(tree[path][1][0])
            if not stat.S_ISDIR(mode) or layers.OPAQUE in xattrs or not was_directory:
                for old in below:
                    del tree[old]
            if whiteout:
                tree.pop(path, None)
            elif not (stat.S_ISDIR(mode) and was_directory and layers.IMPLICIT in xattrs):
                tree[path] = (number, entry_)
    result, first = {}, {}
    for path, (number, entry_) in tree.items():
        mode, uid, gid, mtime, links, inode, size, text, xattrs = entry_
        name = unescape(path)
        if stat.S_ISLNK(mode):
            text = unescape(text)
        if links > 1 and not stat.S_ISDIR(mode):
            first.setdefault((number, inode), []).append(name)
        plain = sorted(f"{x.split('=')[0]}={x.split('=', 1)[1].encode().decode('unicode_escape').encode('latin-1')!r}"
                       for x in xattrs if x.startswith("user."))
        result[name] = [oct(mode), uid, gid, int(mtime.split(".")[0]) if not stat.S_ISDIR(mode) else 0,
                        int(size) if stat.S_ISREG(mode) else 0, text, plain, ""]
    for paths in first.values():
        for path in paths:
            result[path][-1] = ",".join(sorted(paths)) if len(paths) > 1 else ""
    return result


def some_path(random_, root, kind):
    """A path below the root that exists, or "" """
    found = []
    for folder, folders, names in os.walk(root):
        found += [os.path.join(folder, n) for n in (folders if kind == "dir" else names)]
    return random_.choice(sorted(found)) if found else ""


def change(random_, root):
    """Something that a step of a build could do."""
    folder = some_path(random_, root, "dir") if random_.random() < 0.8 else root
    folder = folder or root
    path = os.path.join(folder, random_.choice(NAMES))
    old = some_path(random_, root, "file")
    kind = random_.choice(["file"] * 8 + ["dir"] * 6 + ["link", "hard", "hard", "remove", "remove", "mode", "mode", "fifo",
                                                            "swap", "xattr", "xattr"])
    if kind in ("file", "link", "fifo", "dir", "hard") and os.path.lexists(path):
        return
    if kind == "file":
        with open(path, "wb") as file:
            file.write(random_.randbytes(random_.choice([0, 1, 100, 4096, 5000, 70000])))
        os.chmod(path, random_.choice([0o644, 0o600, 0o755, 0o4755]))
    elif kind == "dir":
        os.mkdir(path, random_.choice([0o755, 0o700]))
    elif kind == "link":
        os.symlink(random_.choice(["a", "../b", "/etc/passwd", "é", "n" * 300]), path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "hard" and old and not os.path.islink(old):
        os.link(old, path)
    elif kind == "remove":
        gone = some_path(random_, root, random_.choice(["file", "file", "file", "dir"]))
        if gone and os.path.isdir(gone) and not os.path.islink(gone):
            shutil.rmtree(gone)
        elif gone:
            os.unlink(gone)
    elif kind == "mode" and old and not os.path.islink(old):
        os.chown(old, random_.randrange(3000), random_.randrange(70000))
        os.chmod(old, random_.choice([0o640, 0o777]))
    elif kind == "xattr" and old and os.path.isfile(old) and not os.path.islink(old):
        os.setxattr(old, "user.note", random_.randbytes(5))
    elif kind == "swap":
        gone = some_path(random_, root, "dir")
        if gone and not os.path.islink(gone):
            shutil.rmtree(gone)
            random_.choice([lambda: os.mkdir(gone), lambda: os.symlink("x", gone), lambda: open(gone, "wb").close()])()


def umoci(*words):
    done = layers.run("umoci", *words)
    if done.returncode != 0:
        raise RuntimeError(f"umoci {' '.join(words)}: {done.stderr}")


def built(work, random_, architecture="amd64", finish=lambda root: None):
    """An image of several layers, each the difference that some changes made, of which `finish` makes the last."""
    layout, bundle = f"{work}/layout", f"{work}/bundle"
    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:t")
    umoci("config", "--image", f"{layout}:t", "--architecture", architecture)
    for number in range(LAYERS):
        umoci("unpack", "--image", f"{layout}:t", bundle)
        for _ in range(60 if number == 0 else 25):
            change(random_, f"{bundle}/rootfs")
        finish(f"{bundle}/rootfs")
        umoci("repack", "--image", f"{layout}:t", bundle)
        shutil.rmtree(bundle)
    umoci("unpack", "--image", f"{layout}:t", bundle)
    return layout, bundle


def layers_of(work, archive, report, name):
    """Every layer of the archive's one image as an EROFS image, the lowest first."""
    done = layers.run(OCI, "images", archive, "amd64")
    made = []
    for line in done.stdout.splitlines():
        word = line.split()
        if word[:1] != ["layer"]:
            continue
        blob, image = f"{work}/blob", f"{work}/{name}-{len(made)}.erofs"
        with open(archive, "rb") as source, open(blob, "wb") as target:
            source.seek(int(word[1]))
            target.write(source.read(int(word[2])))
        built_ = layers.run(OCI, "layer", blob, image, word[4], word[3])
        check = layers.run("fsck.erofs", image)
        report.ok(f"{name}: layer {len(made)}", built_.returncode == 0 and check.returncode == 0,
                  built_.stderr + check.stdout + check.stderr)
        made.append(image)
    return made


def pack(folder, target):
    subprocess.run(["tar", "-C", folder, "-cf", target, *sorted(os.listdir(folder))], check=True)


def differences(mine, theirs):
    wrong = [f"{path} is not there: {theirs[path]}" for path in sorted(theirs) if path not in mine]
    wrong += [f"{path} should not be there" for path in sorted(mine) if path not in theirs]
    return wrong + [f"{path} is {mine[path]}, not {theirs[path]}" for path in sorted(mine)
                    if path in theirs and mine[path] != theirs[path]]


# Directories of which the upper layers have no entry of their own.
IMPLIED = [
    end(entry("a/", "5", mode=0o700, uid=5), entry("a/b/", "5", mode=0o1777, uid=6, gid=7), entry("a/b/old"),
        entry("opaque/", "5", mode=0o711, uid=8), entry("opaque/old"), entry("anew/", "5", mode=0o700, uid=9),
        entry("anew/old"), entry("hidden/", "5", mode=0o700, uid=9), entry("hidden/old"), entry("file", mode=0o600)),
    end(entry("a/b/new"), entry("a/c/d"), entry("opaque/.wh..wh..opq"), entry("opaque/new"), entry(".wh.anew"),
        entry("anew/new"), entry("hidden/new"), entry(".wh.hidden"), entry("a/b/.wh.old")),
    end(entry("a/b/newer"), entry("a/c/d2"), entry("opaque/newer"), entry("anew/", "5", mode=0o750, uid=1)),
]


def by_hand(work, report, name, made):
    """Layers made byte by byte, too."""
    layout = Layout()
    layout.add(layout.image(made), "t")
    archive, folder = f"{work}/{name}.tar", f"{work}/{name}"
    with open(archive, "wb") as file:
        file.write(layout.tar())
    os.mkdir(folder)
    subprocess.run(["tar", "-C", folder, "-xf", archive], check=True)
    umoci("unpack", "--image", f"{folder}:t", f"{folder}.bundle")
    theirs = tree_of(f"{folder}.bundle/rootfs")
    wrong = differences(stacked(layers_of(work, archive, report, name)), theirs)
    report.ok(f"{name}: as umoci unpacks them", not wrong, "\n".join(wrong))


def against_umoci(report):
    """The same image by umoci, as gzip; by skopeo, as zstd and as a docker archive."""
    machine.make(OCI)
    if os.geteuid() != 0:
        report.skip("stacked layers", "umoci gives files to other users, which only root may")
        return
    random_ = random.Random(report.seed or SEED)
    print(f"    seed {report.seed or SEED}")
    with tempfile.TemporaryDirectory() as work:
        by_hand(work, report, "implied", IMPLIED)
        layout, bundle = built(work, random_)
        theirs = tree_of(f"{bundle}/rootfs")
        pack(layout, f"{work}/gzip.tar")
        copy = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-compress-format", "zstd", f"oci:{layout}:t"]
        subprocess.run([*copy, "--dest-compress", f"oci:{work}/zstd:t"], check=True, capture_output=True)
        pack(f"{work}/zstd", f"{work}/zstd.tar")
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:t",
                        f"docker-archive:{work}/docker.tar:test:one"], check=True, capture_output=True)
        for name in ("gzip", "zstd", "docker"):
            mine = stacked(layers_of(work, f"{work}/{name}.tar", report, name))
            wrong = differences(mine, theirs)
            report.ok(f"{name}: {len(theirs)} paths as umoci unpacks them", len(theirs) > 20 and not wrong,
                      "\n".join(wrong[:30]))
