import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdLoader } from './etcd.ts';
import { pod } from './objects.ts';

/**
 * Changes pods at an even rate: update.ts ETCD NODES PODS RATE SECONDS. An annotation of each has the moment at which
 * it was written, in milliseconds since 1970.
 */
const [etcd = '', ...numbers] = process.argv.slice(2);
const [nodes = 0, pods = 0, rate = 0, seconds = 0] = numbers.map(Number);
const SLICE_MS = 20;
const perSlice = Math.round((rate * SLICE_MS) / 1000);

const loader = new EtcdLoader(etcd);
const start = performance.now();
const slices = (seconds * 1000) / SLICE_MS;
for (let slice = 0; slice < slices; slice++) {
  const wait = start + slice * SLICE_MS - performance.now();
  if (wait > 0) await sleep(wait);
  const at = (performance.timeOrigin + performance.now()).toFixed(3);
  const first = slice * perSlice;
  await loader.put(Array.from({ length: perSlice }, (_, i) => pod(((first + i) * 7919) % pods, nodes, at)));
}
loader.close();
const took = (performance.now() - start) / 1000;
process.stdout.write(`${JSON.stringify({ written: slices * perSlice, seconds: took })}\n`);
