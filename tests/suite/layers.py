"""Layers of container images: what out/host/oci makes of tar streams, well meant and not. Every image
that it makes is read by fsck.erofs, too, which knows nothing of us."""

import gzip
import hashlib
import os
import struct
import subprocess
import tempfile

from suite import archives, machine
from suite.archives import end, entry, header, pax, record

OCI = "out/host/oci"
A = b"a" * 5000
IMPLICIT = "trusted.themelios.implicit=y"
OPAQUE = "trusted.overlay.opaque=y"


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=300,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1"))


def listing(image):
    """{path: (mode, uid, gid, mtime, links, number, size or device, contents, xattrs)} by our reader."""
    done = run(OCI, "list", image)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    found = {}
    for line in done.stdout.splitlines():
        word = line.split(" ")
        found[word[0]] = (int(word[1], 8), int(word[2]), int(word[3]), word[4], int(word[5]), int(word[6]),
                          word[7], word[8], sorted(word[9:]))
    return found


def build(work, tar, *words):
    """(status, standard error, listing) of one layer."""
    blob, image = f"{work}/layer", f"{work}/layer.erofs"
    with open(blob, "wb") as file:
        file.write(tar)
    done = run(OCI, "layer", blob, image, *words)
    if done.returncode != 0:
        return done.returncode, done.stderr.strip(), {} if not os.path.exists(image) else {"left": image}
    check = run("fsck.erofs", image)
    if check.returncode != 0:
        return 99, f"fsck.erofs: {check.stdout}{check.stderr}", {}
    return 0, done.stdout, listing(image)


def contents(data):
    return hashlib.sha256(data).hexdigest()[:16]


# What a case expects of a path: some of these, in words.
def of(found, path):
    mode, uid, gid, mtime, links, _, size, text, xattrs = found[path]
    kind = {0o10: "fifo", 0o20: "char", 0o40: "dir", 0o60: "block", 0o100: "file", 0o120: "link"}[mode >> 9 & 0o170]
    return {"kind": kind, "mode": mode & 0o7777, "uid": uid, "gid": gid, "mtime": mtime, "links": links, "size": size,
            "text": text, "xattrs": xattrs}


def file(data=b"", **more):
    return {"kind": "file", "size": str(len(data)), "text": contents(data), **more}


WHITEOUT = {"kind": "char", "size": "device=0,0"}

# A map of fragments as GNU tar's old headers hold it.
def pairs(*fragments):
    return b"".join(f"{at:011o}\0{size:011o}\0".encode() for at, size in fragments)


def sparse_old(fragments, real, data):
    return header("s", "S", len(data), magic=b"ustar  \0", raw={386: pairs(*fragments[:4]), 482: bytes([len(fragments) > 4]),
                                                               483: archives.octal(real, 12)})


HOLE = b"\0" * 8192 + b"x" * 10 + b"\0" * (20000 - 8202)
MAP10 = b"1\n8192\n10\n"

