import fc from 'fast-check';
import t from 'tap';
import { DAY, policy, rotated, Simulation, START } from '../testing/simulation.ts';
import { createAuthority } from './issue.ts';
import { type Authority, bundleOf } from './rotation.ts';
import { authorityData, leafData, readAuthority, readLeaf } from './secrets.ts';
import { type KeyPair, readCertificate, renewalTimeOf } from './x509.ts';

t.test('from empty Secrets to a trusted leaf: authority, bundle, leaf', async (t) => {
  const cluster = new Simulation();
  t.same(await cluster.rotate(), ['create-authority', 'write-bundle', 'issue-leaf', 'write-bundle']);
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
  t.same(await cluster.rotate(), ['issue-leaf', 'write-bundle', 'remove-path']);
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
    'write-bundle',
    'remove-previous',
    'write-bundle',
    'remove-path',
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
    'attack: a path that leads to a stranger is repaired at once',
    (w) => {
      w.path = '/stranger';
    },
    ['write-bundle'],
  ],
  [
    'a path without a random part, of an earlier release, is replaced',
    (w) => {
      w.path = '/mutate';
      w.leaf = w.leaf && { ...w.leaf, paths: ['/mutate'] };
    },
    ['issue-leaf', 'write-bundle', 'remove-path'],
  ],
  [
    'a lost leaf is issued again',
    (w) => {
      w.leaf = undefined;
    },
    ['issue-leaf', 'write-bundle', 'remove-path'],
  ],
  [
    'a leaf that is not a certificate is issued again',
    (w) => {
      w.leaf = { cert: 'x', key: 'y', paths: w.leaf?.paths ?? [] };
    },
    ['issue-leaf', 'write-bundle', 'remove-path'],
  ],
  [
    'a lost authority is created again, and the old one stays trusted until its leaf is out of use',
    (w) => {
      w.authority = { current: undefined, next: undefined, previous: '' };
    },
    [
      'create-authority',
      'write-bundle',
      'issue-leaf',
      'write-bundle',
      'remove-previous',
      'write-bundle',
      'remove-path',
    ],
  ],
  [
    'everything lost is created again',
    (w) => {
      w.authority = { current: undefined, next: undefined, previous: '' };
      w.leaf = undefined;
      w.bundle = '';
      w.path = '';
    },
    ['create-authority', 'write-bundle', 'issue-leaf', 'write-bundle'],
  ],
  [
    'an expired authority is replaced',
    (w) => {
      w.now = START + 400 * DAY;
    },
    ['create-authority', 'write-bundle', 'issue-leaf', 'write-bundle', 'remove-path'],
  ],
];
for (const [sentence, damage, kinds] of rows) {
  t.test(sentence, async (t) => {
    const cluster = await rotated();
    damage(cluster);
    t.same(await cluster.rotate(), kinds);
    t.ok(cluster.isTrusted());
    t.same(cluster.leaf?.paths, [cluster.path]);
    t.match(cluster.path, /^\/mutate\/[0-9a-f]{32}$/);
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
          if (!cluster.leaf?.paths.includes(cluster.path))
            throw new Error(`the path is not served after ${step.kind}`);
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
      t.match(cluster.decide(), { kind: 'write-bundle', bundle: cluster.bundle });
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
