import { z } from 'zod';
import type { Credentials } from './credentials.ts';

/** Content of a registry, named by its digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The `repository` of a registry, such as `platform/precision-packer` at `registry.example.com`. */
export interface Target {
  readonly host: string;
  readonly repository: string;
  readonly credentials?: Credentials | undefined;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;
const challenge = z.object({
  realm: z.string(),
  service: z.string().optional(),
  scope: z.string().optional(),
});
const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() });

/** Raised when a registry refuses or does not answer. The message holds no credentials and no address of an upload. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
}

/**
 * Pushes blobs and manifests by the OCI distribution API
 * (https://github.com/opencontainers/distribution-spec/blob/main/spec.md). Plain http is spoken with loopback alone.
 */
export class RegistryClient {
  readonly #target: Target;
  readonly #origin: string;
  #authorization: string | undefined;

  constructor(target: Target) {
    if (!/^[a-z0-9]+([._/-]+[a-z0-9]+)*$/.test(target.repository))
      throw new RegistryError(
        `${target.repository} is no name of a repository: small letters, digits, -, _, . and /`,
      );
    this.#target = target;
    this.#origin = `${LOOPBACK.test(target.host) ? 'http' : 'https'}://${target.host}`;
  }

  /** Uploads content unless it is there. */
  async pushBlob(digest: string, content: globalThis.Blob): Promise<void> {
    const there = await this.#request('HEAD', `blobs/${digest}`, { allow: [404] });
    if (there.status === 200) return;
    const begun = await this.#request('POST', 'blobs/uploads/', {});
    const place = new URL(begun.headers.get('location') ?? '', `${this.#origin}/`);
    place.searchParams.set('digest', digest);
    await this.#send('PUT', place, `the upload of ${digest}`, {
      body: content,
      headers: { 'content-type': 'application/octet-stream' },
    });
  }

  /** Stores a manifest or an index under a tag or its digest. True when the registry links it to its `subject`. */
  async pushManifest(reference: string, mediaType: string, text: string): Promise<boolean> {
    const answer = await this.#request('PUT', `manifests/${reference}`, {
      body: new globalThis.Blob([text]),
      headers: { 'content-type': mediaType },
    });
    return answer.headers.has('oci-subject');
  }

  /** The text of a manifest, undefined when there is none. */
  async manifest(reference: string, mediaType: string): Promise<string | undefined> {
    const answer = await this.#request('GET', `manifests/${reference}`, {
      allow: [404],
      headers: { accept: mediaType },
    });
    return answer.status === 404 ? undefined : answer.text();
  }

  #request(method: string, path: string, options: Sent): Promise<Response> {
    const url = new URL(`/v2/${this.#target.repository}/${path}`, this.#origin);
    return this.#send(method, url, `${this.#target.repository}/${path}`, options);
  }

  async #send(method: string, url: URL, what: string, options: Sent): Promise<Response> {
    const answer = await this.#fetch(method, url, options);
    if (answer.status === 401 && url.origin === this.#origin) {
      this.#authorization = await this.#authorize(answer.headers.get('www-authenticate') ?? '');
      return this.#judged(await this.#fetch(method, url, options), method, what, options);
    }
    return this.#judged(answer, method, what, options);
  }

  async #judged(answer: Response, method: string, what: string, { allow = [] }: Sent): Promise<Response> {
    if (answer.ok || allow.includes(answer.status)) return answer;
    const text = answer.status < 300 || answer.status >= 400 ? await answer.text().catch(() => '') : '';
    const why = {
      401: 'log in to it',
      403: 'the account may not push there',
      413: 'it takes no content of that size',
    };
    const hint = why[answer.status as keyof typeof why] ?? codesIn(text);
    throw new RegistryError(`${this.#target.host} answers ${answer.status} to ${method} of ${what}: ${hint}`);
  }

  async #fetch(method: string, url: URL, { body, headers }: Sent): Promise<Response> {
    // An upload may go to another host, which is given no credentials: its address carries what it needs.
    const known = url.origin === this.#origin ? this.#authorization : undefined;
    try {
      return await fetch(url, {
        method,
        redirect: 'manual',
        headers: { ...headers, ...(known !== undefined && { authorization: known }) },
        ...(body && { body }),
      });
    } catch (cause) {
      throw new RegistryError(
        `${url.host} does not answer: is that the registry, and does it speak ${url.protocol.slice(0, -1)}?`,
        {
          cause,
        },
      );
    }
  }

  /** The value of the header by which the challenge is met. */
  async #authorize(text: string): Promise<string> {
    const { credentials, host } = this.#target;
    const basic =
      credentials &&
      `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
    if (/^basic\b/i.test(text)) {
      if (basic === undefined)
        throw new RegistryError(`${host} asks for a login, and there is none: docker login ${host}`);
      return basic;
    }
    const asked = challenge.safeParse(
      Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, k, v]) => [k, v])),
    );
    if (!/^bearer\b/i.test(text) || !asked.success)
      throw new RegistryError(`${host} asks for a login of a kind that is not known here`);
    const realm = new URL(asked.data.realm, this.#origin);
    if (realm.protocol !== 'https:' && realm.origin !== this.#origin)
      throw new RegistryError(
        `${host} sends its logins to ${realm.origin}, without TLS: nothing was sent there`,
      );
    if (asked.data.service !== undefined) realm.searchParams.set('service', asked.data.service);
    realm.searchParams.set('scope', `repository:${this.#target.repository}:pull,push`);
    const answer = await fetch(realm, {
      headers: { ...(basic !== undefined && { authorization: basic }) },
      redirect: 'error',
    });
    const parsed = tokenAnswer.safeParse(answer.ok ? await answer.json() : {});
    const token = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined;
    if (token === undefined)
      throw new RegistryError(
        `${realm.host} gives no token for ${host} (${answer.status}): docker login ${host}`,
      );
    return `Bearer ${token}`;
  }
}

interface Sent {
  readonly body?: globalThis.Blob;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are answers, not failures. */
  readonly allow?: readonly number[];
}

/** Codes of errors as the specification has them. */
const codesIn = (text: string): string => {
  const codes = [...text.matchAll(/"code"\s*:\s*"([A-Z_]+)"/g)].map(([, code]) => code);
  return codes.length > 0 ? codes.join(', ') : 'no reason given';
};