# name, archive, {path: expected or None}
GOOD = [
    ("an empty archive is an empty directory", b"", {"/": {"kind": "dir", "mode": 0o755, "xattrs": [IMPLICIT]}}),
    ("only the end", end(), {"/": {"kind": "dir"}}),
    ("no end is an end", entry("f", data=A), {"/f": file(A)}),
    ("what is behind the end does not matter", end(entry("f", data=A)) + b"junk" * 999, {"/f": file(A), "/junk": None}),
    ("a file with all its attributes",
     end(entry("f", data=A, mode=0o6751, uid=1000, gid=70000, mtime=1700000000)),
     {"/f": file(A, mode=0o6751, uid=1000, gid=70000, mtime="1700000000.000000000", links=1)}),
    ("times before 1970 and after 2242", end(entry("old", mtime=-5), entry("new", mtime=1 << 34)),
     {"/old": {"mtime": "-5.000000000"}, "/new": {"mtime": f"{1 << 34}.000000000"}}),
    ("a fraction of a second", end(pax({"mtime": "12.000000345678"}), entry("f"), pax({"mtime": "-1.5"}), entry("g")),
     {"/f": {"mtime": "12.000000345"}, "/g": {"mtime": "-2.500000000"}}),
    ("every kind of entry",
     end(entry("d/", "5", mode=0o1777), entry("l", "2", link="d/f"), entry("c", "3", major=5, minor=1),
         entry("b", "4", major=259, minor=70000), entry("p", "6"), entry("d/f", data=b"1"), entry("h", "1", link="d/f"),
         entry("v", "7", data=b"2"), entry("old", "\0", data=b"3"), entry("olddir/", "\0")),
     {"/d": {"kind": "dir", "mode": 0o1777, "links": 2}, "/l": {"kind": "link", "text": "d/f", "size": "3"},
      "/c": {"kind": "char", "size": "device=5,1"}, "/b": {"kind": "block", "size": "device=259,70000"},
      "/p": {"kind": "fifo"}, "/d/f": file(b"1", links=2), "/h": file(b"1", links=2), "/v": file(b"2"),
      "/old": file(b"3"), "/olddir": {"kind": "dir"}, "/": {"links": 4}}),
    ("the root's own entry", end(entry("./", "5", mode=0o700, uid=5)), {"/": {"mode": 0o700, "uid": 5, "xattrs": []}}),
    ("missing directories are made", end(entry("a/b/c", data=A)),
     {"/a": {"kind": "dir", "mode": 0o755, "uid": 0, "xattrs": [IMPLICIT]}, "/a/b": {"kind": "dir"}, "/a/b/c": file(A)}),
    ("a directory's entry may come late", end(entry("a/b", data=A), entry("a/", "5", mode=0o711, uid=3)),
     {"/a": {"mode": 0o711, "uid": 3, "xattrs": []}, "/a/b": file(A)}),
    ("ustar's prefix", end(entry("c" * 90, data=A, prefix="p" * 100 + "/q")), {f"/{'p' * 100}/q/{'c' * 90}": file(A)}),
    ("GNU's headers have no prefix", end(header("f", magic=b"ustar  \0", raw={345: b"00000000001\0"})), {"/f": file()}),
    ("GNU's long names", end(entry("././@LongLink", "L", b"n" * 200 + b"/" + b"m" * 200 + b"\0"), entry("short", data=A),
                             entry("././@LongLink", "K", b"t" * 300 + b"\0"), entry("l", "2", link="t")),
     {f"/{'n' * 200}/{'m' * 200}": file(A), "/l": {"text": "t" * 300}}),
    ("pax says path, link, owner and size",
     end(pax({"path": "é/" + "n" * 250, "uid": 4000000000, "gid": 3000000, "size": len(A)}),
         header("x", size=0) + archives.pad(A), pax({"linkpath": "t" * 4000}), entry("l", "2", link="no")),
     {"/\\303\\251/" + "n" * 250: file(A, uid=4000000000, gid=3000000), "/l": {"text": "t" * 4000}}),
    ("an empty pax value says nothing", end(pax({"path": "", "size": ""}), entry("f", data=A)), {"/f": file(A)}),
    ("pax records count for one entry only", end(pax({"uid": 7}), entry("a"), entry("b")),
     {"/a": {"uid": 7}, "/b": {"uid": 0}}),
    ("global pax headers are passed over", end(pax({"path": "no", "comment": "x"}, kind="g"), entry("f", data=A)),
     {"/f": file(A), "/no": None}),
    ("volume names are passed over", end(entry("label", "V"), entry("f")), {"/f": file(), "/label": None}),
    ("extended attributes",
     end(pax([("SCHILY.xattr.security.capability", b"\1\0\0\2\0\4\0\0" + b"\0" * 12), ("SCHILY.xattr.user.a", b"old"),
              ("SCHILY.xattr.user.a", b"new=\n"), ("SCHILY.xattr.trusted.x", b""), ("SCHILY.xattr.foreign.x", b"1"),
              ("SCHILY.xattr.trusted.overlay.opaque", b"y"), ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
              ("SCHILY.xattr.system.posix_acl_access", b"\2\0\0\0")]), entry("f", data=A)),
     {"/f": file(A, xattrs=sorted(["security.capability=\\001\\000\\000\\002\\000\\004" + "\\000" * 14, "trusted.x=",
                                   "user.a=new=\\012", "system.posix_acl_access=\\002\\000\\000\\000"]))}),
    ("many large attributes and a long target",
     end(pax([(f"SCHILY.xattr.user.n{i}", b"v" * 3000) for i in range(20)]), entry("f", data=A),
         pax({"linkpath": "t" * 4090}), entry("l", "2")),
     {"/f": file(A), "/l": {"text": "t" * 4090}}),
    ("numbers in binary", end(header("f", size=archives.octal(5000, 12)) + archives.pad(A),
                              header("g", size=(1 << 95 | 5000).to_bytes(12, "big")) + archives.pad(A)),
     {"/f": file(A), "/g": file(A)}),
    ("numbers with blanks", end(header("f", size=b"       11610", uid=b"   144 ") + archives.pad(A)),
     {"/f": file(A, uid=0o144)}),
    # Sparse files.
    ("sparse, as GNU first had it", end(sparse_old([(8192, 10)], 20000, b"x" * 10) + archives.pad(b"x" * 10)),
     {"/s": file(HOLE)}),
    ("sparse, with blocks of map",
     end(sparse_old([(i * 1000, 10) for i in range(4)] + [(1, 1)], 50000, b"x" * 400)
         + pairs(*((i * 1000, 10) for i in range(4, 25))).ljust(504, b"\0") + b"\1" + b"\0" * 7
         + pairs(*((i * 1000, 10) for i in range(25, 40))).ljust(512, b"\0") + archives.pad(b"x" * 400)),
     {"/s": file((b"x" * 10 + b"\0" * 990) * 40 + b"\0" * 10000)}),
    ("sparse 0.0", end(pax([("GNU.sparse.size", 20000), ("GNU.sparse.numblocks", 1), ("GNU.sparse.offset", 8192),
                            ("GNU.sparse.numbytes", 10)]), entry("s", data=b"x" * 10)), {"/s": file(HOLE)}),
    ("sparse 0.1", end(pax({"GNU.sparse.size": 20000, "GNU.sparse.map": "8192,10,20000,0", "GNU.sparse.name": "s"}),
                       entry("wrong", data=b"x" * 10)), {"/s": file(HOLE)}),
    ("sparse 1.0", end(pax({"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.name": "s",
                            "GNU.sparse.realsize": 20000}), entry("wrong", data=archives.pad(MAP10) + b"x" * 10)),
     {"/s": file(HOLE)}),
    ("a file that is all hole", end(pax({"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.name": "s",
                                         "GNU.sparse.realsize": 9000}), entry("s", data=archives.pad(b"0\n"))),
     {"/s": file(b"\0" * 9000)}),
    # What replaces what.
    ("a later entry replaces an earlier one", end(entry("f", data=b"1", uid=1), entry("f", data=A)), {"/f": file(A, uid=0)}),
    ("a file replaces a directory and all in it", end(entry("d/e/f", data=A), entry("d", data=b"1")),
     {"/d": file(b"1"), "/d/e": None}),
    ("a directory replaces a file, and hides", end(entry("d", data=b"1"), entry("d/", "5"), entry("d/f")),
     {"/d": {"kind": "dir", "xattrs": [OPAQUE]}, "/d/f": file()}),
    ("a directory over a directory keeps what is in it", end(entry("d/f", data=A), entry("d/", "5", mode=0o700),
                                                             entry("d/", "5", mode=0o711)),
     {"/d": {"mode": 0o711}, "/d/f": file(A)}),
    ("a directory replaces a link to one", end(entry("a/", "5"), entry("l", "2", link="a"), entry("l/", "5"), entry("l/f")),
     {"/l": {"kind": "dir"}, "/a/f": None, "/l/f": file()}),
    ("a replaced file lives on under its other name", end(entry("a", data=A), entry("b", "1", link="a"), entry("a", data=b"1")),
     {"/a": file(b"1", links=1), "/b": file(A, links=1)}),
    ("a hard link to itself", end(entry("a", data=A), entry("a", "1", link="a")), {"/a": file(A, links=1)}),
    ("a hard link to a symbolic link", end(entry("l", "2", link="x"), entry("h", "1", link="l")),
     {"/h": {"kind": "link", "text": "x", "links": 2}}),
    # Whiteouts.
    ("a whiteout", end(entry("d/.wh.f")), {"/d/f": WHITEOUT, "/d/.wh.f": None}),
    ("an opaque directory", end(entry("d/", "5"), entry("d/f"), entry("d/.wh..wh..opq")),
     {"/d": {"xattrs": [OPAQUE]}, "/d/f": file(), "/d/.wh..wh..opq": None}),
    ("the root can be opaque", end(entry(".wh..wh..opq"), entry("./", "5")), {"/": {"xattrs": [OPAQUE]}}),
    ("a whiteout does not hide what its own layer has", end(entry("f", data=A), entry(".wh.f"), entry(".wh.g"),
                                                            entry("g", data=A)), {"/f": file(A), "/g": file(A)}),
    ("a whiteout and a directory: what is below is hidden", end(entry(".wh.a"), entry("a/", "5"), entry("b/", "5"),
                                                                entry(".wh.b"), entry(".wh.c"), entry("c/x")),
     {"/a": {"xattrs": [OPAQUE]}, "/b": {"xattrs": [OPAQUE]}, "/c": {"xattrs": [OPAQUE]}, "/c/x": file()}),
    ("a whiteout behind a link, a file or a whiteout of the same layer hides nothing",
     end(entry("l", "2", link="x"), entry("l/.wh.f"), entry("g"), entry("g/.wh.f"), entry(".wh.w"), entry("w/.wh.f"),
         entry("l/.wh..wh..opq")),
     {"/l": {"kind": "link"}, "/x": None, "/g": file(), "/w": WHITEOUT, "/w/f": None}),
    ("a whiteout of a directory that was only there for whiteouts",
     end(entry("d/e/.wh.f"), entry(".wh.d"), entry("c/.wh.f"), entry("c/g"), entry(".wh.c")),
     {"/d": WHITEOUT, "/d/e": None, "/c": {"kind": "dir", "xattrs": sorted([OPAQUE, IMPLICIT])}, "/c/g": file()}),
    ("notes of a file system driver are passed over", end(entry(".wh..wh.aufs"), entry(".wh..wh.orph/", "5")),
     {"/.wh..wh.aufs": None}),
    # Ways out that lead nowhere.
    ("absolute names stay inside", end(entry("/etc/passwd", data=A), entry("//x", data=b"1")),
     {"/etc/passwd": file(A), "/x": file(b"1")}),
    (".. inside", end(entry("a/../b/./c//d", data=A)), {"/b/c/d": file(A)}),
    ("writing through a link stays inside",
     end(entry("l", "2", link="/etc"), entry("l/passwd", data=A), entry("m", "2", link="../../../up"), entry("m/f", data=b"1")),
     {"/etc/passwd": file(A), "/l": {"kind": "link", "text": "/etc"}, "/up/f": file(b"1"), "/m": {"text": "../../../up"}}),
    ("links upon links", end(entry("a/b/", "5"), entry("x", "2", link="a/b"), entry("y", "2", link="./x/.."),
                             entry("y/f", data=A)), {"/a/f": file(A)}),
    ("a symbolic link may say anything", end(entry("l", "2", link="../../../../etc/shadow")),
     {"/l": {"text": "../../../../etc/shadow"}}),
    ("names that sort around the dots", end(*(entry(n, data=n.encode()) for n in
                                              ("+", "-", ".-", ".a", "...", "a", "!", "zz", "..a", ".\x01"))),
     {"/+": file(b"+"), "/.-": file(b".-"), "/...": file(b"..."), "/!": file(b"!"), "/zz": file(b"zz"),
      "/.\\001": file(b".\x01"), "/..a": file(b"..a"), "/.a": file(b".a")}),
    ("bytes that are no text", end(entry(b"\xff\xfe n\n", data=A)), {"/\\377\\376\\040n\\012": file(A)}),
    ("a directory of thousands", end(*(entry(f"d/{i:04}", data=str(i).encode()) for i in range(3000))),
     {f"/d/{i:04}": file(str(i).encode()) for i in (0, 1, 1499, 2998, 2999)}),
    ("a name of 255 bytes", end(pax({"path": "n" * 255}), entry("f")), {"/" + "n" * 255: file()}),
]

