"""The admin port's page for people, in Chromium: made-up states for what it draws, real ones for what it notices."""

import json
import os
import signal
import time
import urllib.parse

import pytest

import cli
import status_fixture as made_up
from helpers import ORIGIN, eventually, fetch
from lab import world as w
from lab.browser import Browser
from lab.dns import Bind, Scripted

PAGE = ("/", "/page.css", "/page.js", "/icon.svg")
READY = "() => !document.getElementById('all').hidden"
PHONE, DESK = {"width": 320, "height": 640}, {"width": 1120, "height": 900}
MOST_BYTES = 48 * 1024
DOOMED = "10.0.8.53"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


@pytest.fixture(scope="module")
def browser(world):
    """Beside penstock, as over a port forward: the admin listener is on its loopback."""
    browser = Browser(world.folder, world.penstock_host)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def still(world):
    """One penstock for every made-up state."""
    instance = world.start_penstock(port=7081, ADMIN="127.0.0.1:17081", DNS_AWS="off")
    yield instance
    assert instance.stop() == 0


def address(instance):
    return f"http://{instance.env['PENSTOCK_ADMIN']}/"


def show(browser, instance, state=None, scheme="light", size=None):
    """Opens the page; state: made up, or None for what penstock says itself."""
    browser.fixture(path="**/status.json", body=None if state is None else json.dumps(state))
    browser.media(media={"colorScheme": scheme})
    browser.size(size=size or DESK)
    browser.goto(url="about:blank")  # the page before asks no more, of a penstock that may have ended
    browser.seen(forget=True)
    opened = browser.goto(url=address(instance))
    browser.wait(js=READY)
    return opened


def update(browser, state):
    """The next answer is another one, and is drawn."""
    browser.fixture(path="**/status.json", body=json.dumps(state))
    browser.wait(js="(time) => document.getElementById('updated').textContent.includes(time)", arg=state["time"][11:19])


def is_clean(browser, instance):
    seen = browser.seen()
    assert seen["console"] == [] and seen["violations"] == []
    hosts = {urllib.parse.urlsplit(u).netloc for u in seen["requests"]}
    assert hosts == {instance.env["PENSTOCK_ADMIN"]}, hosts
    return seen["requests"]


def test_what_is_sent(still):
    size = 0
    for path in PAGE:
        status, headers, body = cli.page(still, path)
        assert status == 200 and headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';") and "unsafe" not in policy
        for part in ("frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'",
                     "require-trusted-types-for 'script'"):
            assert part in policy
        size += len(body)
    assert size <= MOST_BYTES, f"the page is {size} bytes"
    html = cli.page(still, "/")[2].decode()
    assert "style=" not in html and "<style" not in html and " onclick" not in html and html.count("<script") == 1
    assert "innerHTML" not in cli.page(still, "/page.js")[2].decode()
    assert cli.page(still, "/", method="POST")[0] == 405
    assert cli.page(still, "/page.html")[0] == 404
    noscript = html.split("<noscript>")[1].split("</noscript>")[0]
    for page in ("/status.json", "/readyz", "/metrics"):
        assert f'href="{page}"' in noscript


def test_public_port_does_not_have_it(still):
    assert cli.page(still, "/page.js", port=still.port)[0] != 200


@pytest.mark.parametrize("state, scheme, size", [
    ("healthy", "light", DESK), ("healthy", "dark", PHONE), ("broken", "light", PHONE), ("broken", "dark", DESK),
    ("hostile", "dark", PHONE), ("hostile", "light", DESK)])
