import { type Features, isEnabled } from '../../../api/features.ts';
import type { Options } from '../../options.ts';
import type { MigrationSettings } from '../state/state.ts';

const ms = (seconds: number | undefined, otherwise: number): number =>
  seconds === undefined ? otherwise : seconds * 1000;

/** The options of live migration, with what ConfigMaps say on top. */
export const migrationSettings = (o: Options, features: Features): MigrationSettings => ({
  mode: isEnabled(features, 'liveMigration', true) ? o.liveMigration : 'never',
  answerTimeoutMs: ms(features.liveMigration?.answerTimeoutSeconds, o.liveMigrationAnswerTimeout),
  timeoutMs: ms(features.liveMigration?.timeoutSeconds, o.liveMigrationTimeout),
});
