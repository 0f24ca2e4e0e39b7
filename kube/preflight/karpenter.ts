import { NODE_CLAIMS, NODE_CLASSES, NODE_POOLS } from '../../api/resources.ts';
import { type Check, checkFound, fine, isSeen, lacks, listed, unknown } from './check.ts';
import type { ClusterFacts, DeploymentObject } from './facts.ts';
import { servedName } from './served.ts';

const OF_AUTO_MODE = 'eks.amazonaws.com';

const versionOf = ({ metadata, spec }: DeploymentObject): string =>
  metadata.labels?.['app.kubernetes.io/version'] ??
  /:v?(\d+\.\d+\.\d+)/.exec(spec?.template?.spec?.containers?.[0]?.image ?? '')?.[1] ??
  '';

const whereOf = ({ metadata }: DeploymentObject): string => `${metadata.namespace}/${metadata.name}`;

/** Whether the kinds that we write and read are served. */
export const checkServed = ({ served }: Pick<ClusterFacts, 'served'>): readonly Check[] =>
  checkFound('karpenter-crds', "Karpenter's kinds", served, (names) => {
    const missing = [NODE_POOLS, NODE_CLAIMS].filter((kind) => !names.has(servedName(kind)));
    const classes = NODE_CLASSES.filter((kind) => names.has(servedName(kind)));
    if (missing.length > 0) {
      return [
        lacks(
          `The cluster does not serve ${listed(missing.map(({ plural }) => plural))} of karpenter.sh/v1: install Karpenter 1.0 or newer with its CRDs.`,
        ),
      ];
    }
    return classes.length === 0
      ? [
          lacks(
            'The cluster serves no NodeClass that we know, of AWS, Azure, Google or kwok: install the CRDs of your cloud’s Karpenter.',
          ),
        ]
      : [fine(`karpenter.sh/v1 is served, with ${listed(classes.map(({ kind }) => kind))}.`)];
  });

const checkDeployment = ({ karpenter, served }: ClusterFacts): readonly Check[] =>
  checkFound('karpenter', 'Whether Karpenter runs', karpenter, (deployments) => {
    if (deployments.length === 0) {
      const isAutoMode =
        isSeen(served) && [...served.value].some((name) => name.endsWith(`.${OF_AUTO_MODE}`));
      return [
        isAutoMode
          ? fine('EKS Auto Mode runs Karpenter outside the cluster.')
          : unknown(
              'No Deployment is labelled app.kubernetes.io/name=karpenter, so whether Karpenter runs, and which version, is not known.',
            ),
      ];
    }
    return deployments.map((deployment) => {
      const [version, where] = [versionOf(deployment), whereOf(deployment)];
      if (/^v?0\./.test(version)) {
        return lacks(`Karpenter ${version} in ${where} is too old: update it to 1.0 or newer.`);
      }
      if ((deployment.status?.readyReplicas ?? 0) === 0) {
        return lacks(`Karpenter does not run: no replica of the Deployment ${where} is ready.`);
      }
      return version === ''
        ? unknown(`Karpenter runs in ${where}, but its image does not say which version it is.`)
        : fine(`Karpenter ${version} runs in ${where}.`);
    });
  });

/** Whether there is a NodePool that machines can be had from. */
export const checkPools = ({ pools }: Pick<ClusterFacts, 'pools'>): readonly Check[] =>
  checkFound('nodepools', 'NodePools', pools, (found) => {
    if (found.length === 0) {
      return [
        lacks(
          'There is no NodePool, so no machine can be bought: create one with a NodeClass of your cloud.',
        ),
      ];
    }
    const usable = found.filter(({ blocker }) => blocker === undefined);
    const blocked = found.flatMap(({ name, blocker }) => (blocker ? [`NodePool ${name} ${blocker}`] : []));
    return usable.length === 0
      ? [lacks(`No machine can be bought: ${listed(blocked, 3)}.`)]
      : [
          fine(
            `Machines can be bought for ${listed(usable.map(({ name }) => name))}${blocked.length > 0 ? `; ${listed(blocked, 3)}` : ''}.`,
          ),
        ];
  });

export const checkKarpenter = (facts: ClusterFacts): readonly Check[] => [
  ...checkServed(facts),
  ...checkDeployment(facts),
  ...checkPools(facts),
];
