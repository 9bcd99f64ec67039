#include "cli/version.h"

#include <curl/curl.h>
#include <expat.h>
#include <jansson.h>
#include <libdeflate.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>

void version_print(void)
{
    printf(
        "penstock %s\nwith %s, libuv %s, libcurl %s, libyaml %s, jansson %s, %s, libdeflate %s\n",
        PENSTOCK_VERSION, OpenSSL_version(OPENSSL_VERSION), uv_version_string(),
        curl_version_info(CURLVERSION_NOW)->version, yaml_get_version_string(),
        jansson_version_str(), XML_ExpatVersion(), LIBDEFLATE_VERSION_STRING);
}
