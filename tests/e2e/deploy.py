"""The image's root file system, made without Docker, and penstock in it: a user without rights, nothing to write to."""

import os
import subprocess

from lab.penstock import ROOT, binary

IMAGE = os.path.join(ROOT, "deploy", "image")
# A mount namespace with the file system read-only. $0: the root, $1: what stands for resolv.conf, $2: what stands for the
# authorities, $3: the binary of the build.
MOUNTS = """
set -e
root=$0
mount --bind "$1" "$root/etc/resolv.conf"
mount --bind "$2" "$root/etc/ssl/certs/ca-certificates.crt"
mount --rbind "$root" "$root"
mount -o remount,bind,ro "$root"
shift 3
"""
# Then a user namespace in which the user is the image's; all capabilities are dropped, so that it cannot get any.
ENTER = MOUNTS + """exec unshare --user --map-user=65532 --map-group=65532 --keep-caps -- capsh --chroot="$root" \\
    --drop=all --caps= --shell=/usr/bin/penstock -- "$@"
"""
# Or this namespace's first user without root's rights: file capabilities count for its network.
ENTER_CAPABLE = MOUNTS + """exec capsh --chroot="$root" --secbits=1 --inh= --shell=/usr/bin/penstock -- "$@"
"""


def run(*args, **kw):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kw)


def make_rootfs():
    """Its folder. libcurl was built before: that takes a network."""
    folder = os.path.join(ROOT, "build", "deploy")
    curl, root = os.path.join(folder, "curl"), os.path.join(folder, "rootfs")
    assert os.path.exists(os.path.join(curl, "libcurl.so.4")), "first: deploy/image/small-curl build/deploy/curl"
    done = run(os.path.join(IMAGE, "rootfs"), binary(), root, curl)
    assert done.returncode == 0, done.stdout
    return root


def inside(root, resolv_conf, authorities, enter=ENTER):
    """For Penstock's wrap: what comes behind is the build's binary, which is left out, and its arguments."""
    return ["unshare", "--mount", "sh", "-c", enter, root, resolv_conf, authorities]


def files(root):
    """Each file below root with its size; links and folders are not files."""
    out = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                out[os.path.relpath(path, root)] = os.path.getsize(path)
    return out
