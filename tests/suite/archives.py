"""Tar archives made field by field, so that they may lie; and container images made of them."""

import base64
import gzip
import hashlib
import io
import json
import subprocess

BLOCK = 512


def octal(number, size):
    """A number as tar has it: octal, or GNU's binary form where that does not fit or `number` is bytes."""
    if isinstance(number, bytes):
        return number.ljust(size, b"\0")
    if 0 <= number < 8 ** (size - 1):
        return f"{number:0{size - 1}o}".encode() + b"\0"
    return (number % (1 << (8 * size - 1)) | 1 << (8 * size - 1)).to_bytes(size, "big") if number >= 0 else \
        (number % (1 << (8 * size))).to_bytes(size, "big")


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def header(name, kind="0", size=0, link="", **more):
    """One header block. `more`: mode uid gid mtime major minor prefix magic checksum raw={offset: bytes}."""
    raw = bytearray(BLOCK)
    encode = lambda text: text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")  # noqa: E731
    raw[0:100] = encode(name)[:100].ljust(100, b"\0")
    raw[100:108] = octal(more.get("mode", 0o755 if kind == "5" else 0o644), 8)
    raw[108:116] = octal(more.get("uid", 0), 8)
    raw[116:124] = octal(more.get("gid", 0), 8)
    raw[124:136] = octal(size, 12)
    raw[136:148] = octal(more.get("mtime", 0), 12)
    raw[148:156] = b" " * 8
    raw[156:157] = encode(kind)
    raw[157:257] = encode(link)[:100].ljust(100, b"\0")
    raw[257:265] = more.get("magic", b"ustar\x0000")
    raw[329:337] = octal(more.get("major", 0), 8)
    raw[337:345] = octal(more.get("minor", 0), 8)
    prefix = encode(more.get("prefix", ""))
    raw[345:345 + len(prefix)] = prefix
    for at, data in more.get("raw", {}).items():
        raw[at:at + len(data)] = data
    raw[148:156] = more["checksum"] if "checksum" in more else f"{sum(raw):06o}\0 ".encode()
    return bytes(raw)


def entry(name, kind="0", data=b"", link="", **more):
    more.setdefault("size", len(data))
    return header(name, kind, more.pop("size"), link, **more) + pad(data)


def record(key, value):
    """A pax record, its own length in front."""
    body = b" " + key.encode() + b"=" + (value if isinstance(value, bytes) else str(value).encode()) + b"\n"
    length = len(body)
    while length != len(str(length)) + len(body):
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def pax(records, name="x", kind="x"):
    data = b"".join(record(k, v) for k, v in (records.items() if isinstance(records, dict) else records))
    return entry(f"PaxHeaders/{name}"[:99], kind, data)


def end(*parts):
    return b"".join(parts) + b"\0" * (2 * BLOCK)


def files(pairs):
    """A plain archive of (name, contents)."""
    return end(*((pax({"path": name}) if len(name) > 100 else b"") + entry(name, data=data) for name, data in pairs))


# --- Images.

def digest(data, kind="sha256"):
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


def zstd(data):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=data, capture_output=True, check=True).stdout


PACKERS = {"": lambda data: data, "+gzip": lambda data: gzip.compress(data, 6, mtime=0), "+zstd": zstd}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Layout:
    """An OCI image layout in the making: blobs by digest, and the index."""

    def __init__(self, kind="sha256"):
        self.kind = kind
        self.blobs = {}
        self.index = {"schemaVersion": 2, "manifests": []}
        self.marker = {"imageLayoutVersion": "1.0.0"}

    def blob(self, data, media_type, **more):
        """Put it in; its descriptor."""
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        name = digest(data, self.kind)
        self.blobs[name] = data
        return {"mediaType": media_type, "digest": name, "size": len(data), **more}

    def image(self, layers, config=None, packing="+gzip", architecture="amd64", **more):
        """The descriptor of an image of these tar streams. `more` goes into the configuration."""
        found = {"architecture": architecture, "os": "linux", "config": config or {},
                 "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}, **more}
        packed = [self.blob(PACKERS[packing](layer), LAYER + packing) for layer in layers]
        return self.blob({"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(found, CONFIG),
                          "layers": packed}, MANIFEST)

    def add(self, descriptor, name=None, **more):
        """Into the index."""
        annotations = {"org.opencontainers.image.ref.name": name} if name else {}
        self.index["manifests"].append({**descriptor, "annotations": annotations, **more})

    def tar(self):
        pairs = [("oci-layout", json.dumps(self.marker).encode()), ("index.json", json.dumps(self.index).encode())]
        pairs += [(f"blobs/{name.replace(':', '/')}", data) for name, data in self.blobs.items()]
        return files(pairs)


def inline(data):
    return base64.b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode()


def docker(images, **more):
    """A docker archive of [(tags, layers, config)], with each layer in a folder of its own."""
    parts, manifest = [], []
    for tags, layers, config in images:
        names = []
        for layer in layers:
            names.append(f"{hashlib.sha256(layer).hexdigest()}/layer.tar")
            parts.append(entry(names[-1], data=layer))
        raw = json.dumps({"architecture": "amd64", "os": "linux", "config": config,
                          "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
                          **more}).encode()
        name = f"{hashlib.sha256(raw).hexdigest()}.json"
        parts.append(entry(name, data=raw))
        manifest.append({"Config": name, "RepoTags": tags, "Layers": names})
    return end(*parts, entry("manifest.json", data=json.dumps(manifest).encode()))


def tar_of(make):
    """What Python's own tarfile writes when `make(archive)` adds to it."""
    import tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        make(archive)
    return out.getvalue()
