import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import type { User } from '@kubernetes/client-node/dist/config_types.js';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import { KubeError, messageOf } from '../errors.ts';
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

const MAX_REASON = 300;

/** The first line that a plugin wrote to its standard error. */
const whyPluginFailed = (error: unknown): string =>
  error instanceof SyntaxError
    ? 'it printed something else than an ExecCredential'
    : (messageOf(error).trim().split('\n', 1)[0] ?? '').slice(0, MAX_REASON);

const fromPlugin = (user: User): Credentials => {
  let plugin = new ExecAuth();
  return {
    identity: async () => {
      const options: RequestOptions = { headers: {} };
      try {
        await plugin.applyAuthentication(user, options);
      } catch (error) {
        // Without its cause: the error of a parser quotes what the plugin printed, which is a token.
        throw new KubeError(
          `the credential plugin ${user.exec?.command} of the kubeconfig failed: ${whyPluginFailed(error)}`,
          { kind: 'forbidden' },
        );
      }
      return {
        headers: options.headers as Record<string, string>,
        ...(options.cert && { cert: String(options.cert) }),
        ...(options.key && { key: String(options.key) }),
      };
    },
    renew: () => {
      plugin = new ExecAuth();
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
  if (user.impersonateUser) headers['impersonate-user'] = user.impersonateUser;
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

/** The credentials of a target: from a token file, a plugin, or the kubeconfig. */
export const credentialsOf = (target: Target): Credentials => {
  if (target.tokenFile) return fromFile(target.tokenFile);
  if (target.user.exec) return fromPlugin(target.user);
  return fromConfig(target.user);
};