def test_accessible(browser, still, state, scheme, size):
    """axe finds nothing, no width scrolls sideways, and nothing is asked of anybody else."""
    show(browser, still, getattr(made_up, state)(), scheme, size)
    browser.eval(js="() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    found = browser.axe()
    assert found["violations"] == [] and found["passes"] > 30
    wide = browser.eval(js="() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{wide} px too wide"
    levels = browser.eval(js="""() => [...document.querySelectorAll('h1, h2, h3, h4')]
        .filter((h) => h.checkVisibility()).map((h) => Number(h.tagName[1]))""")
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    is_clean(browser, still)


def test_axe_can_fail(browser, still):
    show(browser, still, made_up.healthy())
    browser.eval(js="""() => { const i = document.createElement('img'); i.src = '/icon.svg';
        document.body.append(i); }""")
    assert "image-alt" in [v[0] for v in browser.axe()["violations"]]


def test_says_what_is_the_matter(browser, still):
    show(browser, still, made_up.broken())
    verdict = browser.text("#verdict")
    assert "ERROR" in verdict.upper() and "Your first DNS server cannot resolve AWS names." in verdict
    assert "Use AmazonProvidedDNS alone" in verdict and "penstock explain PS1001" in verdict
    attention = browser.text("#attention")
    for said in ("PS1001: your first", "PS1008", "10.0.0.2:53: 12 failures in a row", "12 requests in the last minute",
                 "PENSTOCK_WORKERS: not a number", "no server answers for amazonaws.com"):
        assert said in attention, attention
    assert "PS1010" not in attention  # a mere note
    assert "Suspect" in browser.text('#servers > [data-address="10.0.0.2:53"]')
    assert "dns_timeout" in browser.text("#error-rows") and "52.218.104.0" in browser.text("#upstream-rows")
    update(browser, {**made_up.healthy(), "time": "2026-03-01T12:00:07.000Z"})
    assert not browser.eval(js="() => document.getElementById('attention').checkVisibility()")
    assert "All is well." in browser.text("#verdict") and "penstock" not in browser.text("#verdict").lower()


def test_zones_in_the_order_asked(browser, still):
    show(browser, still, made_up.healthy())
    zones = browser.eval(js="""() => [...document.querySelectorAll('#zones article')].map((a) => [
        [...a.querySelectorAll('h4 code')].map((c) => c.textContent),
        [...a.querySelectorAll('.groups > li')].map((g) => g.innerText.replaceAll('\\n', ' '))])""")
    assert zones[0][0] == ["amazonaws.com", "amazonaws.com.cn", "api.aws", "aws.amazon.com"]
    first, second = zones[0][1]
    assert first.startswith("system asked first") and "10.0.0.2:53" in first and "resolv.conf names it" in first
    assert second.startswith("vpc") and "asked first" not in second and "Not asked yet" in second


def test_charts_have_words(browser, still):
    """Each chart is an image with title and description, and arrow keys read its steps out."""
    show(browser, still, made_up.broken())
    charts = browser.eval(js="""() => [...document.querySelectorAll('svg[role=img]')].map((s) => [
        s.querySelector('title').textContent, s.querySelector('desc').textContent,
        s.querySelector('.bad').getAttribute('d')])""")
    title, said, failures = charts[0]
    assert title == "Latency and failures of 10.0.0.2:53 over the last hour"
    assert "720 of 4,320 failed" in said and failures.count("M") == 60
    assert charts[1][2] == "" and "None of 4,320 failed" in charts[1][1]
    browser.eval(js="() => document.querySelector('#servers figure').focus()")
    browser.press(keys=["ArrowLeft", "ArrowLeft", "Home", "End"])
    assert browser.text("#servers figcaption") == "12:00:00: –, 12 questions, 12 failed"
    browser.press(keys=["PageUp", "PageUp", "ArrowLeft"])
    caption = browser.text("#servers figcaption")
    assert caption.startswith("11:49:50: 0.") and "0 failed" in caption
    browser.press(keys=["Escape"])
    assert browser.text("#servers figcaption").startswith("Latency: ")


def test_young_process_is_drawn_wide(browser, still):
    """What the first minutes have is not a corner of an empty hour."""
    state = made_up.healthy()
    state["uptime_s"] = 180
    for s in state["dns"]["servers"]:
        s["history"]["latency_ms"] = [None] * 342 + [1.5] * 18
        s["history"]["queries"] = [0] * 342 + [2] * 18
    show(browser, still, state)
    assert browser.text("#servers figcaption").endswith("None of 36 failed.")
    title, said, path = browser.eval(js="""() => { const s = document.querySelector('#servers svg[role=img]');
        return [s.querySelector('title').textContent, s.querySelector('desc').textContent,
                s.querySelector('.main').getAttribute('d')]; }""")
    assert title.endswith("over the last 10 minutes") and "highest 1.5 ms" in said
    assert path.startswith("M252.0 ") and path.endswith("H360.0")


def test_hostile_names_are_text(browser, still):
    show(browser, still, made_up.hostile())
    browser.eval(js="() => { for (const b of document.querySelectorAll('.more')) b.click(); }")
    text = browser.eval(js="() => document.body.textContent")
    for name in made_up.HOSTILE:
        assert text.count(name) >= 10, name
    odd = browser.eval(js="""() => document.querySelectorAll(
        'main img, main script, main textarea, main b b, [onerror], [onload], main a:not([href^="#"])').length""")
    links = browser.eval(js="""() => [...document.querySelectorAll('a')].filter((a) => a.checkVisibility())
        .map((a) => a.getAttribute('href'))""")
    assert odd == 0
    assert all(link.startswith(("#", "/")) for link in links)
    is_clean(browser, still)


def test_keyboard(browser, still):
    """The skip link first; every control is reached, shows that it has the focus, and works."""
    show(browser, still, made_up.broken())
    browser.press(keys=["Tab"])
    assert browser.eval(js="() => document.activeElement.className") == "skip"
    assert browser.eval(js="() => document.activeElement.getBoundingClientRect().left >= 0")
    browser.press(keys=["Enter"])
    browser.press(keys=["Tab"])
    assert browser.eval(js="() => document.activeElement.closest('main') !== null")
    reached = browser.eval(js="""() => { window.reached = []; document.addEventListener('focusin', (e) => {
        const s = getComputedStyle(e.target);
        reached.push([e.target.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]); }); }""")
    browser.eval(js="() => document.activeElement.blur()")
    n = browser.eval(js="""() => [...document.querySelectorAll('a[href], button, summary, [tabindex="0"]')]
        .filter((e) => e.checkVisibility()).length""")
    browser.press(keys=["Tab"] * (n + 3))
    reached = browser.eval(js="() => window.reached")
    assert len(reached) >= n - 2 and all(visible for _, visible in reached), (n, reached)
    assert {"A", "BUTTON", "SUMMARY", "FIGURE"} <= {tag for tag, _ in reached}
    browser.eval(js="() => document.querySelector('summary').focus()")
    browser.press(keys=["Enter"])
    assert "No DNS server answered in time" in browser.text("#failure-list details[open]")
    browser.eval(js="() => document.querySelector('#verdict button').focus()")
    browser.press(keys=["Enter"])
    browser.wait(js="() => document.querySelector('#verdict button').textContent === 'Copied'")
    assert browser.eval(js="() => navigator.clipboard.readText()") == "penstock fix dhcp --vpc vpc-ebb217b2d581e3f49"


def test_updates_disturb_nobody(browser, still):
    """What is open stays open, what has the focus keeps it; the live region speaks only of another verdict."""
    state = made_up.broken()
    show(browser, still, state)
    browser.eval(js="""() => { const s = document.querySelectorAll('summary')[2]; s.click(); s.focus(); window.said = [];
        new MutationObserver(() => said.push(document.getElementById('said').textContent)).observe(
            document.getElementById('said'), { childList: true, characterData: true, subtree: true }); }""")
    for second in range(1, 4):
        state["time"] = f"2026-03-01T12:00:0{second}.000Z"
        state["requests"]["total"] += 10
        state["failures"].insert(0, {**state["failures"][0], "id": f"new{second}"})
        update(browser, state)
    left = browser.eval(js="() => [document.activeElement.tagName, document.activeElement.parentElement.open, said]")
    assert left == ["SUMMARY", True, []]
    update(browser, {**state, "state": "well", "sentence": "All is well.", "time": "2026-03-01T12:00:05.000Z"})
    assert browser.eval(js="() => said") == ["Well: All is well."]


def test_pause(browser, still):
    state = made_up.healthy()
    show(browser, still, state)
    browser.eval(js="() => document.getElementById('pause').click()")
    browser.wait(js="() => document.getElementById('updated').textContent.startsWith('Paused')")
    before = len(browser.seen()["requests"])
    time.sleep(1.5)
    assert len(browser.seen()["requests"]) == before
    browser.eval(js="() => document.getElementById('pause').click()")
    update(browser, {**state, "time": "2026-03-01T12:00:09.000Z"})


def test_memory_stays(browser, still):
    """Many updates, each with a failure never seen before, as fast as they can be drawn: nodes, listeners and heap stay
    where they were."""
    show(browser, still, made_up.broken())
    turn = """(turns) => { const d = JSON.parse(turns.state); for (let i = 0; i < turns.n; i++) {
        d.time = new Date(Date.parse(d.time) + 1000).toISOString(); d.requests.total++;
        for (const s of d.dns.servers) { s.history.latency_ms.shift(); s.history.latency_ms.push(Math.random()); }
        const f = d.failures.pop(); d.failures.unshift({ ...f, id: `r${turns.from + i}` });
        draw(d); } }"""

    def turns(n, start):
        browser.eval(js=turn, arg={"n": n, "state": json.dumps(made_up.broken()), "from": start})
        return browser.heap()
    before, after = turns(200, 0), turns(500, 1000)  # one node kept of each would be 500
    assert after["nodes"] < before["nodes"] + 500 and after["listeners"] <= before["listeners"] + 5, (before, after)
    assert after["used"] <= before["used"] + 1_000_000, (before, after)


def test_hidden_page_asks_seldom(browser, still):
    """A tab in the background asks every half minute; when it is looked at again, at once."""
    show(browser, still, made_up.healthy())
    browser.eval(js="""() => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away });
        window.away = true; }""")
    time.sleep(1.3)  # the question under way ends
    before = len(browser.seen()["requests"])
    time.sleep(1.5)
    assert len(browser.seen()["requests"]) == before
    browser.eval(js="() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
    browser.wait(js="(n) => performance.getEntriesByType('resource').length > n", arg=0)
    eventually(lambda: len(browser.seen()["requests"]) > before, 1, "a question")


def watch(browser, js):
    """When does js(document) become true? Kept in the page itself, which tells when; Date.now() is our clock too."""
    browser.eval(js="""(js) => { window.trueAt = null; const look = () => {
        if (trueAt === null && (%s)()) window.trueAt = Date.now(); };
        window.watcher?.disconnect(); window.watcher = new MutationObserver(look);
        watcher.observe(document.body, { subtree: true, childList: true, attributes: true,
            characterData: true }); look(); }""" % js)


def seen_after(browser, began, what, table, most):
    browser.wait(js="() => window.trueAt !== null", timeout=20000)
    seconds = browser.eval(js="() => window.trueAt") / 1000 - began
    columns = ("the status page notices", "what happened", "seconds until it shows")
    table.setdefault(columns, []).append((what, f"{seconds:.2f}"))
    assert 0 < seconds <= most, f"{what}: {seconds:.2f} s"


def test_process_dies_and_comes_back(world, browser, table):
    """Old data never passes for new; another process at the same address is shown without a hand."""
    settings = {"port": 7082, "ADMIN": "127.0.0.1:17082", "DNS_AWS": "off", "servers": (w.CORP,)}
    instance = world.start_penstock(**settings)
    show(browser, instance)
    browser.wait(js="() => document.getElementById('updated').textContent.startsWith('Live')")
    started = browser.eval(js="() => drawn.started")
    assert not browser.text("#stale")
    is_clean(browser, instance)
    watch(browser, "() => !document.getElementById('stale').hidden")
    began = time.time()
    instance.process.kill()
    instance.process.wait()
    seen_after(browser, began, "penstock is killed", table, 2.0)
    assert "does not answer" in browser.text("#stale") and "No answer" in browser.eval(js="() => document.title")
    browser.wait(js="() => document.getElementById('updated').textContent.startsWith('Old')")
    assert browser.axe()["violations"] == []
    again = world.start_penstock(**settings)
    browser.wait(js="(started) => drawn.started !== started && document.getElementById('stale').hidden", arg=started)
    assert "No answer" not in browser.eval(js="() => document.title")
    again.process.send_signal(signal.SIGSTOP)  # SIGSTOP: it has the connection, and says nothing
    watch(browser, "() => !document.getElementById('stale').hidden")
    seen_after(browser, time.time(), "penstock hangs", table, 5.0)
    again.process.send_signal(signal.SIGCONT)
    browser.wait(js="() => document.getElementById('stale').hidden")
    assert again.stop() == 0


def test_real_requests_are_shown(world, browser, start):
    """What penstock itself says of a request that went well, of one that failed, and of who answered."""
    world.origin.put("/status/object", b"x" * 1000)
    instance = start(servers=(w.CORP,))
    assert fetch(instance, "GET", f"/{ORIGIN}/status/object").status == 200
    assert fetch(instance, "GET", "/s3.eu-west-3.amazonaws.com/bucket/refused%3Cb%3E").status == 502
    show(browser, instance)
    browser.wait(js="() => document.querySelectorAll('#failure-list details').length === 1")
    text = browser.text("#failures")
    assert "502" in text and "s3.eu-west-3.amazonaws.com/bucket/refused" in text
    browser.eval(js="() => document.querySelector('summary').click()")
    assert len(browser.text("#failure-list details p")) > 20
    assert ORIGIN in browser.text("#endpoints")
    assert browser.text("#error-rows").count("\n") >= 0 and "connect" in browser.text("#error-rows")
    is_clean(browser, instance)


@pytest.fixture
def name_server(world):
    """A real one of its own address, and what starts it again after it was killed."""
    host = world.net.hosts.get("doomed") or world.net.host("doomed", f"{DOOMED}/16")
    servers = []

    def start_it():
        servers.append(Bind(host, world.folder, DOOMED, w.zones()))
        return servers[-1]
    yield start_it
    for server in servers:
        server.process.kill()
        server.process.wait()


def on_page(states, verdict):
    """The server's state in the list, and the verdict's kind; one that is not well stands under what needs attention."""
    return """() => { const all = document.getElementById('attention'), is = '%s:53';
        const state = document.querySelector(`#servers > [data-address="${is}"]`)?.dataset.state;
        return %s.includes(state) && %s.includes(document.getElementById('verdict').className) &&
            (state === 'well') === (all.hidden || !all.textContent.includes(is)); }""" % (DOOMED, states, verdict)


WELL = on_page(["well"], ["ok"])
SUSPECT = on_page(["suspect"], ["warn"])
UNWELL = on_page(["silent", "suspect"], ["ok", "warn"])


@pytest.mark.parametrize("how", ["is killed", "hangs", "is cut off by a firewall"])
def test_dns_server_dies(world, browser, start, name_server, table, how):
    """No client asks for anything: the page alone notices. Each time at another moment of its second."""
    server = name_server()
    instance = start(servers=(DOOMED,), DNS_AWS="off")
    show(browser, instance)
    for turn in range(2):
        browser.wait(js=WELL)
        watch(browser, SUSPECT if how == "is killed" else UNWELL)
        time.sleep(0.33 * turn)
        began = time.time()
        if how == "is killed":
            server.process.kill()
            server.process.wait()
        elif how == "hangs":
            server.process.send_signal(signal.SIGSTOP)
        else:
            server.host.nft("add rule inet lab in udp dport 53 drop; add rule inet lab in tcp dport 53 drop")
        seen_after(browser, began, f"its DNS server {how}", table, 2.0)
        watch(browser, SUSPECT)
        seen_after(browser, began, "and the verdict says so", table, 3.0)
        watch(browser, WELL)
        again = time.time()
        if how == "is killed":
            server = name_server()
        elif how == "hangs":
            server.process.send_signal(signal.SIGCONT)
        else:
            server.host.nft("flush chain inet lab in")
        seen_after(browser, again, "it is there again", table, 2.0)
    is_clean(browser, instance)


def right(query, transport):
    """All names lead where they should."""
    is_registry = query.question[0].name.to_text() == "registry.stk."
    return Scripted.addresses(w.REGISTRY if is_registry else w.ORIGIN)(query, transport)


def is_accessible(browser, instance):
    for scheme, size in (("light", DESK), ("dark", PHONE)):
        browser.media(media={"colorScheme": scheme})
        browser.size(size=size)
        found = browser.axe()
        assert found["violations"] == [] and found["passes"] > 25
        assert browser.eval(js="() => document.documentElement.scrollWidth - innerWidth") <= 0
    is_clean(browser, instance)


def test_a_real_network_in_which_all_is_well(world, browser, start):
    world.scripted.behave = right
    world.origin.put("/status/object", b"x" * 1000)
    instance = start(servers=(w.CORP2,), SELF_CHECK="on", DNS_AWS="off", wrap=("env", "AWS_REGION=eu-west-1"))
    for _ in range(3):
        assert fetch(instance, "GET", f"/{ORIGIN}/status/object").status == 200
    show(browser, instance)
    browser.wait(js="() => document.getElementById('check-sum').textContent.includes('found nothing wrong')")
    browser.wait(js="() => document.getElementById('verdict').className === 'ok'")
    assert "All is well." in browser.text("#verdict")
    assert not browser.eval(js="() => document.getElementById('attention').checkVisibility()")
    host, address, busy, idle, connects, failed, last = browser.text("#upstream-rows").split()
    assert (host, address, busy, failed, last) == (ORIGIN, w.ORIGIN, "0", "0", "none")
    assert idle == connects and 1 <= int(idle) <= 3, "each worker has connections of its own"
    assert "3 requests in the last 10 minutes, 0 errors" in browser.text("#request-charts")
    assert "resolv-" in browser.text("#servers") and "asked first" in browser.text("#zones").lower()
    is_accessible(browser, instance)


def test_a_real_network_that_is_broken(world, browser, start):
    """The first server denies AWS names; a request meets a closed port; a reload is refused."""
    path = os.path.join(world.folder, "status-page.yaml")
    write(path, "PENSTOCK_IDLE_TIMEOUT_MS: 20000\n")
    instance = start(servers=(w.CORP,), SELF_CHECK="on", INTERNAL_REGISTRY_URL=f"http://{w.REGISTRY}",
                     args=("serve", "--config", path),
                     wrap=("env", "AWS_REGION=eu-west-1"))
    assert fetch(instance, "GET", "/s3.eu-west-3.amazonaws.com/bucket/refused").status == 502
    write(path, "PENSTOCK_IDLE_TIMEOUT_MS: soon\n")
    instance.process.send_signal(signal.SIGHUP)
    show(browser, instance)
    browser.wait(js="() => document.querySelectorAll('#finding-list article').length > 0")
    browser.wait(js="() => document.getElementById('attention').textContent.includes('reload')")
    assert "ERROR" in browser.text("#verdict").upper()
    assert "AmazonProvidedDNS" in browser.text("#verdict") and "penstock explain PS1001" in browser.text("#verdict")
    assert "NXDOMAIN" in browser.text("#finding-list .evidence")
    attention = browser.text("#attention")
    assert "PS1001" in attention and "PENSTOCK_IDLE_TIMEOUT_MS" in attention and "1 request in the last minute" in attention
    assert "connect" in browser.text("#error-rows") and "refused" in browser.text("#process")
    row = browser.text("#upstream-rows").split()
    assert row[:2] == ["s3.eu-west-3.amazonaws.com", w.CLOSED] and int(row[5]) >= 1 and row[-1] == "ago"
    browser.eval(js="() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    is_accessible(browser, instance)


def test_real_strangers_write_text(world, browser, start):
    """Markup in a request's target, host, method and headers, and in what a name server says; and no secret is shown."""
    world.scripted.behave = lambda query, transport: Scripted.refused_bare(query, transport)
    evil = "<img/src=x/onerror=alert(1)>"
    instance = start(servers=(w.CORP2,), DNS_AWS="off")
    requests = [("GET", f"/s3.eu-west-2.amazonaws.com/bucket/{evil}", ()),
                ("GET", "/s3.eu-west-2.amazonaws.com/b/k?X-Amz-Signature=5ec2e7&x=</script><script>alert(1)</script>", ()),
                ("GET", f"/{evil}.s3.eu-west-2.amazonaws.com/key", ()), ("<b>GET</b>", "/s3.eu-west-2.amazonaws.com/b/k", ()),
                ("GET", "/s3.eu-west-2.amazonaws.com/b/k", (("Host", evil), ("User-Agent", evil), ("X-Request-Id", evil)))]
    for method, target, headers in requests:
        assert fetch(instance, method, target, headers).status >= 400
    show(browser, instance)
    browser.wait(js="() => document.querySelectorAll('#failure-list details').length >= 3")
    browser.eval(js="""() => { for (const d of document.querySelectorAll('details')) d.open = true;
        for (const b of document.querySelectorAll('.more:not([hidden])')) b.click(); }""")
    text = browser.eval(js="() => document.body.textContent")
    assert f"/bucket/{evil}" in text and "<script>alert(1)</script>" in text
    assert "5ec2e7" not in text and "X-Amz-Signature" in text
    assert browser.eval(js="""() => document.querySelectorAll('main img, main script, main b b, [onerror]').length""") == 0
    is_clean(browser, instance)


def test_upgrade_and_unknown_answers_are_told(browser, still):
    show(browser, still, made_up.healthy())
    browser.fixture(path="**/status.json", body=json.dumps({**made_up.healthy(), "version": "9.9.9"}))
    browser.wait(js="() => document.getElementById('stale').textContent.includes('9.9.9')")
    assert "load it again" in browser.text("#stale")
    show(browser, still, made_up.healthy())
    browser.fixture(path="**/status.json", body="{}")
    browser.wait(js="() => document.getElementById('stale').textContent.includes('load it again')")
    browser.seen(forget=True)


def test_preferences(browser, still):
    show(browser, still, made_up.healthy())
    animation = "() => getComputedStyle(document.querySelector('.dot')).animationName"
    browser.wait(js="() => document.body.className === 'is-live'")
    browser.media(media={"reducedMotion": "no-preference"})
    assert browser.eval(js=animation) == "beat"
    browser.media(media={"reducedMotion": "reduce", "forcedColors": "active"})
    assert browser.eval(js=animation) == "none"
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert browser.eval(js="() => matchMedia('(forced-colors: active)').matches")
    browser.media(media={"reducedMotion": None, "forcedColors": None, "colorScheme": "dark"})
    dark = browser.eval(js=ground)
    browser.media(media={"colorScheme": "light"})
    assert browser.eval(js=ground) != dark


def test_pointer_reads_out_a_step(browser, still):
    show(browser, still, made_up.broken())
    browser.eval(js="""() => { const s = document.querySelector('#servers svg[role=img]'), b = s.getBoundingClientRect();
        s.dispatchEvent(new PointerEvent('pointermove', { clientX: b.right - 1, clientY: b.top + 5 })); }""")
    assert browser.text("#servers figcaption") == "12:00:00: –, 12 questions, 12 failed"
    browser.eval(js="() => document.querySelector('#servers svg[role=img]').dispatchEvent(new PointerEvent('pointerleave'))")
    assert browser.text("#servers figcaption").startswith("Latency: ")
