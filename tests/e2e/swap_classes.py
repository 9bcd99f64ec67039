"""Every kind of difference between the replaced container and penstock, and why each one is meant. The first row that knows a
difference names it: `what` is a pattern for what differs, `where` one for the case ("group/name")."""

import re
from dataclasses import dataclass


@dataclass
class Kind:
    name: str
    what: str
    where: str
    nginx: str
    penstock: str
    why: str

    def knows(self, case, what):
        return re.fullmatch(self.what, what) and re.search(self.where, case)


# Fields of an answer that penstock makes itself or that tell where it came from.
CORS = "answer field access-control-(allow-origin|allow-headers|allow-methods|expose-headers|max-age)"

KINDS = [
    Kind("Server and Date", "server and date", "", "names itself and its own clock in every answer", "passes those of S3 or the registry; its own answers have neither",
         "What S3 says is not touched, and a version number tells an attacker something."),
    Kind("Error pages", "own error", "", "an HTML page", "an error in the form of S3's, with stage, cause and request id", "SDKs and pages read it; it says which stage failed."),
    Kind("Compression", "compressed", "", "compresses some types of text on the way (gzip): ETag weakened, length and Accept-Ranges lost", "passes bytes, ETag and length as S3 sent them",
         "Downloads stay resumable and verifiable; CPU of a small task is saved. Objects that are stored compressed keep their Content-Encoding."),
    Kind("The key that S3 sees", "status|S3 asked|own error|answer field .*|body|framing|closes", "^odd_keys/", "resolves `..` and decodes escapes before it routes; refuses lone `%`, `%00` and what climbs above the root",
         "routes and forwards the raw target", "The client signed the raw target; S3 decides what is a key."),
    Kind("A host alone", "status|S3 asked", "^(listings/host|preflights/of a host)", "`/HOST` and `/HOST?QUERY` are 404", "asks S3 for `/` and `/?QUERY`", "It is the same place as `/HOST/`."),
    Kind("Upload framing", "S3 framing", "^(sdk|writes|aws_chunked)/", "turns a chunked upload whose end it has already read into one with a length", "keeps the client's framing",
         "What S3 says to it is what it says without a proxy; SDKs make their aws-chunked uploads for that. (A plain chunked upload S3 refuses, 411: a short one passed with nginx.)"),
    Kind("Trailers", "S3 trailers|S3 field (te|trailer)", "", "drops HTTP trailers of an upload", "passes them", "A checksum may stand there."),
    Kind("Expect", "S3 field expect", "", "answers 100 (Continue) itself", "passes `Expect` on, S3's own 100 comes back", "A refusal arrives before the body is sent."),
    Kind("An unknown expectation", "status|S3 asked", "^protocol/Expect: other", "ignores it", "417", "RFC 9110 section 10.1.1."),
    Kind("Names with underscores", "S3 field x.*_.*", "", "drops fields with `_` in their names", "passes them", "They may be signed."),
    Kind("Cookies", "S3 field cookie", "", "sends the client's cookies to S3", "keeps them for the registry", "They are none of S3's business."),
    Kind("Hop-by-hop fields of requests", "S3 field (x-named|proxy-.*|upgrade|te)", "^headers/", "passes some of them to S3", "drops them, and those that Connection names", "RFC 9110 section 7.6.1."),
    Kind("Hop-by-hop fields of answers", "answer field (upgrade|proxy-authenticate|x-hop)", "^answers/", "passes some of them to the client", "drops them", "The same."),
    Kind("Type of an empty answer", "answer field content-type", "^(preflights|protocol)/", "gives the empty answer to OPTIONS a Content-Type", "none", "There is no content."),
    Kind("Private networks", "answer field access-control-allow-private-network", "", "ignores that part of a preflight", "answers it", "Browsers ask before they reach a private address."),
    Kind("Large heads", "status|S3 asked|own error", "^headers/", "8 KiB for a line: 400 or 414 beyond; any number of fields", "32 KiB for all, 24 KiB for the target, 100 fields; 431 or 414 beyond",
         "Presigned targets with tokens and continuation tokens are long; the number is bounded because memory is."),
    Kind("Large heads of S3's", "status", "^answers/answer big-header", "502 beyond its buffer of 4 or 8 KiB", "up to 64 KiB", "Metadata may be large."),
    Kind("nginx's own commands", "status", "^answers/answer accel", "obeys X-Accel-Redirect from S3", "passes it as any field", "It is a field for a server behind nginx, which S3 is not."),
    Kind("Interim answers", "answer field .*", "^answers/answer interim-103", "takes a 103 for the answer: fields are lost", "passes on what follows it", "RFC 9110 section 15.2."),
    Kind("What ends without an end", "clean", "^answers/", "an answer that ends with the connection, without TLS saying so, is passed as whole", "cuts the client's connection",
         "Nobody can tell it from a truncated one. (What ends with close_notify passes with both.)"),
    Kind("Answers that are no HTTP", "answers|status", "^answers/broken", "passes garbage as HTTP/0.9, takes the first of two lengths", "502", "What two readers read differently is refused."),
    Kind("Which hosts", "status|S3 asked", "^hosts/(evil|a@|execute-api|ec2|sts|\\.amaz|-\\.|b_|xs3|s3\\.nowhere|b.cher)", "any name that ends in .amazonaws.com once decoded, so `evil.test%3F.amazonaws.com` leads to evil.test",
         "S3's own endpoints by grammar, raw; 400 else", "The proxy is no open one: other services and tricks are refused before a name is looked up."),
    Kind("Encoded hosts", "status|S3 asked", "^hosts/(s3%2e|%73)", "decodes the host", "400", "The raw segment decides."),
    Kind("Capitals", "status|S3 asked", "^hosts/s3.eu-west-1.AMAZONAWS.COM", "400", "200", "Host names have no case."),
    Kind("Other partitions", "status", "^hosts/.*amazonaws.com.cn", "400", "an S3 host of China's regions is asked (its name does not resolve in the lab: 502)", "S3's endpoints there end so."),
    Kind("Addresses", "status", "^hosts/s3.eu-central", "dials whatever the name resolves to, loopback too", "403 for loopback, link-local and the like", "DNS must not open the way to what stands beside the proxy."),
    Kind("Odd targets", "status|S3 asked|own error", "^hosts/target", "resolves dots, decodes and cuts fragments before it routes", "routes the raw target: 404, 400 for a host that is none or a fragment", "One reading only."),
    Kind("Methods", "status|S3 asked|own error", "^methods/(get|TRACE|OPTIONS)", "refuses lower-case method names", "passes any token but TRACE and CONNECT", "S3 decides."),
    Kind("Keep-alive after a refusal", "closes", "", "closes after some 4xx of its own", "keeps the connection where the next request's begin is certain", "No need for another connection."),
    Kind("CORS on refusals", CORS, "", "some refusals and answers of its own are without CORS", "CORS on every one", "A script can read why it failed."),
    Kind("An empty Host", "status|S3 asked", "^protocol/Host: empty", "400", "accepted", "RFC 9112 section 3.2 allows it."),
    Kind("Ids of refusals", "answer field x-amz-request-id", "^(hosts|preflights|protocol|odd_keys)/", "none", "an id, which the access line has too", "Who reports a failure can name it."),
    Kind("What a refusal says", "body|answer field content-type", "^hosts/", "the host as decoded, or a page of HTML", "the host as it came, made printable", "One reading only, and nothing to execute."),
    Kind("Strict HTTP/1", "status|S3 asked|answers|own error", "^hostile/", "lenient: bare LF, odd spaces, control characters and chunk framing that parsers disagree about pass",
         "400 or 501 (505 for other versions), and the connection ends", "RFC 9112: no smuggling through a balancer that reads it another way."),
    Kind("Redirects: what S3 is told", "S3 field .*", "^browse/", "sends all the client's fields to S3, Authorization and cookies too", "Range, If-*, Accept*, User-Agent and Content-* alone",
         "A token for the registry is no business of S3's; a header-signed and a presigned request at once is an error there."),
    Kind("Redirects: cookies", "answer field set-cookie", "^browse/", "loses the redirect's Set-Cookie", "keeps it", "The session that it opens is wanted."),
    Kind("Redirects: where they may lead", "status|S3 asked", "^browse/Location", "follows any Location, 500 for a broken one", "S3 over https alone, 502 else, with the reason", "A registry that is tricked opens no way into the network."),
    Kind("Redirects: fragments", "S3 line|answer field .*|body|status|framing", "^browse/Location: fragment", "sends the fragment to S3 as a part of the key", "drops it", "A fragment is no part of a request."),
    Kind("Archives (mod_zip is not in Debian)", ".*", "^archives/", "here without mod_zip: passes the registry's list (the container itself makes a ZIP of it)", "makes the ZIP; Range and If-Range stay here",
         "Not comparable here; docs/PROXY.md says what penstock does, and its archives have tests of their own."),
]


def kind_of(case, what):
    return next((kind for kind in KINDS if kind.knows(case, what)), None)
