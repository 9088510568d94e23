"""Container images as `docker save` writes them, made of files: the same files give the same bytes."""

import hashlib
import io
import json
import os
import subprocess
import tarfile

DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
OCI = DEBIAN  # the same words

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


def busybox_layer(program):
    """The static busybox with a link for each applet, and what a small system has beside it."""
    with open(program, "rb") as file:
        binary = file.read()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for directory in ("bin", "etc", "root", "usr", "usr/bin", "usr/sbin", "sbin", "var"):
            entry(tar, directory, tarfile.DIRTYPE)
        entry(tar, "tmp", tarfile.DIRTYPE, 0o1777)
        entry(tar, "bin/busybox", data=binary)
        for applet in applets():
            entry(tar, f"bin/{applet}", tarfile.SYMTYPE, 0o777, link="busybox")
        entry(tar, "etc/passwd", mode=0o644,
              data=b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        entry(tar, "etc/group", mode=0o644, data=b"root:x:0:\nnogroup:x:65534:\n")
    return layer.getvalue()


def package(name, arch):
    """The unpacked package of the distribution for that machine."""
    root = f"out/images/{name}-{arch}"
    subprocess.run(["tools/fetch-package", name, DEBIAN[arch], root], check=True)
    return f"{root}/root"


def applets():
    """The applets of the distribution's static busybox: it is built with the same ones everywhere."""
    host = package("busybox-static", os.uname().machine)
    listed = subprocess.run([f"{host}/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
    return [applet for applet in listed.split() if applet != "busybox"]


def busybox(arch):
    """out/images/busybox-ARCH.tar, made once."""
    path = f"out/images/busybox-{arch}.tar"
    program = f"{package('busybox-static', arch)}/bin/busybox"
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(__file__):
        config = {"Cmd": ["sh", "-c", GREETING], "Env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"]}
        archive(path, [busybox_layer(program)], config, OCI[arch], "busybox:latest")
    return path
