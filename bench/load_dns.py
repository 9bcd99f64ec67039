"""DNS packets that penstock sends for requests to many buckets: names never asked for, names in the cache, names in use
for longer than they live; and with a first nameserver that denies them."""

import collections
import http.client
import queue
import threading
import time

from contenders import HOST, NameServer, Stage, Proxy
from machine import LISTEN_ADDRESS

TTL = 5


def ask(port, names, n_clients=1, rate=None):
    """A request of 1 KiB for each name, in order, by so many keep-alive clients. Returns how many were not 200."""
    todo, bad = queue.SimpleQueue(), []
    begin = time.monotonic()
    for number, name in enumerate(names):
        todo.put((begin + number / rate if rate else begin, name))

    def client():
        connection = http.client.HTTPConnection(LISTEN_ADDRESS, port, timeout=15)
        while True:
            try:
                due, name = todo.get_nowait()
            except queue.Empty:
                connection.close()
                return
            time.sleep(max(0, due - time.monotonic()))
            connection.request("GET", f"/{name}.{HOST}/1k")
            answer = connection.getresponse()
            if answer.status != 200 or len(answer.read()) != 1024:
                bad.append(name)
                answer.close()

    threads = [threading.Thread(target=client) for _ in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(bad)


def counted(servers, work):
    """Packets to each server while that is done, and the most in one second of the clock that began with it."""
    before, begin = [len(s.asked) for s in servers], time.monotonic()
    bad = work()
    seconds = time.monotonic() - begin
    rows = [s.asked[b:] for s, b in zip(servers, before)]
    most = [max(collections.Counter(int(at - begin) for at in row).values(), default=0) for row in rows]
    return {"bad": bad, "seconds": seconds, "packets": [len(row) for row in rows], "most": most}


def start(stage, name, servers, workers=1):
    command, port, env = stage.penstock(
        PENSTOCK_WORKERS=str(workers), PENSTOCK_SELF_CHECK="off",
        PENSTOCK_ALLOW_HOSTS=",".join(f"{p}{HOST}:{stage.origin_port}=https" for p in ("", "*.")),
        PENSTOCK_DNS_SERVERS=f"{LISTEN_ADDRESS}:{servers[0].port}",
        PENSTOCK_DNS_AWS="on" if len(servers) > 1 else "off",
        PENSTOCK_DNS_AWS_SERVERS=f"{LISTEN_ADDRESS}:{servers[-1].port}")
    proxy = Proxy(name, command, port, stage.proxy_core, stage.run, env)
    stage.contenders.append(proxy)
    proxy.wait_ready()
    return proxy


def names(kind, n):
    return [f"{kind}-{i}" for i in range(n)]


def scenarios(stage, kind, servers, workers, quick):
    for server in servers:
        server.start()
    n, n_long, seconds = (100, 20, 8) if quick else (400, 50, 20)
    proxy = start(stage, f"penstock-{kind}", servers, workers)
    few, many, lasting = names("few", n), names("many", 6 * n), names("lasting", n_long)
    rows = {"cold": {"names": n, "requests": n, **counted(servers, lambda: ask(proxy.port, few, 1, 100))}}
    rows["warm"] = {"names": n, "requests": 2 * n, **counted(servers, lambda: ask(proxy.port, few * 2, 4))}
    rows["burst"] = {"names": 6 * n, "requests": 6 * n, **counted(servers, lambda: ask(proxy.port, many, 32))}
    time.sleep(2)
    for server in servers:
        server.ttl = TTL
    # One request after the other goes round all names, so that connections to none of them stay in use.
    requests = lasting * (seconds * 100 // n_long)
    rows["lasting"] = {"names": n_long, "requests": len(requests),
                       **counted(servers, lambda: ask(proxy.port, requests, 4, 100))}
    return rows


def run(build, cores, quick):
    stage = Stage(build, build / "bench/run-load-dns", *cores)
    try:
        return {"ttl": TTL, "budget": 400,
                "known": scenarios(stage, "known", [NameServer()], 1, quick),
                **({} if quick else {"two": scenarios(stage, "two", [NameServer()], 2, quick)}),
                "denied": scenarios(stage, "denied", [NameServer(denies=True), NameServer()], 1, quick)}
    finally:
        stage.stop()
