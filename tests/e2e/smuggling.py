"""Requests that parsers disagree about: from RFC 9112's own warnings (sections 2.2, 3, 5.1, 5.2, 6.1, 6.3, 7.1, 11.2)
and public write-ups (CL.TE, TE.CL, TE.TE, CL.0, TE.0, the chunk-extension and line-terminator families).

Each row: name -> (bytes, allowed statuses). `@` stands for the proxy target of the origin. Behind each stands a
second request, which no case may reach: a row passes when the answer is one of those allowed, the connection then
ends, and the origin has seen no second request and not one whole first one."""

HEAD = b"POST @/victim HTTP/1.1\r\nHost: p\r\n"
SECOND = b"GET @/smuggled HTTP/1.1\r\nHost: p\r\n\r\n"


def head(*lines):
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


BAD = (400,)
CODING = (400, 501)

HEADS = {
    # RFC 9112 6.1, 6.3: a message with both is an attack until shown otherwise
    "CL and TE": (head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", BAD),
    "TE and CL": (head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n", BAD),
    "CL 0 and TE": (head(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", BAD),
    "two CL, same": (head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", BAD),
    "two CL, different": (head(b"Content-Length: 5", b"Content-Length: 50") + b"hello", BAD),
    "CL list": (head(b"Content-Length: 5, 5") + b"hello", BAD),
    "CL plus": (head(b"Content-Length: +5") + b"hello", BAD),
    "CL minus": (head(b"Content-Length: -5") + b"hello", BAD),
    "CL minus zero": (head(b"Content-Length: -0"), BAD),
    "CL hex": (head(b"Content-Length: 0x5") + b"hello", BAD),
    "CL underscore": (head(b"Content-Length: 1_0") + b"hello", BAD),
    "CL float": (head(b"Content-Length: 5.0") + b"hello", BAD),
    "CL exponent": (head(b"Content-Length: 5e0") + b"hello", BAD),
    "CL inner space": (head(b"Content-Length: 1 0") + b"hello", BAD),
    "CL empty": (head(b"Content-Length: "), BAD),
    "CL overflow 64": (head(b"Content-Length: 18446744073709551621") + b"hello", (400, 413)),
    "CL overflow long": (head(b"Content-Length: " + b"9" * 200) + b"hello", (400, 413)),
    "CL fullwidth digit": (head("Content-Length: ５".encode()) + b"hello", BAD),
    "CL vertical tab": (head(b"Content-Length: \x0b5") + b"hello", BAD),
    "CL trailing NUL": (head(b"Content-Length: 5\x00") + b"hello", BAD),
    "CL quoted": (head(b'Content-Length: "5"') + b"hello", BAD),
    # Names
    "space before colon": (head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n", BAD),
    "tab before colon": (head(b"Transfer-Encoding\t: chunked") + b"0\r\n\r\n", BAD),
    "CL space before colon": (head(b"Content-Length : 5") + b"hello", BAD),
    "NUL in a name": (head(b"Transfer-Enc\x00oding: chunked") + b"0\r\n\r\n", BAD),
    "empty name": (head(b": chunked"), BAD),
    "no colon": (head(b"Transfer-Encoding chunked"), BAD),
    "name in quotes": (head(b'"Transfer-Encoding": chunked'), BAD),
    "high byte in a name": (head(b"Transfer-Encoding\xa0: chunked"), BAD),
    "first line folded": (b"POST @/victim HTTP/1.1\r\n Host: p\r\n\r\n", BAD),
    # RFC 9112 5.2: obs-fold
    "fold TE": (head(b"Transfer-Encoding:", b" chunked") + b"0\r\n\r\n", BAD),
    "fold CL": (head(b"Content-Length:", b"\t5") + b"hello", BAD),
    "fold other": (head(b"X-Other: a", b" Transfer-Encoding: chunked"), BAD),
    # RFC 9112 2.2: line ends
    "bare LF in head": (b"POST @/victim HTTP/1.1\r\nHost: p\nContent-Length: 5\r\n\r\nhello", BAD),
    "all bare LF": (b"POST @/victim HTTP/1.1\nHost: p\nContent-Length: 5\n\nhello", BAD),
    "LF LF ends the head": (b"GET @/victim HTTP/1.1\r\nHost: p\r\nX: y\n\n", BAD),
    "LF CR LF": (b"GET @/victim HTTP/1.1\r\nHost: p\r\nX: y\n\r\n", BAD),
    "bare CR in a value": (head(b"X: a\rTransfer-Encoding: chunked"), BAD),
    "bare CR ends a line": (b"GET @/victim HTTP/1.1\rHost: p\r\r", BAD),
    "CR CR LF": (b"GET @/victim HTTP/1.1\r\nHost: p\r\r\n\r\n", BAD),
    "NUL in a value": (head(b"X: a\x00b"), BAD),
    "DEL in a value": (head(b"X: a\x7fb"), BAD),
    "escape in a value": (head(b"X: a\x1bb"), BAD),
    # Transfer codings (TE.TE)
    "TE xchunked": (head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", CODING),
    "TE identity": (head(b"Transfer-Encoding: identity"), CODING),
    "TE gzip": (head(b"Transfer-Encoding: gzip"), CODING),
    "TE gzip, chunked": (head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", CODING),
    "TE chunked, gzip": (head(b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", CODING),
    "TE chunked, identity": (head(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n", CODING),
    "TE chunked twice": (head(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", CODING),
    "two TE": (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", CODING),
    "two TE, one odd": (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x") + b"0\r\n\r\n", CODING),
    "TE vertical tab": (head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", CODING),
    "TE quoted": (head(b'Transfer-Encoding: "chunked"') + b"0\r\n\r\n", CODING),
    "TE parameter": (head(b"Transfer-Encoding: chunked;q=1") + b"0\r\n\r\n", CODING),
    "TE empty": (head(b"Transfer-Encoding: ") + b"0\r\n\r\n", CODING),
    "TE comma": (head(b"Transfer-Encoding: ,") + b"0\r\n\r\n", CODING),
    "TE high byte": (head(b"Transfer-Encoding: chunked\xa0") + b"0\r\n\r\n", CODING),
    "TE in 1.0": (b"POST @/victim HTTP/1.0\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CODING),
    # Request line
    "two spaces": (b"GET  @/victim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "tab": (b"GET\t@/victim\tHTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "space in the target": (b"GET @/vic tim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "space at the end": (b"GET @/victim HTTP/1.1 \r\nHost: p\r\n\r\n", BAD),
    "leading space": (b" GET @/victim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "control in the target": (b"GET @/vic\x01tim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "NUL in the target": (b"GET @/vic\x00tim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "DEL in the target": (b"GET @/vic\x7ftim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "CR in the target": (b"GET @/vic\rtim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "no version (0.9)": (b"GET @/victim\r\n\r\n", (400, 505)),
    "lower-case version": (b"GET @/victim http/1.1\r\nHost: p\r\n\r\n", (400, 505)),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "HTTP/1.10": (b"GET @/victim HTTP/1.10\r\nHost: p\r\n\r\n", (400, 505)),
    "HTTP/01.1": (b"GET @/victim HTTP/01.1\r\nHost: p\r\n\r\n", (400, 505)),
    "HTTP/1,1": (b"GET @/victim HTTP/1,1\r\nHost: p\r\n\r\n", (400, 505)),
    "method with a colon": (b"GE:T @/victim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "high byte in the method": (b"G\xc9T @/victim HTTP/1.1\r\nHost: p\r\n\r\n", BAD),
    "asterisk for GET": (b"GET * HTTP/1.1\r\nHost: p\r\n\r\n", (400, 404)),
    "fragment": (b"GET @/victim#/../x HTTP/1.1\r\nHost: p\r\n\r\n", (400,)),
    # Host
    "no Host": (b"GET @/victim HTTP/1.1\r\n\r\n", BAD),
    "two Hosts": (b"GET @/victim HTTP/1.1\r\nHost: p\r\nHost: q\r\n\r\n", BAD),
    "two Hosts, same": (b"GET @/victim HTTP/1.1\r\nHost: p\r\nhost: p\r\n\r\n", BAD),
    "Host with a space": (b"GET @/victim HTTP/1.1\r\nHost: p q\r\n\r\n", BAD),
    "Host list": (b"GET @/victim HTTP/1.1\r\nHost: p, q\r\n\r\n", BAD),
    "Host with a path": (b"GET @/victim HTTP/1.1\r\nHost: p/@x\r\n\r\n", BAD),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60 + b"\r\n\r\n", BAD),
}

CHUNKED = head(b"Transfer-Encoding: chunked")

# RFC 9112 7.1 and what was written about it: the head is fine, the chunks are not.
CHUNKS = {
    "size not hex": b"5x\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size minus": b"-1\r\nhello\r\n0\r\n\r\n",
    "size underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size empty": b"\r\nhello\r\n0\r\n\r\n",
    "size leading space": b" 5\r\nhello\r\n0\r\n\r\n",
    "size overflow": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size overflow, wraps to 5": b"ffffffff00000000000000005\r\nhello\r\n0\r\n\r\n",
    "size of 17 zeros and too many": b"0" * 5000 + b"5\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "no line end after the data": b"5\r\nhello0\r\n\r\n",
    "data longer than the size": b"4\r\nhello\r\n0\r\n\r\n",
    "two bytes instead of CR LF (SPILL)": b"5\r\nhelloXX0\r\n\r\n",
    "LF in an extension (TERM.EXT)": b"5;\nxx\r\nhello\r\n0\r\n\r\n",
    "CR in an extension (EXT.TERM)": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
    "extension without end": b"5;" + b"a" * 200000,
    "junk after the size": b"5 x\r\nhello\r\n0\r\n\r\n",
    "last chunk with bare LF": b"5\r\nhello\r\n0\n\n",
    "last chunk, LF LF": b"5\r\nhello\r\n0\r\n\n",
    "trailer with bare LF": b"5\r\nhello\r\n0\r\nX: y\n\r\n",
    "trailer with bare CR": b"5\r\nhello\r\n0\r\nX: y\rZ: w\r\n\r\n",
    "trailer without colon": b"5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "trailer folded": b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
    "trailer with space before colon": b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "trailer without end": b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 20000,
}
