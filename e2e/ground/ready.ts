import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from '../../kube/testing/pace.ts';
import type { Identity } from './controlplane/pki.ts';

/** Time for a part of the ground to become ready on a busy machine; one that ends is noticed at once. */
export const READY_WITHIN_MS = 180_000;

/** Repeats `probe` until it returns true. Throws after `withinMs` at the machine's pace, with the last error as cause. */
export async function until(
  what: string,
  withinMs: number,
  probe: () => Promise<boolean>,
  everyMs = 50,
): Promise<void> {
  const deadline = new Deadline(withinMs);
  let cause: unknown;
  for (;;) {
    try {
      if (await probe()) return;
    } catch (error) {
      if (error instanceof GivenUp) throw error;
      cause = error;
    }
    if (deadline.isOver()) {
      throw new Error(
        `${what}: not within ${deadline.within() / 1000} s`,
        cause === undefined ? {} : { cause },
      );
    }
    await sleep(everyMs);
  }
}

/** Thrown by a probe to say that waiting is pointless. */
export class GivenUp extends Error {}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One GET over TLS as a client of the ground's own authority. Rejects when there is no connection. */
export function httpsGet(url: string, ca: Identity, client: Identity): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { ca: ca.certificate, cert: client.certificate, key: client.key, agent: false, timeout: 5_000 },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${url} does not answer`)));
    sent.on('error', reject);
    sent.end();
  });
}
