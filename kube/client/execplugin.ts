import { type ExecFileException, execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { valueAt } from '../../api/records/valueat.ts';
import type { Cluster, ExecPlugin } from './configentries.ts';

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What a plugin gives: a bearer token, or a client certificate with its key in PEM, or both. */
export interface PluginCredential {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Milliseconds since 1970; undefined where it never expires. */
  readonly expiresAt?: number;
}

/** Versions of the protocol that plugins speak; client-go dropped v1alpha1. */
const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
const MOST_BYTES = 1 << 20;
const LONGEST_REASON = 300;

const clusterInfo = async (cluster: Cluster): Promise<object> => {
  const { server, caData, caFile, tlsServerName, skipTLSVerify, pluginConfig } = cluster;
  const ca = caData ?? (caFile === undefined ? undefined : (await readFile(caFile)).toString('base64'));
  return {
    server,
    ...(ca !== undefined && { 'certificate-authority-data': ca }),
    ...(tlsServerName !== undefined && { 'tls-server-name': tlsServerName }),
    ...(skipTLSVerify && { 'insecure-skip-tls-verify': true }),
    ...(pluginConfig !== undefined && { config: pluginConfig }),
  };
};

/** The first line that a plugin wrote to its standard error, or how it ended. */
const reasonOf = (plugin: ExecPlugin, error: ExecFileException, stderr: string): string => {
  if (error.code === 'ENOENT') {
    const hint = plugin.installHint === undefined ? '' : `: ${plugin.installHint}`;
    return `it is not installed${hint}`;
  }
  const said = stderr.trim().split('\n', 1).join('').slice(0, LONGEST_REASON);
  return said === '' ? `it ended with ${error.signal ?? error.code}` : said;
};

/** Runs a plugin to its end and returns what it printed. */
const run = (plugin: ExecPlugin, env: Env): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = { env: { ...env }, maxBuffer: MOST_BYTES, encoding: 'utf8' as const };
    const child = execFile(plugin.command, plugin.args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(reasonOf(plugin, error, stderr)));
      else resolve(stdout);
    });
    // It is told that it is not interactive; one that reads all the same must not wait.
    child.stdin?.end();
  });

interface Answer {
  readonly kind?: unknown;
  readonly apiVersion?: unknown;
  readonly status?: Readonly<Record<string, unknown>>;
}

const parse = (text: string): Answer => {
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer === 'object' && answer !== null) return answer;
  } catch {
    // The parser's message quotes what may be a token.
  }
  return {};
};

const textIn = (status: Answer['status'], key: string): string | undefined => {
  const value = status && valueAt(status, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** Asks a credential plugin, by client-go's rules. Throws an Error with the reason, which quotes no credential. */
export const askPlugin = async (
  plugin: ExecPlugin,
  o: { readonly cluster: Cluster; readonly env: Env },
): Promise<PluginCredential> => {
  const { apiVersion } = plugin;
  if (!VERSIONS.includes(apiVersion)) {
    throw new Error(`its apiVersion '${apiVersion}' is not one of ${VERSIONS.join(', ')}`);
  }
  if (plugin.interactiveMode === 'Always') {
    throw new Error('it asks at a terminal, which is not passed on: get a token with it and use that');
  }
  const spec = {
    interactive: false,
    ...(plugin.provideClusterInfo && { cluster: await clusterInfo(o.cluster) }),
  };
  const answer = parse(
    await run(plugin, {
      ...o.env,
      ...Object.fromEntries(plugin.env.map(({ name, value }) => [name, value])),
      KUBERNETES_EXEC_INFO: JSON.stringify({ kind: 'ExecCredential', apiVersion, spec }),
    }),
  );
  if (answer.kind !== 'ExecCredential') throw new Error('it printed something else than an ExecCredential');
  if (answer.apiVersion !== apiVersion) {
    throw new Error(`it answered in another version than ${apiVersion}, which the kubeconfig names`);
  }
  const { status } = answer;
  const [token, cert, key] = ['token', 'clientCertificateData', 'clientKeyData'].map((each) =>
    textIn(status, each),
  );
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error('it gave only one of certificate and key');
  }
  if (token === undefined && cert === undefined) throw new Error('it gave no token and no certificate');
  const expires = Date.parse(textIn(status, 'expirationTimestamp') ?? '');
  return {
    ...(token !== undefined && { token }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(Number.isFinite(expires) && { expiresAt: expires }),
  };
};
