"""/status.json as docs/STATUS.md has it, made up: for what the page does with values that are hard to bring about."""

import copy
import math

N = 360
END = "2026-03-01T12:00:00.000Z"
HOSTILE = ["<img src=x onerror=alert(1)>", "\"><script>alert(1)</script>", "javascript:alert(1)", "{{7*7}}${7*7}",
           "\u202egnp.exe", "a" * 300, "</textarea><svg/onload=alert(1)>", "#i-ok", "&lt;b&gt;&amp;"]


def wave(low, high, period, gap=lambda i: False):
    return [None if gap(i) else round(low + (high - low) * (1 + math.sin(i * 2 * math.pi / period) * math.cos(i / 9)) / 2, 3)
            for i in range(N)]


def server(address, what, low=0.3, high=0.9, **more):
    return {"address": address, "state": "well", "rtt_ms": low, "failures_in_row": 0, "last_used": "2026-03-01T11:59:58.000Z",
            "queries": 4210, "timeouts": 0, "budget_left": 397, "what": what,
            "history": {"latency_ms": wave(low, high, 70), "queries": [12] * N, "failures": [0] * N}, **more}


def healthy():
    system = {"name": "system", "servers": ["10.0.0.2:53"], "is_first": True,
              "why": "resolv.conf names it, and it answered last"}
    vpc = {"name": "vpc", "servers": ["169.254.169.253:53", "[fd00:ec2::253]:53"], "is_first": False,
           "why": "Amazon's own, where the others deny an AWS name"}
    counts = {"lookups": 812, "failed": 0, "cached": 655, "stale": 0}
    return {
        "version": "0.6.0", "time": END, "started": "2026-03-01T08:12:09.000Z", "uptime_s": 13671, "workers": 2,
        "host": "ip-10-0-1-20.eu-west-1.compute.internal", "is_draining": False,
        "reload": {"n": 0, "time": None, "ok": True, "problem": None},
        "state": "well", "sentence": "All is well.",
        "ready": {"is_ready": True, "layers": [{"name": n, "state": "ok", "sentence": ""} for n in ("drain", "dns", "registry", "s3")]},
        "history": {"step_ms": 10000, "n": N, "end": END},
        "requests": {"in_flight": 3, "total": 51234, "responses": {"2xx": 50711, "3xx": 120, "4xx": 403, "5xx": 0},
                     "bytes_in": 81234567, "bytes_out": 98234567890,
                     "history": {"requests": [int(x) for x in wave(40, 240, 110)], "errors": [0] * N,
                                 "ttfb_ms": wave(18, 46, 60)}},
        "faults": [], "failures": [],
        "dns": {"routes": [{"zone": z, "from": "built in", "groups": [system, vpc], **counts}
                           for z in ("amazonaws.com", "amazonaws.com.cn", "api.aws", "aws.amazon.com")] +
                          [{"zone": "registry.stk", "from": "registry", "groups": [system, vpc], **counts},
                           {"zone": ".", "from": "built in", "groups": [system], **counts}],
                "servers": [server("10.0.0.2:53", "resolv.conf line 1"),
                            server("169.254.169.253:53", "PENSTOCK_DNS_AWS_SERVERS, default", .2, .5),
                            server("[fd00:ec2::253]:53", "PENSTOCK_DNS_AWS_SERVERS, default", state="untried", rtt_ms=None,
                                   last_used=None, queries=0, history={"latency_ms": [None] * N, "queries": [0] * N, "failures": [0] * N})],
                "endpoints": [{"name": "s3.eu-west-1.amazonaws.com", "group": "system", "why": "its answer led to a connection"}],
                "cache": {"entries": 14, "bytes": 9120, "max_bytes": 8388608}, "left_out": []},
        "upstreams": [{"scheme": "https", "host": "s3.eu-west-1.amazonaws.com", "port": 443, "address": f"52.218.104.{i}",
                       "idle": 2, "busy": i % 3, "connects": 40 + i, "failed": 0, "last_failure": None} for i in range(12)],
        "upstream": {"open": 9, "reused": 50120, "connects": 1114, "failed": 0, "retries": 2, "resumes": 1},
        "self_check": {"is_on": True, "runs": 1, "ended": "2026-03-01T08:12:11.000Z", "is_well": True, "findings": []},
    }


