// resolve.js NAME...: a line a name with what dns.lookup (getaddrinfo) and dns.resolve (c-ares) say.
const dns = require('dns').promises;

const missing = { ENOTFOUND: 'none', ENODATA: 'none', EAI_AGAIN: 'again', ESERVFAIL: 'again', ETIMEOUT: 'again' };
const words = (error) => missing[error.code] || error.code;

async function resolved(name) {
  const families = await Promise.allSettled([dns.resolve4(name), dns.resolve6(name)]);
  const found = families.flatMap((f) => (f.status === 'fulfilled' ? f.value : []));
  return found.length > 0 ? found : [words(families[0].reason)];
}

(async () => {
  for (const name of process.argv.slice(2)) {
    const looked = await dns.lookup(name, { all: true }).then((l) => l.map((a) => a.address), (e) => [words(e)]);
    console.log(`lookup ${name} ${looked.sort().join(' ')}`);
    console.log(`resolve ${name} ${(await resolved(name)).sort().join(' ')}`);
  }
})();
