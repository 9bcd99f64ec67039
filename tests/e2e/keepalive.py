"""Clients under load, as good ones are: they keep connections, honour `Connection: close`, and count what they lose. A request is
lost when it was sent on a connection that stood and no whole answer came; a connection that is refused is none."""

import asyncio
import random
import time
from collections import Counter


class Load:
    """n clients, each asking one thing after the other until stop() or until nobody listens. make(i, k) -> (bytes, check),
    where check(status, headers, body) says what is wrong, or None."""

    def __init__(self, ip, port, n, make, pause=0.0):
        self.ip, self.port, self.n, self.make, self.pause = ip, port, n, make, pause
        self.counts = Counter()
        self.lost = []
        self.is_over = False
        self.refused_is_end = True
        self.last_connected = 0.0
        self.busy = 0

    def stop(self):
        self.is_over = True

    async def run(self):
        await asyncio.gather(*(self._client(i) for i in range(self.n)))

    async def _client(self, i):
        k, stream = 0, None
        while not self.is_over:
            if stream is None:
                try:
                    stream = await asyncio.open_connection(self.ip, self.port, limit=1 << 20)
                    self.last_connected = time.monotonic()
                    self.counts["connected"] += 1
                except OSError:
                    self.counts["refused"] += 1
                    if self.refused_is_end:
                        return
                    await asyncio.sleep(0.02)
                    continue
            data, check = self.make(i, k)
            k += 1
            self.busy += 1
            try:
                closes, wrong = await asyncio.wait_for(self._ask(stream, data, check), 20)
            except (OSError, EOFError, asyncio.TimeoutError, ValueError) as error:
                closes, wrong = True, f"{type(error).__name__}: {error}"
            self.busy -= 1
            if wrong:
                self.lost.append((i, k, data.split(b"\r\n", 1)[0].decode(), wrong))
            else:
                self.counts["answered"] += 1
            if closes:
                self.counts["closed"] += 1
                stream[1].close()
                stream = None
            if self.pause:
                await asyncio.sleep(self.pause * random.uniform(0.5, 1.5))
        if stream:
            stream[1].close()

    @staticmethod
    async def _ask(stream, data, check):
        reader, writer = stream
        writer.write(data)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        if "chunked" in headers.get("transfer-encoding", ""):
            body = b""
            while size := int((await reader.readline()).split(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers["content-length"]))
        return "close" in headers.get("connection", ""), check(status, headers, body)
