#include "demo/samples.h"

#include "base/buf.h"
#include "demo/registry.h"
#include "demo/s3_request.h"

#include <errno.h>

enum { NUMBERS_LINES = 100000, NUMBERS_BYTES = 4 << 20 };

static const char page[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><meta charset=\"utf-8\"><title>penstock demo</title>\n"
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:3em auto;padding:0 1em}"
    "pre{background:#eee;padding:1em;overflow:auto}</style>\n"
    "<h1>This page came through penstock</h1>\n"
    "<p>The first nameserver of this little network says that S3 does not exist. penstock asked "
    "the next one, and connected: look at the terminal.</p>\n"
    "<ul>\n"
    "<li><a href=\"hello.txt\">hello.txt</a>, a few words\n"
    "<li><a href=\"pictures/penstock.svg\">pictures/penstock.svg</a>, a picture\n"
    "<li><a href=\"data/rivers.csv\">data/rivers.csv</a>, a table\n"
    "<li><a href=\"data/numbers.txt\">data/numbers.txt</a>, a larger object\n"
    "<li><a href=\"/" DEMO_HOST "/" DEMO_BUCKET
    "?list-type=2\">?list-type=2</a>, the bucket's list\n"
    "<li><a href=\"" DEMO_REGISTRY_BROWSE DEMO_SAMPLE_PAGE
    "\">this page by way of the registry</a>: "
    "its redirect is followed, its cookie kept\n"
    "<li><a href=\"no-such-key\">no-such-key</a>, S3's own 404, relayed\n"
    "<li><a href=\"/s3.eu-west-1.amazonaws.com/demo-bucket/hello.txt\">another region</a>, a name "
    "that no server here knows: 502, which says what each server answered\n"
    "<li><a href=\"/example.test/x\">example.test</a>, a host that is no S3: 400, and nothing is "
    "asked\n"
    "</ul>\n"
    "<form method=\"post\" action=\"" DEMO_REGISTRY_ARCHIVE "\">"
    "<input type=\"hidden\" name=\"token\" value=\"for the registry alone\">"
    "<button>Download all of it as a ZIP</button></form>\n"
    "<p><img src=\"pictures/penstock.svg\" alt=\"water through a pipe\" width=\"320\"></p>\n"
    "<p>The first 64 bytes of numbers.txt, by a script with a Range header, and the headers that "
    "it may read:</p>\n"
    "<pre id=\"out\">...</pre>\n"
    "<script>fetch('data/numbers.txt',{headers:{Range:'bytes=0-63'}}).then(async r=>{"
    "document.getElementById('out').textContent=r.status+' '+r.headers.get('content-range')+'\\n'"
    "+[...r.headers].map(h=>h.join(': ')).join('\\n')+'\\n\\n'+await r.text()})"
    ".catch(e=>{document.getElementById('out').textContent=e})</script>\n"
    "</html>\n";

static const char picture[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 320 120\">\n"
    "<rect width=\"320\" height=\"120\" fill=\"#eef4f8\"/>\n"
    "<path d=\"M0 30h70v34H0z\" fill=\"#5b8db8\"/>\n"
    "<path d=\"M70 38 250 78v18L70 56z\" fill=\"#7a8790\"/>\n"
    "<path d=\"M250 74h70v26h-70z\" fill=\"#5b8db8\"/>\n"
    "<text x=\"8\" y=\"22\" font-family=\"sans-serif\" font-size=\"13\">client</text>\n"
    "<text x=\"130\" y=\"40\" font-family=\"sans-serif\" font-size=\"13\">penstock</text>\n"
    "<text x=\"284\" y=\"68\" font-family=\"sans-serif\" font-size=\"13\">S3</text>\n"
    "</svg>\n";

static const struct {
    struct str key;
    struct str text;
} samples[] = {
    { STR_INIT(DEMO_SAMPLE_PAGE), STR_INIT(page) },
    { STR_INIT(DEMO_SAMPLE_TEXT), STR_INIT("Hello from S3, through penstock.\n") },
    { STR_INIT("pictures/penstock.svg"), STR_INIT(picture) },
    { STR_INIT("data/rivers.csv"),
      STR_INIT("river,length_km\nNile,6650\nAmazon,6400\nYangtze,6300\nMississippi,6275\n") },
    { STR_INIT("data/odd names/a b+c%d ä.txt"), STR_INIT("A key with odd characters.\n") },
};

static bool write_one(struct demo_store *s, struct str key, struct str text, struct fault *f)
{
    struct demo_upload u;
    struct demo_object o;
    if (demo_upload_begin(s, &u) == DEMO_STORE_OK && demo_upload_write(&u, text) &&
        demo_upload_commit(s, &u, key, &o) == DEMO_STORE_OK)
        return true;
    int e = errno;
    demo_upload_abandon(s, &u);
    return fault_sys(f, FAULT_SYSTEM, "sample objects", e);
}

/* Lines that say where they are, so that a reader sees what a Range brought. */
static bool write_numbers(struct demo_store *s, struct fault *f)
{
    struct buf text;
    buf_init(&text, NUMBERS_BYTES);
    for (int i = 0; i < NUMBERS_LINES; i++)
        buf_printf(&text, "line %010d\n", i);
    bool is_written = text.failed ? fault_set(f, FAULT_NO_MEMORY, "sample objects", NULL)
                                  : write_one(s, STR("data/numbers.txt"), buf_str(&text), f);
    buf_done(&text);
    return is_written;
}

bool demo_samples_write(struct demo_store *s, struct fault *f)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (!write_one(s, samples[i].key, samples[i].text, f))
            return false;
    return write_numbers(s, f);
}
