'use strict';
// Runs in the page of another origin. Returns plain data for the test to judge.
/* global AWS, throughProxy */

async function runSdk({ proxy, region, bucket }) {
  const out = {};
  const rewrite = throughProxy(AWS, proxy);
  AWS.S3.prototype.customizeRequests(rewrite);
  const s3 = new AWS.S3({
    region, accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER', signatureVersion: 'v4', maxRetries: 0,
    endpoint: `https://s3.${region}.amazonaws.com`,
  });
  const Bucket = bucket;
  const Key = 'from a page/ü+ .txt';
  const put = await s3.putObject({ Bucket, Key, Body: 'hello from a page', Metadata: { helium: 'meta' } }).promise();
  const got = await s3.getObject({ Bucket, Key }).promise();
  out.body = new TextDecoder().decode(got.Body) === 'hello from a page';
  out.etagSame = Boolean(put.ETag) && put.ETag === got.ETag;
  out.helium = got.Metadata.helium;
  const part = await s3.getObject({ Bucket, Key, Range: 'bytes=3-4' }).promise();
  out.range = new TextDecoder().decode(part.Body);
  const list = await s3.listObjectsV2({ Bucket, Prefix: 'from a page/' }).promise();
  out.listed = list.Contents.some((o) => o.Key === Key);
  out.missing = await s3.getObject({ Bucket, Key: 'nope' }).promise().then(() => '', (e) => `${e.code} ${e.statusCode}`);
  await s3.putObjectTagging({ Bucket, Key, Tagging: { TagSet: [{ Key: 'k', Value: 'v+w' }] } }).promise();
  out.tags = (await s3.getObjectTagging({ Bucket, Key }).promise()).TagSet;
  const big = new Uint8Array(16 << 20).map((_, i) => (i * 31) & 255);
  await s3.upload({ Bucket, Key: 'page-big', Body: new Blob([big]) }, { partSize: 5 << 20, queueSize: 4 }).promise();
  const back = (await s3.getObject({ Bucket, Key: 'page-big' }).promise()).Body;
  out.multipart = back.length === big.length && back.every((b, i) => b === big[i]);
  AWS.S3.prototype.customizeRequests(null);
  const url = new URL(s3.getSignedUrl('getObject', { Bucket, Key }));
  AWS.S3.prototype.customizeRequests(rewrite);
  const signed = await fetch(`${proxy}/${url.host}${url.href.slice(url.origin.length)}`);
  out.presigned = (await signed.text()) === 'hello from a page';
  await s3.deleteObject({ Bucket, Key }).promise();
  out.deleted = await s3.headObject({ Bucket, Key }).promise().then(() => false, (e) => e.statusCode === 404);
  return out;
}

async function look(url, options = {}) {
  try {
    const resp = await fetch(url, { cache: 'no-store', ...options });
    const headers = Object.fromEntries(resp.headers.entries());
    return { status: resp.status, headers, body: (await resp.text()).slice(0, 2000) };
  } catch (error) {
    return { error: String(error) };
  }
}

async function runFetches({ proxy, origin }) {
  const base = `${proxy}/${origin}/cors`;
  const aws = (region) => `${proxy}/s3.${region}.amazonaws.com/b/k`;
  const out = {};
  out.ok = await look(`${base}/object`, { headers: { 'x-amz-date': '20260101T000000Z' } });
  out.partial = await look(`${base}/object`, { headers: { range: 'bytes=5-14', authorization: 'x' } });
  out.notModified = await look(`${base}/object`, { headers: { 'if-none-match': '"etag"' } });
  out.forbidden = await look(`${base}/403`);
  out.missing = await look(`${base}/404`, { headers: { 'x-amz-date': 'x' } });
  out.tooLarge = await look(`${base}/413`, { method: 'PUT', body: 'x' });
  out.slowDown = await look(`${base}/503`);
  out.cut = await look(`${base}/cut`);
  [out.refusedConnect, out.unknownName, out.vanishes] = await Promise.all([
    look(aws('eu-west-3')), look(aws('us-gov-west-1')), look(aws('eu-north-1'), { method: 'DELETE' })]);
  return out;
}