# name, archive, words that the error has
BAD = [
    ("a name that leads out", end(entry("../etc/passwd", data=A)), "../etc/passwd: its name leads out of the layer"),
    ("a name that leads out later", end(entry("a/../../b")), "leads out"),
    ("an absolute name that leads out", end(entry("/..//x")), "leads out"),
    ("a name that ends with ..", end(entry("a/b/..", "5")), "ends with .."),
    ("a hard link out", end(entry("h", "1", link="../../etc/passwd")), "h: its name leads out"),
    ("a hard link to a file of the machine", end(entry("h", "1", link="/etc/passwd")), "not in this layer"),
    ("a hard link through a link", end(entry("l", "2", link="/"), entry("h", "1", link="l/etc/passwd")), "not in this layer"),
    ("a hard link to what comes later", end(entry("h", "1", link="f"), entry("f")), "not in this layer"),
    ("a hard link to a whiteout", end(entry(".wh.f"), entry("h", "1", link="f")), "not in this layer"),
    ("a hard link to a directory", end(entry("d/", "5"), entry("h", "1", link="d")), "to a directory"),
    ("a hard link to the root", end(entry("h", "1", link="/")), "not in this layer"),
    ("a hard link that replaces its own target", end(entry("d/f"), entry("d", "1", link="d/f")), "its own target"),
    ("a symbolic link to nothing", end(entry("l", "2")), "link to nothing"),
    ("links in a circle", end(entry("a", "2", link="b"), entry("b", "2", link="a"), entry("a/f")), "too many links"),
    ("a link that makes a name too long",
     end(pax({"linkpath": "t/" * 2000}), entry("l", "2", link="x"), pax({"path": "l/" + "n" * 100 + "/f"}), entry("f")),
     "longer than 4095"),
    ("a link that grows", end(entry("a", "2", link="a/" + "x" * 90), entry("a/f")), "a/f: "),
    ("a file as a directory", end(entry("f"), entry("f/g")), "no directory"),
    ("the root as a file", end(entry("./", "2", link="x")), "the root is to be"),
    ("a bare whiteout", end(entry("d/.wh.")), "whiteout without a name"),
    ("a whiteout of .", end(entry(".wh..")), "whiteout without a name"),
    ("a whiteout of ..", end(entry(".wh...")), "whiteout without a name"),
    ("a whiteout as a directory", end(entry(".wh.d/f")), "a whiteout is no directory"),
    ("a name of 256 bytes", end(pax({"path": "n" * 256}), entry("f")), "longer than 255"),
    ("a directory's name of 256 bytes", end(pax({"path": "n" * 256 + "/f"}), entry("f")), "longer than 255"),
    ("a path of 4096 bytes", end(pax({"path": "n/" * 2048}), entry("f")), "longer than 4095"),
    ("a long GNU name of 4096 bytes", end(entry("L", "L", b"n/" * 2048 + b"\0"), entry("f")), "longer than 4095"),
    ("a long GNU link of 5000 bytes", end(entry("K", "K", b"n" * 5000), entry("f", "2")), "longer than 4095"),
    ("no name", end(entry("")), "without a name"),
    ("directories too deep", end(pax({"path": "d/" * 1030}), entry("x", "5")), "deeper than 1024"),
    # Headers that lie.
    ("a wrong checksum", end(header("f", checksum=b"0000000\0")), "what should be a header is none"),
    ("no checksum", end(header("f", checksum=b"        ")), "what should be a header is none"),
    ("junk", b"junk" * 128, "what should be a header is none"),
    ("one empty block in between", b"\0" * 512 + end(entry("f")), "what should be a header is none"),
    ("a negative size", end(header("f", size=(-1).to_bytes(12, "big", signed=True))), "negative"),
    ("a size that is no number", end(header("f", size=b"9999")), "no number"),
    ("a size of 2^63", end(header("f", size=(1 << 95 | 1 << 63).to_bytes(12, "big"))), "no number"),
    ("a size of nearly 2^63", end(header("f", size=(1 << 95 | (1 << 63) - 1).to_bytes(12, "big"))), "larger than is allowed"),
    ("a size in pax of 2^64", end(pax({"size": 1 << 64}), entry("f")), "pax record is malformed"),
    ("a size in pax of 2^63", end(pax({"size": 1 << 63}), entry("f")), "63 bits"),
    ("a negative size in pax", end(pax({"size": "-1"}), entry("f")), "pax record is malformed"),
    ("an owner that is too large", end(pax({"uid": 1 << 32}), entry("f")), "too large"),
    ("a device that is too large", end(entry("c", "3", major=4096)), "too large"),
    ("a mode that is no number", end(header("f", raw={100: b"rwxr-xr"})), "no number"),
    ("an unknown type", end(entry("f", "Z")), "a type that is not known"),
    ("a volume's continuation", end(entry("f", "M")), "a type that is not known"),
    ("cut off in a header", end(entry("f"))[:300], "ends within a header"),
    ("cut off in data", entry("f", data=A)[:2000], "ends within an entry"),
    ("cut off in padding", entry("f", data=A)[:5600], "ends within an entry"),
    # pax that lies.
    ("a pax length too short", end(entry("x", "x", b"4 path=f\n"), entry("f")), "pax record is malformed"),
    ("a pax length too long", end(entry("x", "x", b"99 path=f\n"), entry("f")), "pax record is malformed"),
    ("a pax length of 20 digits", end(entry("x", "x", b"18446744073709551626 path=f\n"), entry("f")), "malformed"),
    ("a pax record without =", end(entry("x", "x", b"8 pathf\n"), entry("f")), "pax record is malformed"),
    ("a pax record without a key", end(entry("x", "x", b"5 =f\n"), entry("f")), "pax record is malformed"),
    ("a pax record without an end", end(entry("x", "x", b"9 path=fx"), entry("f")), "pax record is malformed"),
    ("a zero byte in a pax path", end(pax({"path": b"a\0b"}), entry("f")), "pax record is malformed"),
    ("a zero byte in a pax link", end(pax({"linkpath": b"a\0b"}), entry("f", "2")), "pax record is malformed"),
    ("a time that is none", end(pax({"mtime": "1.2.3"}), entry("f")), "pax record is malformed"),
    ("more pax than a megabyte", end(entry("x", "x", record("comment", b"c" * (1 << 20))), entry("f")), "1 MiB of pax"),
    ("pax that claims gigabytes", header("x", "x", 1 << 32), "1 MiB of pax"),
    ("more attributes than 256", end(pax([(f"SCHILY.xattr.user.{i}", b"") for i in range(257)]), entry("f")), "more than 256"),
    ("an attribute's name too long", end(pax({"SCHILY.xattr.user." + "n" * 256: b"1"}), entry("f")), "attribute is too long"),
    ("an attribute's value too long", end(pax({"SCHILY.xattr.user.a": b"v" * 65536}), entry("f")), "attribute is too long"),
    ("attributes of 64 KiB together", end(pax([(f"SCHILY.xattr.user.{i}", b"v" * 40000) for i in range(2)]), entry("f")),
     "64 KiB of extended attributes"),
    # Sparse files that lie.
    ("a map out of order", end(pax({"GNU.sparse.size": 90, "GNU.sparse.map": "10,5,0,5"}), entry("s", data=b"x" * 10)),
     "out of order or range"),
    ("a map that overlaps", end(pax({"GNU.sparse.size": 90, "GNU.sparse.map": "0,6,5,4"}), entry("s", data=b"x" * 10)),
     "out of order or range"),
    ("a map beyond the file", end(pax({"GNU.sparse.size": 9, "GNU.sparse.map": "0,10"}), entry("s", data=b"x" * 10)),
     "out of order or range"),
    ("a map that wraps", end(pax({"GNU.sparse.size": 90, "GNU.sparse.map": f"{(1 << 64) - 5},10"}), entry("s", data=b"x" * 10)),
     "out of order or range"),
    ("a map that wants more than there is", end(pax({"GNU.sparse.size": 90, "GNU.sparse.map": "0,20"}),
                                                entry("s", data=b"x" * 10)), "does not fit its data"),
    ("a map of an odd number", end(pax({"GNU.sparse.size": 90, "GNU.sparse.map": "0,10,5"}), entry("s", data=b"x" * 10)),
     "not of pairs"),
    ("a map of words", end(pax({"GNU.sparse.size": 90, "GNU.sparse.map": "0,ten"}), entry("s", data=b"x" * 10)), "list of numbers"),
    ("a map in the data that does not end",
     end(pax({"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.realsize": 9}), entry("s", data=b"5\n" + b"0\n" * 3)),
     "shorter than what it must hold"),
    ("a map in the data that is too long",
     end(pax({"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.realsize": 9}), entry("s", data=archives.pad(b"65537\n"))),
     "more than 65536"),
    ("a map in the data without numbers",
     end(pax({"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.realsize": 9}), entry("s", data=b"x" * 512)),
     "list of numbers"),
    ("a sparse bomb", end(pax({"GNU.sparse.size": 1 << 62, "GNU.sparse.map": "0,1"}), entry("s", data=b"x")),
     "larger than is allowed"),
    ("an old map with an empty block", end(sparse_old([(0, 0)] * 5, 9, b"") + b"\0" * 504 + b"\1" + b"\0" * 7), "empty block"),
    ("an old map that begins in its middle", end(pax([("GNU.sparse.numbytes", 10)]), entry("s", data=b"x" * 10)),
     "begins in its middle"),
]

