import { PIN } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import { controllerOf } from '../../../api/pods.ts';
import { NODES, PODS } from '../../../api/resources.ts';
import { IntentStore } from '../../../extender/intents/store.ts';
import { createPlaceholderController } from '../../../extender/placeholder/controller.ts';
import { allocateSlot } from '../../../extender/placement/allocate.ts';
import { AssumedPods } from '../../../extender/placement/assumedpods.ts';
import { Refusals } from '../../../extender/placement/refusals.ts';
import type { Report, State } from '../../../extender/placement/state.ts';
import { createPinController } from '../../../extender/pods/pin.ts';
import { createStaleNominationController } from '../../../extender/pods/stalenomination.ts';
import { POD_INDEXES } from '../../../kube/cache/trim.ts';
import { memoizeRequests } from '../../../planner/scheduling/fit.ts';
import { latency } from '../simulation.ts';
import { type Kentroller, log } from './kentroller.ts';
import { Process, type ProcessOptions } from './process.ts';

/** One life of the pod pinner's leader, with the stream to one life of kentroller and the slots of the webhook. */
export class Pinner {
  readonly process: Process;
  readonly #state: State;
  #kentroller: Kentroller | undefined;
  #disconnect: (() => void) | undefined;
  #requests = 0;
  /** The time at which the stream's last message arrives: messages keep their order. */
  #lastArrival = 0;

  constructor(o: ProcessOptions) {
    const process = new Process(o);
    this.process = process;
    const pods = process.cache(PODS, POD_INDEXES);
    const nodes = process.cache(NODES);
    const assumedPods = new AssumedPods(o.simulation.now);
    const refusals = new Refusals(pods, o.simulation.now);
    pods.onChange((change) => {
      assumedPods.observe(change);
      refusals.observe(change);
    });
    const store = new IntentStore(log);
    this.#state = {
      store,
      pods,
      nodes,
      assumedPods,
      refusals,
      requestsOf: memoizeRequests(),
      now: o.simulation.now,
    };
    const report: Report = (intentId, result) => {
      const version = store.get(intentId)?.version;
      const kentroller = this.#kentroller;
      if (version === undefined || !kentroller) return;
      this.#send(() => kentroller.record({ intentId, version, ...result }));
    };
    const context = { client: process.client, state: this.#state, report, log };
    process.run(createPlaceholderController(context));
    process.run(createPinController({ ...context, observe: () => {} }));
    process.run(createStaleNominationController(context));
  }

  #send(arrive: () => void): void {
    const { simulation } = this.process;
    this.#lastArrival = Math.max(simulation.now() + latency(simulation.dice), this.#lastArrival);
    simulation.after(this.#lastArrival - simulation.now(), () => {
      if (!this.process.isDead) arrive();
    });
  }

  /** Opens the stream: the whole state, then changes. */
  connect(kentroller: Kentroller): void {
    const { registry } = kentroller;
    this.#kentroller = kentroller;
    const end = registry.connect();
    const isCurrent = (): boolean => this.#kentroller === kentroller && !kentroller.process.isDead;
    this.#send(() => {
      if (!isCurrent()) return;
      const { store } = this.#state;
      store.beginResync();
      for (const id of registry.ids()) {
        const found = registry.get(id);
        if (found) store.upsert(found.intent, found.version);
      }
      store.endResync(registry.version);
    });
    const stop = registry.onChange((ids) =>
      this.#send(() => {
        if (!isCurrent()) return;
        for (const id of ids) {
          const found = registry.get(id);
          if (found) this.#state.store.upsert(found.intent, found.version);
          else this.#state.store.remove(id, registry.version);
        }
      }),
    );
    this.#disconnect = () => {
      stop();
      end();
    };
  }

  /** Ends the stream, whichever side went. */
  disconnect(): void {
    this.#disconnect?.();
    this.#disconnect = undefined;
    this.#kentroller = undefined;
  }

  get isConnected(): boolean {
    return this.#kentroller !== undefined && !this.#kentroller.process.isDead;
  }

  /** What the webhook makes of a pod that is being created. */
  admit(pod: Pod): Pod {
    const ownerUid = controllerOf(pod)?.uid;
    if (ownerUid === undefined || pod.spec.nodeName || this.process.isDead) return pod;
    const requestUid = `request-${++this.#requests}`;
    const grant = allocateSlot(this.#state, { requestUid, ownerUid, pod });
    if (!grant.intent) return pod;
    if (grant.way !== 'assign') {
      this.#state.assumedPods.forget(requestUid);
      return pod;
    }
    const annotations = { ...pod.metadata.annotations, [PIN]: grant.intent.id };
    return {
      ...pod,
      metadata: { ...pod.metadata, annotations },
      spec: { ...pod.spec, nodeName: grant.intent.nodeName },
    };
  }
}
