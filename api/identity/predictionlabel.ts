import { INTERRUPTION_MARK, PREDICTED_INTERRUPTION } from '../labels.ts';
import { valueAt } from '../records/valueat.ts';
import { readMark } from '../text/readmark.ts';

type Marked = {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
};

/**
 * True for a node whose label PREDICTED_INTERRUPTION is ours: the annotation beside it says until when it stays. One that
 * only keeps what was heard says nothing of the label, which is a user's then, or another product's.
 */
export const hasOurPrediction = ({ metadata }: Marked): boolean => {
  if (valueAt(metadata.labels, PREDICTED_INTERRUPTION) !== 'true') return false;
  const mark = readMark(valueAt(metadata.annotations, INTERRUPTION_MARK));
  return typeof mark === 'object' && mark !== null && 'until' in mark && typeof mark.until === 'number';
};
