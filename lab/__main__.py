"""`python3 -m lab`: the lab with penstock in it and a shell in the client's namespace.
`python3 -m lab --run CMD...`: one command there instead, or one line of shell in quotes. `--without-penstock`: the world alone."""

import argparse
import os
import shutil
import sys

from lab import net

HELP = """
A private VPC. Its corporate name server ({corp}, unbound) denies every AWS name; Amazon's ({aws}, BIND)
knows them; penstock ({penstock}, in /etc/hosts as "penstock") has only the first in its resolv.conf.
You are the client, {client}. S3 keys: S3RVER / S3RVER.

  dig @{corp} s3.us-east-1.amazonaws.com            NXDOMAIN: this is what breaks other proxies
  dig @{aws} s3.us-east-1.amazonaws.com +short      (from this host too, in the lab)
  curl -i http://penstock/
  curl -i http://penstock/s3.us-east-1.amazonaws.com/lab-bucket/           s3rver (version 4 signatures checked)
  curl -T FILE http://penstock/s3.eu-west-1.amazonaws.com/b/key            the origin that tests make faulty
  curl -i http://penstock/s3.us-west-2.amazonaws.com/                      moto
  curl -i http://penstock/s3.eu-west-3.amazonaws.com/b/k                   nobody listens there: 502
  curl -i http://penstock/s3.eu-central-2.amazonaws.com/b/k                the metadata address: 403
  curl -i http://penstock/sts.amazonaws.com/                               no S3 endpoint: 400
  curl -X OPTIONS -i -H 'Origin: https://catalog.test' -H 'Access-Control-Request-Method: PUT' \\
       http://penstock/s3.us-east-1.amazonaws.com/lab-bucket/k
  curl -OJ http://penstock/zip/lab.zip                                     the registry's list, made an archive
  curl -i http://penstock/browse/lab/page.html                             the registry's redirect, followed
  unbound-control -c {folder}/unbound-corp/unbound.conf local_zone amazonaws.com always_deny    (silence)
                                                        ... or always_refuse, always_nodata, always_nxdomain

Logs: {folder}   (penstock: {log})
"""


def fill(world):
    """What the registry has for who is curious: an archive and a page."""
    from lab.registry import Session, directory, entry
    page = world.origin.put("/lab/page.html", b"<title>lab</title>a page in S3\n")
    world.registry.put_archive("/zip/lab.zip", entry(page, "/s3.eu-west-1.amazonaws.com/lab/page.html", "page.html"),
                               directory("nothing in it"),
                               headers=[("Content-Disposition", 'attachment; filename="lab.zip"')])
    world.registry.sessions["lab"] = Session("https://s3.eu-west-1.amazonaws.com/lab/", needs_cookie=False)


def main():
    parser = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    parser.add_argument("--run", nargs=argparse.REMAINDER, metavar="CMD", help="run this command, or quoted line of shell, and exit with its code")
    parser.add_argument("--without-penstock", action="store_true")
    args = parser.parse_args()
    net.reexec([sys.executable, "-m", "lab", *sys.argv[1:]])

    from lab import world as w
    world = w.World()
    fill(world)
    log = "not started"
    if not args.without_penstock:
        log = world.start_penstock().log
    os.environ["LAB_DIR"] = world.folder
    if args.run:
        # One word that is no program is a line for the shell, as `sh -c` takes it.
        is_line = len(args.run) == 1 and not shutil.which(args.run[0])
        code = w.shell(world, ["sh", "-c", args.run[0]] if is_line else args.run)
    else:
        print(HELP.format(corp=w.CORP, aws=w.AWS, penstock=w.PENSTOCK, client=w.CLIENT, folder=world.folder, log=log))
        os.environ["PS1"] = "lab client \\$ "
        code = w.shell(world, ["bash", "--norc", "-i"])
    world.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
