import { makePod } from '../../testing/builders.ts';
import {
  type Case,
  checkCases,
  claim,
  drained,
  is,
  LARGE,
  limitedPool,
  move,
  on,
  provisioned,
  TYPE,
} from '../../testing/plancases.ts';

checkCases({
  // Limits, for all resources.
  ...Object.fromEntries(
    [
      ['cpu', '2', '0'],
      ['memory', '8Gi', '0'],
      ['pods', '30', '0'],
      ['nodes', '1', '0'],
      ['ephemeral-storage', '20Gi', '0'],
    ].flatMap(([resource = '', limit = '', used = '']): [string, Case][] => [
      [
        `a limit of ${resource} that is just met passes`,
        provisioned([makePod('p')], claim(), {
          nodePools: [limitedPool({ [resource]: limit }, { [resource]: used })],
        }),
      ],
      [
        `a limit of ${resource} holds`,
        {
          ...provisioned([makePod('p')], claim(), {
            nodePools: [limitedPool({ [resource]: limit }, { [resource]: '1' })],
          }),
          broken: ['NodePoolLimits'],
        },
      ],
    ]),
  ),
  'a limit holds for the largest machine that a claim may become': {
    ...provisioned([makePod('p')], claim([is(TYPE, 'm5.large', 'm5.xlarge'), ...LARGE.slice(1)]), {
      nodePools: [limitedPool({ cpu: '3' }, {})],
    }),
    broken: ['NodePoolLimits'],
  },
  'types that minValues ask for may be beyond a limit that the smallest meets': provisioned(
    [makePod('p')],
    claim([{ ...is(TYPE, 'm5.large', 'm5.xlarge'), minValues: 2 }, ...LARGE.slice(1)]),
    { nodePools: [limitedPool({ cpu: '2' }, {})] },
  ),
  'what goes makes no room under a limit: it goes after the new nodes have come': {
    ...drained([on('p', 'a')], { rest: { nodePools: [limitedPool({ cpu: '8' }, { cpu: '7800m' })] } }),
    broken: ['NodePoolLimits'],
    plan: {
      nodeClaimsToAdd: [claim()],
      nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }],
      podsToMigrate: [move('p', 'a', 'new')],
    },
  },
  'a NodePool that exceeds its limits may not grow, whatever goes': {
    ...drained([on('p', 'a')], { rest: { nodePools: [limitedPool({ cpu: '1' }, { cpu: '7800m' })] } }),
    broken: ['NodePoolLimits'],
    plan: {
      nodeClaimsToAdd: [claim()],
      nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }],
      podsToMigrate: [move('p', 'a', 'new')],
    },
  },
} satisfies Record<string, Case>);
