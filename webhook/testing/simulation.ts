import { createAuthority, issueLeaf } from '../certificates/issue.ts';
import {
  type Authority,
  bundleOf,
  decideRotation,
  type Leaf,
  type RotationPolicy,
  type RotationStep,
  renewPaths,
} from '../certificates/rotation.ts';
import { isTrusted, type KeyPair, readCertificate } from '../certificates/x509.ts';

export const START = Date.parse('2030-01-01T00:00:00Z');
export const DAY = 86_400_000;
export const policy: RotationPolicy = {
  names: ['castai-pod-pinner-webhook.castai-agent.svc', '127.0.0.1'],
  settleMs: 10_000,
  retireMs: 60_000,
};

/** A simulated cluster: Secrets, caBundle and clock, changed by the steps of the rotation. */
export class Simulation {
  authority: Authority = { current: undefined, next: undefined, previous: '' };
  leaf: Leaf | undefined;
  bundle = '';
  path = '';
  now = START;
  #bundleSighting: { bundle: string; at: number } | undefined;
  #pathSighting: { path: string; at: number } | undefined;
  #leafSighting: { cert: string; at: number } | undefined;

  /** Clears what only the leader's memory held. */
  restart(): void {
    this.#bundleSighting = undefined;
    this.#pathSighting = undefined;
    this.#leafSighting = undefined;
  }

  decide(): RotationStep {
    if (this.bundle !== bundleOf(this.authority)) this.#bundleSighting = undefined;
    else if (this.#bundleSighting?.bundle !== this.bundle)
      this.#bundleSighting = { bundle: this.bundle, at: this.now };
    const { authority, leaf, bundle, path, now } = this;
    if (this.#pathSighting?.path !== path) this.#pathSighting = { path, at: now };
    if (!leaf) this.#leafSighting = undefined;
    else if (this.#leafSighting?.cert !== leaf.cert) this.#leafSighting = { cert: leaf.cert, at: now };
    const since = {
      bundleSince: this.#bundleSighting?.at,
      pathSince: this.#pathSighting.at,
      leafSince: this.#leafSighting?.at,
    };
    return decideRotation({ authority, leaf, bundle, path, ...since, now }, policy);
  }

  async apply(step: RotationStep): Promise<void> {
    const { authority } = this;
    if (step.kind === 'create-authority') {
      this.authority = {
        current: await createAuthority(this.now, 365),
        next: undefined,
        previous: step.previous,
      };
    } else if (step.kind === 'create-next') {
      this.authority = { ...authority, next: await createAuthority(this.now, 365) };
    } else if (step.kind === 'write-bundle') {
      this.bundle = step.bundle;
      this.path = step.path;
    } else if (step.kind === 'promote-next') {
      const previous = (authority.current?.cert ?? '') + authority.previous;
      this.authority = { current: authority.next, next: undefined, previous };
    } else if (step.kind === 'remove-previous') this.authority = { ...authority, previous: '' };
    else if (step.kind === 'issue-leaf' && authority.current) {
      const keyPair = await issueLeaf(authority.current, policy.names, this.now, 30);
      this.leaf = { ...keyPair, paths: renewPaths(this.leaf, this.path) };
    } else if (step.kind === 'remove-path' && this.leaf) {
      this.leaf = { ...this.leaf, paths: this.leaf.paths.slice(0, 1) };
    } else if (step.kind === 'wait') this.now = step.until;
  }

  /** Applies steps until only a renewal is left to wait for; returns the kinds of the writes. */
  async rotate(): Promise<string[]> {
    const done: string[] = [];
    for (;;) {
      const step = this.decide();
      if (step.kind === 'wait' && step.reason === 'everything is in order') return done;
      await this.apply(step);
      if (step.kind !== 'wait') done.push(step.kind);
      if (done.length > 20) throw new Error(`the rotation does not end: ${done.join(', ')}`);
    }
  }

  isTrusted(leaf: KeyPair | undefined = this.leaf): boolean {
    const found = readCertificate(leaf?.cert);
    return found !== undefined && isTrusted(found, this.bundle, this.now);
  }
}

/** A cluster in which everything is in order. */
export const rotated = async (): Promise<Simulation> => {
  const cluster = new Simulation();
  await cluster.rotate();
  return cluster;
};