MANY = end(*(entry(f"{i}") for i in range(100)))
BIG = end(entry("big", data=b"\0" * 4000000))
ZERO = "sha256:" + "0" * 64

# name, blob, words after the files, words that the error has
BAD_BLOBS = [
    ("a bomb of gzip", gzip.compress(BIG), ("-", "-", "unpacked=1000000"), "unpacks to more than is allowed"),
    ("a bomb of zstd", archives.zstd(BIG), ("-", "-", "unpacked=1000000"), "unpacks to more than is allowed"),
    ("a bomb without compression", BIG, ("-", "-", "unpacked=1000000"), "unpacks to more than is allowed"),
    ("more than the image may have", BIG, ("-", "-", "image=1000000"), "big: the layer is larger than is allowed"),
    ("too many entries", MANY, ("-", "-", "entries=99"), "too many entries"),
    ("too many names", MANY, ("-", "-", "metadata=10000"), "too many names and attributes"),
    ("a small image of many names", MANY, ("-", "-", "image=8192"), "larger than is allowed"),
    ("another digest", MANY, (ZERO,), "its digest is another one than its name says"),
    ("another digest of what is packed", gzip.compress(MANY), (ZERO,), "its digest is another one"),
    ("another DiffID", MANY, ("-", ZERO), "the digest of what it unpacks to"),
    ("the blob's digest as DiffID", gzip.compress(MANY, mtime=0),
     ("-", archives.digest(gzip.compress(MANY, mtime=0))), "the digest of what it unpacks to"),
    ("gzip that is cut off", gzip.compress(MANY)[:-9], (), "cut off"),
    ("gzip without its end", gzip.compress(MANY)[:-4], (), "cut off"),
    ("gzip with another checksum", gzip.compress(MANY)[:-8] + b"\0" * 8, (), "gzip data is broken"),
    ("gzip with junk behind", gzip.compress(MANY) + b"junkjunk", (), "gzip data is broken"),
    ("gzip of a broken member", gzip.compress(MANY)[:40] + b"\xff" * 400, (), "gzip data is broken"),
    ("zstd that is cut off", archives.zstd(MANY)[:-2], (), "cut off"),
    ("zstd with junk behind", archives.zstd(MANY) + b"junkjunk", (), "zstd data is broken"),
    ("zstd with a huge window", b"\x28\xb5\x2f\xfd\x00\xf8" + b"\0" * 20, (), "window is larger"),
    ("bzip2", b"BZh91AY&SY" + b"\0" * 600, (), "neither with gzip nor with zstd"),
    ("xz", b"\xfd7zXZ\0" + b"\0" * 600, (), "neither with gzip nor with zstd"),
]


