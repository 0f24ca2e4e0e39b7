import { join } from 'node:path';
import { startCloud } from '../aws/cloud.ts';
import type { Ground, GroundOptions } from '../cluster.ts';
import { auditArgs } from '../controlplane/audit.ts';
import { serverUrl, startControlPlane } from '../controlplane/controlplane.ts';
import { writeKubeconfig } from '../controlplane/kubeconfig.ts';
import { certificatesFor } from '../controlplane/pki.ts';
import { groundFrom } from '../handle.ts';
import { createNetwork } from '../host/network.ts';
import type { Progress } from '../host/progress.ts';
import { loadComponents, loadPause } from '../image/images.ts';
import { cgroupOf } from '../node/cgroups.ts';
import { startNode, startRuntime } from '../node/node.ts';
import { type GroundRecord, lastLinkIndex, writeRecord } from '../record.ts';

/** Input of a backend; the ground's folder exists and is empty. */
export interface BackendInput {
  readonly dir: string;
  readonly name: string;
  /** The folder of builds that all grounds share. */
  readonly cache: string;
  readonly programs: ReadonlyMap<string, string>;
  readonly cloud: boolean;
  readonly realNode: boolean;
  readonly progress: Progress;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly options: GroundOptions;
}

/** Brings up a cluster of our own programs in its own network namespace. */
export async function upFromModules(input: BackendInput): Promise<Ground> {
  const { dir, name, programs, cloud, realNode, progress, env, options } = input;
  const namespace = join(dir, 'netns');
  const addresses = await createNetwork(namespace, lastLinkIndex(dir));
  const record: GroundRecord = {
    name,
    backend: 'modules',
    server: serverUrl(addresses.inner),
    cloud,
    realNode,
    namespace,
    link: addresses.link,
    linkIndex: addresses.index,
    address: addresses.inner,
    hostAddress: addresses.host,
    programs: Object.fromEntries(programs),
    cgroup: cgroupOf(dir),
    isReady: false,
  };
  writeRecord(dir, record);
  const ground = groundFrom(dir, record, env);
  const pki = await certificatesFor(join(dir, 'pki'), addresses.inner);
  writeKubeconfig(ground.kubeconfig, serverUrl(addresses.inner), pki.ca, pki.clients.admin);
  const runtime = realNode ? startRuntime(ground) : undefined;
  const pause = runtime?.then(() => loadPause(ground));
  const components = runtime?.then(() => loadComponents(ground));
  // Awaited below; until then a failure must not count as an unhandled rejection.
  for (const early of [runtime, pause, components]) early?.catch(() => {});
  await progress.during('start the control plane', () =>
    startControlPlane({
      dir,
      address: addresses.inner,
      pki,
      programs,
      schedulerArgs: options.schedulerArgs ?? [],
      apiserverArgs: [...(cloud ? auditArgs(dir) : []), ...(options.apiserverArgs ?? [])],
      start: (process, argv) => ground.addProcess({ name: process, argv }),
    }),
  );
  await inParallel([
    async () => {
      if (runtime === undefined) return;
      await progress.during('start the real node', async () => {
        await startNode(ground, pki, await runtime);
        await Promise.all([pause, components]);
      });
    },
    async () => {
      if (!cloud) return;
      await progress.during('start the cloud', () => startCloud(ground, options.cloudOptions));
    },
  ]);
  writeRecord(dir, { ...record, isReady: true });
  return ground;
}

// Waits for all of them even where one fails, so that nothing starts while the ground is being cleared.
async function inParallel(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => step()));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
