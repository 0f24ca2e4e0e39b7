import fc from 'fast-check';
import t from 'tap';
import { createAuthority, issueLeaf } from './issue.ts';
import {
  type Authority,
  bundleOf,
  decideRotation,
  type RotationPolicy,
  type RotationStep,
} from './rotation.ts';
import { authorityData, leafData, readAuthority, readLeaf } from './secrets.ts';
import { isTrusted, type KeyPair, readCertificate, renewalTimeOf } from './x509.ts';

const START = Date.parse('2030-01-01T00:00:00Z');
const DAY = 86_400_000;
const policy: RotationPolicy = {
  names: ['castai-pod-pinner-webhook.castai-agent.svc', '127.0.0.1'],
  settleMs: 10_000,
  retireMs: 60_000,
};

/** A simulated cluster: Secrets, caBundle and clock, changed by the steps of the rotation. */
class Simulation {
  authority: Authority = { current: undefined, next: undefined, previous: '' };
  leaf: KeyPair | undefined;
  bundle = '';
  now = START;
  #bundleSighting: { bundle: string; at: number } | undefined;
  #leafSighting: { cert: string; at: number } | undefined;

  /** Clears what only the leader's memory held. */
  restart(): void {
    this.#bundleSighting = undefined;
    this.#leafSighting = undefined;
  }

