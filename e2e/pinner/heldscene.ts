import { isGated } from '../../api/heldpods.ts';
import { PIN, PIN_HELD } from '../../api/labels.ts';
import type { KubeObject, Pod } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';
import { configure, plan, startWebhook } from './webhookscene.ts';

/** How long these suites hold a pod that could go elsewhere. */
export const HOLD_TIMEOUT_MS = 2_000;

/** Two cores start many processes at once. */
const START_MS = 60_000;

const TIMES = { PIN_HOLD_TIMEOUT: `${HOLD_TIMEOUT_MS}ms` };

/** A running plan, with pinners and a webhook that hold its pods. */
export class HeldScene {
  readonly home: Scene;
  readonly work: Scene;
  readonly configuration: string;
  readonly components: Component[] = [];
  readonly #plans: string[] = [];
  #autoscaler: Autoscaler | undefined;
  #serial = 0;

  constructor(name: string) {
    this.home = new Scene(name);
    this.work = new Scene(`${name}-work`);
    this.configuration = `${this.home.namespace}-pins`;
  }

  get autoscaler(): Autoscaler {
    if (!this.#autoscaler) throw new Error('the scene is not open');
    return this.#autoscaler;
  }

  get client() {
    return this.home.client;
  }

  async open(): Promise<void> {
    await Promise.all([this.home.open(), this.work.open()]);
    this.#autoscaler = await Autoscaler.start(this.client, this.home.namespace);
  }

  /** Starts a pinner; the first one leads and gives slots when this resolves. */
  async pinner(env: Readonly<Record<string, string>> = {}): Promise<Component> {
    const name = `pinner-${this.#serial++}`;
    const { namespace } = this.home;
    const made = new Component('extender/main.ts', { ...pinnerEnv(namespace, name), ...TIMES, ...env });
    this.components.push(made);
    return made;
  }

  async leads(pinner: Component): Promise<void> {
    await eventually('the full state', () => pinner.said('full state received'), START_MS);
    // A new leader gives no slots for a second: it may not see its predecessor's yet.
    const since = Date.now();
    await eventually('the leader has settled', () => Date.now() - since > 1_100);
  }

  async webhook(env: Readonly<Record<string, string>> = {}): Promise<Component> {
    const port = await freePort();
    const { configuration, client } = this;
    const { namespace } = this.home;
    await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration }).catch(() => {});
    await configure(client, { name: configuration, port, workload: this.work.namespace });
    const name = `webhook-${this.#serial++}`;
    const made = startWebhook(
      { namespace, name, port, configuration },
      { COEXISTENCE: 'off', ...TIMES, LEASE_NAME: name, ...env },
    );
    this.components.push(made);
    await eventually('a certificate', () => made.said('certificate loaded'), START_MS);
    return made;
  }

  /** Creates a running plan that moves pods of this owner; returns its name. */
  async plan(owner: KubeObject): Promise<string> {
    const name = `${this.home.namespace}-${owner.metadata.name}`;
    this.#plans.push(name);
    await plan(this.client, name, [owner]);
    return name;
  }

  /** A ReplicaSet without pods yet, its plan, and slots for it on a machine on its way. */
  async slots(
    name: string,
    count: number,
    o: { readonly spec?: object; readonly deadline?: number; readonly isUnnamed?: boolean } = {},
  ) {
    const nodeName = this.home.nodeName(name);
    const owner = await this.work.replicaSet(name, 0, o.spec ? { spec: o.spec } : {});
    const planName = await this.plan(owner);
    const intent = ownerIntent(nodeName, owner, count);
    const shape = o.deadline === undefined ? {} : { deadline: o.deadline };
    if (o.isUnnamed) this.autoscaler.upsert({ ...intent, nodeName: '' });
    else {
      this.autoscaler.upsert(nodeIntent(nodeName, shape), intent);
      await eventually('the placeholder', () => this.home.node(nodeName));
    }
    await eventually('the pin is known', () => this.autoscaler.results.get(intent.id));
    return { nodeName, intent, planName };
  }

  /** Scales until this many pods are held, since a webhook that has just learned of its plan misses the first ones. */
  async held(name: string, count: number): Promise<readonly Pod[]> {
    return eventually(`${count} pods of ${name} are held`, async () => {
      const { work, client } = this;
      await work.scale(name, count);
      const pods = await work.podsOf(name);
      const held = pods.filter((pod) => isGated(pod) && pod.metadata.labels?.[PIN_HELD] === 'true');
      if (held.length === count) return held;
      for (const { metadata, spec } of pods) {
        if (metadata.annotations?.[PIN] !== undefined || spec.nodeName) continue;
        const { uid, namespace = '' } = metadata;
        const o = { ...(uid ? { uid } : {}), gracePeriodSeconds: 0 };
        await client.delete(PODS, { name: metadata.name, namespace }, o).catch(() => {});
      }
      return undefined;
    });
  }

  /** The pods of a ReplicaSet once none is behind our gate any more. */
  async lifted(name: string, count: number, timeoutMs?: number): Promise<readonly Pod[]> {
    return eventually(
      `no pod of ${name} is held`,
      async () => {
        const pods = await this.work.podsOf(name);
        return pods.length === count && !pods.some(isGated) && pods;
      },
      timeoutMs,
    );
  }

  async close(): Promise<void> {
    for (const { process } of this.components) process.kill('SIGCONT');
    await Promise.all(this.components.map((each) => each.stop()));
    await this.#autoscaler?.close();
    const { client } = this;
    await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: this.configuration }).catch(() => {});
    for (const name of this.#plans) await client.delete(REBALANCE_PLANS, { name }).catch(() => {});
    await Promise.all([this.home.close(), this.work.close()]);
  }
}
