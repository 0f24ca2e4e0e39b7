import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter } from 'node:path';
import { hasUserinfo, withoutUserinfo } from '../component/secrettext.ts';
import { messageOf, OptionsError } from '../errors.ts';
import {
  type Cluster,
  type Context,
  clustersIn,
  contextsIn,
  type Entry,
  type User,
  usersIn,
} from './configentries.ts';

/** The API server's address and our credentials for it. */
export interface Target {
  readonly cluster: Cluster;
  readonly user: User;
  readonly context: Context;
}

interface RawConfig {
  readonly clusters?: unknown;
  readonly contexts?: unknown;
  readonly users?: unknown;
  readonly 'current-context'?: string;
}

interface Config {
  readonly clusters: readonly Entry<Cluster>[];
  readonly contexts: readonly Entry<Context>[];
  readonly users: readonly Entry<User>[];
  readonly current?: string;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Whether others could read what is sent to the server: plain http to another machine, not asked for. */
const isExposed = ({ server, skipTLSVerify }: Cluster): boolean => {
  const { protocol, hostname } = new URL(server);
  const isLocal = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  return protocol === 'http:' && !isLocal && !skipTLSVerify;
};

/** The first line of an error's message. */
const reasonOf = (e: unknown): string => messageOf(e).split('\n', 1).join('');

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new OptionsError(
      `cannot read the kubeconfig ${file}: ${reasonOf(cause)}; name an existing file by --kubeconfig, or without it by KUBECONFIG`,
      { cause },
    );
  }
};

/** What is read of a file, whose faults are told with its name. */
const readOf = <T>(file: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    // Without its cause, which quotes lines of the file.
    throw new OptionsError(
      `the kubeconfig ${file} is not valid: ${reasonOf(error)}; compare it with 'kubectl config view'`,
    );
  }
};

const parseFile = (file: string): Config => {
  const text = readText(file);
  const raw = readOf(file, () => {
    // Loaded lazily: the parser costs memory, and inside a cluster there is no kubeconfig.
    const yaml = createRequire(import.meta.url)('yaml') as typeof import('yaml');
    return (yaml.parse(text) ?? {}) as RawConfig;
  });
  const current = raw['current-context'];
  const inFile = <T>(entries: readonly Entry<T>[]): readonly Entry<T>[] =>
    entries.map(({ name, read }) => ({ name, read: () => readOf(file, read) }));
  return {
    clusters: inFile(clustersIn(raw.clusters, file)),
    users: inFile(usersIn(raw.users, file)),
    contexts: inFile(contextsIn(raw.contexts)),
    ...(current && { current }),
  };
};

/**
 * Reads a kubeconfig, or several joined by the path delimiter, of which the first to name a thing wins. Throws
 * OptionsError.
 */
export const readKubeconfig = (paths: string): Target => {
  const files = paths.split(delimiter).filter((p) => p !== '');
  const configs = files.map(parseFile);
  const current = configs.find((c) => c.current)?.current;
  const chosen = <T>(what: string, name: string | undefined, entries: readonly Entry<T>[]): T => {
    const entry = name === undefined ? undefined : entries.find((each) => each.name === name);
    if (entry) return entry.read();
    throw new OptionsError(
      `the kubeconfig ${files.join(', ')} has no ${what} '${name ?? ''}'; choose one with 'kubectl config use-context'`,
    );
  };
  const [contexts, clusters, users] = [
    configs.flatMap((c) => c.contexts),
    configs.flatMap((c) => c.clusters),
    configs.flatMap((c) => c.users),
  ];
  const context = chosen('context', current, contexts);
  const cluster = chosen('cluster', context.cluster, clusters);
  const user = chosen('user', context.user, users);
  if (!URL.canParse(cluster.server))
    throw new OptionsError(
      `the kubeconfig ${files.join(', ')} names the server '${withoutUserinfo(cluster.server)}', which is not a URL`,
    );
  if (hasUserinfo(cluster.server))
    throw new OptionsError(
      `the kubeconfig ${files.join(', ')} names the server with a user or a password: name the user under users`,
    );
  const unusable = cluster.proxyUrl ? 'proxy-url' : user.unusable[0];
  if (unusable)
    throw new OptionsError(
      `the kubeconfig ${files.join(', ')} uses ${unusable}, which is not supported: use a token, a certificate or an exec plugin`,
    );
  const hasCredentials = user.tokenFile ?? user.token ?? user.password ?? user.exec;
  if (hasCredentials && isExposed(cluster))
    throw new OptionsError(
      `the kubeconfig ${files.join(', ')} would send credentials to ${cluster.server} without TLS: use https, or set insecure-skip-tls-verify on the cluster to send them all the same`,
    );
  return { cluster, user, context };
};

/** The API server as a pod reaches it, through its ServiceAccount. Throws OptionsError outside of a pod. */
export const inCluster = (
  env: Readonly<Record<string, string | undefined>>,
  directory = SERVICE_ACCOUNT,
): Target => {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT ?? '443';
  if (!host)
    throw new OptionsError(
      'no cluster to talk to: set KUBECONFIG or --kubeconfig, or run in a pod with a ServiceAccount',
    );
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    cluster: { name: 'in-cluster', server, caFile: `${directory}/ca.crt`, skipTLSVerify: false },
    user: { name: 'service-account', tokenFile: `${directory}/token`, unusable: [] },
    context: { name: 'in-cluster', cluster: 'in-cluster', user: 'service-account' },
  };
};
