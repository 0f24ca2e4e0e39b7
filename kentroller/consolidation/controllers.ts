import { type Features, isEnabled } from '../../api/features.ts';
import type { Controller } from '../../kube/controller/controller.ts';
import type { Options } from '../options.ts';
import { type ConsolidationOptions, createConsolidationController } from './controller.ts';
import { createExpiryWarningController } from './expirywarning.ts';

/** The controllers of nodes that go without a plan, as the options and the features in force have them. */
export const consolidationControllers = ({
  options,
  features,
  ...o
}: Omit<ConsolidationOptions, 'isEnabled' | 'schedulers'> & {
  readonly options: Options;
  readonly features: () => Features;
}): readonly Controller[] => {
  const { nodeConsolidationEnabled, nodeExpiryNotice, schedulerNames: schedulers } = options;
  const consolidation = createConsolidationController({
    ...o,
    schedulers,
    isEnabled: () => isEnabled(features(), 'nodeConsolidation', nodeConsolidationEnabled),
  });
  return nodeExpiryNotice > 0
    ? [consolidation, createExpiryWarningController({ ...o, schedulers, noticeMs: nodeExpiryNotice })]
    : [consolidation];
};
