import { type Features, isEnabled } from '../../../api/features.ts';
import type { Options } from '../../options.ts';
import type { MigrationSettings } from '../state/state.ts';

const toMs = (seconds: number | undefined, defaultMs: number): number =>
  seconds === undefined ? defaultMs : seconds * 1000;

/** Settings of live migration: the options, overridden by the features in ConfigMaps. */
export const migrationSettings = (o: Options, features: Features): MigrationSettings => ({
  mode: isEnabled(features, 'liveMigration', true) ? o.liveMigration : 'never',
  answerTimeoutMs: toMs(features.liveMigration?.answerTimeoutSeconds, o.liveMigrationAnswerTimeout),
  timeoutMs: toMs(features.liveMigration?.timeoutSeconds, o.liveMigrationTimeout),
});
