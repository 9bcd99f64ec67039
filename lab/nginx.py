"""The container that penstock replaces: nginx from Debian with that container's configuration (bench/conf has it too),
and peers that break it in one way each. What nginx writes about that is what the doctor must understand."""

import datetime
import os
import socket
import ssl
import subprocess
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lab import http
from lab.ca import CA

NGINX = "10.0.1.30"
S3 = "s3.eu-west-1.amazonaws.com"
OTHER_ROUTE = "203.0.113.9"  # nginx's host has no route to it

# As run-nginx.sh takes it from resolv.conf: the first server, nothing where there is none.
FIRST_SERVER = '{if ($1 == "nameserver") { print $2; exit;}}'

CONFIG = """
user root;
worker_processes 1;
daemon off;
master_process off;
pid {run}/nginx.pid;
error_log {run}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log {run}/access.log;
    client_body_temp_path {run}/tmp-body;
    proxy_temp_path {run}/tmp-proxy;
    fastcgi_temp_path {run}/tmp-fastcgi;
    scgi_temp_path {run}/tmp-scgi;
    uwsgi_temp_path {run}/tmp-uwsgi;
    {resolver}
    resolver_timeout {resolver_timeout};
    proxy_connect_timeout {connect_timeout};
    proxy_read_timeout 1s;
    proxy_ssl_server_name on;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 5;
    proxy_ssl_trusted_certificate {ca};
    proxy_http_version 1.1;
    proxy_buffering off;
    {more}
    # The hop that talks to S3.
    server {{
        listen {back};
        location ~ ^/(?<s3_host>[^/]+\\.amazonaws\\.com)/ {{
            proxy_set_header Host $s3_host;
            if ($request_uri ~ ^/[^/?]+/(.*)) {{
                proxy_pass https://$s3_host/$1;
            }}
        }}
        location / {{ return 400; }}
    }}
    # The hop that clients see.
    server {{
        listen {front};
        set $registry {registry};
        location = / {{ return 200 "S3 Proxy"; }}
        location ~ ^/(browse|zip)/ {{ proxy_pass $registry; }}
        location / {{
            proxy_pass http://{back};
            proxy_read_timeout {front_timeout};
        }}
        {locations}
    }}
}}
"""


class Nginx:
    """One nginx on ports of its own. more, locations: text put into http and into the front server."""

    def __init__(self, host, folder, name, resolv_conf, ca, port, registry="http://registry.stk", more="",
                 locations="", front_timeout="4s", connect_timeout="1s", resolver_timeout="1s", resolver=None):
        self.host, self.port = host, port
        self.run = os.path.join(folder, "nginx-" + name)
        os.makedirs(self.run)
        path = os.path.join(self.run, "resolv.conf")
        with open(path, "w") as f:
            f.write(resolv_conf)
        server = subprocess.run(["awk", FIRST_SERVER, path], stdout=subprocess.PIPE, text=True, check=True).stdout
        resolver = f"resolver {server.strip()};" if resolver is None else resolver
        config = os.path.join(self.run, "nginx.conf")
        with open(config, "w") as f:
            f.write(CONFIG.format(run=self.run, resolver=resolver, ca=ca, front=f"{NGINX}:{port}", back=f"127.0.0.1:{port + 1}", registry=registry,
                                  more=more, locations=locations, front_timeout=front_timeout, connect_timeout=connect_timeout,
                                  resolver_timeout=resolver_timeout))
        with open(os.path.join(self.run, "stderr"), "w") as err:
            self.process = host.popen(["nginx", "-p", self.run, "-c", config, "-e", os.path.join(self.run, "error.log")],
                                      stdin=subprocess.DEVNULL, stdout=err, stderr=err)

    def wait(self, timeout=10.0):
        """True when it serves, False when it ended instead."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                self.host.connect((NGINX, self.port), timeout=1).close()
                return True
            except OSError:
                if self.process.poll() is not None:
                    return False
                time.sleep(0.01)
        raise RuntimeError("nginx neither serves nor ends")

    def get(self, path, timeout=15.0):
        """The status of the reply; None when the connection ended instead, or in the middle."""
        with self.host.connect((NGINX, self.port), timeout) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: proxy.stk\r\nConnection: close\r\n\r\n".encode())
            try:
                resp = http.read_response(http.Wire(sock))
            except (OSError, EOFError):
                return None
        return resp.status if resp.clean else None

    def lines(self):
        """What it wrote for people, in the order of time, one kind of log after the other."""
        out = []
        for name in ("stderr", "error.log"):
            path = os.path.join(self.run, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    out += f.read().splitlines()
        return out

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Raw:
    """Accepts connections on one address and does one thing to each."""

    def __init__(self, host, ip, port, act):
        self.act = act
        self.listener = host.listen(port, ip)
        self.held = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock):
        try:
            self.act(self, sock)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.held:
            sock.close()

    # What can be done to a connection
    @staticmethod
    def hold(self, sock):
        """Takes all and says nothing."""
        self.held.append(sock)

    @staticmethod
    def cut(how):
        """Ends the connection when the first bytes have come."""
        def act(self, sock):
            sock.recv(65536)
            if how == "rst":
                http.reset(sock)
            sock.close()
        return act

    @staticmethod
    def plain(self, sock):
        """Speaks HTTP where TLS is meant."""
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        sock.close()

    @staticmethod
    def tls(context, then):
        def act(self, sock):
            with context.wrap_socket(sock, server_side=True) as stream:
                stream.recv(65536)
                then(self, stream)
        return act


def slow(self, stream):
    time.sleep(5)


def stall(self, stream):
    """A response that never becomes whole."""
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    time.sleep(5)


def end(self, stream):
    http.hard_close(stream)


def reset(self, stream):
    http.reset(stream)


class Intermediate(CA):
    """A CA that another one has signed."""

    def __init__(self, folder, parent, title):
        self.parent = parent
        super().__init__(folder, title)

    def _sign(self, subject, key, names, ca=False, days=(-1, 30)):
        if not ca:
            return super()._sign(subject, key, names, ca, days)
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.parent.cert.subject)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .sign(self.parent.key, hashes.SHA256()))


def contexts(folder, ca):
    """Certificates by what is wrong with them: OpenSSL's number, "name", or "good"."""
    stranger = CA(folder, "stranger CA")
    between = Intermediate(folder, stranger, "stranger's intermediate CA")

    def context(path):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(path)
        return ctx

    def with_ca(path, signer):
        with open(signer.path) as f, open(path) as leaf:
            text = leaf.read() + f.read()
        joined = path + ".chain.pem"
        with open(joined, "w") as f:
            f.write(text)
        return joined

    return {
        "good": context(ca.issue("nginx-good", [S3])),
        "name": context(ca.issue("nginx-name", ["elsewhere.test"])),
        "9": context(ca.issue("nginx-early", [S3], days=(5, 30))),
        "10": context(ca.issue("nginx-old", [S3], days=(-30, -5))),
        "18": context(self_signed(folder)),
        "19": context(with_ca(stranger.issue("nginx-chain", [S3]), stranger)),
        "20": context(with_ca(between.issue("nginx-between", [S3]), between)),
        "21": context(stranger.issue("nginx-stranger", [S3])),
    }


def self_signed(folder):
    path = os.path.join(folder, "nginx-self.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=" + S3, "-addext", "subjectAltName=DNS:" + S3, "-days", "5", "-keyout", path,
                    "-out", path + ".crt"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(path + ".crt") as crt, open(path, "a") as both:
        both.write(crt.read())
    return path
