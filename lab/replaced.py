"""The container that penstock replaces, as a whole: nginx from Debian, configured from the two things that the container takes from
its task, INTERNAL_REGISTRY_URL and the first server of resolv.conf. Every trait that clients can see is here; mod_zip is not,
because Debian has no package of it: what the registry says to /zip passes as it is."""

import os
import subprocess
import time

CONFIG = """
user root;
worker_processes 1;
daemon off;
master_process off;
pid {run}/nginx.pid;
error_log {run}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log {run}/access.log;
    client_body_temp_path {run}/tmp-body;
    proxy_temp_path {run}/tmp-proxy;
    fastcgi_temp_path {run}/tmp-fastcgi;
    scgi_temp_path {run}/tmp-scgi;
    uwsgi_temp_path {run}/tmp-uwsgi;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 65;
    default_type application/octet-stream;
    resolver {nameserver} ipv6=off;

    # The hop that talks to S3: one connection and one handshake a request.
    server {{
        listen 127.0.0.1:{back};
        client_max_body_size 10g;
        gzip on;
        gzip_min_length 1024;
        gzip_types text/plain text/css application/json application/javascript;

        location ~ ^/(?<s3_host>[^/]+)/ {{
            {cors}
            default_type text/plain;
            if ($s3_host !~ \\.amazonaws\\.com$) {{
                return 400 "Unexpected host: $s3_host";
            }}
            if ($request_method = OPTIONS) {{
                return 200;
            }}
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_ssl_server_name on;
            proxy_ssl_verify on;
            proxy_ssl_verify_depth 5;
            proxy_ssl_trusted_certificate {ca};
            # The raw target: the decoded one would break signatures.
            if ($request_uri ~ ^/[^/?]+/(.*)) {{
                proxy_pass https://$s3_host/$1;
            }}
        }}
        location / {{ return 404; }}
    }}

    # The hop that clients see.
    server {{
        listen {front} default_server;
        client_max_body_size 10g;
        set $registry {registry};

        location = / {{
            default_type text/plain;
            return 200 "S3 Proxy";
        }}
        location = /robots.txt {{
            default_type text/plain;
            return 200 "User-agent: *\\nDisallow: /\\n";
        }}
        location ~ ^/zip/ {{
            proxy_pass $registry;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_read_timeout 1001s;
            proxy_set_header Accept-Encoding "";
            proxy_hide_header X-Archive-Files;
        }}
        location ~ ^/browse/ {{
            proxy_pass $registry;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_intercept_errors on;
            error_page 301 302 307 = @follow;
        }}
        location @follow {{
            {cors}
            set $location $upstream_http_location;
            proxy_pass $location;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_ssl_server_name on;
        }}
        location / {{
            proxy_pass http://127.0.0.1:{back};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""

EXPOSED = ("Content-Length, Content-Range, ETag, x-amz-meta-helium, x-amz-bucket-region, x-amz-delete-marker, x-amz-request-id, "
           "x-amz-version-id, x-amz-storage-class, x-amz-restore")
CORS = "\n            ".join([
    "add_header Access-Control-Allow-Origin * always;",
    "add_header Access-Control-Allow-Headers $http_access_control_request_headers always;",
    "add_header Access-Control-Allow-Methods $http_access_control_request_method always;",
    "add_header Access-Control-Max-Age 3000 always;", f'add_header Access-Control-Expose-Headers "{EXPOSED}" always;',
    *(f"proxy_hide_header Access-Control-{name};"
      for name in ("Allow-Origin", "Allow-Headers", "Allow-Methods", "Max-Age", "Expose-Headers"))])


def first_nameserver(path):
    with open(path) as f:
        return next(line.split()[1] for line in f if line.startswith("nameserver"))


class Replaced:
    """On a host beside penstock, with the same resolv.conf, INTERNAL_REGISTRY_URL and authorities."""

    def __init__(self, host, folder, resolv_conf, registry, ca, port=7080):
        self.host, self.port = host, port
        run = os.path.join(folder, "replaced")
        os.makedirs(run, exist_ok=True)
        path = os.path.join(run, "nginx.conf")
        with open(path, "w") as f:
            f.write(CONFIG.format(run=run, front=port, back=port + 1, ca=ca, cors=CORS, registry=registry.rstrip("/"),
                                  nameserver=first_nameserver(resolv_conf)))
        with open(os.path.join(run, "stderr"), "w") as err:
            self.process = host.popen(["nginx", "-p", run, "-c", path, "-e", os.path.join(run, "error.log")],
                                      stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        self._wait(err.name)

    def _wait(self, log):
        deadline = time.monotonic() + 10
        while True:
            try:
                self.host.connect((self.ip, self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(log) as f:
                        raise RuntimeError("nginx does not listen: " + f.read()) from None
                time.sleep(0.01)

    @property
    def ip(self):
        return self.host.ip

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
