import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type t from 'tap';
import { until } from '../../kube/testing/until.ts';
import type { Ground } from '../ground/ground.ts';

/** The address of the registry, on the loopback that the ground's containerd has as well. */
export const REGISTRY = '127.0.0.1:5000';

/** The configuration of distribution's own registry, with its content in `folder`. */
export const registryConfig = (folder: string, address: string): string =>
  `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(folder, 'content')}}}\nhttp: {addr: '${address}'}\n`;

/** Runs distribution's own registry inside the ground, for as long as the test runs. */
export async function startRegistry(test: Pick<typeof t, 'teardown'>, ground: Ground): Promise<void> {
  const folder = join(ground.dir, 'registry');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'registry.yml');
  writeFileSync(file, registryConfig(folder, REGISTRY));
  ground.addProcess({ name: 'registry', argv: [await ground.program('registry'), 'serve', file] });
  test.teardown(async () => {
    await ground.stopProcess('registry');
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = `fetch('http://${REGISTRY}/v2/').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`;
  await until(
    'the registry answers',
    async () => (await ground.exec([process.execPath, '--eval', ask])) === '',
    { timeoutMs: 60_000 },
  );
}