def broken():
    d = copy.deepcopy(healthy())
    sentence = "your first DNS server cannot resolve AWS names"
    d.update(state="error", sentence=f"Your{sentence[4:]}.", is_draining=True)
    d["ready"] = {"is_ready": False, "layers": [{"name": "drain", "state": "failing", "sentence": "the process ends"},
                                                {"name": "dns", "state": "failing", "sentence": "no server answers for amazonaws.com"},
                                                {"name": "s3", "state": "unknown", "sentence": "nobody was asked yet"}]}
    d["reload"] = {"n": 2, "time": END, "ok": False, "problem": "PENSTOCK_WORKERS: not a number"}
    d["requests"]["history"]["errors"] = [0] * 300 + [7, 40, 0] * 20
    d["requests"]["responses"]["5xx"] = 940
    failing = d["dns"]["servers"][0]
    failing.update(state="suspect", failures_in_row=12, rtt_ms=None, timeouts=301)
    failing["history"]["latency_ms"][300:] = [None] * 60
    failing["history"]["failures"][300:] = [12] * 60
    d["faults"] = [{"kind": "dns_timeout", "sentence": "no DNS server answered in time", "total": 301, "last_minute": 12, "last": END},
                   {"kind": "connect_refused", "sentence": "the connection was refused", "total": 4, "last_minute": 0,
                    "last": "2026-03-01T10:00:00.000Z"}]
    d["failures"] = [{"time": f"2026-03-01T11:59:{59 - i:02}.123Z", "id": f"0123456789ab{i:04}", "method": "GET",
                      "host": "s3.eu-west-1.amazonaws.com", "path": f"/bucket/folder/object-{i}.bin?X-Amz-Signature=***",
                      "status": 504, "kind": "dns_timeout", "sentence": "No DNS server answered in time: 10.0.0.2:53 silent for 2000 ms",
                      "client": "10.0.1.66"} for i in range(20)]
    d["self_check"] = {"is_on": True, "runs": 3, "ended": END, "is_well": False, "findings": [
        {"code": "PS1001", "severity": "error", "sentence": sentence,
         "evidence": "10.0.0.2: NXDOMAIN in 0.9 ms for s3.eu-west-1.amazonaws.com; 169.254.169.253: 10.0.3.12 in 0.7 ms",
         "fix": "Use AmazonProvidedDNS alone in the VPC's DHCP option set.\npenstock fix dhcp --vpc vpc-ebb217b2d581e3f49", "url": None},
        {"code": "PS1008", "severity": "warning", "sentence": "Amazon's DNS server is mixed with others", "evidence": "",
         "fix": "", "url": None},
        {"code": "PS1010", "severity": "information", "sentence": "a note", "evidence": "x", "fix": "y", "url": None}]}
    d["upstreams"][0].update(failed=4, last_failure="2026-03-01T11:40:00.000Z")
    return d


def hostile():
    """Each text of a stranger's, everywhere where there may be one."""
    d = broken()
    d["sentence"] = HOSTILE[0]
    d["host"] = HOSTILE[6]
    for i, text in enumerate(HOSTILE):
        d["failures"][i].update(host=text, path="/" + text, id=text, sentence=text, client=text, method=text, kind=text)
        d["dns"]["endpoints"].append({"name": text, "group": text, "why": text})
        d["upstreams"][i].update(host=text, address=text, scheme=text)
        d["dns"]["routes"].append({"zone": text, "from": text, "groups": [{"name": text, "servers": [text], "is_first": True,
                                                                           "why": text}],
                                   "lookups": 1, "failed": 1, "cached": 0, "stale": 0})
        d["dns"]["servers"].append({**server(text, text), "state": "suspect"})
        d["dns"]["left_out"].append(text)
        d["faults"].append({"kind": text, "sentence": text, "total": 1, "last_minute": 1, "last": END})
        d["self_check"]["findings"].append({"code": text, "severity": "error", "sentence": text, "evidence": text,
                                            "fix": f"{text}\npenstock {text}", "url": text})
    return d
