import { z } from 'zod';
import { INTERRUPTION_MARK } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { readMark } from '../../api/text/readmark.ts';

/** The time within which a prediction comes true or not, and for which a label stays. */
export const HORIZON_MS = 30 * 60_000;
/** The most by which the clock of whoever wrote a time may be ahead of ours. */
const CLOCK_TOLERANCE_MS = 60_000;

/** What can be heard of one machine. A recommendation comes long before an end, or before none; the others are its end. */
export const SIGNAL_KINDS = [
  'rebalance-recommendation',
  'interruption',
  'reservation-interruption',
  'stopping',
  'terminating',
] as const;
export type SignalKind = (typeof SIGNAL_KINDS)[number];

/** Kinds that say that the cloud takes the machine back, as no user asked for. */
export const INTERRUPTIONS: ReadonlySet<SignalKind> = new Set(['interruption', 'reservation-interruption']);

/** One kind of signal about a node, when it came, in milliseconds since 1970. */
export interface Signal {
  readonly node: string;
  readonly kind: SignalKind;
  readonly at: number;
}

/** A model's probability, 0 to 1, that a node is taken back within the horizon. */
export interface Prediction {
  readonly node: string;
  readonly model: string;
  readonly probability: number;
  /** Of the node that the model was asked about: another one may have its name by now. */
  readonly uid?: string;
}

/** Whether a prediction is about this node, and not about one that had its name. */
export const isAbout = ({ node: name, uid }: Prediction, { metadata }: Node): boolean =>
  name === metadata.name && (uid === undefined || uid === metadata.uid);

/** The newest signal of each kind about one node. */
export type Heard = { readonly [K in SignalKind]?: number };

const markSchema = z.object({
  heard: z.partialRecord(z.enum(SIGNAL_KINDS), z.number()).exactOptional(),
  probability: z.number().exactOptional(),
  model: z.string().exactOptional(),
  until: z.number().exactOptional(),
});

/**
 * What a node itself keeps, so that neither a restart nor a message that is deleted loses it: signals, and the prediction
 * that its label stands for until `until`. Times in milliseconds since 1970.
 */
export interface InterruptionMark {
  readonly heard: Heard;
  readonly probability?: number;
  readonly model?: string;
  readonly until?: number;
}

/** What was heard by now: a time that is still to come is nobody's, but for what clocks differ by. */
export const heardBy = (heard: Heard, now: number): Heard =>
  Object.fromEntries(
    SIGNAL_KINDS.flatMap((kind) => {
      const at = heard[kind];
      return at !== undefined && at <= now + CLOCK_TOLERANCE_MS ? [[kind, Math.min(at, now)] as const] : [];
    }),
  ) as Heard;

/**
 * The mark of a node; undefined where it has none. Whoever may patch the node writes it, its own kubelet too: a spoiled one
 * counts as empty, a signal that is still to come as not there, and a label that would stay beyond its time as over.
 */
export const markOf = ({ metadata }: Node, now: number): InterruptionMark | undefined => {
  const text = metadata.annotations?.[INTERRUPTION_MARK];
  if (text === undefined) return undefined;
  const { data } = markSchema.safeParse(readMark(text));
  const { until } = data ?? {};
  const isTooLong = until !== undefined && until > now + HORIZON_MS + CLOCK_TOLERANCE_MS;
  return { ...data, heard: heardBy((data?.heard ?? {}) as Heard, now), ...(isTooLong && { until: now }) };
};

/** Both, the newest of each kind. */
export const mergeHeard = (a: Heard, b: Heard): Heard => {
  const all = SIGNAL_KINDS.flatMap((kind): [SignalKind, number][] => {
    const at = Math.max(a[kind] ?? Number.NEGATIVE_INFINITY, b[kind] ?? Number.NEGATIVE_INFINITY);
    return Number.isFinite(at) ? [[kind, at]] : [];
  });
  return Object.fromEntries(all) as Heard;
};
