import { z } from 'zod';
import type { Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { JsonBoundError, JsonScan, parseJson } from '../../kube/doors/jsonscan.ts';
import { isPlain, type NodeNames } from './nodenames.ts';

/** A body that kube-scheduler would not send; answered with 400. */
export class BadRequest extends Error {
  readonly statusCode = 400;
}

const pod = z.looseObject({
  metadata: z.looseObject({
    name: z.string().optional(),
    uid: z.string().optional(),
    ownerReferences: z.array(z.looseObject({ uid: z.string(), controller: z.boolean().nullish() })).nullish(),
  }),
});
const nodeList = z.looseObject({
  items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })).nullish(),
});
const filterArgs = z.object({
  Pod: pod,
  Nodes: nodeList.nullish(),
  // A schema per name would be too slow for the thousands of names in each call.
  NodeNames: z
    .custom<readonly string[]>(
      (names) => Array.isArray(names) && names.every((name) => typeof name === 'string'),
      'a list of names is expected',
    )
    .nullish(),
});
const bindArgs = z.object({
  PodName: z.string().min(1),
  PodNamespace: z.string().min(1),
  PodUID: z.string().min(1),
  Node: z.string().min(1),
});

type NodeList = z.output<typeof nodeList>;

/** A pod and its candidate nodes: as unparsed names, as names, or as Node objects. */
export type SchedulerArgs = { readonly pod: Pod } & (
  | { readonly kind: 'bytes'; readonly list: NodeNames; readonly answerFrom: number }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'nodes'; readonly names: readonly string[]; readonly nodes: NodeList }
);

const KEYS: Readonly<Record<string, string>> = Object.fromEntries(
  ['Pod', 'Nodes', 'NodeNames', 'PodName', 'PodNamespace', 'PodUID', 'Node'].map((key) => [
    key.toLowerCase(),
    key,
  ]),
);

// Go matches JSON keys in any case, so we do as well.
const anyCase = (body: unknown): unknown =>
  typeof body === 'object' && body !== null && !Array.isArray(body)
    ? Object.fromEntries(
        Object.entries(body).map(([key, value]) => [valueAt(KEYS, key.toLowerCase()) ?? key, value]),
      )
    : body;

const read = <S extends z.ZodType>(schema: S, body: Buffer): z.output<S> => {
  let value: unknown;
  try {
    value = parseJson(body);
  } catch (error) {
    if (error instanceof JsonBoundError) throw error;
    throw new BadRequest('the body is not JSON');
  }
  const result = schema.safeParse(anyCase(value));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue && issue.path.length > 0 ? issue.path.join('.') : 'the body';
  throw new BadRequest(`${where} is not valid for a kube-scheduler extender: ${issue?.message}`);
};

/** Reads the arguments of filter and prioritize with the JSON parser. Throws BadRequest. */
export const readAnyArgs = (body: Buffer): SchedulerArgs => {
  const args = read(filterArgs, body);
  const { Nodes: nodes, NodeNames: names } = args;
  const pod = args.Pod as unknown as Pod;
  if (names) return { kind: 'names', pod, names };
  if (nodes?.items)
    return { kind: 'nodes', pod, nodes, names: nodes.items.map(({ metadata }) => metadata.name) };
  throw new BadRequest('neither NodeNames nor Nodes is given');
};

/** The bytes between the pod and the names, as kube-scheduler writes them to a nodeCacheCapable extender. */
const NAMES_KEY = Buffer.from(',"Nodes":null,"NodeNames":[');
const CLOSING_BRACKET = 0x5d;
const CLOSING_BRACE = 0x7d;

/**
 * Reads arguments in kube-scheduler's own form, {"Pod":…,"Nodes":null,"NodeNames":[…]}, leaving the names unparsed;
 * undefined for any other form. The bytes before the names plus a brace must be complete JSON, which proves that the
 * key was not found inside the pod.
 */
const readPlainArgs = (body: Buffer): SchedulerArgs | undefined => {
  const { length } = body;
  if (body[length - 1] !== CLOSING_BRACE || body[length - 2] !== CLOSING_BRACKET) return undefined;
  const at = body.indexOf(NAMES_KEY);
  if (at < 0) return undefined;
  const list = { bytes: body, from: at + NAMES_KEY.length, to: length - 2 };
  if (list.from > list.to || !isPlain(list)) return undefined;
  let head: unknown;
  try {
    new JsonScan().push(body, 0, at);
    head = JSON.parse(`${body.toString('utf8', 0, at)}}`);
  } catch {
    return undefined;
  }
  if (typeof head !== 'object' || head === null || Object.keys(head).length !== 1) return undefined;
  const result = pod.safeParse((head as { readonly Pod?: unknown }).Pod);
  return result.success
    ? { kind: 'bytes', pod: result.data as unknown as Pod, list, answerFrom: at }
    : undefined;
};

/** Reads the arguments of filter and prioritize. Throws BadRequest with one sentence. */
export const readArgs = (body: Buffer): SchedulerArgs => readPlainArgs(body) ?? readAnyArgs(body);

export type BindingArgs = z.output<typeof bindArgs>;

export const readBinding = (body: Buffer): BindingArgs => read(bindArgs, body);
