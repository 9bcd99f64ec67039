"""The proxies of the bench and what stands around them: certificates, a DNS server, the TLS origin.

Each contender is started once, pinned to the proxy's core, and is left alone until its turn comes. All of them
listen on loopback and are ended by their process ids.
"""

import os
import resource
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

from machine import HERE, LISTEN_ADDRESS, Contender, fill, free_port, pin, raise_nofile

HOST = "s3.us-east-1.amazonaws.com"
ORIGIN_ADDRESS = "127.0.0.1"


def make_certificates(run):
    """A throw-away authority and the origin's certificate: RSA 2048, like S3's own."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, cwd=run, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7", "-subj", "/CN=bench authority",
            "-keyout", "ca.key", "-out", "ca.pem", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={HOST}", "-keyout", "origin.key",
            "-out", "origin.csr")
    (run / "origin.ext").write_text(f"subjectAltName=DNS:{HOST},DNS:*.{HOST}\nbasicConstraints=CA:FALSE\n"
                                    "extendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "origin.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "7", "-extfile", "origin.ext", "-out", "origin.pem")


class NameServer(threading.Thread):
    """Answers A for the S3 host and its buckets with the origin's address, everything else with an empty NOERROR; or,
    when it denies, everything with NXDOMAIN. It counts the questions, and keeps when they came."""

    def __init__(self, ttl=60, denies=False):
        super().__init__(daemon=True)
        self.ttl, self.denies, self.asked = ttl, denies, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((LISTEN_ADDRESS, 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        name = b"".join(bytes([len(label)]) + label.encode() for label in HOST.split(".")) + b"\0"
        while True:
            query, peer = self.socket.recvfrom(4096)
            self.asked.append(time.monotonic())
            if len(query) < 17 or query[2] & 0x80:
                continue
            end = query.find(b"\0", 12) + 1
            question = query[12:end + 4]
            ours = question[:-4].lower().endswith(name) and question[-4:] == b"\0\1\0\1" and not self.denies
            head = query[:2] + struct.pack(">HHHHH", 0x8183 if self.denies else 0x8180, 1, int(ours), 0, 0)
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, self.ttl, 4) + socket.inet_aton(ORIGIN_ADDRESS)
            self.socket.sendto(head + question + (record if ours else b""), peer)


class Proxy(Contender):
    """A proxy of the bench: ready when an object comes through it."""

    @property
    def speaks_tls(self):
        return self.name.endswith("-tls")

    def connect(self):
        sock = socket.create_connection((LISTEN_ADDRESS, self.port), 2)
        if not self.speaks_tls:
            return sock
        context = ssl.create_default_context(cafile=self.log.parent / "ca.pem")
        return context.wrap_socket(sock, server_hostname=HOST)

    def wait_ready(self, seconds=10):
        """Until an object comes through it whole."""
        deadline, why = time.monotonic() + seconds, "nothing"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
            try:
                with self.connect() as s:
                    s.settimeout(6)
                    s.sendall(f"GET /{HOST}/bucket/1k HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n".encode())
                    answer = b""
                    while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < 1024:
                        got = s.recv(65536)
                        if not got:
                            break
                        answer += got
                    if answer.startswith(b"HTTP/1.1 200") and answer.endswith(bytes(range(251))[-4:] + bytes(range(20))):
                        return
                    why = answer[:300]
            except OSError as error:
                why = error
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not serve: {why!r} {self.log.read_text()[-2000:]}")


class Stage:
    """Everything that stands on the bench while it runs."""

    def __init__(self, build, run, proxy_core, other_core, delay_ms=0):
        """delay_ms: added before each answer of the origin."""
        self.build, self.run = build, run
        self.proxy_core, self.other_core = proxy_core, other_core
        self.contenders, self.missing = [], {}
        raise_nofile()
        run.mkdir(parents=True, exist_ok=True)
        make_certificates(run)
        self.dns = NameServer()
        self.dns.start()
        self.origin_port = free_port()
        self.origin = subprocess.Popen(
            [build / "bench/origin", f"{ORIGIN_ADDRESS}:{self.origin_port}", run / "origin.pem",
             run / "origin.key", str(delay_ms)], stdin=subprocess.DEVNULL, preexec_fn=pin(other_core))

    def values(self, name, port):
        user = "user root;" if os.geteuid() == 0 else ""
        return {"RUN": self.run, "NAME": name, "PORT": port, "PORT2": free_port(), "HOST": HOST,
                "LISTEN_ADDRESS": LISTEN_ADDRESS, "ORIGIN_ADDRESS": ORIGIN_ADDRESS,
                "ORIGIN_PORT": self.origin_port, "DNS": f"{LISTEN_ADDRESS}:{self.dns.port}",
                "CA": self.run / "ca.pem", "NGINX_USER": user, "PREFIX_BYTES": len(HOST) + 1,
                "ACCESS_LOG": "off", "CORS": "", "TLS": "", "TLS_FILES": "",
                "NOFILE": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}

    def nginx(self, name, template, **more):
        port = free_port()
        path = self.run / f"{name}.conf"
        path.write_text(fill(template, {**self.values(name, port), **more}))
        return ["nginx", "-p", self.run, "-c", path, "-e", self.run / f"{name}.err"], port, None

    def command(self, name):
        """How one contender is started: command, port, environment. LookupError says what is missing."""
        if name == "relay":
            port = free_port()
            return [self.build / "bench/relay", f"{LISTEN_ADDRESS}:{port}",
                    f"{ORIGIN_ADDRESS}:{self.origin_port}", HOST, self.run / "ca.pem"], port, None
        if name == "penstock":
            return self.penstock()
        if name == "penstock-tls":
            port = free_port()
            command, _, env = self.penstock(PENSTOCK_TLS_LISTEN=f"{LISTEN_ADDRESS}:{port}",
                                            PENSTOCK_TLS_CERT=str(self.run / "origin.pem"),
                                            PENSTOCK_TLS_KEY=str(self.run / "origin.key"))
            return command, port, env
        program = "haproxy" if name == "haproxy" else "nginx"
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            raise LookupError(f"{program} is not installed")
        if name == "nginx-replaced":
            return self.nginx(name, "nginx-replaced.conf.in")
        if name == "nginx-tuned":
            return self.nginx(name, "nginx-tuned.conf.in")
        if name == "nginx-equal":
            return self.nginx(name, "nginx-tuned.conf.in", ACCESS_LOG="/dev/null json",
                              CORS=(HERE / "conf/cors-nginx.inc").read_text().rstrip())
        if name == "nginx-tls":
            return self.nginx(name, "nginx-tuned.conf.in", TLS=" ssl", TLS_FILES=(
                f"ssl_certificate {self.run}/origin.pem; ssl_certificate_key {self.run}/origin.key; "
                "ssl_protocols TLSv1.2 TLSv1.3; ssl_buffer_size 16k;"))
        port = free_port()
        path = self.run / "haproxy.cfg"
        path.write_text(fill("haproxy.cfg.in", self.values(name, port)))
        return ["haproxy", "-db", "-f", path], port, None

    def penstock(self, **settings):
        """Its access log goes where its stdout goes, /dev/null, but every line is written."""
        binary = self.build / "penstock"
        if not binary.exists():
            raise LookupError("penstock is not built")
        port = free_port()
        env = {"PATH": os.environ["PATH"],
               "INTERNAL_REGISTRY_URL": "http://127.0.0.1:9",
               "PENSTOCK_LISTEN": f"{LISTEN_ADDRESS}:{port}",
               "PENSTOCK_ADMIN": f"{LISTEN_ADDRESS}:{free_port()}",
               "PENSTOCK_WORKERS": "1",
               "PENSTOCK_ALLOW_HOSTS": f"{HOST}:{self.origin_port}=https",
               "PENSTOCK_ALLOW_ADDRESSES": "127.0.0.0/8",
               "PENSTOCK_CA_FILE": str(self.run / "ca.pem"),
               "PENSTOCK_DNS_SERVERS": f"{LISTEN_ADDRESS}:{self.dns.port}",
               "PENSTOCK_DNS_AWS": "off",
               "PENSTOCK_DNS_AWS_SERVERS": f"{LISTEN_ADDRESS}:{self.dns.port}",
               **settings}
        return [binary, "serve"], port, env

    def start(self, names):
        for name in names:
            try:
                command, port, env = self.command(name)
                contender = Proxy(name, command, port, self.proxy_core, self.run, env)
                self.contenders.append(contender)
                contender.wait_ready()
            except (LookupError, RuntimeError) as error:
                self.missing[name] = str(error).strip()
                if self.contenders and self.contenders[-1].name == name:
                    self.contenders.pop().stop()

    def stop(self):
        for contender in self.contenders:
            contender.stop()
        self.origin.terminate()
        self.origin.wait()
