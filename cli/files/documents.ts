import { parseAllDocuments } from 'yaml';
import { parseJson } from '../../kube/doors/jsonscan.ts';
import { FileFormatError, utf8Of } from './bytes.ts';
import { spansOf } from './jsonvalues.ts';

/** A cluster's file may be as large as the cluster; no Kubernetes object is this deep. */
export const FILE_LIMITS = { depth: 100, values: Number.MAX_SAFE_INTEGER };

/** What stands in a file: documents one after the other. */
export interface Documents {
  readonly values: readonly unknown[];
  /** Lines of text beside them, such as a warning of kubectl. */
  readonly strangers: readonly string[];
}

const BRACES: ReadonlySet<number | undefined> = new Set([0x7b, 0x5b]);

/** The first line of the logs in the output of kubectl cluster-info dump. */
const LOGS = '==== START logs for container';

const isDump = (strangers: readonly string[]): boolean => strangers.some((line) => line.startsWith(LOGS));

const parsed = (bytes: Buffer): unknown => {
  try {
    return parseJson(bytes, FILE_LIMITS);
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'JsonBoundError') {
      throw new FileFormatError(`is not JSON: ${cause.message}`);
    }
    throw new FileFormatError('is not JSON: a part of it is damaged');
  }
};

const fromJson = (bytes: Buffer): Documents => {
  const { values, strangers, isWhole } = spansOf(bytes);
  if (isDump(strangers)) throw new FileFormatError('is the output of kubectl cluster-info dump');
  if (!isWhole) throw new FileFormatError('is not JSON: it ends too early');
  return { values: values.map(([from, to]) => parsed(bytes.subarray(from, to))), strangers };
};

const fromYaml = (text: string): Documents => {
  try {
    const documents = parseAllDocuments(text, { logLevel: 'silent', uniqueKeys: false });
    const list = Array.isArray(documents) ? documents : [];
    const broken = list.find(({ errors }) => errors.length > 0);
    const values = broken ? [] : list.map((document): unknown => document.toJS({ maxAliasCount: 100 }));
    return { values: values.filter((value) => typeof value === 'object' && value !== null), strangers: [] };
  } catch {
    // Aliases without end, or lists within lists: no file of kubectl.
    return { values: [], strangers: [] };
  }
};

/** Whether a line of the text begins a JSON value. */
const hasJsonLine = (bytes: Buffer): boolean => bytes.includes('\n{') || bytes.includes('\n[');

/**
 * The documents of a file: JSON or YAML, one or several after each other, whatever it is encoded in. Throws
 * FileFormatError.
 */
export const documentsOf = (raw: Buffer): Documents => {
  const bytes = utf8Of(raw);
  const first = bytes.findIndex((byte) => byte > 0x20);
  if (first < 0) throw new FileFormatError('is empty');
  if (BRACES.has(bytes[first])) return fromJson(bytes.subarray(first));
  const yaml = /^(apiVersion|kind|items|metadata|---|- )/m.test(bytes.subarray(0, 4096).toString('utf8'))
    ? fromYaml(bytes.toString('utf8'))
    : undefined;
  if (yaml && yaml.values.length > 0) return yaml;
  if (hasJsonLine(bytes)) {
    const found = fromJson(bytes);
    if (found.values.length > 0) return found;
  }
  throw new FileFormatError('is not JSON or YAML as kubectl prints it');
};
