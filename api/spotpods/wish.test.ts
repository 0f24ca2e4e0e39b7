import t from 'tap';
import { SPOT } from '../labels.ts';
import type { Pod, PodSpec } from '../objects.ts';
import type { SpotMode } from './rules.ts';
import type { Side } from './split.ts';
import { hasWish, withoutWish, withWish } from './wish.ts';

const TYPE = 'karpenter.sh/capacity-type';
const zone = { key: 'zone', operator: 'In' as const, values: ['a'] };
const arm = { key: 'arch', operator: 'In' as const, values: ['arm64'] };
const containers = [{ name: 'c' }];
const terms = (...nodeSelectorTerms: readonly object[]) => ({
  requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
});

const specs: readonly (readonly [string, PodSpec])[] = [
  ['nothing of its own', { containers }],
  ['a toleration', { containers, tolerations: [{ key: 'gpu', operator: 'Exists' }] }],
  [
    'required affinity in two terms',
    {
      containers,
      affinity: { nodeAffinity: terms({ matchExpressions: [zone] }, { matchExpressions: [arm] }) } as never,
    },
  ],
  [
    'a term of fields, and an empty one',
    {
      containers,
      affinity: {
        nodeAffinity: terms({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }, {}),
      } as never,
    },
  ],
  [
    'preferred affinity, and affinity to pods',
    {
      containers,
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [zone] } },
          ],
        },
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] },
      },
    },
  ],
];
const wishes: readonly (readonly [Side, SpotMode])[] = [
  ['spot', 'preferred'],
  ['spot', 'required'],
  ['on-demand', 'preferred'],
  ['on-demand', 'required'],
];
for (const [what, spec] of specs) {
  for (const [side, mode] of wishes) {
    t.test(`a wish for ${side}, ${mode}, on a pod with ${what} comes and goes without a trace`, async (t) => {
      const pod: Pod = { metadata: { name: 'p' }, spec };
      const wished = { ...pod, spec: withWish(spec, side, mode) };
      t.equal(hasWish(pod, side), false);
      t.equal(hasWish(wished, side), true);
      t.equal(hasWish(wished, side === 'spot' ? 'on-demand' : 'spot'), false);
      t.same(withoutWish(wished, side), pod);
      t.same(withoutWish(pod, side), pod, 'and taking it from a pod without it changes nothing');
    });
  }
}

t.test(
  'every way that a pod may meet its affinity gets the requirement, and an empty term none',
  async (t) => {
    const spec = specs[3]?.[1] as PodSpec;
    const { affinity } = withWish(spec, 'on-demand', 'preferred');
    t.match(affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms, [
      { matchFields: [{ key: 'metadata.name' }], matchExpressions: [{ key: TYPE, operator: 'NotIn' }] },
      {},
    ]);
  },
);

t.test('an equal toleration of another webhook stays when ours goes', async (t) => {
  const toleration = { key: SPOT, operator: 'Exists' as const };
  const pod: Pod = {
    metadata: { name: 'p' },
    spec: { ...withWish({ containers }, 'spot', 'preferred'), nodeSelector: { [SPOT]: 'true' } },
  };
  const both = { ...pod, spec: { ...pod.spec, tolerations: [...(pod.spec.tolerations ?? []), toleration] } };
  t.same(withoutWish(both, 'spot').spec.tolerations, [toleration]);
  t.same(
    withoutWish({ ...both, spec: { ...both.spec, tolerations: [toleration] } }, 'on-demand').spec.tolerations,
    [toleration],
  );
});