def good_blobs():
    """(name, blob, words): the same layer in every wrapping."""
    half = len(MANY) // 2
    digest, diff_id = archives.digest, archives.digest(MANY)
    long = hashlib.sha512(MANY).hexdigest()
    skippable = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 5) + b"12345"
    for name, blob in [("plain", MANY), ("gzip", gzip.compress(MANY)), ("zstd", archives.zstd(MANY)),
                       ("gzip in two members", gzip.compress(MANY[:half]) + gzip.compress(MANY[half:])),
                       ("gzip with an empty member", gzip.compress(b"") + gzip.compress(MANY)),
                       ("zstd in two frames", archives.zstd(MANY[:half]) + archives.zstd(MANY[half:])),
                       ("zstd with a frame to skip", skippable + archives.zstd(MANY) + skippable)]:
        yield name, blob, (digest(blob), diff_id)
        yield f"{name}, SHA-512", blob, (digest(blob, "sha512"), f"sha512:{long}")


def judge(expected, found):
    wrong = []
    for path, wanted in expected.items():
        if wanted is None:
            wrong += [f"{path} is there"] if path in found else []
        elif path not in found:
            wrong.append(f"{path} is not there")
        else:
            have = of(found, path)
            wrong += [f"{path}: {key} is {have[key]}, not {value}" for key, value in wanted.items() if have[key] != value]
    return wrong


