import fc from 'fast-check';
import t from 'tap';
import { type Authority, bundleOf, decideRotation, type Policy, type Step } from './rotation.ts';
import { authorityData, leafData, readAuthority, readLeaf } from './secrets.ts';
import { isTrusted, makeAuthority, makeLeaf, type Pair, readCertificate, renewalOf } from './x509.ts';

const START = Date.parse('2030-01-01T00:00:00Z');
const DAY = 86_400_000;
const policy: Policy = {
  names: ['castai-pod-pinner-webhook.castai-agent.svc', '127.0.0.1'],
  settleMs: 10_000,
  retireMs: 60_000,
};

/** The cluster as the rotation sees it, carried from write to write. */
class World {
  authority: Authority = { current: undefined, next: undefined, previous: '' };
  leaf: Pair | undefined;
  bundle = '';
  now = START;
  #since: { bundle: string; at: number } | undefined;
  #leafSince: { cert: string; at: number } | undefined;

  /** The process that keeps the certificates is killed: what only it knew is gone. */
  restart(): void {
    this.#since = undefined;
    this.#leafSince = undefined;
  }

  decide(): Step {
    if (this.bundle !== bundleOf(this.authority)) this.#since = undefined;
    else if (this.#since?.bundle !== this.bundle) this.#since = { bundle: this.bundle, at: this.now };
    const { authority, leaf, bundle, now } = this;
    if (!leaf) this.#leafSince = undefined;
    else if (this.#leafSince?.cert !== leaf.cert) this.#leafSince = { cert: leaf.cert, at: now };
    const since = { bundleSince: this.#since?.at, leafSince: this.#leafSince?.at };
    return decideRotation({ authority, leaf, bundle, ...since, now }, policy);
  }

  async apply(step: Step): Promise<void> {
    const { authority } = this;
    if (step.kind === 'make-authority') {
      this.authority = {
        current: await makeAuthority(this.now, 365),
        next: undefined,
        previous: step.previous,
      };
    } else if (step.kind === 'make-next') {
      this.authority = { ...authority, next: await makeAuthority(this.now, 365) };
    } else if (step.kind === 'write-bundle') this.bundle = step.bundle;
    else if (step.kind === 'promote') {
      const previous = (authority.current?.cert ?? '') + authority.previous;
      this.authority = { current: authority.next, next: undefined, previous };
    } else if (step.kind === 'retire') this.authority = { ...authority, previous: '' };
    else if (step.kind === 'issue-leaf' && authority.current) {
      this.leaf = await makeLeaf(authority.current, policy.names, this.now, 30);
    } else if (step.kind === 'rest') this.now = step.until;
  }

  /** Writes until there is nothing to do but wait for a renewal; the kinds of the writes. */
  async settle(): Promise<string[]> {
    const done: string[] = [];
    for (;;) {
      const step = this.decide();
      if (step.kind === 'rest' && step.reason === 'everything is in order') return done;
      await this.apply(step);
      if (step.kind !== 'rest') done.push(step.kind);
      if (done.length > 20) throw new Error(`no end: ${done.join(', ')}`);
    }
  }

  isTrusted(leaf = this.leaf): boolean {
    const found = readCertificate(leaf?.cert);
    return found !== undefined && isTrusted(found, this.bundle, this.now);
  }
}

const settled = async (): Promise<World> => {
  const world = new World();
  await world.settle();
  return world;
};

t.test('from empty Secrets to a trusted leaf: authority, bundle, leaf', async (t) => {
  const world = new World();
  t.same(await world.settle(), ['make-authority', 'write-bundle', 'issue-leaf']);
  t.ok(world.isTrusted());
  const leaf = readCertificate(world.leaf?.cert);
  t.equal(
    leaf?.checkHost('castai-pod-pinner-webhook.castai-agent.svc'),
    'castai-pod-pinner-webhook.castai-agent.svc',
  );
  t.equal(leaf?.checkIP('127.0.0.1'), '127.0.0.1');
  t.equal(leaf?.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.ok((Date.parse(leaf?.validFrom ?? '') ?? 0) <= START - 10 * 60_000, 'clocks may be 10 minutes apart');
});

t.test('a leaf is renewed at two thirds of its life, by the same authority', async (t) => {
  const world = await settled();
  const before = world.leaf;
  world.now = START + 19 * DAY;
  t.equal(world.decide().kind, 'rest');
  world.now = START + 21 * DAY;
  t.same(await world.settle(), ['issue-leaf']);
  t.not(world.leaf?.cert, before?.cert);
  t.ok(world.isTrusted(before), 'the old one is still good');
});

t.test('an authority is replaced without a moment in which a leaf in use is not trusted', async (t) => {
  const world = await settled();
  const served: (Pair | undefined)[] = [world.leaf];
  const current = readCertificate(world.authority.current?.cert);
  // The leaf was renewed on the way there.
  world.now = (current ? renewalOf(current) : 0) - DAY;
  await world.settle();
  served[0] = world.leaf;
  world.now = (current ? renewalOf(current) : 0) + 1;
  const kinds: string[] = [];
  for (let at = 0; at < 20; at++) {
    const step = world.decide();
    if (step.reason === 'everything is in order') break;
    await world.apply(step);
    if (step.kind === 'issue-leaf') served.push(world.leaf);
    if (step.kind !== 'rest') kinds.push(step.kind);
    // A replica may serve the last but one leaf until the margin is over.
    const inUse = step.kind === 'retire' || kinds.includes('retire') ? served.slice(-1) : served.slice(-2);
    for (const leaf of inUse) t.ok(world.isTrusted(leaf), `${step.kind}: ${step.reason}`);
  }
  t.same(kinds, ['make-next', 'write-bundle', 'promote', 'issue-leaf', 'retire', 'write-bundle']);
  t.not(readCertificate(world.authority.current?.cert)?.subject, current?.subject);
});

const rows: readonly (readonly [string, (world: World) => void, readonly string[]])[] = [
  [
    'an overwritten caBundle is put right',
    (w) => {
      w.bundle = 'garbage';
    },
    ['write-bundle'],
  ],
  [
    'a caBundle with a stranger in it is put right',
    (w) => {
      w.bundle += w.leaf?.cert ?? '';
    },
    ['write-bundle'],
  ],
  [
    'a lost leaf is made anew',
    (w) => {
      w.leaf = undefined;
    },
    ['issue-leaf'],
  ],
  [
    'a leaf that is no certificate is made anew',
    (w) => {
      w.leaf = { cert: 'x', key: 'y' };
    },
    ['issue-leaf'],
  ],
  [
    'a lost authority is made anew, and the old one stays trusted until its leaf is out of use',
    (w) => {
      w.authority = { current: undefined, next: undefined, previous: '' };
    },
    ['make-authority', 'write-bundle', 'issue-leaf', 'retire', 'write-bundle'],
  ],
  [
    'everything lost is made anew',
    (w) => {
      w.authority = { current: undefined, next: undefined, previous: '' };
      w.leaf = undefined;
      w.bundle = '';
    },
    ['make-authority', 'write-bundle', 'issue-leaf'],
  ],
  [
    'an expired authority is replaced',
    (w) => {
      w.now = START + 400 * DAY;
    },
    ['make-authority', 'write-bundle', 'issue-leaf'],
  ],
];
for (const [says, spoil, kinds] of rows) {
  t.test(says, async (t) => {
    const world = await settled();
    spoil(world);
    t.same(await world.settle(), kinds);
    t.ok(world.isTrusted());
  });
}

t.test('killed after any write and started again, it ends the same, and never breaks trust', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), async (kills) => {
      const world = await settled();
      const current = readCertificate(world.authority.current?.cert);
      world.now = (current ? renewalOf(current) : 0) - DAY;
      await world.settle();
      world.now += 2 * DAY;
      for (const isKilled of kills) {
        const step = world.decide();
        if (step.reason === 'everything is in order') break;
        await world.apply(step);
        if (isKilled) world.restart();
        if (!world.isTrusted()) throw new Error(`not trusted after ${step.kind}`);
      }
      await world.settle();
      if (!world.isTrusted()) throw new Error('not trusted in the end');
      if (bundleOf(world.authority) !== world.bundle) throw new Error('the bundle is not settled');
      if (world.authority.previous !== '') throw new Error('the old authority is still there');
    }),
    { numRuns: 25 },
  );
});

t.test('clocks ten minutes apart: the next keeper leaves a new leaf the same time to spread', async (t) => {
  for (const apart of [600_000, -600_000]) {
    const world = await settled();
    world.authority = { ...world.authority, next: await makeAuthority(world.now, 365) };
    for (let step = world.decide(); step.reason !== 'the new leaf spreads'; step = world.decide())
      await world.apply(step);
    world.restart();
    world.now += apart;
    t.match(world.decide(), { kind: 'rest', until: world.now + policy.retireMs });
    await world.apply(world.decide());
    t.equal(world.decide().kind, 'retire');
    t.ok(world.isTrusted());
  }
});

t.test('Secrets carry it all', async (t) => {
  const { authority, leaf } = await settled();
  const previous = authority.current?.cert ?? '';
  const full: Authority = { ...authority, next: authority.current, previous };
  const secret = (data: Record<string, string>) => ({ metadata: { name: 's' }, data });
  t.same(readAuthority(secret(authorityData(full))), full);
  t.same(readLeaf(secret(leaf ? leafData(leaf) : {})), leaf);
  t.same(readAuthority({ metadata: { name: 's' } }), { current: undefined, next: undefined, previous: '' });
});
