"""What a machine needs to run containers at its start: a boot volume with the system, the archives
and run.json (services/run). Everything is copied into one cpio archive that the loader reads."""

import hashlib
import json
import os
import subprocess


def request(archive, name, options):
    """One container of run.json. `options`: the names of services/run and the containers' requests."""
    wanted = {"Name": name, "Archive": archive}
    host = {}
    for key in ("Entrypoint", "Cmd", "Env", "WorkingDir", "User", "Tty", "OpenStdin", "Image"):
        if options.get(key) is not None:
            wanted[key] = options[key]
    for key in ("Memory", "CpuQuota", "CpuPeriod", "CpuShares", "PidsLimit", "ReadonlyRootfs", "Isolation"):
        if options.get(key) is not None:
            host[key] = options[key]
    if host:
        wanted["HostConfig"] = host
    return wanted


def configuration(image, modules):
    """limine.conf with the digest of the system image and more modules."""
    with open(image, "rb") as file:
        digest = hashlib.blake2b(file.read()).hexdigest()
    with open("system/limine.conf", encoding="utf-8") as file:
        text = file.read().replace("@BLAKE2B@", digest).rstrip("\n") + "\n"
    return text + "".join(f"    module_path: boot():/modules/{name}\n" for name in modules)


def write(arch, folder, plan, archives, system=None, out=None):
    """The volume as FOLDER/volume.cpio. `archives`: paths by the names that the plan uses; `out`: where
    the system was built."""
    os.makedirs(folder, exist_ok=True)
    out = out or f"out/{arch}"
    image = system or f"{out}/system.erofs"
    files = {"run.json": f"{folder}/run.json", **archives}
    with open(files["run.json"], "w", encoding="utf-8") as file:
        json.dump(plan, file)
    with open(f"{folder}/limine.conf", "w", encoding="utf-8") as file:
        file.write(configuration(image, files))
    volume = f"{folder}/volume.cpio"
    subprocess.run(["out/host/mkbundle", volume, f"boot/limine.conf={folder}/limine.conf",
                    f"boot/themelios={out}/themelios", f"boot/system.erofs={image}",
                    *(f"modules/{name}={path}" for name, path in files.items())], check=True)
    return volume
