'use strict';
// v2.js PROXY REGION BUCKET STYLE: aws-sdk version 2 through penstock; prints what it saw as JSON.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
const http = require('node:http');
const AWS = require('aws-sdk');
const { throughProxy } = require('./through.js');

const [proxy, region, Bucket, style] = process.argv.slice(2);
const s3 = new AWS.S3({
  region, accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER', signatureVersion: 'v4', maxRetries: 0,
  endpoint: `https://s3.${region}.amazonaws.com`, s3ForcePathStyle: style === 'path',
});
// On the class: ManagedUpload makes a client of its own from it.
const rewrite = throughProxy(AWS, proxy);
AWS.S3.prototype.customizeRequests(rewrite);

function get(url) {
  return new Promise((resolve, reject) => http.get(url, (res) => {
    const parts = [];
    res.on('data', (d) => parts.push(d)).on('end', () => resolve(Buffer.concat(parts))).on('error', reject);
  }).on('error', reject));
}

async function main() {
  const out = {};
  const Key = `node v2/${style}+ü.txt`;
  const Body = 'hello from node';
  const put = await s3.putObject({ Bucket, Key, Body }).promise();
  const got = await s3.getObject({ Bucket, Key }).promise();
  out.etagSame = put.ETag === got.ETag;
  out.body = got.Body.toString() === Body;
  out.range = (await s3.getObject({ Bucket, Key, Range: 'bytes=3-4' }).promise()).Body.toString();
  out.listed = (await s3.listObjects({ Bucket, Prefix: 'node v2/' }).promise()).Contents.some((o) => o.Key === Key);
  out.listedV2 = (await s3.listObjectsV2({ Bucket, Prefix: 'node v2/' }).promise()).Contents.some((o) => o.Key === Key);
  await s3.putObjectTagging({ Bucket, Key, Tagging: { TagSet: [{ Key: 'k', Value: 'v w' }] } }).promise();
  out.tags = (await s3.getObjectTagging({ Bucket, Key }).promise()).TagSet;
  const big = Buffer.alloc(12 << 20, 'abcdefg');
  await s3.upload({ Bucket, Key: 'v2big', Body: big }, { partSize: 5 << 20, queueSize: 3 }).promise();
  out.multipart = (await s3.getObject({ Bucket, Key: 'v2big' }).promise()).Body.equals(big);
  out.missing = await s3.getObject({ Bucket, Key: 'not there' }).promise().then(() => '', (e) => e.code);
  AWS.S3.prototype.customizeRequests(null);  // a presigned URL is rewritten afterwards, as text
  const url = new URL(s3.getSignedUrl('getObject', { Bucket, Key }));
  AWS.S3.prototype.customizeRequests(rewrite);
  const raw = url.href.slice(url.origin.length);
  out.presigned = (await get(`${proxy}/${url.host}${raw}`)).toString() === Body;
  await s3.deleteObject({ Bucket, Key }).promise();
  out.deleted = await s3.headObject({ Bucket, Key }).promise().then(() => false, (e) => e.statusCode === 404);
  console.log(JSON.stringify(out));
}

main().catch((error) => { console.error(error); process.exit(1); });
