// v3.mjs PROXY REGION BUCKET: aws-sdk version 3 through penstock; prints what it saw as JSON.
import { Readable } from 'node:stream';
import * as S3 from '@aws-sdk/client-s3';

const [proxy, region, Bucket] = process.argv.slice(2);
const target = new URL(proxy);
const s3 = new S3.S3Client({
  region, maxAttempts: 1, forcePathStyle: true, endpoint: `https://s3.${region}.amazonaws.com`,
  credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
});
// The deserialize step runs after signing: what leaves it goes on the wire.
s3.middlewareStack.add((next) => (args) => {
  const r = args.request;
  r.path = `/${r.hostname}${r.path}`;
  r.protocol = target.protocol;
  r.hostname = target.hostname;
  r.port = target.port ? Number(target.port) : undefined;
  return next(args);
}, { step: 'deserialize', priority: 'low', name: 'throughPenstock' });

const text = (r) => r.Body.transformToString();
const out = {};
await s3.send(new S3.PutObjectCommand({ Bucket, Key: 'v3/a+b c', Body: 'hello' }));
out.body = await text(await s3.send(new S3.GetObjectCommand({ Bucket, Key: 'v3/a+b c' }))) === 'hello';
const big = Buffer.alloc(2 << 20, 'xyz');
await s3.send(new S3.PutObjectCommand({
  Bucket, Key: 'v3/stream', Body: Readable.from([big.subarray(0, 70000), big.subarray(70000)]), ContentLength: big.length,
}));
const back = await s3.send(new S3.GetObjectCommand({ Bucket, Key: 'v3/stream' }));
out.stream = Buffer.from(await back.Body.transformToByteArray()).equals(big);
out.range = await text(await s3.send(new S3.GetObjectCommand({ Bucket, Key: 'v3/a+b c', Range: 'bytes=3-4' })));
out.listed = (await s3.send(new S3.ListObjectsV2Command({ Bucket, Prefix: 'v3/' }))).KeyCount === 2;
out.missing = await s3.send(new S3.GetObjectCommand({ Bucket, Key: 'no' })).then(() => '', (e) => e.name);
console.log(JSON.stringify(out));
