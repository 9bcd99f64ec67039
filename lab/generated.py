"""Objects of any size that take no memory, with their CRC-32 known at once."""

import hashlib
import random
import zlib

PIECE = 1 << 18
PERIOD = 1048583  # a prime: no offset or size that the proxy chooses is a multiple of it
_POLYNOMIAL = 0xEDB88320


def _multiply(a, b):
    """a * b modulo the CRC's polynomial, bits reflected as in CRC-32."""
    out = 0
    bit = 1 << 31
    while bit:
        if a & bit:
            out ^= b
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
        bit >>= 1
    return out


def _shift(n_bytes):
    """x to the power 8 * n_bytes: what n_bytes of zero behind it multiply a CRC by."""
    power, square = 1 << 31, 1 << 23
    while n_bytes:
        if n_bytes & 1:
            power = _multiply(power, square)
        square = _multiply(square, square)
        n_bytes >>= 1
    return power


def crc_of_both(first, second, second_bytes):
    """The CRC-32 of two pieces in a row from theirs."""
    return _multiply(_shift(second_bytes), first) ^ second


def crc_of_repeated(crc, n_bytes, times):
    out, out_bytes = 0, 0
    while times:
        if times & 1:
            out = crc_of_both(out, crc, n_bytes)
            out_bytes += n_bytes
        crc = crc_of_both(crc, crc, n_bytes)
        n_bytes *= 2
        times >>= 1
    return out


class Blob:
    """An object: bytes and a strong ETag. All that an origin needs of one is size, etag and pieces()."""

    def __init__(self, data, etag=None):
        self.data = data
        self.etag = etag or '"' + hashlib.md5(data, usedforsecurity=False).hexdigest() + '"'

    @property
    def size(self):
        return len(self.data)

    @property
    def crc(self):
        return zlib.crc32(self.data)

    def pieces(self, start, end):
        view = memoryview(self.data)
        for at in range(start, end, PIECE):
            yield view[at:min(at + PIECE, end)]


class Generated:
    """An object like Blob: one random block, over and over. Sparse ones have the block's first page random
    and zeros behind it, so that files of them need not take the room."""

    def __init__(self, size, seed=1, sparse=False, etag=None):
        self.size = size
        self.etag = etag or f'"generated-{seed}-{size}{"-sparse" if sparse else ""}"'
        block = random.Random(seed).randbytes(4096 if sparse else PERIOD)
        self.block = memoryview(block.ljust(PERIOD, b"\0"))
        times, rest = divmod(size, PERIOD)
        whole = crc_of_repeated(zlib.crc32(self.block), PERIOD, times)
        self.crc = crc_of_both(whole, zlib.crc32(self.block[:rest]), rest)

    def pieces(self, start, end):
        while start < end:
            at = start % PERIOD
            n = min(PERIOD - at, end - start)
            yield self.block[at:at + n]
            start += n

    def read(self, start, end):
        """A small stretch of it, to compare with."""
        return b"".join(self.pieces(start, end))


class Family:
    """Many small objects under one rule: PREFIX + number has `of(number)` as its bytes."""

    def __init__(self, prefix, n, of=lambda i: b"object %d\n" % i):
        self.prefix, self.n, self.of = prefix, n, of

    def path(self, i):
        return f"{self.prefix}{i}"

    def find(self, path):
        number = path[len(self.prefix):]
        if not path.startswith(self.prefix) or not number.isdecimal() or int(number) >= self.n:
            return None
        return Blob(self.of(int(number)))
