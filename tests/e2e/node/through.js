'use strict';
// aws-sdk v2 the way the catalog does it: after signing for the real host, the request goes to /HOST/KEY.
// Runs in Node and in a page; `AWS` is passed in.

function throughProxy(AWS, proxy) {
  const prefix = new URL(proxy);
  return (request) => {
    request.on('sign', () => {
      const http = request.httpRequest;
      const host = http.endpoint.host;
      http.endpoint = new AWS.Endpoint(prefix.origin);
      http.path = `/${host}${http.path}`;
    });
  };
}

if (typeof module !== 'undefined') module.exports = { throughProxy };
