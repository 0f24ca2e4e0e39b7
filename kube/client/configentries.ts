import { dirname, resolve, sep } from 'node:path';
import { valueAt } from '../../api/records/valueat.ts';

/** A cluster of a kubeconfig. */
export interface Cluster {
  readonly name: string;
  readonly server: string;
  /** PEM in base64. */
  readonly caData?: string;
  readonly caFile?: string;
  readonly skipTLSVerify: boolean;
  readonly tlsServerName?: string;
  readonly proxyUrl?: string;
  /** What the kubeconfig holds for credential plugins about this cluster. */
  readonly pluginConfig?: unknown;
}

/** A program that gives credentials (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly interactiveMode?: string;
  readonly provideClusterInfo: boolean;
  readonly installHint?: string;
}

/** A user of a kubeconfig. */
export interface User {
  readonly name: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM in base64. */
  readonly certData?: string;
  readonly certFile?: string;
  readonly keyData?: string;
  readonly keyFile?: string;
  readonly exec?: ExecPlugin;
  readonly impersonateUser?: string;
  /** Fields that are set and that we can't follow. */
  readonly unusable: readonly string[];
}

/** A context of a kubeconfig: a cluster and a user by name. */
export interface Context {
  readonly name: string;
  readonly cluster: string;
  readonly user?: string;
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A field that is set to a text; an empty one counts as not set, as in client-go. */
const textAt = (fields: Fields, key: string): string | undefined => {
  const value = valueAt(fields, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

const textFields = <K extends string>(
  fields: Fields,
  keys: Readonly<Record<K, string>>,
): Partial<Record<K, string>> =>
  Object.fromEntries(
    Object.entries<string>(keys).flatMap(([to, from]) => {
      const text = textAt(fields, from);
      return text === undefined ? [] : [[to, text]];
    }),
  ) as Partial<Record<K, string>>;

/** Texts of which some are paths, relative to the kubeconfig's folder. */
const withPaths = <T extends object>(texts: T, keys: readonly (keyof T)[], file: string): T => ({
  ...texts,
  ...Object.fromEntries(
    keys.flatMap((key) =>
      typeof texts[key] === 'string' ? [[key, resolve(dirname(file), texts[key])]] : [],
    ),
  ),
});

const needed = (fields: Fields, key: string, where: string): string => {
  const text = textAt(fields, key);
  if (text === undefined) throw new Error(`${where} is missing`);
  return text;
};

/** An entry of a kubeconfig by name; read only if it is chosen, so that no other has to be whole. */
export interface Entry<T> {
  readonly name: string | undefined;
  /** Throws an Error that names what is missing. */
  readonly read: () => T;
}

/** The entries of one list of a kubeconfig's file. */
const entriesIn = <T>(
  list: unknown,
  read: (entry: Fields, name: string, at: number) => T,
): readonly Entry<T>[] =>
  listOf(list).map((value, at) => {
    const entry = fieldsOf(value);
    const name = textAt(entry, 'name');
    return { name, read: () => read(entry, name ?? '', at) };
  });

/** The name under which client-go reads a cluster's settings for plugins. */
const PLUGIN_EXTENSION = 'client.authentication.k8s.io/exec';

/** The clusters of a kubeconfig's file. */
export const clustersIn = (list: unknown, file: string): readonly Entry<Cluster>[] =>
  entriesIn(list, (entry, name, at) => {
    const fields = fieldsOf(entry.cluster);
    const texts = textFields(fields, {
      caData: 'certificate-authority-data',
      caFile: 'certificate-authority',
      tlsServerName: 'tls-server-name',
      proxyUrl: 'proxy-url',
    });
    const extension = listOf(fields.extensions)
      .map(fieldsOf)
      .find(({ name }) => name === PLUGIN_EXTENSION);
    return {
      name,
      server: needed(fields, 'server', `clusters[${at}].cluster.server`).replace(/\/$/, ''),
      skipTLSVerify: fields['insecure-skip-tls-verify'] === true,
      ...withPaths(texts, ['caFile'], file),
      ...(extension && { pluginConfig: extension.extension }),
    };
  });

/** A command with a separator is a path, as client-go has it; any other is looked for in PATH. */
const commandIn = (command: string, file: string): string =>
  command.includes(sep) ? resolve(dirname(file), command) : command;

const pluginOf = (value: unknown, where: string, file: string): ExecPlugin | undefined => {
  if (value === undefined || value === null) return undefined;
  const fields = fieldsOf(value);
  return {
    apiVersion: needed(fields, 'apiVersion', `${where}.apiVersion`),
    command: commandIn(needed(fields, 'command', `${where}.command`), file),
    args: listOf(fields.args).map(String),
    env: listOf(fields.env).map((each) => {
      const { name, value: text } = fieldsOf(each);
      return { name: String(name ?? ''), value: String(text ?? '') };
    }),
    provideClusterInfo: fields.provideClusterInfo === true,
    ...textFields(fields, { interactiveMode: 'interactiveMode', installHint: 'installHint' }),
  };
};

const UNUSABLE = ['auth-provider', 'as-groups', 'as-uid', 'as-user-extra'];

/** Whether a field holds anything: client-go takes null and empty texts, lists and maps for not set. */
const isSet = (value: unknown): boolean => {
  if (value === undefined || value === null || value === '') return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
};

/** The users of a kubeconfig's file. */
export const usersIn = (list: unknown, file: string): readonly Entry<User>[] =>
  entriesIn(list, (entry, name, at) => {
    const fields = fieldsOf(entry.user);
    const exec = pluginOf(fields.exec, `users[${at}].user.exec`, file);
    const texts = textFields(fields, {
      token: 'token',
      tokenFile: 'tokenFile',
      username: 'username',
      password: 'password',
      certData: 'client-certificate-data',
      certFile: 'client-certificate',
      keyData: 'client-key-data',
      keyFile: 'client-key',
      impersonateUser: 'as',
    });
    return {
      name,
      ...withPaths(texts, ['tokenFile', 'certFile', 'keyFile'], file),
      ...(exec && { exec }),
      unusable: UNUSABLE.filter((key) => isSet(valueAt(fields, key))),
    };
  });

/** The contexts of a kubeconfig's file. */
export const contextsIn = (list: unknown): readonly Entry<Context>[] =>
  entriesIn(list, (entry, name, at) => {
    const fields = fieldsOf(entry.context);
    return {
      name,
      cluster: needed(fields, 'cluster', `contexts[${at}].context.cluster`),
      ...textFields(fields, { user: 'user' }),
    };
  });