def without_memory(run_with, expect):
    """Each allocation fails in turn; the problems of what was not a clean error."""
    wrong = []
    for number in range(1, 5000):
        done = run_with(f"alloc={number}")
        if done.returncode == 0:
            return wrong + ([] if number > expect else [f"only {number - 1} allocations"])
        if done.returncode != 1 or "memory" not in done.stderr:
            wrong.append(f"allocation {number}: status {done.returncode}: {done.stderr}")
    return wrong + ["it never comes to an end"]


def allocations(report, work):
    kinds = next(tar for name, tar, _ in GOOD if name == "every kind of entry")
    xattrs = next(tar for name, tar, _ in GOOD if name == "extended attributes")
    sparse = next(tar for name, tar, _ in GOOD if name == "sparse, with blocks of map")
    for name, blob, expect in (("plain", kinds, 20), ("gzip", gzip.compress(kinds), 20), ("zstd", archives.zstd(kinds), 20),
                               ("attributes", xattrs, 6), ("sparse", sparse, 5)):
        path = f"{work}/layer"
        with open(path, "wb") as file_:
            file_.write(blob)
        wrong = without_memory(lambda word, path=path: run(OCI, "layer", path, f"{path}.erofs", "-", "-", word), expect)
        report.ok(f"every allocation fails: {name}", not wrong, "\n".join(wrong))


def attacks(report):
    machine.make(OCI)
    with tempfile.TemporaryDirectory() as work:
        for name, tar, expected in GOOD:
            status, text, found = build(work, tar)
            wrong = judge(expected, found) if status == 0 else [f"status {status}: {text}"]
            report.ok(name, not wrong, "\n".join(wrong))
        for name, tar, words in BAD:
            status, text, left = build(work, tar)
            report.ok(name, status == 1 and words in text and not left, f"status {status}: {text} {left}")
        for name, blob, options, words in BAD_BLOBS:
            status, text, left = build(work, blob, *options)
            report.ok(name, status == 1 and words in text and not left, f"status {status}: {text} {left}")
        allocations(report, work)
        expected = None
        for name, blob, options in good_blobs():
            status, text, found = build(work, blob, *options)
            expected = expected or found
            report.ok(name, status == 0 and found == expected and len(found) == 101, f"status {status}: {text}")
