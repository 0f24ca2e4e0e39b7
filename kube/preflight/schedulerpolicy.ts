import { isIP } from 'node:net';
import { parseGoDuration } from '../../api/duration.ts';
import { POD_PINNER } from '../../api/labels.ts';
import { type Check, fine, lacks, listed, note, unknown } from './check.ts';

/** An extender as KubeSchedulerConfiguration has it. */
export interface Extender {
  readonly urlPrefix?: string;
  readonly filterVerb?: string;
  readonly prioritizeVerb?: string;
  readonly bindVerb?: string;
  readonly preemptVerb?: string;
  readonly nodeCacheCapable?: boolean;
  readonly ignorable?: boolean;
  readonly httpTimeout?: string;
  readonly enableHTTPS?: boolean;
  readonly tlsConfig?: {
    readonly serverName?: string;
    readonly certFile?: string;
    readonly caFile?: string;
    readonly caData?: string;
    readonly insecure?: boolean;
  };
  readonly managedResources?: readonly unknown[];
  readonly weight?: number;
}

/** A KubeSchedulerConfiguration, and where it was found. */
export interface SchedulerPolicy {
  readonly where: string;
  readonly extenders?: readonly Extender[];
}

/** Longer than this, and every pod of the cluster waits noticeably for a pod pinner that hangs. */
const LONGEST_TIMEOUT_MS = 1000;
/** kube-scheduler's own, where the file says nothing. */
const DEFAULT_TIMEOUT = '5s';

/** By the name of its Service; where its cluster IP stands in the address, the certificate is for that name. */
const isOurs = ({ urlPrefix = '', tlsConfig }: Extender): boolean =>
  urlPrefix.includes(POD_PINNER) || (tlsConfig?.serverName?.includes(POD_PINNER) ?? false);

/** At an address that says of nobody whose it is, and asked as ours is. */
const mayBeOurs = ({ urlPrefix = '', filterVerb }: Extender): boolean => {
  const host = URL.canParse(urlPrefix) ? new URL(urlPrefix).hostname.replaceAll(/[[\]]/g, '') : '';
  return filterVerb === 'filter' && isIP(host) !== 0;
};

/** What would have pods wait, or land nowhere, when the pod pinner is gone. */
const faultsOf = (extender: Extender): readonly string[] => {
  const { httpTimeout = DEFAULT_TIMEOUT, managedResources = [] } = extender;
  const timeout = parseGoDuration(httpTimeout);
  return [
    ...(extender.ignorable === true ? [] : ['no ignorable: true, so no pod is scheduled while we are gone']),
    ...(timeout === undefined || timeout > LONGEST_TIMEOUT_MS || timeout <= 0
      ? [`httpTimeout ${httpTimeout}, so each pod waits that long for a pod pinner that hangs: set 300ms`]
      : []),
    ...(extender.filterVerb === 'filter' ? [] : ['no filterVerb: filter, so it is asked for nothing']),
    ...(managedResources.length > 0
      ? ['managedResources, so it is asked for no pod of a plan: leave them out']
      : []),
    ...(extender.enableHTTPS === true && extender.tlsConfig?.insecure === true
      ? ['tlsConfig.insecure, so whoever answers there says where pods may go: name a caFile instead']
      : []),
    ...(extender.bindVerb ? ['a bindVerb, so a pod waits for us to be bound: leave it out'] : []),
  ];
};

const remarksOf = (extender: Extender): readonly string[] => [
  ...(extender.nodeCacheCapable === true
    ? []
    : ['no nodeCacheCapable: true, so whole Nodes are sent for each pod']),
  ...(extender.prioritizeVerb ? ['a prioritizeVerb, which costs each pod a second call for nothing'] : []),
  ...(extender.enableHTTPS === true && !extender.tlsConfig?.caFile && !extender.tlsConfig?.caData
    ? ['no caFile, so only a certificate of an authority that the control plane knows anyway is believed']
    : []),
  ...(extender.enableHTTPS === true && extender.tlsConfig?.certFile
    ? []
    : ['no client certificate, so the NetworkPolicy alone keeps others away (docs/designs/0025-doors.md)']),
];

/** Whether a kube-scheduler's policy asks the pod pinner, and in a way that no pod is lost by. */
export const checkSchedulerPolicy = ({ where, extenders = [] }: SchedulerPolicy): Omit<Check, 'name'> => {
  const [ours, second] = extenders.filter(isOurs);
  const candidate = extenders.find(mayBeOurs);
  if (!ours && candidate) {
    const faults = faultsOf(candidate);
    const found = faults.length > 0 ? `, and it has ${listed(faults)}` : '';
    return unknown(
      `Whether the extender at ${candidate.urlPrefix} in ${where} is ours can't be seen${found}: write ${POD_PINNER}.<namespace>.svc as its tlsConfig.serverName.`,
    );
  }
  if (!ours) return note(`${where} has no extender of ours: pins hold without one.`);
  if (second) return lacks(`${where} has our extender twice, so each pod pays for it twice: leave one out.`);
  const faults = faultsOf(ours);
  if (faults.length > 0) return lacks(`Our extender in ${where} has ${listed(faults)}.`);
  const remarks = remarksOf(ours);
  return remarks.length > 0
    ? note(`Our extender in ${where} is safe; it has ${listed(remarks)}.`)
    : fine(`Our extender in ${where} is safe and authenticated.`);
};
