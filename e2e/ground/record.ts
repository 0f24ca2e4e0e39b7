import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend } from './backend.ts';

/** A ground's record for later processes: `attach`, `down`, the next `up`. */
export interface GroundRecord {
  readonly name: string;
  readonly backend: Backend;
  readonly server: string;
  readonly cloud: boolean;
  readonly realNode: boolean;
  /** The namespace's file; empty where the ground shares the host's network. */
  readonly namespace: string;
  readonly link: string;
  readonly linkIndex: number;
  readonly address: string;
  readonly hostAddress: string;
  /** The folder of the Docker engine that the ground has brought; undefined where it uses the machine's. */
  readonly engine?: string;
  /** Built programs by name. */
  readonly programs: Readonly<Record<string, string>>;
  /** The cgroup of its pods' processes, below every controller's root. */
  readonly cgroup: string;
  readonly isReady: boolean;
}

export function readRecord(dir: string): GroundRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'ground.json'), 'utf8')) as GroundRecord;
  } catch {
    return undefined;
  }
}

export function writeRecord(dir: string, record: GroundRecord): void {
  const path = join(dir, 'ground.json');
  writeFileSync(`${path}.part`, `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(`${path}.part`, path);
}

/** All grounds that have left a record, running or not. */
export function allRecords(root: string): GroundRecord[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    return [];
  }
  return names.flatMap((name) => readRecord(join(root, name)) ?? []);
}

/** The link of the last ground in that folder, which the next one tries first. */
export function lastLinkIndex(dir: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(dir, 'last.json'), 'utf8')) as GroundRecord).linkIndex;
  } catch {
    return undefined;
  }
}
