import { readFile } from 'node:fs/promises';
import { KubeError, messageOf } from '../errors.ts';
import type { Cluster, ExecPlugin, User } from './configentries.ts';
import { askPlugin, type Env, type PluginCredential } from './execplugin.ts';
import type { Target } from './kubeconfig.ts';

/** Credentials of one request: headers, and a client certificate in PEM. */
export interface Identity {
  readonly headers: Readonly<Record<string, string>>;
  readonly cert?: string;
  readonly key?: string;
}

export interface Credentials {
  identity(): Promise<Identity>;
  /** Drops cached credentials that the server refused; false when there are no others. */
  renew(): boolean;
}

// The kubelet replaces a projected token at 80 % of its life; client-go, too, reads the file again each minute.
const TOKEN_MAX_AGE_MS = 60_000;

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

const fromFile = (path: string): Credentials => {
  let token: { readonly value: string; readonly readAt: number } | undefined;
  return {
    identity: async () => {
      if (!token || performance.now() - token.readAt > TOKEN_MAX_AGE_MS) {
        try {
          token = { value: (await readFile(path, 'utf8')).trim(), readAt: performance.now() };
        } catch (cause) {
          if (!token)
            throw new KubeError(
              `cannot read the token file ${path}; is the ServiceAccount's token mounted?`,
              {
                kind: 'forbidden',
                cause,
              },
            );
        }
      }
      return { headers: { authorization: `Bearer ${token?.value}` } };
    },
    renew: () => {
      token = undefined;
      return true;
    },
  };
};

/** Credentials of a plugin, kept until they expire. One run of it serves all requests that wait. */
const fromPlugin = (plugin: ExecPlugin, o: { readonly cluster: Cluster; readonly env: Env }): Credentials => {
  let known: Promise<PluginCredential> | undefined;
  const ask = async (): Promise<PluginCredential> => {
    try {
      return await askPlugin(plugin, o);
    } catch (error) {
      known = undefined;
      // Without its cause, which may hold what the plugin printed: a token.
      throw new KubeError(
        `the credential plugin ${plugin.command} of the kubeconfig failed: ${messageOf(error)}`,
        { kind: 'forbidden' },
      );
    }
  };
  const fresh = async (): Promise<PluginCredential> => {
    known ??= ask();
    const cached = known;
    const credential = await cached;
    if (credential.expiresAt === undefined || Date.now() < credential.expiresAt) return credential;
    // Another request may have asked already.
    if (known === cached) known = ask();
    return await (known ?? ask());
  };
  return {
    identity: async () => {
      const { token, cert, key } = await fresh();
      return {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
      };
    },
    renew: () => {
      known = undefined;
      return true;
    },
  };
};

const pem = async (data: string | undefined, file: string | undefined): Promise<string | undefined> => {
  if (data) return decode(data);
  return file ? await readFile(file, 'utf8') : undefined;
};

const fromConfig = (user: User): Credentials => {
  const headers: Record<string, string> = {};
  if (user.token) headers.authorization = `Bearer ${user.token}`;
  else if (user.username)
    headers.authorization = `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
  let known: Promise<Identity> | undefined;
  const load = async (): Promise<Identity> => {
    const cert = await pem(user.certData, user.certFile);
    const key = await pem(user.keyData, user.keyFile);
    return { headers, ...(cert && { cert }), ...(key && { key }) };
  };
  return {
    identity: () => {
      known ??= load();
      return known;
    },
    renew: () => {
      known = undefined;
      return user.certFile !== undefined;
    },
  };
};

/** The same credentials, in the name of another user. */
const actingAs = (credentials: Credentials, name: string): Credentials => ({
  ...credentials,
  identity: async () => {
    const identity = await credentials.identity();
    return { ...identity, headers: { ...identity.headers, 'impersonate-user': name } };
  },
});

/**
 * The credentials of a target: from a token file, a plugin, or the kubeconfig. `env` is the environment that a plugin
 * runs in.
 */
export const credentialsOf = ({ user, cluster }: Target, env: Env = {}): Credentials => {
  const own = user.tokenFile
    ? fromFile(user.tokenFile)
    : user.exec
      ? fromPlugin(user.exec, { cluster, env })
      : fromConfig(user);
  return user.impersonateUser ? actingAs(own, user.impersonateUser) : own;
};
