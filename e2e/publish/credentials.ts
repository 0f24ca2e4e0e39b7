import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { valueAt } from '../../api/records/valueat.ts';
import { run } from '../ground/host/command.ts';

/** Credentials for a registry. An identity token is a password of the user `<token>`. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The parts of docker's config.json that we read; `docker login` and cloud helpers keep it. */
const configuration = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({
        auth: z.string().exactOptional(),
        username: z.string().exactOptional(),
        password: z.string().exactOptional(),
        identitytoken: z.string().exactOptional(),
      }),
    )
    .exactOptional(),
  credHelpers: z.record(z.string(), z.string()).exactOptional(),
  credsStore: z.string().exactOptional(),
});

const answer = z.object({ Username: z.string(), Secret: z.string() });

/** Asks a program such as docker-credential-ecr-login. */
export type Helper = (program: string, host: string) => Promise<string>;

const askHelper: Helper = (program, host) => run([program, 'get'], { input: host });

/**
 * The credentials for a registry's host in a config.json, undefined where it has none. Throws when the file is none or a
 * helper fails; no message holds a secret.
 */
export async function credentialsFor(
  host: string,
  file: string,
  ask: Helper = askHelper,
): Promise<Credentials | undefined> {
  if (!existsSync(file)) return undefined;
  const { auths, credHelpers, credsStore } = read(file);
  const helper = valueAt(credHelpers, host) ?? credsStore;
  if (helper !== undefined && /^[\w.-]+$/.test(helper)) {
    const program = `docker-credential-${helper}`;
    const text = await ask(program, host).catch(() => {
      throw new Error(`${program} gave no credentials for ${host}: log in to it, or remove it from ${file}`);
    });
    const { Username, Secret } = answer.parse(JSON.parse(text));
    return { username: Username, password: Secret };
  }
  const entry = valueAt(auths, host) ?? valueAt(auths, `https://${host}`);
  if (!entry) return undefined;
  if (entry.identitytoken) return { username: '<token>', password: entry.identitytoken };
  if (entry.username !== undefined) return { username: entry.username, password: entry.password ?? '' };
  const [, username, password] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(entry.auth ?? '', 'base64').toString()) ?? [];
  return username === undefined ? undefined : { username, password: password ?? '' };
}

function read(file: string): z.output<typeof configuration> {
  try {
    return configuration.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // Neither error is passed on: both quote the text, and there are passwords in it.
    throw new Error(`${file} is not what docker login writes: log in again`);
  }
}