  decide(): RotationStep {
    if (this.bundle !== bundleOf(this.authority)) this.#bundleSighting = undefined;
    else if (this.#bundleSighting?.bundle !== this.bundle)
      this.#bundleSighting = { bundle: this.bundle, at: this.now };
    const { authority, leaf, bundle, now } = this;
    if (!leaf) this.#leafSighting = undefined;
    else if (this.#leafSighting?.cert !== leaf.cert) this.#leafSighting = { cert: leaf.cert, at: now };
    const since = { bundleSince: this.#bundleSighting?.at, leafSince: this.#leafSighting?.at };
    return decideRotation({ authority, leaf, bundle, ...since, now }, policy);
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
    } else if (step.kind === 'write-bundle') this.bundle = step.bundle;
    else if (step.kind === 'promote-next') {
      const previous = (authority.current?.cert ?? '') + authority.previous;
      this.authority = { current: authority.next, next: undefined, previous };
    } else if (step.kind === 'remove-previous') this.authority = { ...authority, previous: '' };
    else if (step.kind === 'issue-leaf' && authority.current) {
      this.leaf = await issueLeaf(authority.current, policy.names, this.now, 30);
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

  isTrusted(leaf = this.leaf): boolean {
    const found = readCertificate(leaf?.cert);
    return found !== undefined && isTrusted(found, this.bundle, this.now);
  }
}

const rotated = async (): Promise<Simulation> => {
  const cluster = new Simulation();
  await cluster.rotate();
  return cluster;
};

t.test('from empty Secrets to a trusted leaf: authority, bundle, leaf', async (t) => {
  const cluster = new Simulation();
  t.same(await cluster.rotate(), ['create-authority', 'write-bundle', 'issue-leaf']);
  t.ok(cluster.isTrusted());
  const leaf = readCertificate(cluster.leaf?.cert);
  t.equal(
    leaf?.checkHost('castai-pod-pinner-webhook.castai-agent.svc'),
    'castai-pod-pinner-webhook.castai-agent.svc',
  );
  t.equal(leaf?.checkIP('127.0.0.1'), '127.0.0.1');
  t.equal(leaf?.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.ok((Date.parse(leaf?.validFrom ?? '') ?? 0) <= START - 10 * 60_000, 'clocks may be 10 minutes apart');
});

t.test('a leaf is renewed at two thirds of its life, by the same authority', async (t) => {
  const cluster = await rotated();
  const before = cluster.leaf;
  cluster.now = START + 19 * DAY;
  t.equal(cluster.decide().kind, 'wait');
  cluster.now = START + 21 * DAY;
  t.same(await cluster.rotate(), ['issue-leaf']);
  t.not(cluster.leaf?.cert, before?.cert);
  t.ok(cluster.isTrusted(before), 'the old one is still valid');
});

t.test('while an authority is replaced, every leaf in use stays trusted', async (t) => {
  const cluster = await rotated();
  const served: (KeyPair | undefined)[] = [cluster.leaf];
  const current = readCertificate(cluster.authority.current?.cert);
  // The leaf is renewed before its authority.
  cluster.now = (current ? renewalTimeOf(current) : 0) - DAY;
  await cluster.rotate();
  served[0] = cluster.leaf;
  cluster.now = (current ? renewalTimeOf(current) : 0) + 1;
  const kinds: string[] = [];
  for (let at = 0; at < 20; at++) {
    const step = cluster.decide();
    if (step.reason === 'everything is in order') break;
    await cluster.apply(step);
    if (step.kind === 'issue-leaf') served.push(cluster.leaf);
    if (step.kind !== 'wait') kinds.push(step.kind);
    // Until the previous authority is removed, a replica may still serve the leaf before the last.
    const inUse =
      step.kind === 'remove-previous' || kinds.includes('remove-previous')
        ? served.slice(-1)
        : served.slice(-2);
    for (const leaf of inUse) t.ok(cluster.isTrusted(leaf), `${step.kind}: ${step.reason}`);
  }
  t.same(kinds, [
    'create-next',
    'write-bundle',
    'promote-next',
    'issue-leaf',
    'remove-previous',
    'write-bundle',
  ]);
  t.not(readCertificate(cluster.authority.current?.cert)?.subject, current?.subject);
});

const rows: readonly (readonly [string, (cluster: Simulation) => void, readonly string[]])[] = [
  [
    'an overwritten caBundle is repaired',
    (w) => {
      w.bundle = 'garbage';
    },
    ['write-bundle'],
  ],
  [
    'a caBundle with a foreign certificate is repaired',
    (w) => {
      w.bundle += w.leaf?.cert ?? '';
    },
    ['write-bundle'],
  ],
  [
    'a lost leaf is issued again',
    (w) => {
      w.leaf = undefined;
    },
    ['issue-leaf'],
  ],
  [
    'a leaf that is not a certificate is issued again',
    (w) => {
      w.leaf = { cert: 'x', key: 'y' };
    },
    ['issue-leaf'],
  ],
  [
    'a lost authority is created again, and the old one stays trusted until its leaf is out of use',
    (w) => {
      w.authority = { current: undefined, next: undefined, previous: '' };
    },
    ['create-authority', 'write-bundle', 'issue-leaf', 'remove-previous', 'write-bundle'],
  ],
  [
    'everything lost is created again',
    (w) => {
      w.authority = { current: undefined, next: undefined, previous: '' };
      w.leaf = undefined;
      w.bundle = '';
    },
    ['create-authority', 'write-bundle', 'issue-leaf'],
  ],
  [
    'an expired authority is replaced',
    (w) => {
      w.now = START + 400 * DAY;
    },
    ['create-authority', 'write-bundle', 'issue-leaf'],
  ],
];
for (const [sentence, damage, kinds] of rows) {
  t.test(sentence, async (t) => {
    const cluster = await rotated();
    damage(cluster);
    t.same(await cluster.rotate(), kinds);
    t.ok(cluster.isTrusted());
  });
}

t.test(
  'a leader killed after any write never breaks trust, and the next one completes the rotation',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), async (kills) => {
        const cluster = await rotated();
        const current = readCertificate(cluster.authority.current?.cert);
        cluster.now = (current ? renewalTimeOf(current) : 0) - DAY;
        await cluster.rotate();
        cluster.now += 2 * DAY;
        for (const isKilled of kills) {
          const step = cluster.decide();
          if (step.reason === 'everything is in order') break;
          await cluster.apply(step);
          if (isKilled) cluster.restart();
          if (!cluster.isTrusted()) throw new Error(`not trusted after ${step.kind}`);
        }
        await cluster.rotate();
        if (!cluster.isTrusted()) throw new Error('not trusted in the end');
        if (bundleOf(cluster.authority) !== cluster.bundle)
          throw new Error('the caBundle differs from the authorities');
        if (cluster.authority.previous !== '') throw new Error('the old authority is still there');
      }),
      { numRuns: 25 },
    );
  },
);

t.test(
  'clocks ten minutes apart: the next leader waits the full time for a new leaf to spread',
  async (t) => {
    for (const apart of [600_000, -600_000]) {
      const cluster = await rotated();
      cluster.authority = { ...cluster.authority, next: await createAuthority(cluster.now, 365) };
      for (
        let step = cluster.decide();
        step.reason !== 'the new certificate is spreading to the replicas';
        step = cluster.decide()
      )
        await cluster.apply(step);
      cluster.restart();
      cluster.now += apart;
      t.match(cluster.decide(), { kind: 'wait', until: cluster.now + policy.retireMs });
      await cluster.apply(cluster.decide());
      t.equal(cluster.decide().kind, 'remove-previous');
      t.ok(cluster.isTrusted());
    }
  },
);

t.test('authority and leaf survive a round trip through their Secrets', async (t) => {
  const { authority, leaf } = await rotated();
  const previous = authority.current?.cert ?? '';
  const full: Authority = { ...authority, next: authority.current, previous };
  const secret = (data: Record<string, string>) => ({ metadata: { name: 's' }, data });
  t.same(readAuthority(secret(authorityData(full))), full);
  t.same(readLeaf(secret(leaf ? leafData(leaf) : {})), leaf);
  t.same(readAuthority({ metadata: { name: 's' } }), { current: undefined, next: undefined, previous: '' });
});
