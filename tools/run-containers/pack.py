"""Container images as `docker save` writes them, made of files: the same files give the same bytes."""

import hashlib
import io
import json
import os
import tarfile

import packages

GREETING = ("echo \"Hello from a container: $(busybox | head -n 1)\"; uname -srm; id; "
            "echo \"$(ls /bin | wc -l) applets, $(nproc) CPUs\"; cat /proc/self/cgroup; df -h / | tail -n 1")


def entry(tar, name, kind=tarfile.REGTYPE, mode=0o755, data=b"", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    tar.addfile(info, io.BytesIO(data))


def archive(path, layers, config, architecture, name):
    """A docker archive of uncompressed layers (bytes of tar files)."""
    digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
    text = json.dumps({"architecture": architecture, "os": "linux", "config": config,
                       "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in digests]}}).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{d}/layer.tar" for d in digests]}]
    with tarfile.open(path + ".new", "w") as tar:
        for digest, layer in zip(digests, layers):
            entry(tar, f"{digest}/layer.tar", mode=0o644, data=layer)
        entry(tar, config_name, mode=0o644, data=text)
        entry(tar, "manifest.json", mode=0o644, data=json.dumps(manifest).encode())
    os.replace(path + ".new", path)


def busybox_layer(arch):
    """The static busybox with a link for each applet, and what a small system has beside it."""
    with open(busybox_program(arch), "rb") as file:
        binary = file.read()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for directory in ("bin", "etc", "root", "usr", "usr/bin", "usr/sbin", "sbin", "var"):
            entry(tar, directory, tarfile.DIRTYPE)
        entry(tar, "tmp", tarfile.DIRTYPE, 0o1777)
        entry(tar, "bin/busybox", data=binary)
        for applet in applets(arch):
            entry(tar, f"bin/{applet}", tarfile.SYMTYPE, 0o777, link="busybox")
        entry(tar, "etc/passwd", mode=0o644,
              data=b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        entry(tar, "etc/group", mode=0o644, data=b"root:x:0:\nnogroup:x:65534:\n")
    return layer.getvalue()


def busybox_program(arch):
    """The path of a static busybox for that architecture."""
    folder = packages.fetched(arch)
    found = f"{folder}/root/bin/busybox"
    if not os.path.exists(found):
        packages.unpack("busybox-static", arch, folder)
    return found


def applets(arch):
    """Names that busybox goes by: the list is in the program, each name ending with a zero byte."""
    with open(busybox_program(arch), "rb") as file:
        data = file.read()
    at = data.index(b"[\0[[\0")
    return [name.decode() for name in data[at:data.index(b"\0\0", at)].split(b"\0") if name != b"busybox"]


def busybox(arch):
    """out/images/busybox-ARCH.tar, made once."""
    path = f"out/images/busybox-{arch}.tar"
    layer = busybox_layer(arch)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(__file__):
        config = {"Cmd": ["sh", "-c", GREETING], "Env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"]}
        archive(path, [layer], config, packages.DEBIAN[arch], "busybox:latest")
    return path
